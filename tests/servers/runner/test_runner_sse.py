"""Servers of the 2024-11-05 transport, through the runner."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client
from mcp.server.mcpserver import MCPServer

from servers.runner.sse import Events

from .conftest import HANDSHAKE, Recipe, events, runner, served, until

pytestmark = pytest.mark.claim("runner.sse")


def remote(url: str, **changes: Any) -> Recipe:
    return Recipe(transport="sse", url=url, headers={"authorization": "Bearer hunter2hunter2"}, **changes)


class Hand:
    """A hand-written HTTP+SSE server: answers pings, remembers headers, can be told to misbehave."""

    def __init__(self, behaviour: str = "") -> None:
        self.behaviour = behaviour
        self.headers: list[dict[str, str]] = []
        self.out: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.headers.append({k.decode(): v.decode() for k, v in scope["headers"]})
        await (self.stream(send) if scope["method"] == "GET" else self.post(receive, send))

    async def stream(self, send: Any) -> None:
        kind = b"text/html" if self.behaviour == "html" else b"text/event-stream"
        status = 307 if self.behaviour == "redirect" else 200
        headers = [(b"content-type", kind), (b"location", b"http://127.0.0.1:9/sse")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        target = "http://127.0.0.1:9/messages" if self.behaviour == "elsewhere" else "/messages?session=1"
        await self.chunk(send, f"event: endpoint\r\ndata: {target}\r\n\r\n".encode())
        while (data := await self.out.get()) is not None:
            await self.chunk(send, data)
        await send({"type": "http.response.body", "body": b""})

    async def post(self, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        status = 500 if b"tools/call" in body else 404 if b"forget" in body else 202
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        if b'"method":"initialize"' in body:
            # In pieces, with comments and other events between, as real networks and servers do.
            for piece in (b": hi\n\nevent: other\ndata: x\n\nevent: mess", b'age\ndata: {"jsonrpc":"2.0",'):
                await self.out.put(piece)
            await self.out.put(b'\ndata: "id":1,"result":{"protocolVersion":"2024-11-05"}}\n\n')
        if b'"method":"big"' in body:
            await self.out.put(b"data: " + b"x" * (4 * 1024 * 1024 + 1))
        if b'"method":"hang-up"' in body:
            await self.out.put(None)

    async def chunk(self, send: Any, data: bytes) -> None:
        await send({"type": "http.response.body", "body": data, "more_body": True})


@contextlib.asynccontextmanager
async def hand(behaviour: str = "") -> AsyncIterator[tuple[Hand, str]]:
    server = Hand(behaviour)
    async with served(server) as base:
        try:
            yield server, f"{base}/sse"
        finally:
            await server.out.put(None)


@pytest.mark.asyncio
async def test_the_sdks_own_sse_server_answers_the_sdk_client() -> None:
    server = MCPServer("old")

    @server.tool()
    async def add(a: int, b: int) -> str:
        return str(a + b)

    async with served(server.sse_app()) as base, runner() as stage:
        url = stage.add(remote(f"{base}/sse"))
        for mode in ("auto", "legacy"):
            async with Client(url, mode=mode) as client:
                result = await client.call_tool("add", {"a": 2, "b": 40})
                assert [getattr(part, "text", None) for part in result.content] == ["42"]
        await until(lambda: not stage.app.pool.bridges())


@pytest.mark.asyncio
async def test_events_in_pieces_become_messages_and_our_headers_go_along() -> None:
    async with hand() as (server, remote_url), runner() as stage:
        url = stage.add(remote(remote_url))
        async with stage.modern(url, "server/discover") as response:
            assert response.status == 404
        await_session = stage.legacy(url, {"id": 7, "method": "initialize", "params": HANDSHAKE})
        async with await_session as response:
            assert (await response.json())["id"] == 7
            session = response.headers["mcp-session-id"]
        assert {seen["authorization"] for seen in server.headers} == {"Bearer hunter2hunter2"}
        assert {seen["accept-encoding"] for seen in server.headers} == {"identity"}
        async with stage.legacy(url, {"id": 8, "method": "tools/call"}, session) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (502, -31001)
        assert "hunter2" not in str(await stage.children())


@pytest.mark.asyncio
@pytest.mark.parametrize("behaviour", ["html", "redirect", "elsewhere"])
async def test_a_stream_that_is_none_or_leads_elsewhere_is_unavailable(behaviour: str) -> None:
    async with hand(behaviour) as (server, remote_url), runner() as stage:
        url = stage.add(remote(remote_url))
        async with stage.legacy(url, {"id": 1, "method": "initialize", "params": HANDSHAKE}) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (502, -31001)
        assert len(server.headers) == 1


@pytest.mark.asyncio
async def test_an_address_that_may_not_be_reached_is_unavailable() -> None:
    def refuse(url: str) -> Any:
        raise PermissionError(url)

    async with runner() as stage:
        stage.app.pool._factory = refuse
        url = stage.add(remote("http://10.0.0.1/sse"))
        async with stage.legacy(url, {"id": 1, "method": "initialize", "params": HANDSHAKE}) as response:
            assert response.status == 502
            assert "10.0.0.1" not in await response.text()


@pytest.mark.asyncio
@pytest.mark.parametrize(("method", "code"), [("big", -31004), ("hang-up", -31001), ("forget", -31001)])
async def test_a_session_ends_with_its_stream_and_the_call_learns_why(method: str, code: int) -> None:
    async with hand() as (_, remote_url), runner() as stage:
        url = stage.add(remote(remote_url))
        async with stage.legacy(url, {"id": 1, "method": "initialize", "params": HANDSHAKE}) as response:
            session = response.headers["mcp-session-id"]
        async with stage.legacy(url, {"id": 2, "method": method}, session) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (502, code)
        async with stage.legacy(url, {"id": 3, "method": "ping"}, session) as response:
            assert response.status == 404


@pytest.mark.asyncio
async def test_a_question_reaches_the_client_over_the_get_stream() -> None:
    async with hand() as (server, remote_url), runner() as stage:
        url = stage.add(remote(remote_url))
        async with stage.legacy(url, {"id": 1, "method": "initialize", "params": HANDSHAKE}) as response:
            session = response.headers["mcp-session-id"]
        await server.out.put(b'data: {"jsonrpc":"2.0","id":3,"method":"ping"}\n\n')
        async with stage.listen(url, session) as stream:
            assert await anext(events(stream)) == {"jsonrpc": "2.0", "id": 3, "method": "ping"}


def test_event_data_without_end_is_noticed_even_in_short_lines() -> None:
    stream = Events()
    for _ in range(5):
        assert list(stream.feed(b"data: " + b"x" * 1_000_000 + b"\n")) == []
    assert stream.overflown
