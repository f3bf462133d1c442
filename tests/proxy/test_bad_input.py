"""What is refused: each row of the table of bad inputs, with its exact status and code, and nothing passed on.

Everything is sent to real gateway processes, on uvicorn and on Daphne. The numbers in the claims are those of the
table's rows.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import selectors
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.gateway import Gateway
from tests.proxy.caller import (
    CAPABILITIES_KEY,
    LEGACY,
    META,
    MODERN,
    VERSION_KEY,
    Caller,
    Reply,
    read_all,
    send,
    send_on,
    send_raw,
)
from tests.proxy.conftest import SERVERS, TOKEN, Gateways, ServerName, events
from tests.proxy.recorder import UPSTREAM_SESSION, Recorder
from tests.waiting import wait_until

MAX_BODY = 4 * 1024 * 1024
RESERVED = range(-32768, -31999)
STANDARD_CODES = {-32700, -32600, -32601, -32602, -32603, -32020, -32022}
claim = pytest.mark.claim


def assert_refused(
    reply: Reply, status: int, code: int, message: str | None = None, recorder: Recorder | None = None
) -> None:
    """The whole shape of a no. With a recorder: nothing was passed on to the upstream either."""
    assert (reply.status, reply.error["code"]) == (status, code), reply.body
    if message is not None:
        assert message in reply.error["message"]
    assert reply.message["jsonrpc"] == "2.0"
    assert "id" in reply.message
    assert "result" not in reply.message
    assert reply.header("content-type") == "application/json"
    request_id = reply.header("x-request-id")
    assert request_id
    assert re.fullmatch(r"[0-9a-f]{32}", request_id)
    assert reply.error["data"]["request_id"] == request_id
    assert code in STANDARD_CODES or code not in RESERVED
    assert b"Traceback" not in reply.body
    if recorder is not None:
        assert recorder.forwarded == []


def tool_call(params: str, message_id: str = "1") -> bytes:
    """A call as text, so that it can hold what no JSON library writes."""
    return f'{{"jsonrpc":"2.0","id":{message_id},"method":"tools/call","params":{params}}}'.encode()


def arguments(text: str) -> bytes:
    return tool_call(f'{{"name":"echo","arguments":{text}}}')


# --- the body (1 to 10, 24) -------------------------------------------------------------------------------


def test_a_well_formed_call_passes(caller: Caller, recorder: Recorder) -> None:
    reply = caller.tool()
    assert reply.status == 200, reply.body
    assert reply.final["result"]["content"][0]["text"] == '{"text": "hello"}'
    assert [seen.method for seen in recorder.forwarded] == ["tools/call"]


@claim("bad-input.01")
@pytest.mark.parametrize("body", [b'{"jsonrpc":', b"", b"nonsense", b"\xef\xbb\xbf{}", b"{} {}"])
def test_a_body_that_is_no_json_is_refused(caller: Caller, recorder: Recorder, body: bytes) -> None:
    reply = caller.post(body or b" ")
    assert_refused(reply, 400, -32700, "Parse error", recorder)
    assert reply.message["id"] is None


@claim("bad-input.02")
@pytest.mark.parametrize("text", [b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xc0\xaf"])
def test_a_body_that_is_not_utf8_is_refused(caller: Caller, recorder: Recorder, text: bytes) -> None:
    body = arguments('{"text":"?"}').replace(b"?", text)
    assert_refused(caller.post(body), 400, -32700, recorder=recorder)


@claim("bad-input.03")
@pytest.mark.parametrize(
    "body",
    [
        b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', b"[]", b"42", b'"text"', b"null", b"true",
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{},"result":{}}',
        b'{"jsonrpc":"2.0","id":1}', b'{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}',
    ],
)  # fmt: skip
def test_only_one_message_is_taken(caller: Caller, recorder: Recorder, body: bytes) -> None:
    message = "Body must be a single JSON-RPC request or notification object"
    assert_refused(caller.post(body), 400, -32600, message, recorder)


@claim("bad-input.03")
def test_a_posted_response_is_no_request_in_the_modern_era(modern: Caller, recorder: Recorder) -> None:
    message = "Body must be a single JSON-RPC request or notification object"
    assert_refused(modern.post(b'{"jsonrpc":"2.0","id":1,"result":{}}'), 400, -32600, message, recorder)


@claim("bad-input.04")
@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', "id"),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"echo"}}', "method"),
        (tool_call('{"name":"echo","name":"wipe","arguments":{}}'), "name"),
        (tool_call('{"name":"echo","n\\u0061me":"wipe","arguments":{}}'), "name"),
        (arguments('{"text":"a","text":"b"}'), "text"),
        (arguments('{"deep":[{"x":{"y":1,"y":1}}]}'), "y"),
        (arguments('{"text":"a:b\\":","text":"{:::}"}'), "text"),
    ],
)
def test_a_duplicate_member_is_refused_at_any_depth(caller: Caller, recorder: Recorder, body: bytes, name: str) -> None:
    assert_refused(caller.post(body), 400, -32600, f"Duplicate JSON member '{name}'", recorder)


@claim("bad-input.05")
@pytest.mark.parametrize(
    ("params", "name"),
    [
        ('{"name":"echo","Name":"wipe","arguments":{}}', "Name"),
        ('{"name":"echo","arguments":{},"Arguments":{}}', "Arguments"),
        ('{"name":"echo","arguments":{},"tool":"wipe"}', "tool"),
    ],
)
def test_an_unknown_member_of_a_known_method_is_refused(
    caller: Caller, recorder: Recorder, params: str, name: str
) -> None:
    reply = caller.post(tool_call(params, '"mine"'))
    assert_refused(reply, 400, -32602, f"Unexpected member '{name}'", recorder)
    assert reply.message["id"] == "mine"


@claim("bad-input.05")
@pytest.mark.parametrize("name", ["Method", "ID", "Params", "extra"])
def test_an_unknown_member_of_the_envelope_is_refused(caller: Caller, recorder: Recorder, name: str) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo"}, name: "x"})
    assert_refused(caller.post(body.encode()), 400, -32600, f"Unexpected member '{name}'", recorder)


def test_meta_stays_open(modern: Caller, recorder: Recorder) -> None:
    reply = modern.request("tools/call", {"name": "echo", "arguments": {"text": "x"}, "_meta": {"test/Extra": [1]}})
    assert reply.status == 200, reply.body
    assert recorder.forwarded[0].message["params"]["_meta"]["test/Extra"] == [1]


@claim("bad-input.06")
@pytest.mark.parametrize("message_id", ["null", "1.5", "1.0", "1e2", "true", "{}", "[]"])
def test_an_id_that_is_no_string_or_integer_is_refused(caller: Caller, recorder: Recorder, message_id: str) -> None:
    body = tool_call('{"name":"echo","arguments":{}}', message_id)
    assert_refused(caller.post(body), 400, -32600, recorder=recorder)


@claim("bad-input.07")
@pytest.mark.parametrize(
    "message_id", [f'"{"x" * 257}"', str(2**53), str(-(2**53)), str(2**64), "9" * 300, f'"{"x" * 100_000}"']
)
def test_an_id_that_is_too_large_is_refused_and_not_repeated(
    caller: Caller, recorder: Recorder, message_id: str
) -> None:
    reply = caller.post(tool_call('{"name":"echo","arguments":{}}', message_id))
    assert_refused(reply, 400, -32600, "id too large", recorder)
    assert reply.message["id"] is None
    assert len(reply.body) < 500


@pytest.mark.parametrize("message_id", ["x" * 256, 2**53 - 1, -(2**53) + 1, 0, "1", ""])
def test_the_largest_ids_pass_and_keep_their_type(caller: Caller, message_id: Any) -> None:
    reply = caller.request("tools/call", {"name": "echo", "arguments": {"text": "x"}}, message_id)
    assert reply.status == 200, reply.body
    answered = reply.final["id"]
    assert (type(answered), answered) == (type(message_id), message_id)


@claim("bad-input.08")
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        arguments('{"deep":' + "[" * 62 + "]" * 62 + "}"),
        arguments('{"deep":' + '{"a":' * 900 + '"\\ud800"' + "}" * 900 + "}"),
    ],
    ids=["brackets", "objects", "closed-brackets", "just-over", "with-surrogate"],
)
def test_deep_nesting_is_refused(caller: Caller, recorder: Recorder, body: bytes) -> None:
    reply = caller.post(body)
    assert reply.error["code"] in (-32700, -32602)
    assert_refused(reply, 400, -32602 if b"ud800" in body else -32700, recorder=recorder)


def test_the_deepest_nesting_passes(caller: Caller) -> None:
    value: list[Any] = []
    for _ in range(60):
        value = [value]
    reply = caller.tool(arguments={"text": "x", "free": value})
    assert reply.status == 200, reply.body


@claim("bad-input.09")
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 400, "9" * 5000])
def test_a_number_that_is_none_is_refused(caller: Caller, recorder: Recorder, number: str) -> None:
    assert_refused(caller.post(arguments(f'{{"text":"x","n":{number}}}')), 400, -32700, recorder=recorder)


@claim("bad-input.10")
@pytest.mark.parametrize(
    "text", ['{"text":"\\ud800"}', '{"text":"\\udc00\\ud800"}', '{"\\udfff":1}', '{"text":["a",{"b":"x\\ud83dy"}]}']
)
def test_an_unpaired_surrogate_is_refused(caller: Caller, recorder: Recorder, text: str) -> None:
    assert_refused(caller.post(arguments(text)), 400, -32602, "Unpaired surrogate", recorder)


def test_a_paired_surrogate_passes(caller: Caller) -> None:
    reply = caller.tool(arguments={"text": "\N{GRINNING FACE}"})
    assert "\N{GRINNING FACE}" in reply.final["result"]["content"][0]["text"]


@claim("bad-input.24")
@pytest.mark.parametrize("value", ["[]", '"x"', "1", "null", "true"])
def test_arguments_that_are_no_object_are_refused(caller: Caller, recorder: Recorder, value: str) -> None:
    assert_refused(caller.post(arguments(value)), 400, -32602, recorder=recorder)


@claim("bad-input.24")
@pytest.mark.parametrize("value", ["[]", '["echo"]', '"x"', "1", "null"])
def test_params_that_are_no_object_are_refused(caller: Caller, recorder: Recorder, value: str) -> None:
    assert_refused(caller.post(tool_call(value)), 400, -32600, recorder=recorder)


@claim("bad-input.24")
@pytest.mark.parametrize("name", ["null", "1", '["echo"]', '{"a":1}'])
def test_a_name_that_is_no_text_is_refused(caller: Caller, recorder: Recorder, name: str) -> None:
    assert_refused(caller.post(tool_call(f'{{"name":{name},"arguments":{{}}}}')), 400, -32602, recorder=recorder)


@pytest.mark.parametrize("number", [2**63, 2**64 + 1, -(2**70), 10**300])
def test_large_integers_arrive_as_they_were_sent(caller: Caller, recorder: Recorder, number: int) -> None:
    reply = caller.tool(arguments={"text": "x", "large": number})
    assert reply.status == 200, reply.body
    assert recorder.forwarded[0].message["params"]["arguments"]["large"] == number


# --- the size of the request (11) -------------------------------------------------------------------------


def head_of(caller: Caller, *lines: str) -> bytes:
    usual = [f"{name}: {value}" for name, value in caller.usual_headers().items() if value is not None]
    return "\r\n".join([f"POST {caller.path} HTTP/1.1", *usual, *lines, "", ""]).encode()


def assert_413(answer: bytes) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0].startswith(b"http/1.1 413 "), answer[:200]
    assert b"connection: close" in lines
    assert body == b""


@claim("bad-input.11")
def test_a_body_that_is_announced_too_large_is_refused(modern: Caller, recorder: Recorder) -> None:
    before = refusals(modern.gateway, "body_too_large")
    assert_413(send_raw(modern.gateway.port, head_of(modern, f"Content-Length: {MAX_BODY + 1}")))
    assert recorder.forwarded == []
    assert refusals(modern.gateway, "body_too_large") == before + 1


@claim("bad-input.11")
def test_a_chunked_body_is_cut_where_it_grows_too_large(modern: Caller, recorder: Recorder) -> None:
    chunk = b"%x\r\n" % (MAX_BODY + 1) + b" " * (MAX_BODY + 1) + b"\r\n"
    answer, _ = send_until_cut(modern.gateway.port, [head_of(modern, "Transfer-Encoding: chunked"), chunk])
    assert_413(answer)
    assert recorder.forwarded == []


@claim("bad-input.11")
def test_an_unfinished_200_mib_body_is_never_stored(modern: Caller, recorder: Recorder) -> None:
    announced = head_of(modern, f"Content-Length: {200 * 1024 * 1024}")
    stored: list[int] = []

    def chunks() -> Iterator[bytes]:
        yield head_of(modern, "Transfer-Encoding: chunked")
        for number in range(200 * 16):
            if number % 16 == 0:
                stored.append(stored_bytes(modern.gateway))
            yield b"10000\r\n" + b" " * 65536 + b"\r\n"

    answer, _ = send_until_cut(modern.gateway.port, [announced, *[b" " * 65536] * 64])
    assert_413(answer)
    answer, sent = send_until_cut(modern.gateway.port, chunks())
    assert_413(answer)
    assert sent < 64 * 1024 * 1024
    assert max(stored) <= MAX_BODY + 2 * 65536
    assert recorder.forwarded == []


def test_a_body_of_just_the_limit_is_read(modern: Caller) -> None:
    modern = modern.with_(server="open")
    frame = len(modern.prepared("tools/call", {"name": "echo", "arguments": {"text": "x", "free": ""}})[0])
    reply = modern.tool(arguments={"text": "x", "free": "y" * (MAX_BODY - frame)})
    # The upstream repeats it, which makes an answer that is too large.
    assert_refused(reply, 502, -31004)
    reply = modern.tool(arguments={"text": "x", "free": "y" * (MAX_BODY - frame + 1)})
    assert (reply.status, reply.body) == (413, b"")


def send_until_cut(port: int, pieces: Any) -> tuple[bytes, int]:
    """What is answered, and how much was sent until the server closed the connection."""
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
                sent += len(piece)
        return read_all(connection), sent


def refusals(gateway: Gateway, kind: str) -> float:
    reply = send(
        gateway.port, "GET", "/metrics", [("Host", f"127.0.0.1:{gateway.port}"), ("Authorization", f"Bearer {TOKEN}")]
    )
    found = re.search(rb'^mcpgw_refusals_total\{code="%s"[^}]*\} (\S+)$' % kind.encode(), reply.body, re.MULTILINE)
    return float(found[1]) if found else 0.0


def stored_bytes(gateway: Gateway) -> int:
    """How much the gateway's processes hold in files of the folder for temporary ones."""
    folder, total = str(gateway.home / "tmp"), 0
    for pid in processes_of(gateway):
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                if os.readlink(link).startswith(folder):
                    total += link.stat().st_size
    return total


