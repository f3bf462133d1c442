"""What a client and a server see of the guardrails, through a running gateway."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conformance.gateway import Gateway
from tests.guardrails.conftest import CANARY, EMAIL, ERAS, text_of
from tests.guardrails.upstream import OBJECT, Message, Upstream
from tests.proxy.caller import Caller, Reply
from tests.waiting import wait_until

claim = pytest.mark.claim
HIDDEN = f"before {CANARY} after"
ENCODED = base64.b64encode(HIDDEN.encode()).decode()


def outcome(gateway: Gateway, reply: Reply) -> dict[str, Any]:
    """The call's second line in the log, with `detail` read."""

    def found() -> Any:
        with sqlite3.connect(f"file:{gateway.home}/gateway.sqlite3?mode=ro", uri=True) as database:
            database.row_factory = sqlite3.Row
            rows = database.execute(
                "SELECT * FROM audit_event WHERE request_id = ? AND kind = 'mcp.call.outcome'",
                (reply.header("x-request-id"),),
            )
            return rows.fetchone()

    row = dict(wait_until(found))
    row["detail"] = json.loads(row["detail"])
    return row


# --- what goes in ---------------------------------------------------------------------------------------

INCOMING: dict[str, tuple[str, dict[str, Any]]] = {
    "argument": ("tools/call", {"name": "act", "arguments": {"text": HIDDEN}}),
    "deep argument": ("tools/call", {"name": "act", "arguments": {"a": [{"b": {"c": [1, HIDDEN]}}]}}),
    "argument name": ("tools/call", {"name": "act", "arguments": {HIDDEN: 1}}),
    "base64 argument": ("tools/call", {"name": "act", "arguments": {"text": ENCODED}}),
    "split by invisible characters": (
        "tools/call", {"name": "act", "arguments": {"text": "before zug\u200bzwang-can\u2060ary-7731 after"}},
    ),
    "wide letters": (
        "tools/call", {"name": "act", "arguments": {"text": "ｚｕｇｚｗａｎｇ-canary-7731"}},
    ),
    "meta": ("tools/call", {"name": "act", "arguments": {}, "_meta": {"acme/note": HIDDEN}}),
    "prompt argument": ("prompts/get", {"name": "greet", "arguments": {"who": HIDDEN}}),
    "resource address": ("resources/read", {"uri": f"file:///{CANARY}"}),
    "completion": (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "who", "value": HIDDEN}},
    ),
    "completion context": (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "who", "value": "x"},
         "context": {"arguments": {"other": HIDDEN}}},
    ),
    "method of no revision": ("acme/extra", {"anything": HIDDEN}),
}  # fmt: skip


@claim("guard.every-surface")
@claim("guard.blocked-not-sent")
@pytest.mark.parametrize("place", INCOMING)
def test_what_is_found_anywhere_in_a_request_keeps_it_from_the_server(
    caller: Caller, upstream: Upstream, place: str
) -> None:
    method, params = INCOMING[place]
    reply = caller.request(method, params)
    assert upstream.done == []
    assert CANARY not in reply.body.decode()
    assert "KEYWORD" in text_of(reply.message)
    passed = caller.with_(server="nothing").request(method, params)
    assert len(upstream.done) == 1, "without the policy it would have reached the server"
    assert passed.status == 200


@claim("guard.blocked-not-sent")
def test_none_of_many_blocked_calls_at_a_time_reaches_the_server(guarded: Gateway, upstream: Upstream) -> None:
    callers = [Caller(guarded, era, server="block-word") for era in ERAS]
    assert [caller.tool("act", {"text": "fine"}).status for caller in callers] == [200, 200]
    upstream.asked.clear()

    def call(number: int) -> Reply:
        text = HIDDEN if number % 2 else "harmless"
        return callers[number // 2 % 2].tool("act", {"text": text, "number": number})

    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(call, range(120)))
    blocked = [bool(reply.message["result"].get("isError")) for reply in replies]
    assert blocked == [bool(number % 2) for number in range(120)]
    assert sorted(message["params"]["arguments"]["number"] for message in upstream.done) == list(range(0, 120, 2))


