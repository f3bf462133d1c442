"""What the log calls a call: no text of a caller's that the guardrails find, or have not seen, stands in it."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

import pytest

from audit.naming import digest_name
from gateway_site.lib.secrets import load_or_create
from tests.conformance.gateway import Gateway
from tests.guardrails.conftest import CANARY, EMAIL
from tests.guardrails.test_guard import outcome
from tests.guardrails.upstream import OBJECT, Message, Upstream
from tests.proxy.caller import Caller, Reply
from tests.waiting import wait_until

claim = pytest.mark.claim
DIGEST = re.compile("#[0-9a-f]{16}")
# Each test has names of its own: what was found harmless once is remembered.
CHOSEN: dict[str, tuple[str, dict[str, Any]]] = {
    "tool": ("tools/call", {"name": CANARY, "arguments": {}}),
    "prompt": ("prompts/get", {"name": CANARY, "arguments": {}}),
    "resource": ("resources/read", {"uri": f"docs://{CANARY}"}),
    "completed prompt": (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": CANARY}, "argument": {"name": "who", "value": "x"}},
    ),
    "completed resource": (
        "completion/complete",
        {"ref": {"type": "ref/resource", "uri": f"docs://{CANARY}/{{page}}"},
         "argument": {"name": "page", "value": ""}},
    ),
}  # fmt: skip


def lines(gateway: Gateway, reply: Reply) -> tuple[dict[str, Any], dict[str, Any]]:
    """The call's intent and outcome."""
    last = outcome(gateway, reply)
    with sqlite3.connect(f"file:{gateway.home}/gateway.sqlite3?mode=ro", uri=True) as database:
        database.row_factory = sqlite3.Row
        row = database.execute(
            "SELECT * FROM audit_event WHERE request_id = ? AND kind = 'mcp.call.intent'",
            (reply.header("x-request-id"),),
        ).fetchone()
    return dict(row), last


def subjects(gateway: Gateway, reply: Reply) -> tuple[str, str]:
    intent, last = lines(gateway, reply)
    return intent["subject"], last["subject"]


def refused(gateway: Gateway, reply: Reply) -> str:
    """The subject of a refusal that came before the pipeline."""

    def found() -> Any:
        with sqlite3.connect(f"file:{gateway.home}/gateway.sqlite3?mode=ro", uri=True) as database:
            return database.execute(
                "SELECT subject FROM audit_event WHERE request_id = ? AND kind = 'mcp.refused'",
                (reply.header("x-request-id"),),
            ).fetchone()

    subject: str = wait_until(found)[0]
    return subject


def tools_named(*names: str) -> list[Message]:
    return [{"name": name, "inputSchema": OBJECT} for name in names]


@claim("audit.names")
@pytest.mark.parametrize("server", ["block-word", "observe-word", "output-word", "nothing"])
@pytest.mark.parametrize("place", CHOSEN)
def test_a_name_that_is_found_or_that_nobody_looked_at_stands_in_no_line(
    caller: Caller, upstream: Upstream, server: str, place: str
) -> None:
    method, params = CHOSEN[place]
    asking = caller.with_(server=server)
    both = [lines(caller.gateway, asking.request(method, params)) for _ in range(2)]
    assert CANARY not in repr(both)
    [subject] = {line["subject"] for pair in both for line in pair}
    assert DIGEST.fullmatch(subject), "equal subjects can be told equal"


@claim("audit.names")
@pytest.mark.parametrize("server", ["block-word", "observe-word", "output-word", "nothing"])
def test_a_method_of_no_revision_is_a_callers_text_too(caller: Caller, upstream: Upstream, server: str) -> None:
    asking = caller.with_(server=server)
    both = lines(caller.gateway, asking.request(f"acme/{CANARY}", {}))
    assert CANARY not in repr(both)
    assert {line["method"] for line in both} == {both[0]["method"]} and DIGEST.fullmatch(both[0]["method"])


@claim("audit.names")
def test_a_harmless_name_is_shown_once_the_guardrails_have_seen_it(caller: Caller, upstream: Upstream) -> None:
    uri = f"docs://harmless-{caller.era}"
    first, last = subjects(caller.gateway, caller.request("resources/read", {"uri": uri}))
    assert DIGEST.fullmatch(first) and last == uri
    assert subjects(caller.gateway, caller.request("resources/read", {"uri": uri})) == (uri, uri)
    first, last = (line["method"] for line in lines(caller.gateway, caller.request(f"acme/{caller.era}", {})))
    assert DIGEST.fullmatch(first) and last == f"acme/{caller.era}"


@claim("audit.names")
def test_a_name_that_was_not_found_beside_something_that_was_stays_hidden(caller: Caller, upstream: Upstream) -> None:
    params = {"name": f"beside-{caller.era}", "arguments": {"who": CANARY}}
    first, last = subjects(caller.gateway, caller.request("prompts/get", params))
    assert DIGEST.fullmatch(first) and last == first


@claim("audit.names")
@pytest.mark.parametrize("server", ["block-word", "nothing"])
def test_what_the_server_lists_is_shown_from_the_first_call(caller: Caller, upstream: Upstream, server: str) -> None:
    tool, uri, prompt = (f"{server}-{caller.era}-{kind}" for kind in ("tool", "uri", "prompt"))
    upstream.tools = tools_named(tool)
    upstream.answer = lambda message: {
        "resources/list": {"resources": [{"uri": uri, "name": "listed"}]},
        "prompts/list": {"prompts": [{"name": prompt}]},
    }.get(message["method"], {"content": []})
    asking = caller.with_(server=server)
    for method in ("tools/list", "resources/list", "prompts/list"):
        asking.request(method, {})
    for name, method, params in (
        (tool, "tools/call", {"name": tool, "arguments": {"text": CANARY}}),
        (uri, "resources/read", {"uri": uri}),
        (prompt, "prompts/get", {"name": prompt, "arguments": {"who": CANARY}}),
    ):
        assert subjects(caller.gateway, asking.request(method, params)) == (name, name), method