def processes_of(gateway: Gateway) -> list[int]:
    assert gateway.process is not None
    found, waiting = [], [gateway.process.pid]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        with contextlib.suppress(OSError):
            waiting += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found


# --- the headers (12 to 20) -------------------------------------------------------------------------------


@claim("bad-input.12")
@pytest.mark.parametrize("value", ["text/plain", None, "", "application/json-seq", "application/xml", "json"])
def test_another_content_type_is_refused(caller: Caller, recorder: Recorder, value: str | None) -> None:
    assert_refused(caller.tool(headers={"Content-Type": value}), 415, -32600, recorder=recorder)


def test_a_charset_beside_the_content_type_passes(caller: Caller) -> None:
    assert caller.tool(headers={"Content-Type": "Application/JSON; charset=utf-8"}).status == 200


@claim("bad-input.13")
@pytest.mark.parametrize("value", [None, "text/html", "application/json", "text/event-stream", ""])
def test_an_accept_header_without_both_types_is_refused(caller: Caller, recorder: Recorder, value: str | None) -> None:
    assert_refused(caller.tool(headers={"Accept": value}), 406, -32600, recorder=recorder)


def test_an_accept_header_in_two_lines_counts_as_one(caller: Caller) -> None:
    reply = caller.tool(headers={"Accept": "application/json"}, extra=[("Accept", "text/event-stream")])
    assert reply.status == 200, reply.body