@claim("guard.answer")
def test_a_blocked_call_says_what_and_where_and_which_event(caller: Caller, upstream: Upstream) -> None:
    reply = caller.tool("act", {"outer": [{"inner": HIDDEN}]})
    result = reply.message["result"]
    told = result["_meta"]["securemcp/blocked"]
    assert reply.status == 200 and result["isError"] is True
    assert told["reason"] == "blocked_input"
    assert (told["detector"], told["category"]) == ("keywords", "KEYWORD")
    assert told["pointer"] == "/params/arguments/outer/0/inner"
    assert told["event"] in result["content"][0]["text"]
    row = outcome(caller.gateway, reply)
    assert str(row["call_id"]).replace("-", "") == told["event"].replace("-", "")
    assert (row["decision"], row["reason"]) == ("refused", "blocked_input")
    [found] = row["detail"]["guardrails"]
    assert found["policy"] == "block-word" and found["findings"][0][:2] == ["keywords", "KEYWORD"]
    assert CANARY not in text_of(row["detail"])


@claim("guard.answer")
def test_a_found_argument_name_is_not_shown_by_its_place(caller: Caller, upstream: Upstream) -> None:
    reply = caller.tool("act", {"outer": {CANARY: {"deeper": CANARY}}})
    assert CANARY not in reply.body.decode()
    assert CANARY not in text_of(outcome(caller.gateway, reply)["detail"])


@claim("guard.every-surface")
def test_a_header_that_no_schema_declares_is_looked_at(guarded: Gateway, upstream: Upstream) -> None:
    caller = Caller(guarded, "modern", server="block-word")
    reply = caller.tool("act", {"text": "fine"}, extra=[("Mcp-Param-Note", HIDDEN)])
    assert upstream.done == [] and "KEYWORD" in text_of(reply.message)


@claim("guard.redaction")
def test_a_declared_header_follows_the_argument_that_was_redacted(guarded: Gateway, upstream: Upstream) -> None:
    schema = {"type": "object", "properties": {"text": {"type": "string", "x-mcp-header": "Note"}}}
    upstream.tools = [{"name": "noted", "inputSchema": schema}]
    caller = Caller(guarded, "modern", server="redact-word")
    reply = caller.tool("noted", {"text": HIDDEN}, extra=[("Mcp-Param-Note", HIDDEN)])
    assert reply.status == 200, reply.body
    [sent] = upstream.done
    [headers] = [each for each in upstream.headers if each.get("mcp-method") == "tools/call"]
    assert CANARY not in text_of(sent) and CANARY not in text_of(headers)
    assert headers["mcp-param-note"] == sent["params"]["arguments"]["text"]


@claim("guard.redaction")
def test_an_argument_is_redacted_and_all_else_stays(caller: Caller, upstream: Upstream) -> None:
    arguments = {"text": HIDDEN, "number": 1.50, "list": [True, None, "ünï"], "big": 9007199254740991}
    reply = caller.with_(server="redact-word").tool("act", arguments)
    assert reply.status == 200 and not reply.message["result"].get("isError")
    [sent] = upstream.done
    assert sent["params"]["arguments"] == {**arguments, "text": "before <KEYWORD> after"}


# --- what comes back ------------------------------------------------------------------------------------


def _text(text: str) -> Message:
    return {"type": "text", "text": text}


