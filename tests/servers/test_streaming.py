"""Streams on connections of their own: whatever a server sends, and whenever either side ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import uvloop
from pytest_django import Settings

from gateway_site.lib import egress
from servers import streaming
from servers.events import RawEvent
from servers.upstream import Connections, Exchange, Upstream, UpstreamError
from tests.servers.certified import certified
from tests.servers.speaking import Handler, Server, chunk, sends, serving, silence

pytestmark = [pytest.mark.claim("upstream.streams"), pytest.mark.asyncio]
LIMIT = 1_000_000
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(params=[asyncio.DefaultEventLoopPolicy, uvloop.EventLoopPolicy], ids=["asyncio", "uvloop"])
def event_loop_policy(request: pytest.FixtureRequest) -> Any:
    return request.param()


@pytest.fixture(autouse=True)
def opened(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1"]


@asynccontextmanager
async def opening(
    server: Server, *, method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None,
    seconds: float = 5.0, url: str = "http://127.0.0.1:{}/mcp?a=b",
) -> AsyncIterator[Exchange]:
    connections = Connections()
    upstream = Upstream(1, 1, "here", "http", url.format(server.port), "hash", seconds, {"Authorization": "ours"})
    try:
        exchange = await connections.send(upstream, method, headers or {}, body, alone=True)
        try:
            yield exchange
        finally:
            exchange.close()
    finally:
        await connections.close()
    await closed()


async def closed() -> None:
    async with asyncio.timeout(2):
        while streaming.Reply.connected:
            await asyncio.sleep(0.005)


async def refusal(handler: Handler, **more: Any) -> UpstreamError:
    async with serving(handler) as server:
        with pytest.raises(UpstreamError) as caught:
            async with opening(server, **more):
                pass
    await closed()
    return caught.value


async def events(exchange: Exchange) -> list[RawEvent]:
    return [event async for event in exchange.events(LIMIT)]


BODY = b": ping\n\nid: 1\ndata: one\n\n" + b"id: 2\ndata: " + b"x" * 3000 + b"\n\n"
FORMS = {
    "chunked": CHUNKED + chunk(BODY[:11]) + chunk(BODY[11:40]) + chunk(BODY[40:]) + b"0\r\n\r\n",
    "chunks of one": CHUNKED + b"".join(chunk(bytes([byte])) for byte in BODY) + b"0\r\nTrailer: x\r\n\r\n",
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\ncontent-type: Text/Event-Stream; a=b\r\n\r\n" % len(BODY)
    + BODY,
    "until the end": b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + BODY,
    "old version": b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + BODY,
    "after interim answers": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Type: a/b\r\n\r\n"
    + CHUNKED + chunk(BODY) + b"0\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("step", [1_000_000, 7, 61])
async def test_a_stream_is_the_same_however_it_is_framed_and_cut(form: str, step: int) -> None:
    data = FORMS[form]
    data, rest = data[:900], data[900:]
    edges = [*range(0, len(data), step), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges)]
    async with serving(sends(*pieces, rest)) as server, opening(server) as exchange:
        assert (exchange.status, exchange.content_type) == (200, "text/event-stream")
        assert await events(exchange) == [
            RawEvent(comments=("ping",)), RawEvent("one", "1"), RawEvent("x" * 3000, "2")
        ]  # fmt: skip


async def test_the_request_is_what_it_should_be_and_nothing_more() -> None:
    answer = sends(FORMS["chunked"])
    async with serving(answer) as server:
        async with opening(server, headers={"Last-Event-ID": "7"}):
            pass
        async with opening(server, method="POST", headers={"Host": "else.where"}, body=b"{}"):
            pass
    host = b"127.0.0.1:%d" % server.port
    assert server.heads == [
        b"GET /mcp?a=b HTTP/1.1\r\nHost: " + host + b"\r\nLast-Event-ID: 7\r\nAuthorization: ours\r\n\r\n",
        b"POST /mcp?a=b HTTP/1.1\r\nHost: else.where\r\nAuthorization: ours\r\nContent-Length: 2\r\n\r\n",
    ]


async def test_a_body_is_sent_and_an_answer_that_is_no_stream_is_read() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = await reader.readexactly(300_000)
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    async with serving(answer) as server, opening(server, method="POST", body=b"x" * 300_000) as exchange:
        assert (exchange.status, exchange.headers["Content-Length"]) == (404, "300000")
        assert await exchange.read(LIMIT) == b"x" * 300_000


async def test_a_redirect_is_an_answer_like_any_other() -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{}/\r\nContent-Length: 0\r\n\r\n"
    async with serving(sends(head, then=silence)) as server, opening(server) as exchange:
        assert exchange.status == 302
        assert await exchange.read(LIMIT) == b""
    assert len(server.heads) == 1


async def test_a_line_break_in_a_header_is_not_sent() -> None:
    error = await refusal(silence, headers={"Last-Event-ID": "7\r\nX: y"})
    assert error.kind == "invalid"


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([], "unavailable"),
        ([b"HTTP/1.1 200 OK\r\nContent-Ty"], "unavailable"),
        ([b"SSH-2.0-OpenSSH_9.6\r\n"], "invalid"),
        ([b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"], "invalid"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"], "invalid"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"], "invalid"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"], "invalid"),
        ([b"HTTP/1.1 200 OK\r\n" + b"X: %s\r\n" % (b"x" * 100_000)], "invalid"),
        ([b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000 + b"\r\n"], "invalid"),
        ([b"HTTP/1.1 200 OK\r\n"] + [b"A: b\r\n" * 1000] * 20, "invalid"),
        ([b"HTTP/1.1 200 " + b"x" * 100_000], "invalid"),
        ([b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5_000], "invalid"),
    ],
    ids=["closed", "cut", "no http", "upgrade", "coding", "codings", "lengths", "long line", "many lines", "slow flood",
         "long reason", "interim flood"],
)  # fmt: skip
async def test_what_is_no_answer_is_refused(pieces: list[bytes], kind: str) -> None:
    assert (await refusal(sends(*pieces))).kind == kind


async def test_a_server_that_says_nothing_times_out() -> None:
    error = await refusal(silence, seconds=0.1)
    assert (error.kind, error.detail) == ("timeout", "no answer in time")


async def test_silence_after_the_head_is_no_error() -> None:
    async with serving(sends(CHUNKED, then=silence)) as server, opening(server, seconds=0.1) as exchange:
        reading = asyncio.create_task(events(exchange))
        await asyncio.sleep(0.3)
        assert not reading.done()
        reading.cancel()


@pytest.mark.parametrize(
    "pieces",
    [
        [CHUNKED, chunk(b"data: 1\n\n")],
        [CHUNKED, chunk(b"data: 1\n\n"), b"zz\r\n"],
        [CHUNKED, chunk(b"data: 1\n\n") + b"0\r\nX: " + b"x" * 100_000],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"data: 1\n\n"],
    ],
    ids=["no last chunk", "no chunk", "endless trailer", "short"],
)
async def test_what_came_before_an_answer_broke_is_there(pieces: list[bytes]) -> None:
    async with serving(sends(*pieces)) as server, opening(server) as exchange:
        stream = exchange.events(LIMIT)
        assert await anext(stream) == RawEvent("1")
        with pytest.raises(UpstreamError) as caught:
            await anext(stream)
    assert (caught.value.kind, caught.value.detail) == ("unavailable", "ended in the middle of an answer")


async def test_what_follows_the_answer_is_not_read() -> None:
    second = b"HTTP/1.1 500 Oh\r\nContent-Length: 9\r\n\r\ndata: 2\n\n"
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ndata: 1\n\n"
    async with serving(sends(one + second, then=silence)) as server, opening(server) as exchange:
        assert await events(exchange) == [RawEvent("1")]
        assert exchange.status == 200


async def test_an_event_over_the_limit_ends_the_stream() -> None:
    flood = CHUNKED + chunk(b"data: " + b"x" * 5000)
    async with serving(sends(flood, then=silence)) as server, opening(server) as exchange:
        with pytest.raises(UpstreamError) as caught:
            await anext(exchange.events(4096))
    assert caught.value.kind == "too_large"


async def test_a_body_over_the_limit_is_refused_announced_or_not() -> None:
    for head in (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"):
        async with serving(sends(head + b"x" * 5000)) as server, opening(server) as exchange:
            with pytest.raises(UpstreamError) as caught:
                await exchange.read(4096)
        assert caught.value.kind == "too_large"


async def test_closing_closes_the_connection_at_once() -> None:
    server = Server(silence)

    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        await server.until_left(reader)

    server._handler = stay
    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening, opening(server) as exchange:
        reading = asyncio.create_task(events(exchange))
        await asyncio.sleep(0.05)
        assert not server.left.is_set()
        assert streaming.Reply.connected == 1
        reading.cancel()
        exchange.close()
        async with asyncio.timeout(1):
            await server.left.wait()
    assert streaming.Reply.connected == 0


async def test_a_call_that_is_cancelled_before_the_head_leaves_no_connection() -> None:
    async with serving(silence) as server:
        upstream = Upstream(1, 1, "here", "http", f"http://127.0.0.1:{server.port}/", "hash", 5.0)
        asking = asyncio.create_task(Connections().send(upstream, "GET", {}, None, alone=True))
        while not server.heads:
            await asyncio.sleep(0.005)
        asking.cancel()
        await closed()


async def test_a_slow_reader_slows_the_server_and_loses_nothing() -> None:
    piece, count, sent = chunk(b"data: " + b"x" * 65_000 + b"\n\n"), 400, 0

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(CHUNKED)
        for _number in range(count):
            writer.write(piece)
            await writer.drain()
            sent += 1
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async with serving(flood) as server, opening(server) as exchange:
        stream, got = exchange.events(LIMIT), 0
        await anext(stream)
        await asyncio.sleep(0.3)
        held = exchange._body
        assert isinstance(held, streaming.Reply)
        assert held._size <= 2 * 2**18
        assert sent < count
        async for _ in stream:
            got += 1
    assert got == count - 1


async def test_nothing_is_sent_to_a_closed_address(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["10.0.0.0/8"]
    async with serving(silence) as server:
        for url in ("http://127.0.0.1:{}/", "http://localhost:{}/", "ftp://127.0.0.1/", "https://u:p@example.org/"):
            with pytest.raises(UpstreamError) as caught:
                async with opening(server, url=url):
                    pass
            assert caught.value.kind == "unavailable"
            assert caught.value.detail.startswith("egress denied: ")
    assert server.heads == []
    assert server._tasks == set()


async def test_a_name_that_is_opened_is_connected_to(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["localhost"]
    async with serving(sends(FORMS["chunked"])) as server, opening(server, url="http://localhost:{}/") as exchange:
        assert len(await events(exchange)) == 3
    assert server.heads[0].split(b"\r\n")[1] == b"Host: localhost:%d" % server.port


async def test_nobody_listens(unused_tcp_port: int) -> None:
    server = Server(silence)
    server.port = unused_tcp_port
    with pytest.raises(UpstreamError) as caught:
        async with opening(server):
            pass
    assert (caught.value.kind, caught.value.detail) == ("unavailable", "nothing answers at its address")


async def test_the_runner_is_reached_and_waited_for(tmp_path: Path, settings: Settings) -> None:
    settings.RUNNER_SOCKET = tmp_path / "r.sock"
    server = Server(sends(FORMS["chunked"]))
    connections = Connections()
    upstream = Upstream(3, 2, "child", "stdio", "", "hash", 5.0)
    asking = asyncio.create_task(connections.send(upstream, "GET", {"Accept": "text/event-stream"}, None, alone=True))
    await asyncio.sleep(0.2)
    listening = await asyncio.start_unix_server(server, settings.RUNNER_SOCKET)
    async with listening:
        exchange = await asking
        assert len(await events(exchange)) == 3
        exchange.close()
        await closed()
    assert server.heads == [b"GET /2/3/hash HTTP/1.1\r\nHost: runner\r\nAccept: text/event-stream\r\n\r\n"]


async def test_tls_is_spoken_and_certificates_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, trusting = certified(tmp_path)
    url = "https://127.0.0.1:{}/mcp"
    async with serving(sends(FORMS["chunked"]), ours) as server:
        with pytest.raises(UpstreamError) as caught:
            async with opening(server, url=url):
                pass
        assert (caught.value.kind, server.heads) == ("unavailable", [])
        monkeypatch.setattr(egress, "_default_tls", lambda: trusting)
        async with opening(server, url=url) as exchange:
            assert len(await events(exchange)) == 3
        async with opening(server, url=url):
            pass
    await closed()


async def test_a_call_that_is_cancelled_when_tls_is_just_agreed_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, trusting = certified(tmp_path)
    monkeypatch.setattr(egress, "_default_tls", lambda: trusting)

    class Leaving(streaming.Reply):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base
            super().connection_made(transport)
            connecting.cancel()

    async with serving(silence, ours) as server:
        connecting = asyncio.create_task(egress.connect(f"https://127.0.0.1:{server.port}/", Leaving))
        with pytest.raises(asyncio.CancelledError):
            await connecting
        # It does not say farewell to a server that may never answer.
        await closed()