def without_meta(caller: Caller, *keys: str) -> Reply:
    meta = {key: value for key, value in META.items() if key not in keys}
    params = {"name": "echo", "arguments": {"text": "x"}, **({"_meta": meta} if meta else {})}
    body = json.dumps({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params})
    return caller.post(body.encode(), headers={"Mcp-Method": "tools/call", "Mcp-Name": "echo"})


@claim("bad-input.14")
def test_a_modern_request_without_meta_is_refused(modern: Caller, recorder: Recorder) -> None:
    assert_refused(without_meta(modern, *META), 400, -32602, VERSION_KEY, recorder)
    assert_refused(without_meta(modern, VERSION_KEY), 400, -32602, VERSION_KEY, recorder)


@claim("bad-input.15")
def test_a_modern_request_without_capabilities_is_refused(modern: Caller, recorder: Recorder) -> None:
    reply = without_meta(modern, CAPABILITIES_KEY)
    assert_refused(reply, 400, -32602, CAPABILITIES_KEY, recorder)
    assert reply.message["id"] == 5


@claim("bad-input.16")
def test_an_unknown_version_is_refused_with_the_known_ones(modern: Caller, recorder: Recorder) -> None:
    params = {"name": "echo", "arguments": {"text": "x"}, "_meta": {VERSION_KEY: "1900-01-01"}}
    reply = modern.request("tools/call", params, headers={"MCP-Protocol-Version": "1900-01-01"})
    assert_refused(reply, 400, -32022, recorder=recorder)
    assert reply.error["data"]["requested"] == "1900-01-01"
    assert reply.error["data"]["supported"] == [MODERN]


@claim("bad-input.16")
def test_a_notification_of_an_unknown_version_is_refused(modern: Caller, recorder: Recorder) -> None:
    body = b'{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}'
    assert_refused(modern.post(body, headers={"MCP-Protocol-Version": "1900-01-01"}), 400, -32022, recorder=recorder)


@claim("bad-input.17")
def test_a_version_header_that_is_not_the_bodys_is_refused(modern: Caller, recorder: Recorder) -> None:
    params = {"name": "echo", "arguments": {"text": "x"}, "_meta": {VERSION_KEY: "1900-01-01"}}
    assert_refused(modern.request("tools/call", params), 400, -32020, recorder=recorder)
    legacy = modern.tool(headers={"MCP-Protocol-Version": LEGACY})
    assert_refused(legacy, 400, -32020, recorder=recorder)


@claim("bad-input.18")
@pytest.mark.parametrize(
    "headers",
    [
        {"Mcp-Method": None}, {"Mcp-Method": "tools/list"}, {"Mcp-Method": "TOOLS/CALL"}, {"Mcp-Method": ""},
        {"Mcp-Name": None}, {"Mcp-Name": "wipe"}, {"Mcp-Name": "Echo"}, {"Mcp-Name": ""},
    ],
)  # fmt: skip
def test_a_routing_header_that_is_not_the_bodys_is_refused(
    modern: Caller, recorder: Recorder, headers: dict[str, str | None]
) -> None:
    assert_refused(modern.tool(headers=headers), 400, -32020, recorder=recorder)


