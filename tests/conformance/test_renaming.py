"""The renaming changes the names of one server and no other byte."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conformance.renaming import Renaming

pytestmark = pytest.mark.claim("conformance.shim")
HEAD = b"Host: x\r\nMcp-Name:  %s  \r\ncontent-length: %d\r\n\r\n"


def request(method: str, params: object, name: bytes) -> tuple[bytes, dict[str, object]]:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    head, body = Renaming("http").request(HEAD % (name, len(body)), body)
    assert b"content-length: %d\r\n" % len(body) in head
    return head.split(b"\r\n")[1], json.loads(body)["params"]


def test_a_name_gets_its_prefix_in_body_and_header() -> None:
    assert request("tools/call", {"name": "a"}, b"a") == (b"Mcp-Name:  http__a  ", {"name": "http__a"})
    assert request("prompts/get", {"name": "a"}, b"b")[0] == b"Mcp-Name:  http__b  "
    assert request("tools/call", {"name": "a"}, b"=?base64?YQ==?=")[0] == b"Mcp-Name:  =?base64?aHR0cF9fYQ==?=  "
    reference = {"ref": {"type": "ref/prompt", "name": "a"}}
    assert request("completion/complete", reference, b"x")[1] == {"ref": {"type": "ref/prompt", "name": "http__a"}}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"method":"tools/call","params":7}',
                                  b'{"method":"resources/read","params":{"uri":"a:b","name":"x"}}'])  # fmt: skip
def test_anything_else_passes_as_it_is(body: bytes) -> None:
    head = HEAD % (b"a", len(body))
    assert Renaming("http").request(head, body) == (head, body)


ANSWER = (
    b'data: {"result":{"tools":[{"name":"http__one","description":"http__one"}],"contents":[{"uri":"mcp+http+a:b"}],'
    b'"resourceTemplates":[{"uriTemplate":"mcp+http+a:{b}","name":"other__two"}]}}\n\n'
)


@given(st.lists(st.integers(0, len(ANSWER)), max_size=12))
def test_an_answer_is_renamed_wherever_it_is_cut(cuts: list[int]) -> None:
    rename = Renaming("http").answers()
    places = [0, *sorted(cuts), len(ANSWER)]
    pieces = [ANSWER[start:end] for start, end in pairwise(places) if end > start]
    answer = b"".join(map(rename, pieces))
    assert len(answer) == len(ANSWER)
    assert json.loads(answer[6:])["result"] == {
        "tools": [{"name": "one", "description": "http__one"}],
        "contents": [{"uri": "a:b"}],
        "resourceTemplates": [{"uriTemplate": "a:{b}", "name": "other__two"}],
    }
