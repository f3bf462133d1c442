"""Connections that are kept for calls: when one carries the next call, and when it must not."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvloop
from pytest_django import Settings

from gateway_site.lib import egress
from servers import pool, streaming
from servers import upstream as upstream_module
from servers.upstream import Connections, Upstream, UpstreamError
from tests.servers.certified import certified
from tests.servers.speaking import Handler, serving

pytestmark = [pytest.mark.claim("upstream.kept"), pytest.mark.asyncio]
LIMIT = 1_000_000
ONE = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"
TWO = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"
EVENTS = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
          b"9\r\ndata: 1\n\n\r\n0\r\n\r\n")  # fmt: skip


@pytest.fixture(params=[asyncio.DefaultEventLoopPolicy, uvloop.EventLoopPolicy], ids=["asyncio", "uvloop"])
def event_loop_policy(request: pytest.FixtureRequest) -> Any:
    return request.param()


@pytest.fixture(autouse=True)
def opened(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1"]


@pytest_asyncio.fixture
async def connections() -> AsyncIterator[Connections]:
    made = Connections()
    yield made
    await made.close()
    await until(lambda: streaming.Reply.connected == 0)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(2):
        while not is_so():
            await asyncio.sleep(0.002)


def answers(*said: bytes) -> Handler:
    """What a connection is answered with, request after request; then it waits for the client's end."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, each in enumerate(said):
            if number:
                await reader.readuntil(b"\r\n\r\n")
            writer.write(each)
        await reader.read()

    return handle


def server_at(
    port: int, *, config: str = "hash", seconds: float = 5.0, scheme: str = "http", **headers: str
) -> Upstream:
    return Upstream(1, 1, "here", "http", f"{scheme}://127.0.0.1:{port}/mcp", config, seconds, headers)


def tls_for(scheme: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext | None:
    """The server's; the gateway trusts it."""
    if scheme == "http":
        return None
    ours, trusting = certified(place)
    monkeypatch.setattr(egress, "_default_tls", lambda: trusting)
    return ours


async def say(connections: Connections, upstream: Upstream, method: str = "POST", body: bytes = b"") -> bytes:
    exchange = await connections.send(upstream, method, {"Accept": "a/b"}, body)
    try:
        return await exchange.read(LIMIT)
    finally:
        exchange.close()
        # As the pipeline does, more than once.
        exchange.close()


async def test_calls_one_by_one_share_a_connection(connections: Connections) -> None:
    async with serving(answers(ONE, TWO, EVENTS, ONE)) as server:
        upstream = server_at(server.port)
        assert [await say(connections, upstream) for _ in range(4)] == [b"one", b"two", b"data: 1\n\n", b"one"]
        assert len(server.heads) == 1


async def test_calls_at_one_time_have_a_connection_each_and_their_own_answers(connections: Connections) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            body = await reader.readexactly(3)
            await asyncio.sleep(0)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + body)
            await reader.readuntil(b"\r\n\r\n")

    async def one(number: int) -> bool:
        exchange = await connections.send(server_at(server.port), "POST", {}, b"%03d" % number)
        body = await exchange.read(LIMIT)
        exchange.close()
        return body == b"%03d" % number

    async with serving(echo) as server:
        for _ in range(3):
            assert all(await asyncio.gather(*(one(number) for number in range(20))))
        assert len(server.heads) == 20


@pytest.mark.parametrize(
    "said",
    [
        ONE + TWO, ONE + b"HTTP/1.1 200 OK\r\n", ONE + b"H", ONE + b"garbage", EVENTS + TWO,
        ONE.replace(b"Content", b"Connection: close\r\nContent"), ONE.replace(b"1.1", b"1.0", 1),
    ],
    ids=["answer", "head", "byte", "garbage", "after chunks", "close", "old version"],
)  # fmt: skip
async def test_what_says_more_than_it_was_asked_or_wants_to_end_is_not_used_again(
    connections: Connections, said: bytes
) -> None:
    async with serving(answers(said, b"HTTP/1.1 500 Never\r\nContent-Length: 0\r\n\r\n")) as server:
        for _ in range(3):
            exchange = await connections.send(server_at(server.port), "POST", {}, b"")
            assert exchange.status == 200
            assert await exchange.read(LIMIT) in (b"one", b"data: 1\n\n")
            exchange.close()
        assert len(server.heads) == 3


