"""Legacy sessions through the runner: one child each, which may ask back and is ended with its session."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from mcp import Client

from .conftest import BOTH, HANDSHAKE, Recipe, Stage, child, events, runner, until

pytestmark = pytest.mark.claim("runner.legacy")


def tool(identity: Any, name: str, **params: Any) -> dict[str, Any]:
    return {"id": identity, "method": "tools/call", "params": {"name": name, **params}}


async def words(stage: Stage, url: str, session: str, name: str) -> Any:
    async with stage.legacy(url, tool(99, name), session) as response:
        return json.loads((await response.json())["result"]["content"][0]["text"])


@pytest.mark.asyncio
async def test_every_session_has_a_child_of_its_own_until_it_is_deleted(alive: Callable[[int], bool]) -> None:
    async with runner() as stage:
        url = stage.add(child("legacy"))
        first, second = await stage.open(url), await stage.open(url)
        assert len(first) >= 43
        assert first != second
        pids = [entry["pid"] for entry in await stage.children()]
        assert len(set(pids)) == 2
        assert first not in json.dumps(await stage.children())
        async with stage.http.delete(url, headers={"mcp-session-id": first}) as response:
            assert response.status == 200
        async with stage.legacy(url, {"id": 1, "method": "ping"}, first) as response:
            body = await response.json()
            assert response.status == 404
            assert (body["error"]["code"], body["error"]["message"]) == (-32600, "Session not found")
        await until(lambda: sum(map(alive, pids)) == 1)
        async with stage.legacy(url, {"id": "p", "method": "ping"}, second) as response:
            assert await response.json() == {"jsonrpc": "2.0", "id": "p", "result": {}}


@pytest.mark.asyncio
async def test_a_session_is_unknown_at_another_server_or_configuration() -> None:
    async with runner() as stage:
        url = stage.add(child("legacy"))
        other = stage.add(child("legacy", project_id=2))
        session = await stage.open(url)
        await stage.open(other)
        changed = stage.add(child("legacy", config_hash="h2"))
        for place in (other, changed):
            async with stage.legacy(place, {"id": 1, "method": "ping"}, session) as response:
                assert response.status == 404


@pytest.mark.asyncio
async def test_a_request_without_a_session_and_a_refused_handshake_leave_no_child() -> None:
    async with runner() as stage:
        url = stage.add(child("refuses"))
        async with stage.legacy(url, {"id": 1, "method": "ping"}) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (400, -32600)
        async with stage.legacy(url, {"id": 1, "method": "initialize", "params": HANDSHAKE}) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (200, -32602)
            assert "mcp-session-id" not in response.headers
        assert stage.app.pool.bridges() == []


@pytest.mark.asyncio
async def test_a_question_of_the_child_goes_to_the_call_in_flight_and_its_answer_comes_back() -> None:
    async with runner() as stage:
        url = stage.add(child("legacy"))
        session = await stage.open(url)
        async with stage.legacy(url, tool(1, "ask"), session) as response:
            found = events(response)
            question = await anext(found)
            assert (question["id"], question["method"]) == ("q1", "elicitation/create")
            unasked = {"id": "q2", "result": {"content": {"name": "mallory"}}}
            reply = {"id": "q1", "result": {"action": "accept", "content": {"name": "ada"}}}
            for body in (unasked, reply, reply):
                async with stage.legacy(url, body, session) as accepted:
                    assert accepted.status == 202
            assert (await anext(found))["result"]["content"][0]["text"] == "hello ada"
        assert len(await words(stage, url, session, "seen")) == 1


@pytest.mark.asyncio
async def test_a_question_waits_for_the_get_stream_when_the_call_cannot_carry_it() -> None:
    async with runner() as stage:
        url = stage.add(child("legacy"))
        session = await stage.open(url)
        call = asyncio.ensure_future(stage.legacy(url, tool(1, "ask"), session, "application/json").__aenter__())
        async with stage.listen(url, session) as stream:
            question = await anext(events(stream))
            assert question["id"] == "q1"
            async with stage.legacy(url, {"id": "q1", "result": {"content": {"name": "bob"}}}, session):
                pass
        response = await call
        assert (await response.json())["result"]["content"][0]["text"] == "hello bob"


@pytest.mark.asyncio
async def test_a_session_has_one_get_stream_at_a_time_which_ends_with_the_session() -> None:
    async with runner(keep_alive=0.02) as stage:
        url = stage.add(child("legacy"))
        session = await stage.open(url)
        async with stage.listen(url, session) as stream:
            assert await stream.content.readline() == b": keep-alive\n"
            async with stage.listen(url, session) as second:
                assert second.status == 409
        bridge = stage.app.pool.bridges()[0]
        await until(lambda: not bridge.busy)
        async with stage.listen(url, session) as stream:
            assert stream.status == 200
            async with stage.legacy(url, tool(1, "changed"), session) as response:
                assert response.content_type == "application/json"
            assert (await anext(events(stream)))["method"] == "notifications/tools/list_changed"
            async with stage.http.delete(url, headers={"mcp-session-id": session}):
                pass
            async for line in stream.content:
                assert line.startswith(b":") or line == b"\n"


@pytest.mark.asyncio
async def test_progress_and_logs_of_a_call_arrive_on_its_own_stream() -> None:
    async with runner() as stage:
        url = stage.add(child("legacy"))
        session = await stage.open(url)
        body = tool("x", "progress", _meta={"progressToken": "tok"})
        async with stage.legacy(url, body, session) as response:
            *between, last = [event async for event in events(response)]
        assert {event["params"]["progressToken"] for event in between} == {"tok"}
        assert last["id"] == "x"
        async with stage.legacy(url, tool(2, "log"), session) as response:
            found = [event async for event in events(response)]
        assert [event.get("method") for event in found] == ["notifications/message", None]


@pytest.mark.asyncio
async def test_a_cancelled_call_ends_and_the_child_learns_its_own_id_of_it() -> None:
    async with runner() as stage:
        url = stage.add(child("legacy"))
        session = await stage.open(url)
        call = asyncio.ensure_future(stage.legacy(url, tool("slow", "silence"), session).__aenter__())
        bridge = stage.app.pool.bridges()[0]
        await until(lambda: bridge.busy == 1)
        cancel = {"method": "notifications/cancelled", "params": {"requestId": "slow", "reason": "bored"}}
        async with stage.legacy(url, cancel, session) as response:
            assert response.status == 202
        assert (await (await call).json())["id"] == "slow"
        [notice] = await words(stage, url, session, "seen")
        assert notice["params"] == {"requestId": 2, "reason": "bored"}


@pytest.mark.asyncio
async def test_a_client_that_leaves_a_legacy_call_cancels_nothing() -> None:
    async with runner() as stage:
        url = stage.add(child("legacy"))
        session = await stage.open(url)
        call = asyncio.ensure_future(stage.legacy(url, tool(1, "silence"), session).__aenter__())
        bridge = stage.app.pool.bridges()[0]
        await until(lambda: bridge.busy == 1)
        call.cancel()
        await until(lambda: bridge.busy == 0)
        assert await words(stage, url, session, "seen") == []


@pytest.mark.asyncio
async def test_sessions_over_the_cap_are_refused_until_one_ends() -> None:
    async with runner() as stage:
        url = stage.add(child("legacy", max_processes=2))
        first = await stage.open(url)
        await stage.open(url)
        start = {"id": 1, "method": "initialize", "params": HANDSHAKE}
        async with stage.legacy(url, start) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (503, -31007)
            assert response.headers["retry-after"]
        async with stage.http.delete(url, headers={"mcp-session-id": first}):
            pass
        await stage.open(url)


@pytest.mark.asyncio
async def test_idle_sessions_end_but_not_while_a_stream_is_open(alive: Callable[[int], bool]) -> None:
    async with runner() as stage:
        url = stage.add(child("legacy", idle_seconds=0.3))
        used, idle = await stage.open(url), await stage.open(url)
        one, two = (entry["pid"] for entry in await stage.children())
        async with stage.listen(url, used):
            await until(lambda: not alive(two))
            async with stage.legacy(url, {"id": 1, "method": "ping"}, idle) as response:
                assert response.status == 404
            assert alive(one)
        await until(lambda: not alive(one))


@pytest.mark.asyncio
async def test_a_session_whose_child_died_is_not_found_and_its_call_is_told() -> None:
    async with runner() as stage:
        url = stage.add(child("legacy"))
        session = await stage.open(url)
        async with stage.legacy(url, tool(1, "die"), session) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (502, -31001)
        async with stage.legacy(url, {"id": 2, "method": "ping"}, session) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (404, -32600)


@pytest.mark.asyncio
async def test_a_published_server_asks_lists_and_logs_over_a_session() -> None:
    async with runner() as stage:
        url = stage.add(Recipe(argv=(sys.executable, "-m", "mcp_server_time")))
        async with Client(url, mode="legacy") as one, Client(url, mode="legacy") as two:
            assert one.protocol_version == two.protocol_version == "2025-11-25"
            for client in (one, two):
                result = await client.call_tool("get_current_time", {"timezone": "UTC"})
                assert not result.is_error
        assert [entry for entry in await stage.children() if entry["state"] == "ready"] == []


@pytest.mark.asyncio
async def test_a_client_that_lost_its_stream_takes_it_up_again_where_it_was() -> None:
    async with runner() as stage:
        url = stage.add(child("legacy"))
        session = await stage.open(url)
        headers = {"accept": BOTH, "mcp-session-id": session, "mcp-protocol-version": "2025-11-25"}
        body = {"jsonrpc": "2.0", **tool(5, "ask", _meta={"progressToken": "t"})}
        async with stage.http.post(url, json=body, headers=headers) as response:
            assert await response.content.readuntil(b"\n\n") == b"id: 2-0\nretry: 1000\ndata: \n\n"
            question = await response.content.readuntil(b"\n\n")
            assert question.startswith(b"id: 2-1\nevent: message\n")
            response.close()
        bridge = stage.app.pool.bridges()[0]
        await until(lambda: not bridge.busy)
        reply = {"id": "q1", "result": {"action": "accept", "content": {"name": "eve"}}}
        async with stage.legacy(url, reply, session):
            pass
        again = {**headers, "last-event-id": "2-0"}
        async with stage.http.get(url, headers=again) as response:
            assert await response.content.readuntil(b"\n\n") == question
            last = await response.content.readuntil(b"\n\n")
        assert last.startswith(b"id: 2-2\nevent: message\n")
        answer = json.loads(last.split(b"data: ", 1)[1])
        assert (answer["id"], answer["result"]["content"][0]["text"]) == (5, "hello eve")
        for unknown in ("2-0", "9-9", "x", "-"):
            async with stage.http.get(url, headers={**headers, "last-event-id": unknown}) as response:
                assert (response.status, bridge.busy) == (200, 1)
                response.close()
            await until(lambda: not bridge.busy)
        assert await words(stage, url, session, "seen") != []


@pytest.mark.asyncio
async def test_calls_that_nobody_comes_back_for_are_few_and_do_not_keep_a_session() -> None:
    async with runner() as stage:
        url = stage.add(child("legacy"))
        session = await stage.open(url)
        headers = {"accept": BOTH, "mcp-session-id": session, "mcp-protocol-version": "2025-11-25"}
        bridge = stage.app.pool.bridges()[0]
        for number in range(20):
            body = {"jsonrpc": "2.0", **tool(number, "silence")}
            async with stage.http.post(url, json=body, headers=headers) as response:
                response.close()
            await until(lambda: not bridge.busy)
        assert len(bridge._calls) <= 8
