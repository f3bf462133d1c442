"""One request to an upstream and its answer, whatever the transport; connections are pooled per server."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from types import MappingProxyType
from typing import Protocol, Self, TypeVar

from prometheus_client import Counter, Gauge, Histogram
from yarl import URL

from gateway_site.lib.deadline import Deadline
from gateway_site.lib.egress import ConnectFailed, EgressDenied
from gateway_site.lib.registry import Registry
from servers import streaming
from servers.events import EventParser, EventTooLarge, RawEvent
from servers.pool import Pool, Pooled

R = TypeVar("R", bound=streaming.Reply)
REQUESTS = Counter("mcpgw_upstream_requests_total", "Requests to upstream servers.", ["transport", "outcome"])
SECONDS = Histogram(
    "mcpgw_upstream_seconds", "Time until an upstream's answer began.", ["transport"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)  # fmt: skip
# Looked up for every request, from sets that are closed.
_requests, _seconds = cache(REQUESTS.labels), cache(SECONDS.labels)
FAILING = Gauge(
    "mcpgw_upstream_failing_servers", "Servers whose last request failed.", multiprocess_mode="livemax"
)
OPEN = Gauge(
    "mcpgw_upstream_connections", "Open connections to upstream servers.", multiprocess_mode="livesum"
)


class UpstreamError(Exception):
    """`kind` is unavailable, timeout, invalid, too_large, encoded or overloaded; the text is for the operator."""

    def __init__(self, kind: str, detail: str = "", status: int | None = None) -> None:
        super().__init__(detail or kind)
        self.kind = kind
        self.detail = detail
        self.status = status


@dataclass(frozen=True, slots=True)
class Upstream:
    """A server as the data plane knows it."""

    server_id: int
    project_id: int
    slug: str
    transport: str
    url: str
    config_hash: str
    timeout_seconds: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Transport(Protocol):
    """How a kind of server is reached over HTTP: a file in servers/upstreams/ each."""

    name: str
    # How long a connection that cannot be made is tried again; nothing was sent by then.
    connect_patience: float

    async def connect(self, upstream: Upstream, factory: Callable[[], R]) -> R:
        """One new connection. Raises EgressDenied, ConnectFailed and TimeoutError."""

    def address(self, upstream: Upstream) -> str: ...


# How long a body may come that is never silent for too long.
_MOST_SECONDS = 3600.0
_NO_EVENTS: Iterator[RawEvent] = iter(())
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
# RFC 9110 section 9.2.2: of what is sent to servers only this may be done twice.
_REPEATABLE = frozenset({"DELETE"})
transports: Registry[Transport] = Registry("servers.upstreams")


class Body(Protocol):
    """Where the bytes of an answer come from."""

    async def read(self) -> bytes:
        """What has come; empty at the end. Raises OSError."""

    def close(self) -> None: ...


class Exchange:
    """An answer whose status and headers are there and whose body is not yet read. Close it when done."""

    __slots__ = ("_body", "content_type", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: Body) -> None:
        self.status = status
        self.headers = headers
        self.content_type = headers.get("Content-Type", "").split(";")[0].strip().lower()
        self._body = body

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises UpstreamError."""
        announced = self.headers.get("Content-Length", "")
        if announced.isdigit() and int(announced) > limit:
            raise UpstreamError("too_large", f"{announced} bytes announced")
        chunks: list[bytes] = []
        size, end = 0, time.monotonic() + _MOST_SECONDS
        try:
            while chunk := await self._body.read():
                size += len(chunk)
                if size > limit:
                    raise UpstreamError("too_large", f"more than {limit} bytes")
                if chunks and time.monotonic() > end:
                    raise UpstreamError("timeout", "took too long for an answer")
                chunks.append(chunk)
        except OSError as error:
            raise _failed(error) from error
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def events(self, limit: int) -> Events:
        """The events of a stream, each at most `limit` bytes."""
        # Whatever they decide is decided, and a stream may stay open for hours.
        self.headers = _NO_HEADERS
        return Events(self._body, limit)

    def close(self) -> None:
        self._body.close()


class Events:
    """Goes through a stream. Not a generator: what waits for an event costs half as much without one."""

    __slots__ = ("_body", "_parser", "_whole")

    def __init__(self, body: Body, limit: int) -> None:
        self._body = body
        self._parser = EventParser(limit)
        self._whole = _NO_EVENTS

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RawEvent:
        """Raises UpstreamError."""
        try:
            while (event := next(self._whole, None)) is None:
                self._whole = _NO_EVENTS
                chunk = await self._body.read()
                if not chunk:
                    raise StopAsyncIteration
                self._whole = self._parser.feed(chunk)
        except EventTooLarge as error:
            raise UpstreamError("too_large", "an event over the limit") from error
        except OSError as error:
            raise _failed(error) from error
        return event


def _failed(error: OSError) -> UpstreamError:
    """What it means that the body cannot be read on."""
    if isinstance(error, TimeoutError):
        return UpstreamError("timeout", "silent in the middle of an answer")
    if isinstance(error, streaming.BrokenAnswer):
        return UpstreamError("unavailable", "ended in the middle of an answer")
    return UpstreamError("unavailable", type(error).__name__)