async def test_an_answer_that_nobody_asked_for_is_nobodys(connections: Connections) -> None:
    said, more = asyncio.Event(), asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ONE)
        await more.wait()
        writer.write(TWO)
        await writer.drain()
        said.set()
        await reader.read()

    async with serving(handle) as server:
        assert await say(connections, server_at(server.port)) == b"one"
        more.set()
        await said.wait()
        await until(lambda: streaming.Reply.connected == 0)
        assert await say(connections, server_at(server.port)) == b"one"
        assert len(server.heads) == 2


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_what_comes_behind_a_long_answer_is_nobodys_either(
    connections: Connections, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000
    more = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(long)
        await more.wait()
        writer.write(TWO)
        await reader.read()

    async with serving(handle, tls_for(scheme, tmp_path, monkeypatch)) as server:
        upstream = server_at(server.port, scheme=scheme)
        exchange = await connections.send(upstream, "POST", {}, b"")
        await until(lambda: exchange._body._kept._is_whole)  # type: ignore[attr-defined]  # nothing is read by now
        more.set()
        await until(lambda: streaming.Reply.connected == 0)
        assert len(await exchange.read(LIMIT)) == 200_000
        exchange.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_connection_whose_server_answers_before_it_was_asked_to_the_end_is_not_used_again(
    connections: Connections, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """It may read the rest of the request as the next one."""
    is_over = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ONE)
        await is_over.wait()

    async with serving(handle, tls_for(scheme, tmp_path, monkeypatch)) as server:
        upstream = server_at(server.port, scheme=scheme)
        # More than all that lies between takes up.
        for _ in range(2):
            assert await say(connections, upstream, body=b"x" * 16_000_000) == b"one"
        is_over.set()
        assert len(server.heads) == 2


async def test_an_answer_that_is_left_in_the_middle_takes_its_connection_along(connections: Connections) -> None:
    async with serving(answers(ONE[:-1], TWO)) as server:
        (await connections.send(server_at(server.port), "POST", {}, b"")).close()
        await until(lambda: streaming.Reply.connected == 0)
        (await connections.send(server_at(server.port), "POST", {}, b"")).close()
        assert len(server.heads) == 2


async def test_a_call_that_is_cancelled_takes_its_connection_along(connections: Connections) -> None:
    async with serving(answers(b"")) as server:
        calling = asyncio.create_task(say(connections, server_at(server.port)))
        await until(lambda: bool(server.heads))
        calling.cancel()
        await until(lambda: streaming.Reply.connected == 0)


async def test_an_answer_longer_than_the_buffer_is_read_whole_and_the_next_one_too(connections: Connections) -> None:
    body = b"x" * 900_000
    long = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with serving(answers(long, long, TWO)) as server:
        upstream = server_at(server.port)
        assert [await say(connections, upstream) for _ in range(3)] == [body, body, b"two"]
        assert len(server.heads) == 1


async def test_the_end_of_a_kept_connection_fails_a_call_but_repeats_what_may_be_done_twice(
    connections: Connections,
) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ONE)
        # Reads the next request and ends without a word.
        await reader.readuntil(b"\r\n\r\n")

    async with serving(handle) as server:
        upstream = server_at(server.port)
        assert await say(connections, upstream) == b"one"
        with pytest.raises(UpstreamError) as caught:
            await say(connections, upstream)
        assert (caught.value.kind, len(server.heads)) == ("unavailable", 1)
        assert await say(connections, upstream) == b"one"
        assert await say(connections, upstream, "DELETE") == b"one"
        assert len(server.heads) == 3


async def test_silence_in_the_middle_of_an_answer_ends_it(connections: Connections) -> None:
    async with serving(answers(ONE[:-1])) as server:
        exchange = await connections.send(server_at(server.port, seconds=0.1), "POST", {}, b"")
        with pytest.raises(UpstreamError) as caught:
            await exchange.read(LIMIT)
        assert (caught.value.kind, caught.value.detail) == ("timeout", "silent in the middle of an answer")
        exchange.close()
        with pytest.raises(UpstreamError):
            await exchange.read(LIMIT)


async def test_an_answer_that_comes_bit_by_bit_is_not_waited_for_without_end(
    connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_module, "_MOST_SECONDS", 0.05)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.001)

    async with serving(drip) as server:
        with pytest.raises(UpstreamError) as caught:
            await say(connections, server_at(server.port))
        assert caught.value.kind == "timeout"
        await until(lambda: streaming.Reply.connected == 0)


async def test_what_is_not_used_is_closed_after_a_while(
    connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_KEPT_SECONDS", 0.05)
    async with serving(answers(ONE, TWO)) as server:
        assert await say(connections, server_at(server.port)) == b"one"
        assert streaming.Reply.connected == 1
        await until(lambda: streaming.Reply.connected == 0)


async def test_a_connection_that_ended_while_the_loop_was_busy_is_not_used(connections: Connections) -> None:
    may_end, has_ended = threading.Event(), threading.Event()

    def serve(listener: socket.socket) -> None:
        with listener.accept()[0] as first:
            first.recv(65536)
            first.sendall(ONE)
            assert may_end.wait(10)
        has_ended.set()
        with listener.accept()[0] as second:
            second.recv(65536)
            second.sendall(TWO)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        upstream = server_at(listener.getsockname()[1])
        assert await say(connections, upstream) == b"one"
        may_end.set()
        # The loop is not asked meanwhile, as beside a long piece of work.
        assert has_ended.wait(10)
        assert await say(connections, upstream) == b"two"
        thread.join(10)


async def test_another_configuration_has_connections_of_its_own_and_the_former_end(connections: Connections) -> None:
    async with serving(answers(ONE, TWO)) as server:
        assert await say(connections, server_at(server.port)) == b"one"
        assert await say(connections, server_at(server.port, config="other", seconds=0.5)) == b"one"
        assert len(server.heads) == 2
        await until(lambda: streaming.Reply.connected == 1)


async def test_the_servers_own_headers_stand_for_those_of_the_same_name(connections: Connections) -> None:
    async with serving(answers(ONE)) as server:
        await say(connections, server_at(server.port, accept="c/d", Authorization="ours"))
    assert server.heads[0].split(b"\r\n")[2:] == [
        b"accept: c/d", b"Authorization: ours", b"Content-Length: 0", b"", b""
    ]  # fmt: skip


async def test_a_session_id_goes_back_byte_for_byte(connections: Connections) -> None:
    said = ONE.replace(b"Content", b"Mcp-Session-Id: a\xffb\xc3\xa9\r\nContent")
    async with serving(answers(said, TWO)) as server:
        exchange = await connections.send(server_at(server.port), "POST", {}, b"")
        exchange.close()
        # On a connection of its own, whose head the server keeps.
        given = {"Mcp-Session-Id": exchange.headers["Mcp-Session-Id"]}
        (await connections.send(server_at(server.port), "GET", given, None, alone=True)).close()
        assert server.heads[1].split(b"\r\n")[2] == b"Mcp-Session-Id: a\xffb\xc3\xa9"
