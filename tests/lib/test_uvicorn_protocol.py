"""What uvicorn's protocol of ours adds: who leaves is told of, and an answer's head leaves with its body."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from gateway_site.lib.extensions import ON_LEAVING
from gateway_site.uvicorn_protocol import HardenedProtocol

pytestmark = pytest.mark.asyncio
leaving = pytest.mark.claim("server.leaving")
together = pytest.mark.claim("server.one_write")
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
async def serving(app: Any) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
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
        if isinstance(app, App):
            app.answering.set()
        server.should_exit = True
        await running


@leaving
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


@leaving
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


@leaving
async def test_pipelined_requests_are_answered_in_their_order() -> None:
    app = App()
    async with serving(app) as (reader, writer):
        writer.write(b"".join(GET % number for number in range(4)))
        app.answering.set()
        async with asyncio.timeout(2):
            for _ in range(4):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert [app.asked.get_nowait()[0] for _ in range(4)] == ["/0", "/1", "/2", "/3"]


class Writes:
    """Answers with a head and these pieces of a body, and notes each write to the client's connection."""

    def __init__(self, *pieces: bytes, length: int | None = None) -> None:
        self.pieces = pieces
        self.headers = [] if length is None else [(b"content-length", str(length).encode())]
        self.written: list[bytes] = []
        self.after_head: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["headers"][-1][0] == b"expect":
            await receive()
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        self.after_head = list(self.written)
        for number, piece in enumerate(self.pieces, 1):
            more = number < len(self.pieces)
            await send({"type": "http.response.body", "body": piece, "more_body": more})


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Writes], None]:
    def note(app: Writes) -> None:
        made = HardenedProtocol.connection_made

        def connection_made(self: HardenedProtocol, transport: Any) -> None:
            made(self, transport)

            class Noting:
                def write(self, data: bytes) -> None:
                    app.written.append(bytes(data))
                    transport.write(data)

                def __getattr__(self, name: str) -> Any:
                    return getattr(transport, name)

            self.transport = Noting()  # type: ignore[assignment]  # all that is asked of one

        monkeypatch.setattr(HardenedProtocol, "connection_made", connection_made)

    return note


async def answer_to(app: Writes, request: bytes, end: bytes) -> bytes:
    async with serving(app) as (reader, writer):
        writer.write(request)
        async with asyncio.timeout(2):
            return await reader.readuntil(end)


@together
async def test_an_answer_leaves_in_one_write(noted: Callable[[Writes], None]) -> None:
    app = Writes(b"hello", length=5)
    noted(app)
    answer = await answer_to(app, GET % 1, b"hello")
    assert app.after_head == []
    assert app.written == [answer]
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


@together
async def test_the_head_of_a_stream_leaves_with_its_first_piece_though_that_is_empty(
    noted: Callable[[Writes], None]
) -> None:
    app = Writes(b"", b"later", b"")
    noted(app)
    answer = await answer_to(app, GET % 1, b"0\r\n\r\n")
    assert answer == b"".join(app.written)
    assert app.written[0].endswith(b"transfer-encoding: chunked\r\n\r\n")
    assert app.written[1] == b"5\r\nlater\r\n"


@together
@pytest.mark.parametrize("size", [65_536, 65_537, 1_000_000])
async def test_a_large_body_comes_whole(noted: Callable[[Writes], None], size: int) -> None:
    app = Writes(b"x" * (size - 1) + b"!", length=size)
    noted(app)
    async with serving(app) as (reader, writer):
        writer.write(GET % 1)
        async with asyncio.timeout(5):
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(size) == app.pieces[0]


@together
async def test_a_head_that_no_body_follows_leaves_at_once() -> None:
    app = Writes(b"", length=5)
    answer = await answer_to(app, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n\r\n")
    assert b"content-length: 5" in answer


@together
async def test_who_asks_whether_to_go_on_is_told_before_there_is_an_answer(noted: Callable[[Writes], None]) -> None:
    app = Writes(b"done", length=4)
    noted(app)
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    async with serving(app) as (reader, writer):
        writer.write(request)
        async with asyncio.timeout(2):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"x")
            assert (await reader.readuntil(b"done")).startswith(b"HTTP/1.1 200")


@together
async def test_a_head_whose_body_fails_leaves_before_the_connection_ends() -> None:
    class Fails(Writes):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise RuntimeError

    async with serving(Fails()) as (reader, writer):
        writer.write(GET % 1)
        async with asyncio.timeout(2):
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