# What a failed connection means, for people; the first that fits.
_NO_CONNECTION: tuple[tuple[type[Exception], str], ...] = (
    (socket.gaierror, "its host name has no address"),
    (ssl.SSLCertVerificationError, "its certificate is not accepted"),
    (ssl.SSLError, "no TLS connection could be made"),
    (streaming.BrokenAnswer, "it closed the connection"),
)


def _unconnected(error: ConnectionError) -> UpstreamError:
    why = error.__cause__ if isinstance(error, ConnectFailed) else error
    found = (words for kind, words in _NO_CONNECTION if isinstance(why, kind))
    return UpstreamError("unavailable", next(found, "nothing answers at its address"))


class Connections:
    """The pools of one event loop. A pool is replaced when its server's configuration changes."""

    def __init__(self) -> None:
        self._pools: dict[int, tuple[str, Pool]] = {}
        self._failing: set[int] = set()
        self._transports = {cls.name: cls() for cls in transports}
        self._closing: set[asyncio.Task[None]] = set()

    async def send(
        self, upstream: Upstream, method: str, headers: Mapping[str, str], body: bytes | None, *,
        alone: bool = False,
    ) -> Exchange:
        """The answer's head. `alone`: on a connection of its own, without a limit on silence. Raises UpstreamError."""
        started = time.perf_counter()
        outcome = "ok"
        try:
            return await self._send(upstream, method, headers, body, alone)
        except UpstreamError as error:
            outcome = error.kind
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            self._count(upstream, outcome, time.perf_counter() - started)

    async def _send(
        self, upstream: Upstream, method: str, headers: Mapping[str, str], body: bytes | None, alone: bool
    ) -> Exchange:
        transport = self._transports[upstream.transport]
        patience = time.monotonic() + transport.connect_patience
        begin = self._begin_alone if alone else self._begin
        if upstream.headers:
            headers = _with_own(headers, upstream.headers)
        try:
            with Deadline(upstream.timeout_seconds):
                while True:
                    try:
                        return await begin(upstream, transport, method, headers, body)
                    except ConnectFailed:
                        if time.monotonic() >= patience:
                            raise
                        await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise UpstreamError("timeout", "no answer in time") from error
        except EgressDenied as error:
            raise UpstreamError("unavailable", f"egress denied: {error}") from error
        except ConnectionError as error:
            raise _unconnected(error) from error
        except (OSError, ValueError) as error:
            raise UpstreamError("invalid", type(error).__name__) from error

    async def _begin(
        self, upstream: Upstream, transport: Transport, method: str, headers: Mapping[str, str], body: bytes | None
    ) -> Exchange:
        request = streaming.written(method, URL(transport.address(upstream)), headers, body)
        pool = self._pool(upstream, transport)
        kept, found = await pool.ask(request, is_repeatable=method in _REPEATABLE)
        return Exchange(kept.status, found, Pooled(pool, kept, upstream.timeout_seconds))

    async def _begin_alone(
        self, upstream: Upstream, transport: Transport, method: str, headers: Mapping[str, str], body: bytes | None
    ) -> Exchange:
        reply, found = await streaming.ask(
            partial(transport.connect, upstream), method, transport.address(upstream), headers, body
        )
        return Exchange(reply.status, found, reply)

    def _pool(self, upstream: Upstream, transport: Transport) -> Pool:
        known = self._pools.get(upstream.server_id)
        if known is not None and known[0] == upstream.config_hash:
            return known[1]
        pool = Pool(partial(transport.connect, upstream))
        self._pools[upstream.server_id] = (upstream.config_hash, pool)
        if known is not None:
            self._close_later(known[1], upstream.timeout_seconds)
        return pool

    def _close_later(self, pool: Pool, seconds: float) -> None:
        """Calls in flight keep the connections that they began with."""

        async def close() -> None:
            await asyncio.sleep(seconds)
            pool.close()

        task = asyncio.create_task(close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _count(self, upstream: Upstream, outcome: str, seconds: float) -> None:
        _requests(upstream.transport, outcome).inc()
        _seconds(upstream.transport).observe(seconds)
        if outcome == "ok":
            self._failing.discard(upstream.server_id)
        elif outcome != "cancelled":
            self._failing.add(upstream.server_id)

    def forget(self, server_ids: Iterable[int]) -> None:
        """Of servers that are no more. Answers under way come to their end; what is free ends as if unused."""
        for server_id in server_ids:
            self._pools.pop(server_id, None)
            self._failing.discard(server_id)

    def is_failing(self, server_id: int) -> bool:
        """Whether its last request came to nothing."""
        return server_id in self._failing

    def measure(self) -> None:
        """Brings the gauges up to date, with what this one knows."""
        FAILING.set(len(self._failing))
        OPEN.set(streaming.Reply.connected)

    async def close(self) -> None:
        for task in list(self._closing):
            task.cancel()
        for _, pool in self._pools.values():
            pool.close()
        self._pools.clear()


def _with_own(headers: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The server's own instead of those that are called the same (RFC 9110 section 5.1)."""
    names = {name.lower() for name in own}
    return {**{name: value for name, value in headers.items() if name.lower() not in names}, **own}