OUTGOING: dict[str, tuple[str, Message]] = {
    "text": ("tools/call", {"content": [_text(HIDDEN)]}),
    "second block": ("tools/call", {"content": [_text("fine"), _text(HIDDEN)]}),
    "error text": ("tools/call", {"content": [_text(HIDDEN)], "isError": True}),
    "structured content": ("tools/call", {"content": [], "structuredContent": {"a": [{"b": HIDDEN}]}}),
    "name in structured content": ("tools/call", {"content": [], "structuredContent": {HIDDEN: 1}}),
    "embedded resource": (
        "tools/call",
        {"content": [{"type": "resource", "resource": {"uri": "x://y", "mimeType": "text/plain", "text": HIDDEN}}]},
    ),
    "embedded blob": (
        "tools/call",
        {"content": [{"type": "resource", "resource": {
            "uri": "x://y", "mimeType": "text/plain", "blob": ENCODED}}]},
    ),
    "resource link": (
        "tools/call",
        {"content": [{"type": "resource_link", "uri": "x://y", "name": "y", "description": HIDDEN}]},
    ),
    "address of a resource link": (
        "tools/call", {"content": [{"type": "resource_link", "uri": f"x://{CANARY}", "name": "y"}]},
    ),
    "content of no revision": ("tools/call", {"content": [{"type": "hologram", "beam": {"words": HIDDEN}}]}),
    "annotations of content": ("tools/call", {"content": [{**_text("x"), "annotations": {"note": HIDDEN}}]}),
    "meta of the result": ("tools/call", {"content": [], "_meta": {"acme/note": HIDDEN}}),
    "unknown member": ("tools/call", {"content": [], "extra": HIDDEN}),
    "prompt": (
        "prompts/get",
        {"description": "x", "messages": [{"role": "user", "content": _text(HIDDEN)}]},
    ),
    "prompt description": ("prompts/get", {"description": HIDDEN, "messages": []}),
    "resource": ("resources/read", {"contents": [{"uri": "x://y", "text": HIDDEN}]}),
    "completion": ("completion/complete", {"completion": {"values": ["fine", HIDDEN]}}),
    "error message": ("tools/call", {"error": {"code": -32000, "message": HIDDEN}}),
    "error data": ("tools/call", {"error": {"code": -32000, "message": "x", "data": {"deep": [HIDDEN]}}}),
    "result of a method of no revision": ("acme/extra", {"anything": [HIDDEN]}),
}
PARAMS: dict[str, dict[str, Any]] = {
    "tools/call": {"name": "act", "arguments": {}},
    "prompts/get": {"name": "greet"},
    "resources/read": {"uri": "x://y"},
    "completion/complete": {"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a", "value": "b"}},
    "acme/extra": {},
}


@claim("guard.every-surface")
@pytest.mark.parametrize("place", OUTGOING)
def test_what_is_found_anywhere_in_an_answer_keeps_it_from_the_client(
    caller: Caller, upstream: Upstream, place: str
) -> None:
    method, result = OUTGOING[place]
    upstream.answer = lambda _: result
    reply = caller.request(method, PARAMS[method])
    assert len(upstream.done) == 1
    assert CANARY not in reply.body.decode() and ENCODED not in reply.body.decode()
    assert "KEYWORD" in text_of(reply.message) and "blocked_output" in text_of(reply.message)
    assert outcome(caller.gateway, reply)["reason"] == "blocked_output"
    plain = caller.with_(server="nothing").request(method, PARAMS[method])
    assert CANARY in plain.body.decode() or ENCODED in plain.body.decode()


@claim("guard.every-surface")
@pytest.mark.parametrize(
    "notice",
    [
        {"method": "notifications/progress", "params": {"progressToken": "p", "progress": 1, "message": HIDDEN}},
        {"method": "notifications/message", "params": {"level": "info", "data": {"text": HIDDEN}}},
        {"method": "notifications/acme", "params": {"x": HIDDEN}},
    ],
    ids=["progress", "log", "unknown"],
)  # fmt: skip
def test_a_found_notification_is_left_out_and_the_answer_still_comes(
    caller: Caller, upstream: Upstream, notice: Message
) -> None:
    harmless = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "fine"}}
    upstream.before = [{"jsonrpc": "2.0", **notice}, harmless]
    reply = caller.tool("act", {})
    assert CANARY not in reply.body.decode()
    assert reply.events[0] == harmless
    assert reply.final["result"]["content"] == [_text("done")]


