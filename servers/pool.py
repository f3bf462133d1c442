"""Connections to one server that are kept, each for one answer after the other: the HTTP/1.1 client of calls.

A general client takes more than twice the CPU for each of them.
"""

from __future__ import annotations

import asyncio
import select
import time
from collections.abc import Awaitable, Callable

from gateway_site.lib.deadline import Deadline
from servers.streaming import BrokenAnswer, Reply

# How long a connection is kept that nobody uses: less than the five seconds after which common servers (uvicorn, Node)
# end it, since a call that is sent just then is lost.
_KEPT_SECONDS = 4.0
# A transport that has more than this to write says so to what is above it, in asyncio as in uvloop.
_HIGH_WATER = 2**16


class Kept(Reply):
    """A connection that carries another answer when one has come whole, and nothing after it."""

    __slots__ = ("_is_whole", "free_since")

    def __init__(self) -> None:
        super().__init__()
        self._is_whole = False
        self.free_since = 0.0

    @property
    def has_come(self) -> bool:
        """Whether `read` waits for nothing."""
        return bool(self._chunks) or self._over

    @property
    def is_ready(self) -> bool:
        """Whether another request may be sent on it."""
        transport = self._transport
        return (
            self._is_whole and transport is not None and not transport.is_closing()
            # Who answers before the request has come may read its rest as the next one.
            and not transport.get_write_buffer_size()
        )  # fmt: skip

    @property
    def is_quiet(self) -> bool:
        """Whether the server has neither said nor ended anything that the loop has not come to yet."""
        file = self._transport.get_extra_info("socket").fileno() if self._transport is not None else -1
        if file < 0:
            return False
        news = select.poll()
        news.register(file, select.POLLIN)
        return not news.poll(0)

    @property
    def _is_secured(self) -> bool:
        return self._transport is not None and self._transport.get_extra_info("sslcontext") is not None

    def ask(self, request: bytes) -> None:
        """Sends a request. What was not read of the answer before is dropped."""
        self.status = self._head_size = self._outside = 0
        self._headers = {}
        self._chunks.clear()
        self._go_on_reading()
        self._is_whole = self._framed = self._over = False
        self._failure = None
        if len(request) > _HIGH_WATER and self._is_secured:
            # TLS counts only what it has not handed down, and so the end of a request while the rest of it waits.
            self.write(memoryview(request)[:-1])
            request = request[-1:]
        self.write(request)

    def data_received(self, data: bytes) -> None:
        if self._over:
            # Nobody has asked for it, and it would be taken for the next answer.
            self._end(None)
            return
        super().data_received(data)

    def on_message_begin(self) -> None:
        if self._over:
            self._end(None)

    def on_message_complete(self) -> None:
        if not self.status or self._over:
            return
        self._is_whole = self._parser is not None and self._parser.should_keep_alive()
        if self._is_whole:
            # TLS keeps for itself what comes while nobody reads: no look at the socket would find what is behind it.
            self._go_on_reading()
            self._finish(None)
        else:
            self._end(None)


class Pool:
    """As many connections as there are calls at one time; `connect` opens one more."""

    def __init__(self, connect: Callable[[Callable[[], Kept]], Awaitable[Kept]]) -> None:
        self._connect = connect
        # The one that became free last comes last.
        self._free: list[Kept] = []
        self._used: set[Kept] = set()
        self._is_closed = False
        self._sweeping: asyncio.TimerHandle | None = None

    async def ask(self, request: bytes, *, is_repeatable: bool) -> tuple[Kept, dict[str, str]]:
        """The answer's connection, to be given back, and its headers. Raises as `streaming.ask` does.

        A connection may end just when it is used again: what may be done twice is then sent on a new one.
        """
        kept = self._take()
        if kept is not None:
            try:
                return kept, await self._head(kept, request)
            except BrokenAnswer:
                if not is_repeatable:
                    raise
        kept = await self._connect(Kept)
        return kept, await self._head(kept, request)

    def give_back(self, kept: Kept) -> None:
        """Kept where it may carry another answer, else cut."""
        self._used.discard(kept)
        if self._is_closed or not kept.is_ready:
            kept.close()
            return
        kept.free_since = time.monotonic()
        self._free.append(kept)
        if self._sweeping is None:
            self._sweep_after(_KEPT_SECONDS)

    def close(self) -> None:
        """Cuts those in use too."""
        self._is_closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        for kept in [*self._free, *self._used]:
            kept.close()
        self._free.clear()

    def _take(self) -> Kept | None:
        oldest = time.monotonic() - _KEPT_SECONDS
        while self._free:
            kept = self._free.pop()
            if kept.is_ready and kept.free_since > oldest and kept.is_quiet:
                return kept
            kept.close()
        return None

    async def _head(self, kept: Kept, request: bytes) -> dict[str, str]:
        self._used.add(kept)
        try:
            kept.ask(request)
            return await kept.head()
        except BaseException:
            self._used.discard(kept)
            kept.close()
            raise

    def _sweep_after(self, seconds: float) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(seconds, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        now = time.monotonic()
        old = [kept for kept in self._free if now - kept.free_since >= _KEPT_SECONDS]
        for kept in old:
            kept.close()
        del self._free[: len(old)]
        if self._free:
            self._sweep_after(self._free[0].free_since + _KEPT_SECONDS - now)


class Pooled:
    """The body of an answer on a connection that is kept; a silence of `idle_seconds` ends it."""

    __slots__ = ("_idle_seconds", "_kept", "_pool")

    def __init__(self, pool: Pool, kept: Kept, idle_seconds: float) -> None:
        self._pool = pool
        self._kept: Kept | None = kept
        self._idle_seconds = idle_seconds

    async def read(self) -> bytes:
        """As a reply's; raises TimeoutError too."""
        kept = self._kept
        if kept is None:
            raise BrokenAnswer("closed")
        if kept.has_come:
            return await kept.read()
        with Deadline(self._idle_seconds):
            return await kept.read()

    def close(self) -> None:
        # Another call may have the connection by the second time.
        kept, self._kept = self._kept, None
        if kept is not None:
            self._pool.give_back(kept)