@claim("bad-input.18")
@pytest.mark.parametrize(
    ("name", "value"),
    [("Mcp-Method", "tools/call"), ("mcp-method", "tools/list"), ("Mcp-Name", "echo"), ("MCP-NAME", "wipe"),
     ("MCP-Protocol-Version", MODERN), ("Mcp-Param-Region", "eu")],
)  # fmt: skip
def test_a_routing_header_that_is_sent_twice_is_refused(
    modern: Caller, recorder: Recorder, name: str, value: str
) -> None:
    extra = [(name, value)] * (2 if "Param" in name else 1)
    assert_refused(modern.tool(extra=extra), 400, -32020, recorder=recorder)


@claim("bad-input.19")
@pytest.mark.parametrize("value", ["=?base64??=", "=?base64?!!!?=", "=?base64?ZWNobx==?=", "=?base64?/w==?="])
def test_a_malformed_encoded_header_is_refused(modern: Caller, recorder: Recorder, value: str) -> None:
    assert_refused(modern.tool(headers={"Mcp-Name": value}), 400, -32020, recorder=recorder)


def test_a_well_formed_encoded_header_passes(modern: Caller, recorder: Recorder) -> None:
    assert modern.tool(headers={"Mcp-Name": "=?base64?ZWNobw==?="}).status == 200
    assert recorder.forwarded[0].header("mcp-name") == "echo"


@claim("bad-input.20")
def test_a_modern_body_without_version_header_is_refused(modern: Caller, recorder: Recorder) -> None:
    reply = modern.tool(headers={"MCP-Protocol-Version": None})
    assert_refused(reply, 400, -32020, "missing MCP-Protocol-Version", recorder)


# --- methods, tools and arguments (21 to 28) --------------------------------------------------------------


@claim("bad-input.21")
def test_an_unknown_method_is_not_found(modern: Caller, recorder: Recorder) -> None:
    reply = modern.request("does/not-exist", {})
    assert (reply.status, reply.error["code"]) == (404, -32601)
    assert reply.message["id"] == 1


@claim("bad-input.22")
def test_unknown_forbidden_and_foreign_tools_are_one_answer(caller: Caller, recorder: Recorder) -> None:
    restricted = caller.with_(key="echo-only")
    asked = [
        (caller, "no_such_tool"),
        (caller, "globex_only"),  # another tenant has it
        (restricted, "wipe"),  # the server has it, and this key may not use it
        (restricted, "no_such_tool"),
    ]
    seen = [someone.tool(name).comparable(name) for someone, name in asked]
    assert all(each == seen[0] for each in seen)
    assert_refused(restricted.tool("wipe"), 400, -32602, "Unknown tool: wipe", recorder)
    assert restricted.tool("echo").status == 200


@claim("bad-input.22")
def test_a_list_that_cannot_be_had_lets_no_call_pass(caller: Caller, recorder: Recorder) -> None:
    """Only a server that says it has no list at all is asked without one."""
    assert_refused(caller.with_(server="list-failing").tool(), 502, -31001, recorder=recorder)
    assert caller.with_(server="list-absent").tool().status == 200
    assert [seen.path for seen in recorder.forwarded] == ["list-absent"]


@claim("bad-input.23")
@pytest.mark.parametrize(
    ("given", "pointer", "keyword"),
    [
        ({"text": "sk-secret-value-" + "x" * 40}, "/text", "maxLength"),
        ({"text": 987654321}, "/text", "type"),
        ({"text": "x", "count": -987654321}, "/count", "minimum"),
        ({"text": "x", "deep": {"a/b": [1, "sk-secret-value"]}}, "/deep/a~1b/1", "type"),
        ({"other": "sk-secret-value"}, "/", "required"),
    ],
)
def test_arguments_that_break_the_schema_are_a_tool_error_without_the_value(
    caller: Caller, recorder: Recorder, given: dict[str, Any], pointer: str, keyword: str
) -> None:
    reply = caller.tool(arguments=given)
    assert reply.status == 200, reply.body
    result = reply.final["result"]
    assert result["isError"] is True
    text = result["content"][0]["text"]
    assert f" {pointer} " in text
    assert keyword in text
    assert reply.header("x-request-id") in text
    assert b"sk-secret" not in reply.body
    assert b"987654321" not in reply.body
    assert recorder.forwarded == []


@claim("bad-input.25")
@pytest.mark.parametrize("http_method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_http_methods_are_refused_in_the_modern_era(modern: Caller, recorder: Recorder, http_method: str) -> None:
    reply = modern.post(b"", http_method=http_method)
    assert_refused(reply, 405, -32600, recorder=recorder)
    assert reply.header("allow") == "POST"


@claim("bad-input.25")
@pytest.mark.parametrize("http_method", ["GET", "DELETE", "PUT"])
def test_other_http_methods_need_a_session_in_the_legacy_era(
    legacy: Caller, recorder: Recorder, http_method: str
) -> None:
    reply = legacy.post(b"", http_method=http_method, headers={"Mcp-Session-Id": None})
    assert_refused(reply, 405, -32600, recorder=recorder)
    assert reply.header("allow") == "POST"


@claim("bad-input.26")
def test_unknown_foreign_and_changed_sessions_are_one_answer(legacy: Caller, recorder: Recorder) -> None:
    mine = legacy.session
    changed = mine[:-2] + ("A" if mine[-2] != "A" else "B") + mine[-1]
    sessions = {
        "unknown": "11112222-3333-4444-5555-666677778888",
        "of another key of the same person": legacy.with_(key="second").session,
        "of another person": legacy.with_(key="grace").session,
        "of another server": legacy.with_(server="secret", project="globex", key="other").session,
        "of another server of the same key": legacy.with_(server="held").session,
        "changed": changed,
        "cut": mine[:-1],
        "too long": "x" * 3000,
        "upstream's own": UPSTREAM_SESSION,
        "empty": "",
    }
    recorder.clear()
    assert legacy.tool().status == 200
    replies = {name: legacy.tool(headers={"Mcp-Session-Id": session}) for name, session in sessions.items()}
    for name, reply in replies.items():
        assert reply.comparable() == replies["unknown"].comparable(), name
    recorder.clear()
    assert_refused(legacy.tool(headers={"Mcp-Session-Id": changed}), 404, -32600, "Session not found", recorder)


@claim("bad-input.27")
@pytest.mark.parametrize("method", ["tools/list", "tools/call", "ping", "does/not-exist"])
def test_a_legacy_request_without_a_session_is_refused(legacy: Caller, recorder: Recorder, method: str) -> None:
    params = {"name": "echo", "arguments": {}} if method == "tools/call" else {}
    for version in (LEGACY, None):
        reply = legacy.request(method, params, headers={"Mcp-Session-Id": None, "MCP-Protocol-Version": version})
        assert_refused(reply, 400, -32600, "Missing session ID", recorder)


@claim("bad-input.28")
def test_a_notification_is_accepted_without_a_body(caller: Caller, recorder: Recorder) -> None:
    body = b'{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}'
    reply = caller.post(body)
    assert (reply.status, reply.body) == (202, b"")
    passed_on = ["notifications/roots/list_changed"] if caller.era == "legacy" else []
    assert [seen.method for seen in recorder.forwarded] == passed_on


# --- where the request comes from and goes to (29 to 31) --------------------------------------------------


@claim("bad-input.29")
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", "http://127.0.0.1", "http://127.0.0.1:1", "file://", "http://"]
)
def test_a_foreign_origin_is_refused(caller: Caller, recorder: Recorder, origin: str) -> None:
    reply = caller.tool(headers={"Origin": origin})
    assert_refused(reply, 403, -32600, "Origin not allowed", recorder)
    assert reply.message["id"] is None