@claim("guard.server-requests")
def test_a_found_question_of_the_server_is_answered_for_the_client(guarded: Gateway, upstream: Upstream) -> None:
    caller = Caller(guarded, "legacy", server="block-word")
    question = {"method": "elicitation/create", "params": {"message": HIDDEN, "requestedSchema": OBJECT}}
    upstream.before = [{"jsonrpc": "2.0", "id": "q-1", **question}]
    reply = caller.tool("act", {})
    assert CANARY not in reply.body.decode() and [each.get("method") for each in reply.events] == [None]
    refused = wait_until(lambda: [each for each in upstream.asked if each.get("id") == "q-1"])
    assert refused[0]["error"]["code"] == -31008


@claim("guard.every-surface")
def test_a_found_answer_of_the_client_does_not_reach_the_server(guarded: Gateway, upstream: Upstream) -> None:
    caller = Caller(guarded, "legacy", server="block-word")
    caller.tool("act", {})
    answer = {"jsonrpc": "2.0", "id": "q-2", "result": {"action": "accept", "content": {"name": HIDDEN}}}
    reply = caller.post(json.dumps(answer).encode())
    assert reply.status == 403 and reply.error["code"] == -31008
    assert not [each for each in upstream.asked if each.get("id") == "q-2"]


@claim("guard.every-surface")
def test_found_instructions_of_a_server_are_not_shown(guarded: Gateway, upstream: Upstream) -> None:
    upstream.instructions = HIDDEN
    reply = Caller(guarded, "legacy", server="block-word").initialize()
    assert reply.status == 200 and CANARY not in reply.body.decode()
    assert reply.final["result"]["serverInfo"]["name"] == "scripted"


_DEFINED: dict[str, Callable[[str], Message]] = {
    "description": lambda word: {"description": word, "inputSchema": OBJECT},
    "title": lambda word: {"title": word, "inputSchema": OBJECT},
    "argument's description": lambda word: {
        "inputSchema": {"type": "object", "properties": {"a": {"type": "string", "description": word}}}
    },
    "argument's name": lambda word: {"inputSchema": {"type": "object", "properties": {word: {}}}},
    "default": lambda word: {"inputSchema": {"type": "object", "properties": {"a": {"default": word}}}},
    "enumeration": lambda word: {"inputSchema": {"type": "object", "properties": {"a": {"enum": [word]}}}},
    "output schema": lambda word: {"inputSchema": OBJECT, "outputSchema": {**OBJECT, "description": word}},
    "annotations": lambda word: {"inputSchema": OBJECT, "annotations": {"title": word}},
    "unknown annotation": lambda word: {"inputSchema": OBJECT, "annotations": {"x": {"y": word}}},
    "meta": lambda word: {"inputSchema": OBJECT, "_meta": {"acme/note": word}},
}


@claim("guard.definitions")
@pytest.mark.parametrize("place", _DEFINED)
def test_a_found_definition_is_neither_listed_nor_called(caller: Caller, upstream: Upstream, place: str) -> None:
    upstream.tools = [*upstream.tools, {"name": f"poisoned-{place.replace(' ', '-')[:20]}", **_DEFINED[place](HIDDEN)}]
    name = upstream.tools[-1]["name"]
    listed = caller.request("tools/list", {})
    assert [tool["name"] for tool in listed.message["result"]["tools"]] == ["act", "read"]
    assert CANARY not in listed.body.decode()
    reply = caller.tool(name, {})
    assert upstream.done == []
    assert "KEYWORD" in reply.body.decode() or reply.error["message"].startswith("Unknown tool")
    plain = caller.with_(server="nothing")
    assert name in [tool["name"] for tool in plain.request("tools/list", {}).message["result"]["tools"]]
    assert plain.tool(name, {}).message["result"]["content"] == [_text("done")]


