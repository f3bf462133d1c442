"""One HTTP/1.1 exchange on a connection of its own, for streams that are many, open for long and mostly silent.

A general client keeps nine kilobytes for each of them, this one less than two (bench/README.md, idle streams).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping

import httptools
from yarl import URL

from gateway_site.lib.egress import Speaker

MAX_HEAD_BYTES = 65536
_BUFFER_BYTES = 2**17
_LINE_BREAKS = re.compile(r"[\r\n\0]")
# The headers that something is decided by.
_KEPT = {
    b"content-type": "Content-Type",
    b"content-encoding": "Content-Encoding",
    b"content-length": "Content-Length",
    b"transfer-encoding": "Transfer-Encoding",
    b"mcp-session-id": "Mcp-Session-Id",
}


class BrokenAnswer(ConnectionError):
    """The connection ended, or turned into something else, before the answer's end."""


class MalformedHead(ValueError):
    """What came is no HTTP/1.1 answer that we would read on."""


class Reply(Speaker):
    """The answer to one request: its status and headers, then its body piece by piece. Close it when done."""

    __slots__ = ("_chunks", "_failure", "_framed", "_head_size", "_headers", "_outside", "_over", "_parser", "_size",
                 "_transport", "_waiter", "status")  # fmt: skip
    # How many connections there are now, of all loops.
    connected = 0

    def __init__(self) -> None:
        self.status = 0
        self._headers: dict[str, str] | None = {}
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._chunks: list[bytes] = []
        self._size = 0
        self._head_size = 0
        # Bytes since the last one of the body: what the parser may have to keep of a header that does not end.
        self._outside = 0
        self._framed = False
        self._over = False
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def head(self) -> dict[str, str]:
        """Those of the headers that count, once, and `status` is there. Raises BrokenAnswer and MalformedHead."""
        while not self.status and not self._over:
            await self._change()
        if not self.status:
            raise self._failure or BrokenAnswer("no answer")
        headers, self._headers = self._headers, None
        return headers or {}

    async def read(self) -> bytes:
        """What has come since the last time; empty at the end. Raises BrokenAnswer."""
        while not self._chunks and not self._over:
            await self._change()
        if not self._chunks and self._failure is not None:
            raise self._failure
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._go_on_reading()
        return data

    def write(self, data: bytes | memoryview) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """At once, whatever is still under way."""
        self._end(BrokenAnswer("closed"))

    def _change(self) -> asyncio.Future[None]:
        self._waiter = asyncio.get_running_loop().create_future()
        return self._waiter

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _go_on_reading(self) -> None:
        if self._size > _BUFFER_BYTES and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        self._size = 0

    def _finish(self, failure: Exception | None) -> None:
        if not self._over:
            self._over = True
            self._failure = failure
            self._wake()

    def _end(self, failure: Exception | None) -> None:
        self._finish(failure)
        if self._transport is not None:
            self._transport.abort()

    # --- what the transport says ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as everywhere
        self._transport = transport
        Reply.connected += 1

    def data_received(self, data: bytes) -> None:
        if self._over or self._parser is None:
            return
        self._outside += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._refuse(type(error).__name__)
        if self._outside > MAX_HEAD_BYTES:
            self._refuse("head too large")

    def connection_lost(self, exc: Exception | None) -> None:
        Reply.connected -= 1
        # Parser and transport know this object: without this it would wait for the collector.
        self._parser = self._transport = None
        whole = self.status and not self._framed and exc is None
        self._end(None if whole else BrokenAnswer("connection lost"))

    def _refuse(self, reason: str) -> None:
        self._end(BrokenAnswer(reason) if self.status else MalformedHead(reason))

    # --- what the parser says ---------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """Also called for trailers, which say nothing to us."""
        self._head_size += len(name) + len(value) + len(b": \r\n")
        if self._head_size > MAX_HEAD_BYTES:
            raise MalformedHead("head too large")
        known = _KEPT.get(name.lower())
        if known is not None and self._headers is not None and not self.status:
            # What stands in a session's id goes back as it came.
            text = value.decode("utf-8", "surrogateescape")
            # RFC 9110 section 5.3: several lines are one list.
            self._headers[known] = f"{self._headers[known]}, {text}" if known in self._headers else text

    def on_headers_complete(self) -> None:
        if self._parser is None or self._headers is None or self.status:
            # Something after the answer; nobody asked for it.
            return
        status = self._parser.get_status_code()
        if status < 200:
            # An interim answer (RFC 9110 section 15.2); the one that counts follows.
            self._headers.clear()
            return
        coding = self._headers.get("Transfer-Encoding", "chunked")
        if coding.strip().lower() != "chunked":
            raise MalformedHead("transfer coding")
        self._framed = "Transfer-Encoding" in self._headers or "Content-Length" in self._headers
        self.status = status
        self._wake()

    def on_body(self, body: bytes) -> None:
        if self._over:
            return
        self._outside = 0
        self._chunks.append(body)
        self._size += len(body)
        if self._size > _BUFFER_BYTES and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        if self.status:
            self._end(None)


async def ask(
    connect: Callable[[Callable[[], Reply]], Awaitable[Reply]], method: str, url: str, headers: Mapping[str, str],
    body: bytes | None,
) -> tuple[Reply, dict[str, str]]:
    """Sends the request; the reply and its headers. Raises BrokenAnswer, ValueError, and what `connect` raises."""
    request = written(method, URL(url), headers, body)
    reply = await connect(Reply)
    try:
        reply.write(request)
        return reply, await reply.head()
    except BaseException:
        reply.close()
        raise


def written(method: str, url: URL, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """A request as it is sent. Raises ValueError for what no header may hold."""
    lines = [f"{method} {url.raw_path_qs} HTTP/1.1"]
    if "host" not in {name.lower() for name in headers}:
        lines.append(f"Host: {url.host_port_subcomponent}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    if _LINE_BREAKS.search("".join(lines)):
        raise ValueError("a line break in a header")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + (body or b"")