@claim("bad-input.29")
def test_a_foreign_origin_beside_our_own_is_refused(caller: Caller, recorder: Recorder) -> None:
    for origins in (["https://evil.example", f"http://{caller.host}"], [f"http://{caller.host}", "null"]):
        reply = caller.tool(extra=[("Origin", origin) for origin in origins])
        assert_refused(reply, 403, -32600, "Origin not allowed", recorder)


def test_our_own_origin_passes(caller: Caller) -> None:
    assert caller.tool(headers={"Origin": f"http://{caller.host}"}).status == 200


@claim("bad-input.30")
def test_a_host_that_is_not_served_is_misdirected(caller: Caller, recorder: Recorder) -> None:
    assert_refused(caller.tool(headers={"Host": "evil.example"}), 421, -32600, recorder=recorder)
    assert_refused(caller.tool(headers={"Host": "127.0.0.1.evil.example"}), 421, -32600, recorder=recorder)


def request_lines(caller: Caller, hosts: list[str], *lines: str) -> bytes:
    """A whole, otherwise well-formed call as bytes, with these Host lines."""
    body, headers = caller.prepared("tools/call", {"name": "echo", "arguments": {"text": "x"}})
    usual = {**caller.usual_headers(), **headers, "Host": None, "Content-Length": str(len(body))}
    names = [f"{name}: {value}" for name, value in usual.items() if value is not None]
    top = [f"POST {caller.path} HTTP/1.1", *[f"Host: {host}" for host in hosts], *names, *lines, "Connection: close"]
    return "\r\n".join([*top, "", ""]).encode() + body


@claim("bad-input.30")
@pytest.mark.parametrize("kind", ["two", "same twice", "none", "path", "query", "user", "list", "empty", "space"])
def test_a_request_without_exactly_one_valid_host_is_refused(caller: Caller, recorder: Recorder, kind: str) -> None:
    host = caller.host
    hosts = {
        "two": [host, "evil.example"], "same twice": [host, host], "none": [], "path": ["a/b"],
        "query": [f"{host}?c"], "user": [f"me@{host}"], "list": [f"{host}, {host}"], "empty": [""],
        "space": [f"{host} x"],
    }[kind]  # fmt: skip
    answer = send_raw(caller.gateway.port, request_lines(caller, hosts))
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:200]
    assert recorder.forwarded == []


@claim("bad-input.31")
@pytest.mark.parametrize("name", ["mcp_name", "Mcp_Method", "x_forwarded_for", "Mcp-Session_Id", "authorization_"])
def test_a_header_name_with_an_underscore_is_refused(caller: Caller, recorder: Recorder, name: str) -> None:
    answer = send_raw(caller.gateway.port, request_lines(caller, [caller.host], f"{name}: echo"))
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:200]
    assert b"Invalid header name" in answer
    assert recorder.forwarded == []


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 5"),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding : chunked",),
        ("Content-Length: +5",),
        ("Content-Length: -5",),
        ("Content-Length: 5, 5",),
    ],
)
@claim("bad-input.smuggling")
def test_two_ways_to_read_the_length_are_refused(caller: Caller, recorder: Recorder, lines: tuple[str, ...]) -> None:
    head = head_of(caller, *lines)
    hidden = request_lines(caller, [caller.host])
    answer = send_raw(caller.gateway.port, head + b"0\r\n\r\n" + hidden, timeout=3)
    assert not answer or answer.startswith(b"HTTP/1.1 400 "), answer[:300]
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert recorder.forwarded == []


@claim("bad-input.headers")
def test_a_flood_of_headers_is_cut(caller: Caller, recorder: Recorder) -> None:
    floods = [[f"X-Long: {'x' * 65536}"], [f"X-{number}: y" for number in range(8000)]]
    for lines in floods:
        answer, _ = send_until_cut(caller.gateway.port, [request_lines(caller, [caller.host], *lines)])
        assert not answer or re.match(rb"HTTP/1\.1 4(00|31) ", answer), answer[:200]
    unfinished = [head_of(caller)[:-2], *[b"X-More: " + b"x" * 4000 + b"\r\n"] * 300]
    answer, _ = send_until_cut(caller.gateway.port, unfinished)
    assert not answer or re.match(rb"HTTP/1\.1 4(00|31) ", answer), answer[:200]
    assert recorder.forwarded == []
    assert caller.tool().status == 200


