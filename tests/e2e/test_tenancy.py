"""Two tenants on one gateway, and even on one upstream, do not notice each other; every call is on record."""

from __future__ import annotations

import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest

from projects import keys
from proxy import protocol
from tests.e2e.client import HANDSHAKE, Client, Reply
from tests.e2e.scene import BEARERS, Scene
from tests.e2e.upstream import LEGACY, Seen

METHODS = sorted(
    method for method in (*protocol._PARAMETERS, "vendor/own") if not method.startswith("notifications/")
)
PATHS = ["acme", "acme/docs", "acme/shared", "acme/nothing"]


def parameters(method: str) -> dict[str, Any]:
    known: dict[str, dict[str, Any]] = {
        "initialize": HANDSHAKE,
        "tools/call": {"name": "echo", "arguments": {"text": "intrusion"}},
        "prompts/get": {"name": "review"},
        "resources/read": {"uri": "file:///a"},
        "resources/subscribe": {"uri": "file:///a"},
        "resources/unsubscribe": {"uri": "file:///a"},
        "completion/complete": {
            "ref": {"type": "ref/prompt", "name": "review"}, "argument": {"name": "a", "value": ""},
        },
        "logging/setLevel": {"level": "info"},
        "subscriptions/listen": {"notifications": {"toolsListChanged": True}},
    }  # fmt: skip
    return known.get(method, {})


@pytest.mark.claim("tenancy.outsider")
@pytest.mark.parametrize("path", PATHS)
def test_an_outsider_gets_one_answer_for_every_method_as_if_nothing_were_there(stage: Scene, path: str) -> None:
    outsider, nowhere = stage.client(path, "globex", "mallory"), stage.client("nowhere/at-all", "globex", "mallory")
    before = len(stage.upstream.seen)
    for method in METHODS:
        expected = nowhere.modern(method, parameters(method)).refusal
        assert expected[0] == 404
        assert outsider.modern(method, parameters(method)).refusal == expected, method
        expected = nowhere.legacy(method, parameters(method)).refusal
        assert outsider.legacy(method, parameters(method)).refusal == expected, method
        assert expected[2]["code"] == -31404
    for http_method in ("GET", "DELETE", "PUT"):
        headers = {"Mcp-Session-Id": "any", "Accept": "text/event-stream"}
        assert outsider.send(http_method, None, headers).refusal == nowhere.send(http_method, None, headers).refusal
    seen = stage.upstream.seen[before:]
    # A server whose first reading failed is read again some time.
    readings = {each.connection for each in seen if each.client == "secure-mcp-gateway"}
    assert not [each for each in seen if each.headers.get("x-tenant") == "acme" and each.connection not in readings]
    assert not stage.upstream.saw("intrusion")


@pytest.mark.claim("tenancy.outsider")
def test_a_server_of_another_project_is_unknown_in_ones_own(stage: Scene) -> None:
    foreign = stage.client("globex/docs", "globex", "mallory").call("intrusion")
    unknown = stage.client("globex/nothing", "globex", "mallory").call("intrusion")
    assert foreign.refusal == unknown.refusal
    assert foreign.status == 404


@pytest.mark.claim("tenancy.outsider")
def test_the_address_of_all_servers_is_that_of_ones_own(stage: Scene) -> None:
    outsider = stage.client("globex", "globex", "mallory")
    tools = [tool["name"] for tool in outsider.modern("tools/list").message["result"]["tools"]]
    assert {name.split("__")[0] for name in tools} == {"shared", "vault"}
    assert b"acme" not in outsider.modern("server/discover").body
    assert stage.client("acme", "globex", "mallory").modern("tools/list").status == 404