@claim("audit.names")
def test_a_tool_is_named_in_the_outcome_when_its_list_was_read_for_the_call(caller: Caller, upstream: Upstream) -> None:
    tool = f"learnt-{caller.era}"
    upstream.tools = [{"name": tool, "inputSchema": {"type": "object", "required": ["text"]}}]
    reply = wait_until(lambda: (again := caller.tool(tool, {})).message.get("result") and again)
    assert outcome(caller.gateway, reply)["reason"] == "invalid_arguments"
    assert outcome(caller.gateway, reply)["subject"] == tool


@claim("audit.names")
@pytest.mark.parametrize("server", ["block-word", "observe-word"])
def test_a_listed_name_that_the_guardrails_find_is_not_shown(caller: Caller, upstream: Upstream, server: str) -> None:
    upstream.tools = tools_named(f"{CANARY}-{caller.era}")
    asking = caller.with_(server=server)
    asking.request("tools/list", {})
    both = lines(caller.gateway, asking.tool(f"{CANARY}-{caller.era}", {}))
    assert CANARY not in repr(both)
    assert all(DIGEST.fullmatch(line["subject"]) for line in both)


@claim("audit.names")
def test_a_listed_address_of_a_person_is_not_shown(caller: Caller, upstream: Upstream) -> None:
    uri = f"crm://{caller.era}/{EMAIL}"
    upstream.answer = lambda message: {"resources": [{"uri": uri, "name": "x"}], "contents": []}
    asking = caller.with_(server="mask")
    asking.request("resources/list", {})
    both = lines(caller.gateway, asking.request("resources/read", {"uri": uri}))
    assert EMAIL not in repr(both)
    assert all(DIGEST.fullmatch(line["subject"]) for line in both)


@claim("audit.names")
def test_a_key_that_may_not_call_a_tool_leaves_its_name_only_when_it_is_one(
    guarded: Gateway, upstream: Upstream
) -> None:
    Caller(guarded, "modern", server="block-word").request("tools/list", {})
    narrow = Caller(guarded, "modern", server="block-word", key="narrow")
    assert subjects(guarded, narrow.tool("act", {})) == ("act", "act")
    first, last = subjects(guarded, narrow.tool(f"{CANARY}-else", {}))
    assert first == last and DIGEST.fullmatch(first)


@claim("audit.names")
def test_no_service_is_asked_about_a_name_alone(guarded: Gateway, upstream: Upstream) -> None:
    def questions() -> int:
        return len([message for message in upstream.asked if "texts" in message])

    wide = Caller(guarded, "modern", server="service")
    wide.request("tools/list", {})
    before = questions()
    first, last = subjects(guarded, wide.with_(key="narrow").tool("act", {}))
    assert first == last and DIGEST.fullmatch(first), "nobody has looked at it whole"
    assert questions() == before
    first, last = subjects(guarded, wide.tool("act", {}))
    assert first == last and DIGEST.fullmatch(first), "the service has not answered"
    assert questions() == before + 1


@claim("audit.names")
def test_a_name_in_the_form_of_a_digest_cannot_pass_for_one(caller: Caller, upstream: Upstream) -> None:
    project = 1
    key = load_or_create(caller.gateway.home / "keys" / "keyring.json").project_digest_key(project)
    forged = digest_name(key, "docs://another")
    for _ in range(2):
        shown = subjects(caller.gateway, caller.request("resources/read", {"uri": forged}))
        assert shown == (digest_name(key, forged),) * 2


@claim("audit.names")
def test_a_name_that_is_too_long_for_the_log_is_not_cut(caller: Caller, upstream: Upstream) -> None:
    first, last = subjects(caller.gateway, caller.request("resources/read", {"uri": "docs://" + "x" * 600}))
    assert first == last and DIGEST.fullmatch(first)


@claim("audit.names")
def test_an_address_that_is_refused_names_only_what_there_is(guarded: Gateway, upstream: Upstream) -> None:
    asking = Caller(guarded, "modern", server="block-word")
    asking.tool("act", {})
    wrong = asking.tool("act", {}, headers={"Authorization": "Bearer mgw_wrong"})
    assert refused(guarded, wrong) == "/mcp/acme/block-word"
    shown = refused(guarded, asking.with_(server=CANARY).tool("act", {}))
    assert re.fullmatch("/mcp/acme/#[0-9a-f]{16}", shown)
    assert refused(guarded, asking.with_(server=CANARY).tool("act", {})) == shown
    shown = refused(guarded, asking.with_(project=CANARY, server="block-word").tool("act", {}))
    assert re.fullmatch("/mcp/#[0-9a-f]{16}/#[0-9a-f]{16}", shown)


@claim("audit.names")
def test_nothing_that_was_found_is_in_the_processs_lines(guarded: Gateway, upstream: Upstream) -> None:
    asking = Caller(guarded, "modern", server="block-word")
    asking.request(f"acme/{CANARY}", {})
    asking.request("resources/read", {"uri": f"docs://{CANARY}"})
    asking.with_(server=CANARY).tool("act", {})
    assert CANARY not in guarded.log.read_text()