@claim("bad-input.half-open")
@pytest.mark.slow
def test_half_open_headers_are_cut_after_ten_seconds(gateways: Gateways) -> None:
    """Silent ones and ones that send a byte now and then alike."""
    started = time.monotonic()
    ended: dict[tuple[str, str], float] = {}
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        for server in SERVERS:
            for kind in ("silent", "nothing", "dripping"):
                address = ("127.0.0.1", gateways.main(server).port)
                connection = stack.enter_context(socket.create_connection(address, timeout=5))
                if kind != "nothing":
                    connection.sendall(b"POST /mcp/acme/well HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
                selector.register(connection, selectors.EVENT_READ, (server, kind))
        while len(ended) < 6 and time.monotonic() - started < 14:
            for key, _ in selector.select(1):
                with contextlib.suppress(ConnectionError):
                    assert isinstance(key.fileobj, socket.socket)
                    if key.fileobj.recv(1024).startswith(b"HTTP/1.1 200"):
                        pytest.fail("answered without a whole head")
                ended[key.data] = time.monotonic() - started
                selector.unregister(key.fileobj)
            for key in selector.get_map().values():
                if key.data[1] == "dripping":
                    with contextlib.suppress(ConnectionError):
                        assert isinstance(key.fileobj, socket.socket)
                        key.fileobj.sendall(b"x")
    assert len(ended) == 6, f"still open: only {sorted(ended)} ended"
    assert all(8 < seconds < 14 for seconds in ended.values()), ended


@pytest.mark.parametrize(
    "path",
    ["/mcp/acme%2fwell", "/mcp//acme/well", "/mcp/acme/../globex/secret", "/mcp/acme/./well", "/mcp/%61cme/well"],
)
@claim("bad-input.path")
def test_a_path_with_two_readings_is_refused(caller: Caller, recorder: Recorder, path: str) -> None:
    assert_refused(caller.tool(path=path), 400, -32600, "Invalid path", recorder)


def test_a_trailing_slash_changes_nothing(caller: Caller) -> None:
    assert caller.tool(path=caller.path + "/").status == 200


# --- who calls (32 to 39) ---------------------------------------------------------------------------------

JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEiLCJhdWQiOiJtY3AifQ."


@claim("bad-input.32")
@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"X-API-Key": ""},
                                     {"Authorization": "Basic YWRhOnB3"}])  # fmt: skip
def test_a_request_without_credential_is_refused(caller: Caller, recorder: Recorder, headers: dict[str, str]) -> None:
    reply = caller.with_(key=None, era="modern").tool(headers=headers)
    assert_refused(reply, 401, -31401, "Authentication required", recorder)
    assert reply.header("www-authenticate") == 'Bearer realm="mcp"'


def wrong_credentials(caller: Caller) -> dict[str, str]:
    good = caller.text
    other_secret = "mgw_" + caller.with_(key="second").text[4:14] + good[14:]
    return {
        "malformed": "mgw_nonsense",
        "wrong checksum": good[:-1] + ("a" if good[-1] != "a" else "b"),
        "cut": good[:-1],
        "unknown": "mgw_0000000000_0000000000000000000000000000000000000000000" + _crc("0" * 10, "0" * 43),
        "id of one and secret of another": other_secret[:-6] + _crc(other_secret[4:14], other_secret[15:-6]),
        "expired": caller.with_(key="expired").text,
        "revoked": caller.with_(key="revoked").text,
        "disabled": caller.with_(key="disabled").text,
        "token without signature": JWT,
        "not ASCII": good[:-1] + "\u00e9",
        "very long": "x" * 5000,
    }


def _crc(key_id: str, secret: str) -> str:
    from projects.keys import _checksum

    return _checksum(f"mgw_{key_id}_{secret}")


@claim("bad-input.33")
@claim("bad-input.36")
def test_all_bad_credentials_are_one_answer(modern: Caller, recorder: Recorder) -> None:
    replies = {
        f"{name} in {header}": modern.with_(key=None).tool(headers={header: prefix + text})
        for name, text in wrong_credentials(modern).items()
        for header, prefix in (("Authorization", "Bearer "), ("X-API-Key", ""), ("apikey", ""))
    }
    expected = next(iter(replies.values()))
    assert_refused(expected, 401, -31401, "Authentication required", recorder)
    assert expected.header("www-authenticate") == 'Bearer realm="mcp", error="invalid_token"'
    for name, reply in replies.items():
        assert reply.comparable() == expected.comparable(), name
    absent = modern.with_(key=None).tool()
    assert absent.comparable()[2] == expected.comparable()[2]


@claim("bad-input.34")
@pytest.mark.parametrize("name", ["access_token", "api_key", "apikey", "token", "anything"])
def test_a_key_in_the_url_is_refused_and_flagged(modern: Caller, recorder: Recorder, name: str) -> None:
    key = modern.text
    for someone in (modern, modern.with_(key=None)):
        reply = someone.tool(path=f"{modern.path}?{name}={key}")
        assert_refused(reply, 400, -31400, recorder=recorder)
        assert 'error="invalid_request"' in (reply.header("www-authenticate") or "")
        assert key.encode() not in reply.body
    assert_exposure_is_on_record(modern.gateway, reply, key)


@claim("bad-input.34")
def test_a_key_in_a_cookie_is_refused_and_flagged(modern: Caller, recorder: Recorder) -> None:
    reply = modern.tool(headers={"Cookie": f"session=1; key={modern.text}"})
    assert_refused(reply, 400, -31400, recorder=recorder)
    assert_exposure_is_on_record(modern.gateway, reply, modern.text)


@claim("bad-input.34")
def test_a_key_in_the_path_is_refused_and_flagged(modern: Caller, recorder: Recorder) -> None:
    reply = modern.tool(path=f"/mcp/{modern.text}/well")
    assert_refused(reply, 400, -31400, recorder=recorder)
    assert_exposure_is_on_record(modern.gateway, reply, modern.text)


def assert_exposure_is_on_record(gateway: Gateway, reply: Reply, key: str) -> None:
    request_id = reply.header("x-request-id") or ""
    [event] = wait_until(lambda: events(gateway, request_id))
    assert (event["reason"], event["actor_id"]) == ("exposed", key[4:14])
    assert key[15:] not in json.dumps(event, default=str)


@claim("bad-input.35")
def test_two_credentials_are_refused(modern: Caller, recorder: Recorder) -> None:
    key, second = modern.text, modern.with_(key="second").text
    for extra in (
        [("X-API-Key", second)], [("apikey", second)], [("Authorization", f"Bearer {second}")],
        [("Authorization", f"Bearer {key}")], [("X-API-Key", "")],
        [("X-API-Key", key), ("X-API-Key", key)],
    ):  # fmt: skip
        reply = modern.tool(extra=extra)
        assert_refused(reply, 400, -31400, recorder=recorder)
        assert 'error="invalid_request"' in (reply.header("www-authenticate") or "")