@pytest.mark.claim("sessions.sealed")
def test_a_session_is_nobody_elses(stage: Scene) -> None:
    ada = stage.client("acme/shared")
    session = ada.open()
    assert ada.legacy("ping", session=session).status == 200
    theirs = {seen.headers["mcp-session-id"] for seen in stage.upstream.seen if seen.message.get("method") == "ping"
              and "mcp-session-id" in seen.headers}  # fmt: skip
    assert session not in theirs, "the upstream never sees our id, nor the client the upstream's"
    intruders = {
        "another tenant on the same upstream": stage.client("globex/shared", "globex", "mallory"),
        "another member": stage.client("acme/shared", label="bob"),
        "another key of the same person": stage.client("acme/shared", label="second"),
        "another server of the same key": stage.client("acme/docs"),
    }
    before = len(stage.upstream.seen)
    headers = {"MCP-Protocol-Version": LEGACY, "Accept": "application/json, text/event-stream"}
    for who, intruder in intruders.items():
        made_up = intruder.legacy("ping", session="v1.s1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
        assert made_up.status == 404
        for method in ("ping", "tools/list", "tools/call"):
            assert intruder.legacy(method, parameters(method), session=session).refusal == made_up.refusal, who
        for http_method in ("GET", "DELETE"):
            reply = intruder.send(http_method, None, {**headers, "Mcp-Session-Id": session})
            assert (reply.status, reply.message["error"]["message"]) == (404, "Session not found"), who
    assert not [seen for seen in stage.upstream.seen[before:] if seen.headers.get("mcp-session-id") in theirs]
    assert ada.legacy("ping", session=session).status == 200


@pytest.mark.claim("sessions.any-worker")
def test_a_session_goes_on_in_every_worker(stage: Scene) -> None:
    session = stage.client("acme/shared").open()
    replies = [stage.client("acme/shared").legacy("ping", session=session).status for _ in range(20)]
    assert replies == [200] * 20


@pytest.mark.claim("tenancy.shared-upstream")
def test_answers_of_two_tenants_on_one_upstream_never_cross(stage: Scene) -> None:
    first = len(stage.upstream.seen)
    tenants = (("acme", "ada"), ("globex", "mallory"))
    sessions = {project: stage.client(f"{project}/shared", project, label).open() for project, label in tenants}

    def ask(number: int) -> tuple[str, str]:
        project, label = tenants[number % 2]
        client, text = stage.client(f"{project}/shared", project, label), f"{project} says {number}"
        if number % 4 < 2:
            return text, client.call(text).text
        arguments = {"name": "stream" if number % 8 < 4 else "echo", "arguments": {"text": text}}
        return text, client.legacy("tools/call", arguments, session=sessions[project]).text

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(160)))
    assert all(asked == answered for asked, answered in answers)
    seen: dict[str, list[Seen]] = {"acme": [], "globex": []}
    for each in stage.upstream.seen[first:]:
        if each.text.split(" ")[0] in seen:
            seen[each.text.split(" ")[0]].append(each)
    for project, requests in seen.items():
        assert len(requests) == 80
        assert {each.headers["authorization"] for each in requests} == {f"Bearer {BEARERS[project]}"}
    upstream_sessions = [{each.headers.get("mcp-session-id", each.text) for each in seen[name]} for name in seen]
    connections = [{each.connection for each in seen[name]} for name in seen]
    assert not upstream_sessions[0] & upstream_sessions[1]
    assert not connections[0] & connections[1]


@pytest.mark.claim("tenancy.shared-upstream")
def test_lists_of_two_tenants_on_one_upstream_never_cross(stage: Scene) -> None:
    for project, label, other in (("acme", "ada", "globex"), ("globex", "mallory", "acme"), ("acme", "bob", "globex")):
        client = stage.client(f"{project}/shared", project, label)
        for _ in range(4):
            listed = {tool["name"] for tool in client.modern("tools/list").message["result"]["tools"]}
            assert listed == {"echo", "stream", "wait", f"only-{project}"}
        before = len(stage.upstream.saw("intrusion"))
        refused = client.call("intrusion", tool=f"only-{other}")
        assert (refused.status, refused.message["error"]["code"]) == (400, -32602)
        assert len(stage.upstream.saw("intrusion")) == before
        assert client.call("own", tool=f"only-{project}").text == "own"


@pytest.mark.claim("identity.credential-stripped")
def test_the_callers_credential_never_reaches_an_upstream(stage: Scene) -> None:
    key = stage.gateway.key("acme", "ada")
    client = stage.client("acme/docs")
    client.key = None
    for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}, {"apikey": key}):
        message, own = client._modern("tools/call", {"name": "echo", "arguments": {"text": "stripped"}})
        assert client.send("POST", message, {**own, **headers, "Cookie": "a=b", "X-Own": "c"}).text == "stripped"
    sent = stage.upstream.saw("stripped")
    assert len(sent) == 3
    assert key[15:] not in repr(sent)
    assert not any({"x-api-key", "apikey", "cookie", "x-own"} & set(each.headers) for each in sent)


@pytest.mark.claim("permissions.auditor")
def test_an_auditor_may_not_call(stage: Scene) -> None:
    reply = stage.client("acme/docs", label="carla").call("by an auditor")
    assert (reply.status, reply.message["error"]["code"]) == (403, -31403)
    assert 'error="insufficient_scope"' in reply.headers["www-authenticate"]
    assert not stage.upstream.saw("by an auditor")


