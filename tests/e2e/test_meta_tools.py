"""A few tools of ours in place of all servers' tools: two tenants, both eras, servers of both eras, two workers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mcp.client.client import Client as SdkClient
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from tests.e2e.client import Client, Reply, connections_to_every_worker
from tests.e2e.scene import WORKERS, Scene, scene
from tests.e2e.test_aggregate import POISON, Caller, caller
from tests.e2e.upstream import LEGACY, Upstream

LISTED = {
    "enkrypt_list_all_servers", "enkrypt_get_server_info", "enkrypt_discover_all_tools", "enkrypt_secure_call_tools",
    "search_tools", "describe_tool", "enkrypt_get_cache_status", "enkrypt_clear_cache", "enkrypt_get_timeout_metrics",
}  # fmt: skip
SECRET = "canary-header-of-acme"
CANARY = "7b1f-canary-of-globex"
# A secret in an argument, which the project's default policy does not let out.
BLOCKED = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PICTURE: dict[str, Any] = {"content": [
    {"type": "text", "text": "first"}, {"type": "image", "data": PIXEL, "mimeType": "image/png"},
    {"type": "text", "text": "second"}, {"type": "resource_link", "uri": "file:///report", "name": "report"},
], "structuredContent": {"temperature": 21}}  # fmt: skip


def tool(name: str, description: str, **properties: Any) -> dict[str, Any]:
    return {"name": name, "description": description, "inputSchema": {"type": "object", "properties": properties}}


def declarations(upstream: Upstream) -> dict[str, Any]:
    text = {"type": "string"}
    usual = [tool("echo", "Repeats a text.", text=text), tool("stream", "Repeats a text in a stream.", text=text)]
    for path in ("docs", "legacy-docs", "modern-docs", "waiting"):
        upstream.tools[f"/{path}"] = [
            *usual, tool("picture", "Draws a chart.", text=text), tool("fails", "Always fails."),
            tool("secret", "Hidden by an overlay.", text=text), tool("wait", "Never answers.", text=text),
        ]  # fmt: skip
    upstream.tools["/slow"] = [tool("wait", "Never answers.", text=text)]
    upstream.tools["/vault"] = [tool("echo", CANARY, text=text)]
    upstream.results |= {"picture": PICTURE, "fails": {"isError": True, "content": [{"type": "text", "text": "no"}]}}
    overlays = [
        {"tool": "stream", "rename": "repeat", "description": "Says it again."}, {"tool": "secret", "hidden": True}
    ]  # fmt: skip

    def server(slug: str, path: str, **more: Any) -> dict[str, Any]:
        return {"slug": slug, "url": upstream.url(path), "headers": {"X-Token": SECRET}, "overlays": overlays, **more}

    ada, bob = "ada@acme.test", "bob@acme.test"
    return {
        "version": 1,
        "projects": [
            {
                "slug": "acme",
                "members": [{"email": ada, "role": "owner"}, {"email": bob}],
                "servers": [
                    server("docs", "docs"), server("old", "legacy-docs"), server("new", "modern-docs"),
                    server("waiting", "waiting", review="review", overlays=[]),
                    server("closed", "closed", grants=[{"allow": "*", "role": "auditor"}], overlays=[]),
                    {"slug": "down", "url": "http://127.0.0.1:9/mcp"},
                    {"slug": "slow", "url": upstream.url("slow"), "timeout_seconds": 1},
                ],
                "keys": [
                    {"user": ada, "label": "ada", "tools": "meta"},
                    {"user": ada, "label": "native"},
                    {"user": ada, "label": "doomed", "tools": "meta"},
                    {"user": bob, "label": "bob", "surface": "meta"},
                    {"user": ada, "label": "narrow", "surface": "meta", "tools": ["docs/echo"]},
                    {"user": ada, "label": "docs-only", "surface": "meta", "servers": ["docs"]},
                ],
            },
            {
                "slug": "globex",
                "members": [{"email": "mallory@globex.test", "role": "owner"}],
                "servers": [{"slug": "vault", "url": upstream.url("vault")}],
                "keys": [{"user": "mallory@globex.test", "label": "mallory", "tools": ["meta"]}],
            },
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene("postgresql", tmp_path_factory.mktemp("meta"), declarations) as made:
        yield made


@pytest.fixture(params=["modern", "legacy"])
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def use(asker: Caller, name: str, /, **arguments: Any) -> dict[str, Any]:
    """The result of a tool of ours, whose text says the same as its structure."""
    reply = asker.ask("tools/call", {"name": name, "arguments": arguments})
    assert reply.status == 200, reply.body
    result: dict[str, Any] = reply.message["result"]
    said = json.loads(result["content"][0]["text"])
    bare = [{key: value for key, value in item.items() if key != "result"}
            for item in result["structuredContent"].get("results", [])]  # fmt: skip
    assert said == {**result["structuredContent"], **({"results": bare} if bare else {})}
    return result


def given(asker: Caller, name: str, /, **arguments: Any) -> dict[str, Any]:
    result = use(asker, name, **arguments)
    assert result["isError"] is False, result
    return dict(result["structuredContent"])


def batch(asker: Caller, server: str, *calls: dict[str, Any]) -> dict[str, Any]:
    result = use(asker, "enkrypt_secure_call_tools", server_name=server, tool_calls=list(calls))
    return dict(result["structuredContent"])


def echo(text: str, name: str = "echo") -> dict[str, Any]:
    return {"name": name, "args": {"text": text}}


# --- what is shown ----------------------------------------------------------------------------------------


@pytest.mark.claim("meta.option")
@pytest.mark.claim("meta.names")
def test_a_key_that_is_told_so_sees_a_few_tools_and_another_sees_all(stage: Scene, era: str) -> None:
    ada, native = caller(stage, era), caller(stage, era, label="native")
    assert set(ada.tools()) == LISTED
    assert not LISTED & set(native.tools())
    for name in sorted(LISTED):
        assert native.tool(name).refusal[2]["message"] == f"Unknown tool: {name}"
    assert ada.ask("tools/list", {"cursor": "MQ=="}).refusal[2]["message"] == "Invalid cursor"
    of_one = Caller(stage.client("acme/docs"), era)
    assert "echo" in of_one.tools()
    assert of_one.tool("search_tools").refusal[2]["message"] == "Unknown tool: search_tools"


@pytest.mark.claim("meta.names")
@pytest.mark.parametrize(
    ("neutral", "name", "arguments"),
    [
        ("list_servers", "enkrypt_list_all_servers", {}),
        ("server_info", "enkrypt_get_server_info", {"server_name": "docs"}),
        ("discover_tools", "enkrypt_discover_all_tools", {"server_name": "docs"}),
        ("call_tools", "enkrypt_secure_call_tools", {"server_name": "docs"}),
        ("cache_status", "enkrypt_get_cache_status", {}),
        ("clear_cache", "enkrypt_clear_cache", {"server_name": "nothing"}),
        ("timeout_metrics", "enkrypt_get_timeout_metrics", {}),
    ],
)
def test_a_tool_has_the_name_of_the_reference_and_a_neutral_one(
    stage: Scene, era: str, neutral: str, name: str, arguments: dict[str, Any]
) -> None:
    ada = caller(stage, era)
    first, second = (use(ada, each, **arguments)["structuredContent"] for each in (neutral, name))
    assert (set(first), first["message"]) == (set(second), second["message"])


@pytest.mark.claim("meta.rights")
def test_servers_are_listed_with_the_tools_that_the_key_may_use(stage: Scene, era: str) -> None:
    shown = given(caller(stage, era), "enkrypt_list_all_servers")
    assert set(shown["available_servers"]) == {"docs", "old", "new", "waiting", "down", "slow"}
    assert shown["discovery_failed_servers"] == ["down"]
    docs = shown["available_servers"]["docs"]
    assert docs["tools"] == {"echo": "Repeats a text.", "fails": "Always fails.", "picture": "Draws a chart.",
                             "repeat": "Says it again.", "wait": "Never answers."}  # fmt: skip
    assert (docs["transport"], docs["state"], docs["tool_count"]) == ("http", "available", 5)
    assert shown["available_servers"]["waiting"]["tools"] == {}
    assert shown["available_servers"]["down"]["discovery_error"]["error_kind"] == "unavailable"
    brief = given(caller(stage, era), "enkrypt_list_all_servers", discover_tools=False)
    assert "tools" not in brief["available_servers"]["docs"]
    assert brief["servers_needing_discovery"] == ["down"]
    narrow = given(caller(stage, era, label="narrow"), "list_servers")["available_servers"]
    assert {slug: server.get("tools") for slug, server in narrow.items() if server["tool_count"]} == {
        "docs": {"echo": "Repeats a text."}
    }
    assert set(given(caller(stage, era, label="docs-only"), "list_servers")["available_servers"]) == {"docs"}


@pytest.mark.claim("meta.secrets")
def test_what_is_said_of_a_server_holds_no_secret(stage: Scene, era: str) -> None:
    ada = caller(stage, era)
    info = given(ada, "enkrypt_get_server_info", server_name="docs")["server_info"]
    assert set(info) == {"server_name", "transport", "state", "protocol_eras", "server_version", "instructions",
                         "tool_count", "tools"}  # fmt: skip
    said = json.dumps([info, given(ada, "list_servers"), given(ada, "discover_tools", server_name="docs")])
    for secret in (SECRET, "X-Token", f":{stage.upstream.port}", "127.0.0.1"):
        assert secret not in said


@pytest.mark.claim("meta.rights")
def test_one_server_is_discovered_in_full_and_a_tool_described(stage: Scene, era: str) -> None:
    ada = caller(stage, era)
    tools = given(ada, "enkrypt_discover_all_tools", server_name="docs")["tools"]["tools"]
    assert [each["name"] for each in tools] == ["echo", "fails", "picture", "repeat", "wait"]
    assert tools[0]["inputSchema"] == {"type": "object", "properties": {"text": {"type": "string"}}}
    for arguments in ({"name": "docs__echo"}, {"name": "echo", "server_name": "docs"}):
        described = given(ada, "describe_tool", **arguments)
        assert (described["server_name"], described["tool_name"]) == ("docs", "echo")
        assert described["tool"] == {**tools[0], "name": "docs__echo"}
    everything = given(ada, "enkrypt_discover_all_tools", server_name="null")
    assert everything == given(ada, "enkrypt_discover_all_tools")
    assert everything["available_servers"]["old"]["tools"]["repeat"] == "Says it again."


@pytest.mark.claim("meta.search")
def test_tools_are_found_by_words(stage: Scene, era: str) -> None:
    ada = caller(stage, era)
    found = given(ada, "search_tools", query="draw charts", server_name="docs")["tools"]
    assert [(each["name"], each["server_name"], each["description"]) for each in found] == [
        ("docs__picture", "docs", "Draws a chart.")
    ]
    assert len(given(ada, "search_tools", query="repeats a text", limit=2)["tools"]) == 2
    assert given(ada, "search_tools", query="hidden overlay secret")["tools"] == []
    for arguments in ({"query": ""}, {"query": "x", "limit": 51}, {"query": "x" * 501}, {}, {"query": 7}):
        assert use(ada, "search_tools", **arguments)["structuredContent"]["error"]["code"] == "invalid_arguments"


UNKNOWN_TOOLS = {
    "no such tool": ("docs", "nothing"),
    "no such server": ("nothing", "echo"),
    "of another tenant": ("vault", "echo"),
    "waits for review": ("waiting", "echo"),
    "of a server without rights": ("closed", "echo"),
    "hidden by an overlay": ("docs", "secret"),
    "by the name that an overlay took": ("docs", "stream"),
    "one of ours": ("docs", "search_tools"),
    "ours without a server": ("", "call_tools"),
    "another server's": ("docs", "old__echo"),
    "across the separator": ("docs__x", "echo"),
}  # fmt: skip


@pytest.mark.claim("meta.rights")
def test_what_is_not_there_is_one_answer(stage: Scene, era: str) -> None:
    ada, before = caller(stage, era), len(stage.upstream.seen)
    for reason, (server, name) in UNKNOWN_TOOLS.items():
        answer = batch(ada, server, echo("intrusion", name), echo("never"))
        [item] = answer["results"]
        error = {"code": -32602, "message": f"Unknown tool: {name}"}
        assert (answer["status"], item["status"], item["error"]) == ("error", "denied", error), reason
        described = use(ada, "describe_tool", name=name, server_name=server)["structuredContent"]
        assert described["error"] | {"request_id": ""} == {
            "code": "unknown_tool", "message": f"Unknown tool: {name}", "request_id": ""
        }, reason  # fmt: skip
    for server in ("nothing", "vault", "closed", ""):
        for tool_name in ("server_info", "discover_tools", "call_tools"):
            refused = use(ada, tool_name, server_name=server)
            assert refused["isError"] is True
            assert refused["structuredContent"]["message"] == f"Unknown server: {server}"
        assert given(ada, "search_tools", query="echo", server_name=server)["tools"] == []
    applied = [batch(ada, server, echo("x"))["guardrails_applied"] for server in ("nothing", "vault", "closed")]
    assert applied[0] == applied[1] == applied[2]
    assert not [seen for seen in stage.upstream.seen[before:] if seen.text in ("intrusion", "never")]


@pytest.mark.claim("meta.rights")
def test_tenants_do_not_see_each_other(stage: Scene, era: str) -> None:
    ada, mallory = caller(stage, era), caller(stage, era, "globex", "mallory")
    assert CANARY in json.dumps(given(mallory, "discover_tools", server_name="vault"))
    everything = [given(ada, "list_servers"), given(ada, "search_tools", query=f"{CANARY} echo vault", limit=50)]
    assert CANARY not in json.dumps(everything)
    assert set(given(mallory, "list_servers")["available_servers"]) == {"vault"}
    outsider = stage.client("acme", "globex", "mallory")
    assert outsider.modern("tools/call", {"name": "list_servers", "arguments": {}}).status == 404


@pytest.mark.claim("meta.rights")
def test_a_narrow_key_calls_what_it_may_and_nothing_else(stage: Scene, era: str) -> None:
    narrow = caller(stage, era, label="narrow")
    assert batch(narrow, "docs", echo("narrow"))["status"] == "success"
    for server, name in (("docs", "repeat"), ("old", "echo")):
        [item] = batch(narrow, server, echo("x", name))["results"]
        assert (item["status"], item["message"]) == ("denied", f"Unknown tool: {name}")
    assert [each["name"] for each in given(narrow, "search_tools", query="repeats text says again")["tools"]] == [
        "docs__echo"
    ]


# --- calls ------------------------------------------------------------------------------------------------


@pytest.mark.claim("meta.pipeline")
@pytest.mark.parametrize("server", ["docs", "old", "new"])
@pytest.mark.parametrize("name", ["echo", "repeat", "{server}__echo"])
def test_a_batch_reaches_its_server_in_its_order(stage: Scene, era: str, server: str, name: str) -> None:
    texts = [f"{number} to {server} by {name} of {era}" for number in range(3)]
    answer = batch(caller(stage, era), server, *(echo(text, name.format(server=server)) for text in texts))
    assert (answer["status"], answer["server_name"]) == ("success", server)
    assert answer["summary"] == {"total_calls": 3, "successful_calls": 3, "blocked_calls": 0, "denied_calls": 0,
                                 "failed_calls": 0}  # fmt: skip
    assert [(item["status"], item["response"]) for item in answer["results"]] == [("success", text) for text in texts]
    real = {"repeat": "stream"}.get(name, "echo")
    seen = [each for each in stage.upstream.seen if each.text in texts]
    assert [each.text for each in seen] == texts
    assert {each.message["params"]["name"] for each in seen} == {real}
    assert {each.headers["x-token"] for each in seen} == {SECRET}


@pytest.mark.claim("meta.names")
def test_tools_and_arguments_may_be_called_by_the_names_of_the_reference(stage: Scene, era: str) -> None:
    ada = caller(stage, era)
    for member in ("name", "tool_name", "tool", "function", "function_name", "function_id"):
        [item] = batch(ada, "docs", {member: "echo", "args": {"text": member}})["results"]
        assert item["response"] == member
    for member in ("args", "arguments", "tool_arguments", "tool_input_arguments", "tool_args", "tool_input_args",
                   "parameters", "input", "params"):  # fmt: skip
        [item] = batch(ada, "docs", {"name": "echo", member: {"text": member}})["results"]
        assert (item["response"], item["enkrypt_mcp_data"]) == (
            member, {"call_index": 0, "server_name": "docs", "tool_name": "echo", "args": {"text": member}}
        )  # fmt: skip
    assert "echo" in json.dumps(given(ada, "call_tools", server_name="docs", tool_calls=[])["tools"])


@pytest.mark.claim("meta.whole")
@pytest.mark.parametrize("server", ["docs", "old", "new"])
def test_what_is_no_text_survives(stage: Scene, era: str, server: str) -> None:
    result = use(caller(stage, era), "call_tools", server_name=server, tool_calls=[echo("x", "picture"), echo("y")])
    [item, _] = result["structuredContent"]["results"]
    link = {**PICTURE["content"][3], "uri": f"mcp+{server}+file:///report"}
    assert item["result"]["content"] == [*PICTURE["content"][:3], link]
    assert item["result"]["structuredContent"] == {"temperature": 21}
    assert item["response"] == "first\nsecond"
    assert result["content"][1:] == [PICTURE["content"][1], link]
    failed = batch(caller(stage, era), server, {"name": "fails"}, echo("not any more"))
    [item] = failed["results"]
    assert (failed["status"], item["status"], item["result"]["isError"]) == ("error", "error", True)
    assert not stage.upstream.saw("not any more")


@pytest.mark.claim("meta.stops")
@pytest.mark.claim("meta.findings")
@pytest.mark.claim("meta.pipeline")
def test_a_blocked_call_does_not_leave_and_ends_the_batch(stage: Scene, era: str) -> None:
    before = len(stage.upstream.seen)
    answer = batch(caller(stage, era), "docs", echo("fine"), echo(f"my token is {BLOCKED}"), echo("after"))
    assert [item["status"] for item in answer["results"]] == ["success", "blocked_input"]
    assert answer["status"] == "partial"
    assert answer["summary"] == {"total_calls": 3, "successful_calls": 1, "blocked_calls": 1, "denied_calls": 0,
                                 "failed_calls": 0}  # fmt: skip
    assert answer["guardrails_applied"]["input_guardrails_enabled"] is True
    detections = answer["results"][1]["enkrypt_policy_detections"]
    response = detections["input_guardrail_response"]
    assert response["is_safe"] is False
    assert response["violations"][0]["pointer"] == "/params/arguments/text"
    assert BLOCKED not in json.dumps([detections, answer["results"][1]["result"], answer["results"][1]["message"]])
    assert [seen.text for seen in stage.upstream.seen[before:] if seen.text] == ["fine"]


@pytest.mark.claim("meta.findings")
def test_a_blocked_answer_is_held_back(stage: Scene, era: str) -> None:
    stage.upstream.results["echo"] = {"content": [{"type": "text", "text": POISON}]}
    try:
        result = use(caller(stage, era), "call_tools", server_name="docs", tool_calls=[echo("a"), echo("b")])
    finally:
        del stage.upstream.results["echo"]
    assert [item["status"] for item in result["structuredContent"]["results"]] == ["blocked_output"]
    assert "id_rsa" not in json.dumps(result)
    [item] = result["structuredContent"]["results"]
    assert item["enkrypt_policy_detections"]["output_guardrail_response"]["is_safe"] is False
    assert item["enkrypt_policy_detections"]["input_guardrail_response"] == {}


@pytest.mark.claim("meta.stops")
def test_a_batch_that_cannot_be_read_is_not_begun(stage: Scene, era: str) -> None:
    ada, before = caller(stage, era), len(stage.upstream.seen)
    for calls in ([echo("x"), {}], [echo("x"), {"name": 7}], [echo("x"), {"name": "echo", "args": [1]}],
                  [echo("x"), "echo"], [echo("x")] * 21):  # fmt: skip
        refused = use(ada, "call_tools", server_name="docs", tool_calls=calls)
        assert refused["isError"] is True
        assert refused["structuredContent"]["error"]["code"] == "invalid_arguments"
    assert not [seen for seen in stage.upstream.seen[before:] if seen.text == "x"]


@pytest.mark.claim("meta.stops")
def test_a_server_that_is_down_is_an_error_of_its_call(stage: Scene, era: str) -> None:
    answer = batch(caller(stage, era), "down", echo("x"))
    assert answer["results"][0]["status"] in ("denied", "error")
    assert len(answer["results"]) == 1


@pytest.mark.claim("meta.pipeline")
def test_each_call_of_a_batch_is_on_record_before_it_leaves(stage: Scene, era: str) -> None:
    ada, open_intents = caller(stage, era), []

    def look(seen: Any) -> None:
        if seen.text == f"recorded {era}":
            open_intents.extend(stage.rows("SELECT kind, server, subject FROM audit_event ORDER BY ord DESC LIMIT 1"))

    stage.upstream.before_answer = look
    try:
        arguments = {"server_name": "old", "tool_calls": [echo(f"recorded {era}"), echo("x", "nothing")]}
        reply = ada.ask("tools/call", {"name": "enkrypt_secure_call_tools", "arguments": arguments})
    finally:
        stage.upstream.before_answer = None
    assert open_intents == [("mcp.call.intent", "old", "echo")]
    lines = stage.rows(
        "SELECT kind, server, subject, decision, call_id FROM audit_event "
        f"WHERE request_id = '{reply.headers['x-request-id']}' ORDER BY ord"
    )
    kinds = [(kind.rsplit(".", 1)[1], server, decision) for kind, server, _, decision, _ in lines]
    assert kinds == [
        ("intent", "", ""), ("intent", "old", ""), ("outcome", "old", "ok"), ("intent", "", ""),
        ("outcome", "", "refused"), ("outcome", "", "ok"),
    ]  # fmt: skip
    assert [lines[0][2], lines[1][2]] == ["enkrypt_secure_call_tools", "echo"]
    assert len({call_id for *_, call_id in lines}) == 3
    events = [item["event"] for item in reply.message["result"]["structuredContent"]["results"]]
    assert events == [str(lines[1][4]), str(lines[3][4])]


@pytest.mark.claim("meta.pipeline")
def test_a_batch_that_is_cancelled_is_over_at_its_server_too(stage: Scene) -> None:
    client = stage.client("acme")
    session = client.open()
    call_of_batch = {"server_name": "old", "tool_calls": [{"name": "wait", "args": {"text": "until cancelled"}}]}
    with ThreadPoolExecutor(1) as pool:
        params = {"name": "enkrypt_secure_call_tools", "arguments": call_of_batch}
        waiting = pool.submit(stage.client("acme").legacy, "tools/call", params, session)
        stage.upstream.wait_for(lambda: bool(stage.upstream.saw("until cancelled")))
        [seen] = stage.upstream.saw("until cancelled")
        notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        for _ in range(4 * WORKERS):
            # The worker that has the call is found by asking more than one.
            headers = {"MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": session}
            assert stage.client("acme").send("POST", notice, headers).status == 202
        stage.upstream.wait_for(lambda: any(
            each.message.get("method") == "notifications/cancelled"
            and each.message["params"]["requestId"] == seen.message["id"] for each in stage.upstream.seen
        ))  # fmt: skip
        assert waiting.result(10).status == 499


@pytest.mark.claim("meta.pipeline")
def test_a_key_that_is_revoked_ends_the_batch(stage: Scene) -> None:
    call_of_batch = {"server_name": "docs", "tool_calls": [{"name": "wait", "args": {"text": "until revoked"}}]}
    with ThreadPoolExecutor(1) as pool:
        doomed = caller(stage, "modern", label="doomed")
        waiting = pool.submit(use_raw, doomed, call_of_batch)
        stage.upstream.wait_for(lambda: bool(stage.upstream.saw("until revoked")))
        stage.gateway.manage(
            "shell", "-c",
            "from projects.models import *; from projects.scoping import *; from projects.services import *\n"
            "with unscoped('a test'): revoke_key(key=ApiKey.objects.select_related('project').get(label='doomed'))",
        )  # fmt: skip
        assert waiting.result(10).status == 401
    lines = stage.wait_for_rows(
        "SELECT reason FROM audit_event WHERE kind = 'mcp.call.outcome' AND server = 'docs' AND decision = 'cancelled'"
    )
    assert lines


def use_raw(asker: Caller, arguments: dict[str, Any]) -> Reply:
    return asker.ask("tools/call", {"name": "enkrypt_secure_call_tools", "arguments": arguments})


# --- caches and figures -----------------------------------------------------------------------------------


@pytest.mark.claim("meta.cache")
def test_the_caches_are_shown_of_the_servers_of_the_key(stage: Scene, era: str) -> None:
    given(caller(stage, era), "list_servers")
    status = given(caller(stage, era, label="narrow"), "enkrypt_get_cache_status")["cache_status"]
    tools = status["gateway_specific"]["tools"]
    assert "closed" not in tools["servers"]
    assert tools["server_count"] == len(tools["servers"]) == 6
    assert tools["servers"]["docs"]["tool_count"] == 1
    assert tools["servers"]["down"]["exists"] is False
    expiries = status["global"]["tool_cache_expiration_hours"], status["global"]["config_cache_expiration_hours"]
    assert expiries == (4, 24)
    assert "127.0.0.1" not in json.dumps(status)
    [only] = given(caller(stage, era, label="docs-only"), "cache_status")["cache_status"]["gateway_specific"]["tools"][
        "servers"
    ]
    assert only == "docs"


@pytest.mark.claim("meta.cache")
def test_caches_are_cleared_by_administrators_alone(stage: Scene, era: str) -> None:
    for label in ("bob", "narrow"):
        who = caller(stage, era, label=label)
        assert set(who.tools()) == LISTED - {"enkrypt_clear_cache"}
        for name in ("enkrypt_clear_cache", "clear_cache"):
            assert who.tool(name).refusal[2] == {"code": -32602, "message": f"Unknown tool: {name}", "data": {}}
    ada, narrow = caller(stage, era), caller(stage, era, label="docs-only")
    for server in ("vault", "nothing", "closed"):
        refused = use(ada, "clear_cache", server_name=server)["structuredContent"]
        assert refused["message"] == f"Unknown server: {server}"
    for asker, arguments in ((narrow, {}), (narrow, {"server_name": "docs", "cache_type": "verdicts"})):
        assert use(asker, "clear_cache", **arguments)["structuredContent"]["error"]["code"] == "declined"
    assert use(ada, "clear_cache", cache_type="rubbish")["structuredContent"]["error"]["code"] == "invalid_arguments"
    assert not stage.rows(f"SELECT 1 FROM audit_event WHERE kind = 'cache.cleared' AND detail::text LIKE '%{era}%'")


@pytest.mark.claim("meta.cache")
def test_who_clears_a_cache_is_on_record(stage: Scene) -> None:
    ada = caller(stage, "modern")
    assert given(ada, "enkrypt_clear_cache", cache_type="server_config", server_name="docs", id="whatever")
    rows = stage.wait_for_rows(
        "SELECT actor_kind, actor, project, server, detail FROM audit_event WHERE kind = 'cache.cleared'"
    )
    assert rows == [("key", "ada@acme.test", "acme", "docs", {"kinds": ["tools"]})]
    assert batch(ada, "docs", echo("goes on"))["status"] == "success"


@pytest.mark.claim("meta.timeouts")
def test_calls_are_counted_by_how_they_end(stage: Scene, era: str) -> None:
    [row] = connections_to_every_worker(stage.gateway, WORKERS)
    key = stage.gateway.key("acme", "ada")
    ada = Caller(Client(stage.gateway, "/mcp/acme", key, row[0]), era)
    other = Caller(Client(stage.gateway, "/mcp/globex", stage.gateway.key("globex", "mallory"), row[0]), era)

    def figures(asker: Caller) -> dict[str, Any]:
        return dict(given(asker, "enkrypt_get_timeout_metrics")["timeout_metrics"])

    before, of_others = figures(ada), figures(other)
    assert batch(ada, "docs", echo("one"), echo("two"))["status"] == "success"
    [item] = batch(ada, "slow", {"name": "wait"})["results"]
    assert (item["status"], item["error"]["code"]) == ("error", -31002)
    after = figures(ada)
    assert {name: after[name] - before[name] for name in after if name.endswith("_operations")} == {
        "total_operations": 3, "successful_operations": 2, "timeout_operations": 1, "cancelled_operations": 0,
        "active_operations": 0,
    }  # fmt: skip
    assert (after["since"], 0 < after["success_rate"] < 1) == (before["since"], True)
    assert figures(other) == of_others
    assert given(ada, "timeout_metrics")["timeout_config"]["slow"] == 1


@pytest.mark.claim("meta.names")
@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_library_of_the_protocol_uses_them(stage: Scene, mode: str) -> None:
    async def ask() -> tuple[set[str], Any]:
        headers = {"Authorization": f"Bearer {stage.gateway.key('acme', 'ada')}"}
        url = f"http://127.0.0.1:{stage.gateway.port}/mcp/acme"
        async with (
            create_mcp_http_client(headers=headers) as http,
            SdkClient(streamable_http_client(url, http_client=http), mode=mode) as client,
        ):
            listed = await client.list_tools()
            called = await client.call_tool(
                "enkrypt_secure_call_tools", {"server_name": "docs", "tool_calls": [echo("x", "picture")]}
            )
        return {each.name for each in listed.tools}, called

    names, called = asyncio.run(ask())
    assert names == LISTED
    assert [block.type for block in called.content] == ["text", "image", "resource_link"]
    assert called.structured_content["results"][0]["result"]["structuredContent"] == {"temperature": 21}