def test_the_same_credential_in_two_headers_passes(modern: Caller) -> None:
    assert modern.tool(extra=[("X-API-Key", modern.text)]).status == 200


@claim("bad-input.37")
def test_a_role_that_may_not_call_is_refused(modern: Caller, recorder: Recorder) -> None:
    reply = modern.with_(key="auditor").tool()
    assert_refused(reply, 403, -31403, recorder=recorder)
    challenge = reply.header("www-authenticate") or ""
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="mcp:tools:call"' in challenge


@claim("bad-input.38")
def test_a_key_from_a_foreign_address_is_refused_and_recorded(modern: Caller, recorder: Recorder) -> None:
    office = modern.with_(key="office")
    for extra in ([], [("X-Forwarded-For", "10.0.0.1")]):
        reply = office.tool(extra=extra)
        assert_refused(reply, 403, -31403, "Not allowed from this address", recorder)
    request_id = reply.header("x-request-id") or ""
    [event] = wait_until(lambda: events(modern.gateway, request_id))
    assert (event["reason"], event["actor_id"]) == ("address", office.text[4:14])


@claim("bad-input.39")
def test_foreign_and_unknown_projects_and_servers_are_one_answer(modern: Caller, recorder: Recorder) -> None:
    narrow = modern.with_(key="well-only")
    places = ["nobody", "globex", "globex/secret", "globex/well", "nobody/well", "acme/nobody"]
    paths = [f"/mcp/{place}" for place in places]
    replies = {path: modern.tool(path=path) for path in paths}
    replies |= {f"narrow {path}": narrow.tool(path=path) for path in [*paths, "/mcp/acme/held"]}
    assert_refused(replies["/mcp/nobody"], 404, -31404, "Not found", recorder)
    for name, reply in replies.items():
        assert reply.comparable() == replies["/mcp/nobody"].comparable(), name


# --- limits, the end, and the log (40 to 42) --------------------------------------------------------------


@claim("bad-input.40")
@pytest.mark.parametrize("server", SERVERS)
def test_too_many_calls_are_told_to_slow_down(gateways: Gateways, recorder: Recorder, server: ServerName) -> None:
    caller = Caller(gateways.limited(server), key="grace")
    replies = [caller.tool() for _ in range(30)]
    refused = [reply for reply in replies if reply.status != 200]
    passed = len(replies) - len(refused)
    assert 10 <= passed < 30
    assert len(recorder.forwarded) == passed
    for reply in refused:
        assert_refused(reply, 429, -31005)
        assert int(reply.header("retry-after") or "") >= 1
        assert reply.header("ratelimit-policy") == '"key";q=60;w=60'
        assert (reply.header("ratelimit") or "").startswith('"key";r=0;t=')
    assert Caller(gateways.limited(server), key="second").tool().status == 200


@pytest.fixture
def held(recorder: Recorder) -> Iterator[Recorder]:
    """The recorder with answers held back until release()."""
    recorder.hold()
    yield recorder
    recorder.release()


@claim("bad-input.41")
@pytest.mark.parametrize("server", SERVERS)
def test_a_full_gateway_says_so(gateways: Gateways, held: Recorder, server: ServerName) -> None:
    gateway = gateways.limited(server)
    caller, tenant = Caller(gateway, server="held", key="second"), Caller(gateway, project="globex", key="other")
    with ThreadPoolExecutor() as callers:
        waiting = callers.submit(caller.tool, arguments={"number": 1})
        held.await_seen(_is_call(1))
        reply = tenant.with_(server="secret").tool("globex_only")
        own = caller.tool(arguments={"number": 2})
        held.release()
        assert waiting.result().status == 200
    assert_refused(reply, 503, -31007)
    assert reply.header("retry-after") == "1"
    # Who holds the places is told to slow down, and only others that there is no room.
    assert_refused(own, 429, -31005)
    assert len(held.forwarded) == 1


def _is_call(number: int) -> Callable[[Any], bool]:
    return lambda seen: bool(seen.message.get("params", {}).get("arguments", {}).get("number") == number)


@claim("bad-input.41")
@pytest.mark.parametrize("server", SERVERS)
def test_a_stopping_gateway_finishes_calls_and_takes_no_new_ones(
    gateways: Gateways, held: Recorder, server: ServerName
) -> None:
    gateway = gateways.limited(server)
    caller = Caller(gateway, server="held", key="laptop")
    kept = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    assert _call_on(kept, caller.with_(server="well")).status == 200
    with ThreadPoolExecutor() as callers:
        waiting = callers.submit(caller.tool, arguments={"number": 1})
        held.await_seen(_is_call(1))
        assert gateway.process is not None
        gateway.process.terminate()
        reply = wait_until(lambda: _refused_on(kept, caller), 4)
        forwarded = len(held.forwarded)
        held.release()
        assert waiting.result().status == 200
    if isinstance(reply, Reply):
        assert_refused(reply, 503, -31007)
        assert reply.header("retry-after")
    assert all(_is_call(1)(seen) or seen.path == "well" for seen in held.forwarded[:forwarded])
    assert gateway.process.wait(10) == 0


def _call_on(connection: http.client.HTTPConnection, caller: Caller) -> Reply:
    body, headers = caller.prepared("tools/call", {"name": "echo", "arguments": {"text": "new"}})
    usual = {**caller.usual_headers(), **headers}
    return send_on(connection, "POST", caller.path, [(name, value) for name, value in usual.items() if value], body)


def _refused_on(connection: http.client.HTTPConnection, caller: Caller) -> Reply | bool:
    """False while calls are still taken on the connection; True when it was closed; else the refusal."""
    try:
        reply = _call_on(connection, caller.with_(server="well"))
    except (http.client.HTTPException, OSError):
        return True
    return reply if reply.status == 503 else False


@claim("bad-input.42")
def test_without_the_audit_log_nothing_is_passed_on(modern: Caller, recorder: Recorder) -> None:
    caller = modern
    assert caller.tool().status == 200
    recorder.clear()
    with locked_database(caller.gateway):
        started = time.monotonic()
        reply = caller.tool(arguments={"text": "unrecorded"})
        assert 1 < time.monotonic() - started < 2
        assert_refused(reply, 503, -31006, recorder=recorder)
        assert reply.header("retry-after")
    after = wait_until(lambda: (again := caller.tool()).status == 200 and again)
    assert after.final["result"]
    assert all(b"unrecorded" not in seen.body for seen in recorder.forwarded)