@pytest.mark.claim("authorize.listing-is-calling")
def test_a_restricted_key_sees_and_calls_the_same_tools(stage: Scene) -> None:
    client = stage.client("acme/docs", label="echo-only")
    result = client.modern("tools/list").message["result"]
    assert [tool["name"] for tool in result["tools"]] == ["echo"]
    assert result["cacheScope"] == "private"
    assert client.call("allowed").text == "allowed"
    hidden, unknown = client.call("hidden", tool="stream"), client.call("hidden", tool="none")
    assert hidden.status == unknown.status == 400
    assert hidden.message["error"]["message"].replace("stream", "none") == unknown.message["error"]["message"]
    assert not stage.upstream.saw("hidden")


@pytest.mark.claim("identity.bad-credential")
def test_every_bad_credential_gets_the_same_answer(stage: Scene) -> None:
    good = stage.gateway.key("acme", "ada")
    unknown = keys.generate().text
    wrong = good[:15] + unknown[15:58]
    replies = {}
    for name, key in {
        "unknown": unknown, "wrong secret": wrong + keys._checksum(wrong), "mistyped": good[:-1] + "!",
        "short": good[:30], "no key at all": "x",
    }.items():  # fmt: skip
        client = stage.client("acme/docs")
        client.key = key
        replies[name] = client.call("never").refusal
    assert {json.dumps(reply, sort_keys=True) for reply in replies.values()} == {
        json.dumps(
            (401, None, {"code": -31401, "message": "Authentication required", "data": {}},
             'Bearer realm="mcp", error="invalid_token"'), sort_keys=True,
        )
    }  # fmt: skip
    assert not stage.upstream.saw("never")


# --- the record ---------------------------------------------------------------------------------------------


def lines(stage: Scene, key: str, method: str) -> list[tuple[Any, ...]]:
    return stage.rows(
        "SELECT kind, decision, call_id, reason FROM audit_event WHERE kind LIKE 'mcp.call.%' "
        f"AND actor_id = '{key[4:14]}' AND method = '{method}' ORDER BY ord"
    )


@pytest.mark.claim("audit.intent-before-call")
@pytest.mark.parametrize("tool", ["echo", "stream"])
def test_the_intent_is_committed_before_the_upstream_is_asked_and_the_outcome_before_the_answer(
    stage: Scene, tool: str
) -> None:
    key, text = stage.gateway.key("acme", "bob"), f"recorded {tool}"
    before = lines(stage, key, "tools/call")
    at_upstream: list[list[tuple[Any, ...]]] = []

    def look(seen: Seen) -> None:
        if seen.text == text:
            at_upstream.append(lines(stage, key, "tools/call")[len(before) :])

    stage.upstream.before_answer = look
    try:
        reply = stage.client("acme/docs", label="bob").call(text, tool=tool)
    finally:
        stage.upstream.before_answer = None
    after = lines(stage, key, "tools/call")[len(before) :]
    assert reply.text == text
    assert [[line[0] for line in found] for found in at_upstream] == [["mcp.call.intent"]]
    assert [line[:2] for line in after] == [("mcp.call.intent", ""), ("mcp.call.outcome", "ok")]
    assert after[0][2] == after[1][2] is not None


@pytest.mark.claim("audit.intent-before-call")
@pytest.mark.parametrize("tool", ["echo", "stream"])
def test_a_call_waits_for_its_intent_and_its_answer_for_the_outcome(stage: Scene, tool: str) -> None:
    client, text = stage.client("acme/docs", label="bob"), f"waiting {tool}"
    arrived, may_answer = threading.Event(), threading.Event()

    def hold(seen: Seen) -> None:
        if seen.text == text:
            arrived.set()
            assert may_answer.wait(10)

    stage.upstream.before_answer = hold
    try:
        with ThreadPoolExecutor(1) as pool:
            with stage.holding_the_log():
                reply = pool.submit(client.call, text, tool)
                assert not arrived.wait(0.4), "the upstream was asked before the intent was written"
            assert arrived.wait(10)
            with stage.holding_the_log():
                may_answer.set()
                assert not wait([reply], 0.4).done, "the answer came before the outcome was written"
            assert reply.result(10).text == text
    finally:
        may_answer.set()
        stage.upstream.before_answer = None


@pytest.mark.claim("audit.fails-closed")
def test_a_call_that_cannot_be_recorded_in_time_is_refused_and_not_made(stage: Scene) -> None:
    with stage.holding_the_log():
        reply = stage.client("acme/docs").call("unrecorded")
    assert (reply.status, reply.message["error"]["code"]) == (503, -31006)
    assert not stage.upstream.saw("unrecorded")
    assert stage.client("acme/docs").call("recorded again").text == "recorded again"


