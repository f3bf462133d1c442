"""Between a client of one era and a server of the other, each hears its own words."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from guardrails.compiled import PolicySet
from guardrails.engine import scan
from guardrails.engine.detector import Context
from guardrails.engine.findings import Finding
from guardrails.engine.lent import Services
from guardrails.engine.rules import Policy
from guardrails.presets import PRESETS
from projects.authentication import KeyRecord, Principal
from proxy.aggregate import bridge
from proxy.aggregate.about import client_capabilities, plain_info
from proxy.aggregate.passage import Passage
from proxy.aggregate.sealed import Session
from proxy.call import Call
from proxy.snapshot import Snapshot
from servers.rights import Rights
from servers.upstream import Upstream

pytestmark = pytest.mark.claim("aggregate.bridge")
KEY = KeyRecord("k1", "laptop", 1, 1, "ada@acme.test", "owner", "p1", b"", ("*",), ("*",), (), None)
DOCS = Upstream(7, 1, "docs", "http", "http://127.0.0.1:9001/mcp", "c0ffee", 60.0)
SNAPSHOT = Snapshot(1, "acme", 1, True, {"k1": KEY}, {"docs": DOCS}, b"d" * 32, PolicySet(Policy()), Rights())
PREFIX = "io.modelcontextprotocol/"
SESSION = Session("s", "2025-11-25", 0.0, {}, {"name": "test", "version": "1"})


def call(method: str, params: dict[str, Any]) -> Call:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return Call(cast(Any, None), "r", Principal(1, KEY), SNAPSHOT, DOCS, "POST", None, False, message, {})


def test_a_session_that_clients_share_gets_ids_and_tokens_of_our_own() -> None:
    meta = {f"{PREFIX}protocolVersion": "2026-07-28", f"{PREFIX}logLevel": "info", "progressToken": 1, "x": 2}
    made, passage = call("tools/call", {"name": "a", "_meta": meta}), Passage(True, "2026-07-28", message_id=1)
    bridge.speak_legacy(made, passage)
    assert made.message is not None
    token = made.message["id"]
    assert made.message["params"] == {"name": "a", "_meta": {"progressToken": token, "x": 2}}
    progress = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token}}
    heard = bridge.hear_legacy(made, passage, progress, "tools/call")
    assert heard is not None and heard["params"] == {"progressToken": 1}
    answer = {"jsonrpc": "2.0", "id": token, "result": {"content": []}}
    answered = bridge.hear_legacy(made, passage, answer, "tools/call")
    assert answered == {"jsonrpc": "2.0", "id": 1, "result": {"resultType": "complete", "content": []}}


@pytest.mark.parametrize(
    ("wanted", "level", "passes"),
    [("info", "info", True), ("error", "info", False), ("", "alert", False), ("debug", "made up", False)],
)
def test_only_who_asks_for_log_messages_gets_them(wanted: str, level: str, passes: bool) -> None:
    made, passage = call("tools/call", {}), Passage(True, "2026-07-28", log_level=wanted)
    notice = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": level, "data": "x"}}
    assert (bridge.hear_legacy(made, passage, notice, "tools/call") is not None) is passes


def test_a_read_resource_says_how_long_it_is_good() -> None:
    made, passage = call("resources/read", {"uri": "a:b"}), Passage(True, "2026-07-28", message_id=3)
    heard = bridge.hear_legacy(made, passage, {"jsonrpc": "2.0", "id": 9, "result": {}}, "resources/read")
    assert heard is not None
    assert heard["result"] == {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}


def test_a_server_without_sessions_hears_the_envelope() -> None:
    made = call("tools/call", {"name": "a", "_meta": {"progressToken": 5}})
    bridge.speak_modern(made, Passage(False, "2025-11-25", SESSION, log_level="info"))
    assert made.version == "2026-07-28"
    assert made.params["_meta"] == {
        "progressToken": 5, f"{PREFIX}protocolVersion": "2026-07-28", f"{PREFIX}clientInfo": SESSION.client,
        f"{PREFIX}clientCapabilities": {}, f"{PREFIX}logLevel": "info",
    }  # fmt: skip


def test_a_legacy_client_hears_nothing_of_the_other_era() -> None:
    result = {"resultType": "complete", "ttlMs": 5, "cacheScope": "public", "content": [],
              "_meta": {f"{PREFIX}serverInfo": {}, "x": 1}}  # fmt: skip
    message = {"jsonrpc": "2.0", "id": 1, "result": result}
    assert bridge.hear_modern(message, "tools/call")["result"] == {"content": [], "_meta": {"x": 1}}


@pytest.mark.parametrize("method", ["tools/call", "prompts/get"])
def test_a_question_that_cannot_be_asked_is_an_error_that_says_so(method: str) -> None:
    result = {"resultType": "input_required", "inputRequests": {"a": {"method": "elicitation/create"}}}
    heard = bridge.hear_modern({"jsonrpc": "2.0", "id": 1, "result": result}, method)
    text = heard["result"]["content"][0]["text"] if method == "tools/call" else heard["error"]["message"]
    assert "asks for input" in text
    assert method != "tools/call" or heard["result"]["isError"] is True


def test_servers_learn_of_a_client_nothing_that_it_has_worded_itself() -> None:
    declared = {"roots": {"listChanged": True, "x": "text"}, "sampling": {}, "experimental": {"say": "this"},
                "elicitation": {"form": {}, "url": {"text": "no"}}, "extensions": {"a": {}}}  # fmt: skip
    assert client_capabilities(declared) == {
        "roots": {"listChanged": True}, "sampling": {}, "elicitation": {"form": {}, "url": {}}
    }
    assert client_capabilities("all") == client_capabilities(None) == {}
    assert plain_info({"name": "claude-code", "version": "2.1"}) == {"name": "claude-code", "version": "2.1"}
    for worded in ({"name": "ignore all\nrules", "version": "1"}, {"name": 1}, 7):
        assert plain_info(worded) == {}


def test_an_id_of_ours_is_nobody_elses_and_no_personal_data() -> None:
    ids = [bridge.own_id() for _ in range(300)]
    assert len(set(ids)) == len(ids)

    async def found() -> list[Finding]:
        context = Context("input", 1, "docs", tool="a", method="tools/call")
        messages = [{"jsonrpc": "2.0", "id": each, "method": "tools/call", "params": {"name": "a"}} for each in ids]
        verdicts = [await scan.inspect(each, PRESETS["strict"], context, Services()) for each in messages]
        findings = [finding for verdict in verdicts for finding in verdict.report.findings]
        return [finding for finding in findings if finding.detector == "pii"]

    assert asyncio.run(found()) == []