# --- modes, tenants, tokens -----------------------------------------------------------------------------


@claim("guard.observe")
def test_observing_changes_nothing_and_records_what_was_found(caller: Caller, upstream: Upstream) -> None:
    upstream.answer = lambda _: {"content": [_text(HIDDEN)]}
    watched, plain = (caller.with_(server=slug).tool("act", {"text": HIDDEN}) for slug in ("observe-word", "nothing"))
    assert watched.message == plain.message
    assert [message["params"]["arguments"] for message in upstream.done] == [{"text": HIDDEN}] * 2
    row = outcome(caller.gateway, watched)
    assert row["decision"] == "ok"
    assert [each["direction"] for each in row["detail"]["guardrails"]] == ["input", "output"]
    assert "guardrails" not in outcome(caller.gateway, plain)["detail"]


@claim("guard.per-project")
def test_another_projects_policy_is_not_asked(caller: Caller, upstream: Upstream) -> None:
    outside = caller.with_(project="globex", server="same", key="other")
    assert not outside.tool("act", {"text": HIDDEN}).message["result"].get("isError")
    assert len(upstream.done) == 1


@claim("guard.tokens")
def test_a_masked_address_comes_home_and_the_server_never_has_it(caller: Caller, upstream: Upstream) -> None:
    upstream.answer = lambda message: {"content": [_text(f"wrote to {message['params']['arguments']['to']}!")]}
    masked = caller.with_(server="mask")
    reply = masked.tool("act", {"to": EMAIL})
    [sent] = upstream.done
    token = sent["params"]["arguments"]["to"]
    assert token.startswith("<<EMAIL_") and EMAIL not in text_of(upstream.asked)
    assert reply.message["result"]["content"] == [_text(f"wrote to {EMAIL}!")]
    upstream.answer = lambda _: {"content": [_text(token)]}
    replayed = masked.with_(key="second").tool("act", {})
    assert replayed.message["result"]["content"] == [_text(token)], "another session does not get the value"
    elsewhere = caller.with_(project="globex", server="same", key="other").tool("act", {})
    assert EMAIL not in elsewhere.body.decode()


@claim("guard.tokens")
def test_what_was_masked_for_the_model_is_restored_for_a_trusted_server(caller: Caller, upstream: Upstream) -> None:
    upstream.answer = lambda _: {"content": [_text(f"customer {EMAIL}")]}
    crm = caller.with_(server="crm")
    told = crm.tool("read", {}).final["result"]["content"][0]["text"]
    assert told.startswith("customer <<EMAIL_") and EMAIL not in told
    token = told.removeprefix("customer ")
    upstream.answer = lambda _: {"content": [_text("done")]}
    upstream.asked.clear()
    for sender in (crm, crm.with_(key="second"), caller.with_(server="nothing")):
        sender.tool("act", {"to": token})
    sent = [message["params"]["arguments"]["to"] for message in upstream.done]
    assert sent == [EMAIL, token, token], "only this session, and only the trusted server"


@claim("guard.tokens")
def test_a_token_ends_with_its_session(guarded: Gateway, upstream: Upstream) -> None:
    upstream.answer = lambda _: {"content": [_text(EMAIL)]}
    crm = Caller(guarded, "legacy", server="crm", key="second")
    session = crm.initialize().header("mcp-session-id")
    own = {"Mcp-Session-Id": session}
    token = crm.tool("read", {}, headers=own).final["result"]["content"][0]["text"]
    crm.post(b"", http_method="DELETE", headers=own)
    upstream.asked.clear()
    crm.tool("act", {"to": token}, headers=own)
    assert [message["params"]["arguments"]["to"] for message in upstream.done] == [token]