@pytest.mark.claim("audit.intent-before-call")
def test_even_the_question_for_the_tools_comes_after_the_intent(stage: Scene) -> None:
    """A call may make the gateway ask for the list first; that is a request to the upstream as well."""
    key = stage.gateway.key("globex", "mallory")
    looked: list[int] = []
    count = len(lines(stage, key, "tools/call"))

    def look(seen: Seen) -> None:
        if seen.path == "/vault" and seen.message.get("method") == "tools/list":
            looked.append(len(lines(stage, key, "tools/call")) - count)

    stage.upstream.before_answer = look
    try:
        # An unknown tool makes every worker ask anew.
        stage.client("globex/vault", "globex", "mallory").call("unknown", tool="not-there")
    finally:
        stage.upstream.before_answer = None
    assert looked
    assert all(number >= 1 for number in looked)


@pytest.mark.claim("audit.cancelled")
def test_a_call_whose_client_leaves_is_recorded_as_cancelled_and_ended_at_the_upstream(stage: Scene) -> None:
    key = stage.gateway.key("acme", "second")
    client = stage.client("acme/docs", label="second")
    connection = http.client.HTTPConnection("127.0.0.1", stage.gateway.port, timeout=10)
    message, headers = client._modern("tools/call", {"name": "wait", "arguments": {"text": "left alone"}})
    own = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    connection.request(
        "POST", client.path, json.dumps(message).encode(), {**own, **headers, "Authorization": f"Bearer {key}"}
    )
    stage.upstream.wait_for(lambda: "left alone" in stage.upstream.streams)
    connection.close()
    stage.upstream.wait_for(lambda: "left alone" in stage.upstream.left)
    [found] = stage.wait_for_rows(
        "SELECT decision FROM audit_event WHERE kind = 'mcp.call.outcome' AND method = 'tools/call' "
        f"AND actor_id = '{key[4:14]}'"
    )
    assert found == ("cancelled",)


@pytest.mark.claim("audit.refusals")
def test_refused_credentials_are_recorded_with_their_reason_and_without_their_text(stage: Scene) -> None:
    key = keys.generate().text
    client = stage.client("acme/docs")
    client.key = key
    assert client.call("never").status == 401
    [row] = stage.wait_for_rows(
        f"SELECT reason, decision, http_status FROM audit_event WHERE kind = 'mcp.refused' AND actor_id = '{key[4:14]}'"
    )
    assert row == ("unknown_key", "refused", 401)


@pytest.mark.claim("audit.one-bad-event")
def test_a_hostile_path_or_name_does_not_stop_the_log(stage: Scene) -> None:
    client = stage.client("acme/docs")
    Client(stage.gateway, "/mcp/%00", None).send("POST", {}, {})
    stage.wait_for_rows("SELECT 1 FROM audit_event WHERE kind = 'mcp.refused' AND reason = 'invalid_path'")
    nul = client.legacy("tools/call", {"name": "a\0b", "arguments": {}}, session=client.open())
    assert nul.message["error"]["code"] == -32602
    for _ in range(4):
        assert client.call("after the bad one").text == "after the bad one"


@pytest.mark.claim("secrets.canaries")
def test_no_secret_is_in_any_answer_log_line_or_event(stage: Scene) -> None:
    key = stage.gateway.key("acme", "ada")
    replies: list[Reply] = [
        stage.client("acme/down").call("upstream is down"),
        stage.client("acme/docs", label="carla").call("not allowed"),
        stage.client("acme/docs").send("POST", {"jsonrpc": "2.0"}, {}),
        Client(stage.gateway, f"/mcp/acme/docs?api_key={key}", None).send("POST", {}, {}),
        Client(stage.gateway, "/mcp/acme/docs", key).send("POST", {}, {"X-API-Key": keys.generate().text}),
        Client(stage.gateway, "/mcp/acme/docs", None).send("POST", {}, {"Cookie": f"key={key}"}),
        stage.client("acme/docs").call(key, tool=f"tool-{key}"),
    ]
    assert all(reply.status >= 400 for reply in replies), [reply.status for reply in replies]
    stage.wait_for_rows("SELECT 1 FROM audit_event WHERE kind = 'mcp.refused' AND reason = 'exposed'")
    # A tool's name is the caller's own text, which comes back to nobody else; all else is looked through.
    seen = [body.replace(f"tool-{key}".encode(), b"") for body in (*(reply.body for reply in replies), *stage.bodies)]
    columns = "project, actor_id, actor, server, method, reason, session, detail"
    haystacks = {
        "answers": b"".join(seen),
        "log": stage.gateway.log.read_bytes(),
        "events": repr(stage.rows(f"SELECT {columns} FROM audit_event")).encode(),
    }
    secrets = [text[15:] for text in stage.gateway.keys.values()] + [*BEARERS.values(), "canary-bearer"]
    found = [(place, secret[:14]) for place, text in haystacks.items() for secret in secrets if secret.encode() in text]
    assert found == []
    assert haystacks["log"].count(b'"event":"call"') > 10, "the log was written at all"
