"""Modern calls through the runner: one shared child, many clients, nothing mixed up."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from typing import Any

import aiohttp
import pytest
from mcp import Client

from .conftest import META, Recipe, child, events, runner, until

pytestmark = pytest.mark.claim("runner.modern")

LOG = {"io.modelcontextprotocol/logLevel": "info"}
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_published_server_answers_the_sdk_client_in_both_eras(mode: str) -> None:
    async with runner() as stage:
        url = stage.add(Recipe(argv=(sys.executable, "-m", "mcp_server_time", "--local-timezone=UTC")))
        async with Client(url, mode=mode) as client:
            tools = await client.list_tools()
            result = await client.call_tool("get_current_time", {"timezone": "Europe/Paris"})
        assert {tool.name for tool in tools.tools} == {"get_current_time", "convert_time"}
        assert not result.is_error
        assert "Europe/Paris" in str(result.content[0])
        era = {entry["era"] for entry in await stage.children() if entry["state"] == "ready"}
        assert era <= ({"modern"} if mode == "auto" else set())


@pytest.mark.asyncio
async def test_an_answer_keeps_its_unknown_fields_and_the_id_of_its_caller() -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        async with stage.modern(url, "tools/call", {"name": "echo", "arguments": {"text": "ä"}}, identity="a-1") as r:
            assert (r.status, r.content_type) == (200, "application/json")
            assert await r.json() == {
                "jsonrpc": "2.0",
                "id": "a-1",
                "result": {"resultType": "complete", "content": [{"type": "text", "text": "ä"}]},
            }


@pytest.mark.asyncio
async def test_sixty_four_clients_with_the_same_id_never_get_each_others_answers() -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        dice = random.Random(7)

        async def talk(client: int) -> int:
            wrong = 0
            for turn in range(10):
                words = f"{client}/{turn}"
                status, body = await stage.call(url, "late", text=words, delay=dice.random() / 50)
                wrong += (status, body["id"], body["result"]["content"][0]["text"]) != (200, 1, words)
            return wrong

        assert sum(await asyncio.gather(*(talk(number) for number in range(64)))) == 0
        assert len([c for c in await stage.children() if c["state"] == "ready"]) == 1


@pytest.mark.asyncio
async def test_progress_turns_the_answer_into_a_stream_with_the_clients_own_token() -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))

        async def follow(token: str | int) -> None:
            params = {"name": "progress", "arguments": {}}
            async with stage.modern(url, "tools/call", params, meta={"progressToken": token}) as response:
                *between, last = [event async for event in events(response)]
            assert [event["params"]["progress"] for event in between] == [1, 2, 3]
            assert {event["params"]["progressToken"] for event in between} == {token}
            assert between[0]["params"]["vendor"] == {"kept": True}
            assert (last["id"], last["result"]["content"][0]["text"]) == (1, "done")

        await asyncio.gather(*(follow(token) for token in ("same", "same", 0, "x", 5, "same")))


@pytest.mark.asyncio
async def test_a_client_that_takes_only_json_gets_json_after_progress() -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        params = {"name": "progress", "arguments": {}}
        call = stage.modern(url, "tools/call", params, meta={"progressToken": 1}, accept="application/json")
        async with call as response:
            assert response.content_type == "application/json"
            assert (await response.json())["result"]["content"][0]["text"] == "done"


@pytest.mark.asyncio
async def test_a_client_that_leaves_cancels_its_call_at_the_child() -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        await stage.call(url, "echo", text="warm")
        async with aiohttp.ClientSession() as hasty:
            stage.http, kept = hasty, stage.http
            waiting = asyncio.ensure_future(stage.call(url, "silence"))
            bridge = stage.app.pool.bridges()[0]
            await until(lambda: bridge.busy == 1)
            waiting.cancel()
            await asyncio.wait({waiting})
            stage.http = kept
            await until(lambda: bridge.busy == 0)
        _, body = await stage.call(url, "seen")
        seen = json.loads(body["result"]["content"][0]["text"])
        assert [message["method"] for message in seen] == ["notifications/cancelled"]
        assert seen[0]["params"]["requestId"] == 3  # the probe was 1, the first echo 2


@pytest.mark.asyncio
async def test_a_subscription_carries_the_clients_own_id_until_it_ends() -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        params = {"notifications": {"toolsListChanged": True, "end": True}}
        async with stage.modern(url, "subscriptions/listen", params, identity="sub") as response:
            found = [event async for event in events(response)]
        assert [event.get("method") for event in found] == [
            "notifications/subscriptions/acknowledged",
            "notifications/tools/list_changed",
            None,
        ]
        metas = [(event.get("params") or event["result"])["_meta"][SUBSCRIPTION] for event in found]
        assert metas == ["sub", "sub", "sub"]
        async with stage.modern(url, "subscriptions/listen", params, accept="application/json") as response:
            assert response.status == 406


@pytest.mark.asyncio
async def test_a_log_line_reaches_its_caller_only_when_there_is_no_doubt_whose_it_is() -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        async with stage.modern(url, "tools/call", {"name": "log"}, meta=LOG) as response:
            found = [event async for event in events(response)]
        assert [event.get("method") for event in found] == ["notifications/message", None]
        async with stage.modern(url, "tools/call", {"name": "log"}) as response:
            assert response.content_type == "application/json"
        other = asyncio.ensure_future(stage.modern(url, "tools/call", {"name": "silence"}, meta=LOG).__aenter__())
        bridge = stage.app.pool.bridges()[0]
        await until(lambda: bridge.busy == 1)
        async with stage.modern(url, "tools/call", {"name": "log"}, meta=LOG) as response:
            assert response.content_type == "application/json"
        other.cancel()


@pytest.mark.asyncio
async def test_errors_of_the_child_get_the_status_of_their_code() -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        status, body = await stage.call(url, "unknown-error")
        assert (status, body["error"]) == (400, {"code": -32602, "message": "Unknown tool", "data": {"x": 1}})


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "method", ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"]
)
async def test_removed_methods_are_unknown_and_start_no_child(method: str) -> None:
    async with runner() as stage:
        async with stage.modern(stage.add(child("plain")), method) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (404, -32601)
        assert await stage.children() == []


@pytest.mark.asyncio
async def test_a_legacy_only_child_sends_modern_clients_to_the_handshake_and_is_probed_once() -> None:
    async with runner() as stage:
        url = stage.add(child("legacy"))
        for _ in range(2):
            async with stage.modern(url, "server/discover") as response:
                assert (response.status, (await response.json())["error"]["code"]) == (404, -32601)
        assert stage.app.pool.bridges() == []
        async with Client(url, mode="auto") as client:
            assert client.protocol_version == "2025-11-25"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"jsonrpc":', 400, -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":' + b"[" * 70 + b"]" * 70 + b"}", 400, -32700),
        (b"[]", 400, -32600),
        (b"42", 400, -32600),
        (b'{"jsonrpc":"2.0","id":1,"result":{}}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"x"}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}', 400, -32602),
        (b"x" * (8 * 1024 * 1024 + 1), 413, None),
    ],
)
async def test_a_body_that_is_not_one_message_is_refused(body: bytes, status: int, code: int | None) -> None:
    headers = {"accept": "application/json", "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"}
    async with (
        runner() as stage,
        stage.http.post(stage.add(child("plain")), data=body, headers=headers) as response,
    ):
        assert response.status == status
        if code is not None:
            assert (await response.json())["error"]["code"] == code


@pytest.mark.asyncio
async def test_headers_that_disagree_with_the_body_are_refused() -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META}}
        for headers, code in (
            ({"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call"}, -32020),
            ({"mcp-protocol-version": "1900-01-01", "mcp-method": "tools/list"}, -32020),
        ):
            async with stage.http.post(url, json=body, headers={"accept": "application/json", **headers}) as response:
                assert (response.status, (await response.json())["error"]["code"]) == (400, code)


@pytest.mark.asyncio
async def test_other_methods_and_notifications_have_their_fixed_answers() -> None:
    headers = {"mcp-protocol-version": "2026-07-28", "accept": "application/json, text/event-stream"}
    async with runner() as stage:
        url = stage.add(child("plain"))
        for method in ("GET", "DELETE", "PUT"):
            async with stage.http.request(method, url, headers=headers) as response:
                assert (response.status, response.headers["allow"]) == (405, "POST")
        body = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        async with stage.http.post(url, json=body, headers=headers) as response:
            assert (response.status, await response.read()) == (202, b"")
        assert await stage.children() == []


@pytest.mark.asyncio
async def test_unknown_servers_are_not_found_and_old_configurations_are_gone() -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        async with stage.modern(f"{stage.base}/1/2/h1", "tools/list") as response:
            assert (response.status, await response.json()) == (404, {"error": "unknown server"})
        async with stage.modern(url.replace("h1", "h0"), "tools/list") as response:
            assert (response.status, await response.json()) == (410, {"error": "stale configuration"})
        async with stage.http.get(f"{stage.base}/healthz") as response:
            assert (response.status, await response.json()) == (200, {"status": "ok"})


@pytest.mark.asyncio
async def test_a_new_configuration_replaces_the_child_and_ends_the_old_one(alive: Any) -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        await stage.call(url, "echo")
        [old] = await stage.children()
        await stage.call(stage.add(child("plain", config_hash="h2")), "echo")
        await until(lambda: not alive(old["pid"]))
        async with stage.modern(url, "tools/list") as response:
            assert response.status == 410


@pytest.mark.asyncio
async def test_silence_is_filled_with_comments_that_keep_the_stream_alive() -> None:
    async with (
        runner(keep_alive=0.02) as stage,
        stage.modern(stage.add(child("plain")), "tools/call", {"name": "silence"}) as response,
    ):
        assert response.content_type == "text/event-stream"
        lines = [await response.content.readline() for _ in range(3)]
        assert lines == [b": keep-alive\n", b"\n", b": keep-alive\n"]


@pytest.mark.asyncio
async def test_a_child_is_ended_when_nobody_uses_it(alive: Any) -> None:
    async with runner() as stage:
        url = stage.add(child("plain", idle_seconds=0.2))
        await stage.call(url, "echo")
        [entry] = await stage.children()
        await until(lambda: not alive(entry["pid"]))
        assert (await stage.call(url, "echo", text="again"))[0] == 200
