"""One request to an upstream and its answer, whatever the transport; connections are pooled per server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from types import MappingProxyType
from typing import Protocol, Self

import aiohttp
from prometheus_client import Counter, Gauge, Histogram

from gateway_site.lib.deadline import Deadline
from gateway_site.lib.egress import ConnectFailed, EgressDenied
from gateway_site.lib.registry import Registry
from servers import streaming
from servers.events import EventParser, EventTooLarge, RawEvent

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

    def open(self, upstream: Upstream) -> aiohttp.ClientSession:
        """Raises EgressDenied."""

    async def connect(self, upstream: Upstream, factory: Callable[[], streaming.Reply]) -> streaming.Reply:
        """One connection outside of the pool. Raises EgressDenied, ConnectFailed and TimeoutError."""

    def address(self, upstream: Upstream) -> str: ...


_NO_EVENTS: Iterator[RawEvent] = iter(())
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
transports: Registry[Transport] = Registry("servers.upstreams")


class Body(Protocol):
    """Where the bytes of an answer come from."""

    async def read(self) -> bytes:
        """What has come; empty at the end. Raises aiohttp.ClientError and OSError."""

    def close(self) -> None: ...


class Pooled:
    """The body of an answer on a pooled connection."""

    __slots__ = ("_idle_seconds", "_response")

    def __init__(self, response: aiohttp.ClientResponse, idle_seconds: float) -> None:
        self._response = response
        self._idle_seconds = idle_seconds

    async def read(self) -> bytes:
        content = self._response.content
        # Most answers are here whole, and a timer costs more than the reading.
        data = content.read_nowait()
        if data or content.at_eof():
            return data
        with Deadline(self._idle_seconds):
            return await content.readany()

    def close(self) -> None:
        """Returns the connection to the pool when the body was read to its end, else cuts it."""
        if self._response.content.is_eof():
            self._response.release()
        else:
            self._response.close()


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
        chunks, size = [], 0
        try:
            while chunk := await self._body.read():
                size += len(chunk)
                if size > limit:
                    raise UpstreamError("too_large", f"more than {limit} bytes")
                chunks.append(chunk)
        except _FAILURES as error:
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
        except _FAILURES as error:
            raise _failed(error) from error
        return event


_FAILURES = (aiohttp.ClientError, OSError)


def _failed(error: Exception) -> UpstreamError:
    """What it means that the body cannot be read on."""
    if isinstance(error, TimeoutError):
        return UpstreamError("timeout", "silent in the middle of an answer")
    if isinstance(error, (aiohttp.ClientPayloadError, streaming.BrokenAnswer)):
        return UpstreamError("unavailable", "ended in the middle of an answer")
    return UpstreamError("unavailable", type(error).__name__)


# What a failed connection means, for people; the first that fits.
_NO_CONNECTION: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "its host name has no address"),
    (aiohttp.ClientConnectorCertificateError, "its certificate is not accepted"),
    (aiohttp.ClientSSLError, "no TLS connection could be made"),
    (aiohttp.ClientConnectorError, "nothing answers at its address"),
    (ConnectFailed, "nothing answers at its address"),
    (aiohttp.ServerDisconnectedError, "it closed the connection"),
)


def _unconnected(error: Exception) -> UpstreamError:
    words = next((words for kind, words in _NO_CONNECTION if isinstance(error, kind)), type(error).__name__)
    return UpstreamError("unavailable", words)


class Connections:
    """The pools of one event loop. A pool is replaced when its server's configuration changes."""

    def __init__(self) -> None:
        self._sessions: dict[int, tuple[str, aiohttp.ClientSession]] = {}
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
        headers = {**headers, **upstream.headers}
        try:
            with Deadline(upstream.timeout_seconds):
                while True:
                    try:
                        return await begin(upstream, transport, method, headers, body)
                    except (aiohttp.ClientConnectorError, ConnectFailed):
                        if time.monotonic() >= patience:
                            raise
                        await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise UpstreamError("timeout", "no answer in time") from error
        except EgressDenied as error:
            raise UpstreamError("unavailable", f"egress denied: {error}") from error
        except (aiohttp.ClientConnectionError, ConnectionError) as error:
            raise _unconnected(error) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UpstreamError("invalid", type(error).__name__) from error

    async def _begin(
        self, upstream: Upstream, transport: Transport, method: str, headers: Mapping[str, str], body: bytes | None
    ) -> Exchange:
        response = await self._session(upstream, transport).request(
            method, transport.address(upstream), headers=headers, data=body, allow_redirects=False
        )
        return Exchange(response.status, response.headers, Pooled(response, upstream.timeout_seconds))

    async def _begin_alone(
        self, upstream: Upstream, transport: Transport, method: str, headers: Mapping[str, str], body: bytes | None
    ) -> Exchange:
        reply, found = await streaming.ask(
            partial(transport.connect, upstream), method, transport.address(upstream), headers, body
        )
        return Exchange(reply.status, found, reply)

    def _session(self, upstream: Upstream, transport: Transport) -> aiohttp.ClientSession:
        known = self._sessions.get(upstream.server_id)
        if known is not None and known[0] == upstream.config_hash:
            return known[1]
        session = transport.open(upstream)
        self._sessions[upstream.server_id] = (upstream.config_hash, session)
        if known is not None:
            self._close_later(known[1], upstream.timeout_seconds)
        return session

    def _close_later(self, session: aiohttp.ClientSession, seconds: float) -> None:
        """Calls in flight keep the connections that they began with."""

        async def close() -> None:
            await asyncio.sleep(seconds)
            await session.close()

        task = asyncio.create_task(close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _count(self, upstream: Upstream, outcome: str, seconds: float) -> None:
        _requests(upstream.transport, outcome).inc()
        _seconds(upstream.transport).observe(seconds)
        if outcome == "ok":
            if upstream.server_id in self._failing:
                self._failing.discard(upstream.server_id)
                FAILING.set(len(self._failing))
        elif outcome != "cancelled" and upstream.server_id not in self._failing:
            self._failing.add(upstream.server_id)
            FAILING.set(len(self._failing))

    def is_failing(self, server_id: int) -> bool:
        """Whether its last request came to nothing."""
        return server_id in self._failing

    def measure(self) -> None:
        """Brings the gauges up to date."""
        connectors = [session.connector for _, session in self._sessions.values()]
        pooled = sum(len(connector._conns) + len(connector._acquired) for connector in connectors if connector)
        OPEN.set(pooled + streaming.Reply.connected)

    async def close(self) -> None:
        for task in list(self._closing):
            task.cancel()
        for _, session in self._sessions.values():
            await session.close()
        self._sessions.clear()
