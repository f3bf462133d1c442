"""What uvicorn's protocol of ours adds: who leaves is told of, by a function instead of a waiting task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from gateway_site.lib.extensions import ON_LEAVING
from gateway_site.uvicorn_protocol import HardenedProtocol

pytestmark = [pytest.mark.asyncio, pytest.mark.claim("server.leaving")]
GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"


class App:
    """Hands every request's way to be told over to the test, and answers when the test says so."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[tuple[str, Callable[[Callable[[], None] | None], None]]] = asyncio.Queue()
        self.answering = asyncio.Event()
        self.told: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        on_leaving = scope["extensions"][ON_LEAVING]
        await self.asked.put((path, on_leaving))
        await self.answering.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(app, http=HardenedProtocol, lifespan="off", ws="none", log_level="critical", port=0)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        app.answering.set()
        server.should_exit = True
        await running


async def test_who_waits_is_told_once_that_the_client_left() -> None:
    app = App()
    async with serving(app) as (_, writer):
        writer.write(GET % 1)
        _path, on_leaving = await app.asked.get()
        left = asyncio.Event()
        on_leaving(left.set)
        await asyncio.sleep(0.05)
        assert not left.is_set()
        writer.close()
        async with asyncio.timeout(2):
            await left.wait()


async def test_who_asks_too_late_is_told_at_once_and_who_forgot_is_not() -> None:
    app = App()
    async with serving(app) as (_, writer):
        writer.write(GET % 1)
        _path, on_leaving = await app.asked.get()
        on_leaving(lambda: app.told.append("forgotten"))
        on_leaving(None)
        writer.close()
        await asyncio.sleep(0.1)
        assert app.told == []
        on_leaving(lambda: app.told.append("late"))
        assert app.told == ["late"]


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    app = App()
    async with serving(app) as (reader, writer):
        writer.write(b"".join(GET % number for number in range(4)))
        app.answering.set()
        async with asyncio.timeout(2):
            for _ in range(4):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert [app.asked.get_nowait()[0] for _ in range(4)] == ["/0", "/1", "/2", "/3"]