@contextlib.contextmanager
def locked_database(gateway: Gateway) -> Iterator[None]:
    """Nobody else can write while it lasts."""
    database = sqlite3.connect(gateway.home / "gateway.sqlite3", isolation_level=None, timeout=10)
    try:
        database.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        database.close()


# --- upstreams that fail (43 to 46) -----------------------------------------------------------------------


def assert_failed(reply: Reply, status: int, code: int) -> None:
    """A failure says what kind it is, and nothing of where the upstream is or what it said."""
    assert_refused(reply, status, code)
    assert reply.message["id"] == 1
    for detail in (b"127.0.0", b"Connection", b"egress", b"aiohttp", b"nginx", b"upstream-secret", b"who are you"):
        assert detail not in reply.body
    assert reply.header("www-authenticate") is None
    assert reply.header("location") is None


def outcome(caller: Caller, reply: Reply) -> dict[str, Any]:
    found = [event for event in events(caller.gateway, reply.header("x-request-id") or "")
             if event["kind"] == "mcp.call.outcome"]  # fmt: skip
    assert len(found) == 1
    return found[0]


@claim("bad-input.43")
@pytest.mark.parametrize("server", ["refused", "denied"])
def test_an_upstream_that_cannot_be_reached_is_unavailable(caller: Caller, server: str) -> None:
    # A legacy call has no session there, and its `initialize` meets the same fate.
    someone = caller.with_(server=server)
    reply = someone.tool() if caller.era == "modern" else someone.initialize()
    assert (reply.status, reply.error["code"]) == (502, -31001), reply.body
    assert b"127.0.0" not in reply.body
    event = outcome(caller, reply)
    assert event["decision"] == "failed"
    assert ("egress denied" in event["reason"]) == (server == "denied")


@claim("bad-input.43")
@pytest.mark.parametrize("server", ["unauthorized", "broken", "all-broken"])
def test_an_upstream_that_does_not_serve_us_is_unavailable(caller: Caller, server: str) -> None:
    someone = caller.with_(server=server)
    reply = someone.initialize() if caller.era == "legacy" and server.startswith("all-") else someone.tool()
    assert (reply.status, reply.error["code"]) == (502, -31001), reply.body
    assert_refused(reply, 502, -31001)
    assert b"upstream-secret" not in reply.body
    assert reply.header("www-authenticate") is None


@claim("bad-input.44")
@pytest.mark.parametrize("server", ["silent", "all-silent"])
def test_a_silent_upstream_is_given_up(modern: Caller, server: str) -> None:
    started = time.monotonic()
    reply = modern.with_(server=server).tool()
    assert_failed(reply, 504, -31002)
    assert 0.9 < time.monotonic() - started < 8


@claim("bad-input.44")
def test_a_legacy_upstream_is_told_that_a_call_was_given_up(legacy: Caller, recorder: Recorder) -> None:
    reply = legacy.with_(server="silent").request(
        "tools/call", {"name": "echo", "arguments": {}}, message_id="the-late-one"
    )
    assert_refused(reply, 504, -31002)
    told = recorder.await_seen(lambda seen: seen.method == "notifications/cancelled")
    assert told.message["params"]["requestId"] == "the-late-one"
    assert "id" not in told.message
    assert told.header("mcp-session-id") == UPSTREAM_SESSION
    assert told.header("mcp-protocol-version") == LEGACY


@claim("bad-input.44")
def test_a_stream_that_falls_silent_ends_with_the_refusal(caller: Caller) -> None:
    reply = caller.with_(server="stream-silent").tool()
    assert reply.status == 200
    assert reply.final["error"]["code"] == -31002
    assert reply.final["id"] == 1


@claim("bad-input.45")
@pytest.mark.parametrize(
    "server", ["garbage", "empty", "wrong-id", "no-id", "both", "html", "redirect", "redirect-answer", "twice", "batch"]
)
def test_an_answer_that_is_none_is_refused(caller: Caller, recorder: Recorder, server: str) -> None:
    assert_failed(caller.with_(server=server).tool(), 502, -31003)
    assert [seen.path for seen in recorder.forwarded] == [server], "no redirect is followed, nothing is tried twice"


@claim("bad-input.45")
@pytest.mark.parametrize("server", ["all-html", "all-redirect-answer", "all-wrong-id", "raw"])
def test_an_upstream_that_speaks_nothing_we_know_is_refused(caller: Caller, server: str) -> None:
    someone = caller.with_(server=server)
    reply = someone.tool() if caller.era == "modern" else someone.initialize()
    assert (reply.status, reply.error["code"]) == (502, -31003), reply.body


@claim("bad-input.45")
@pytest.mark.parametrize("server", ["stream-wrong-id", "stream-garbage"])
def test_a_stream_with_an_invalid_event_ends_with_the_refusal(caller: Caller, server: str) -> None:
    reply = caller.with_(server=server).tool()
    assert reply.status == 200
    assert len(reply.events) == 1
    assert reply.final["error"]["code"] == -31003
    assert reply.final["error"]["data"]["request_id"] == reply.header("x-request-id")
    assert reply.final["id"] == 1


@claim("bad-input.45")
def test_of_two_responses_in_a_stream_only_the_first_is_passed_on(caller: Caller) -> None:
    reply = caller.with_(server="stream-twice").tool()
    assert [event["result"]["content"][0]["text"] for event in reply.events] == ["done"]


@claim("bad-input.45")
def test_a_stream_that_ends_without_an_answer_is_unavailable(caller: Caller) -> None:
    reply = caller.with_(server="stream-cut").tool()
    assert reply.final["error"]["code"] == -31001


@claim("bad-input.46")
@pytest.mark.parametrize("server", ["large-announced", "large-chunked", "gzip"])
def test_an_answer_that_is_too_large_is_refused(caller: Caller, server: str) -> None:
    assert_failed(caller.with_(server=server).tool(), 502, -31004)


@claim("bad-input.46")
def test_an_endless_line_is_cut(caller: Caller) -> None:
    reply = caller.with_(server="stream-endless-line").tool()
    assert reply.status == 200
    assert [event["error"]["code"] for event in reply.events] == [-31004]


def test_a_misbehaving_upstream_costs_only_its_own_calls(modern: Caller) -> None:
    with ThreadPoolExecutor(8) as callers:
        silent = [callers.submit(modern.with_(server="silent").tool) for _ in range(8)]
        assert modern.tool().status == 200
        assert not all(call.done() for call in silent), "and does not wait for them"
        assert {call.result().status for call in silent} == {504}
