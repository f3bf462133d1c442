"""Owns what a channel is: two-way, bounded transport of messages to one server, whatever the wire."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

from servers.runner.messages import Message, Trouble, parse_line

MAX_LINE: Final = 4 * 1024 * 1024
MAX_BACKLOG: Final = 1024 * 1024
_HIGH: Final = 1024 * 1024
_LOW: Final = 256 * 1024
_BATCH: Final = 64


class Channel(Protocol):
    """Messages to and from one server. It ends once and never comes back."""

    @property
    def pid(self) -> int | None:
        """The process behind the channel, None when it is remote."""

    @property
    def garbage(self) -> int:
        """How many lines were not messages."""

    def send(self, message: Message) -> None:
        """Queue one message; never waits. Raises Trouble: UNAVAILABLE when ended, OVERLOADED when full."""

    def __aiter__(self) -> AsyncIterator[Message]:
        """Messages in order, until the channel ends. Raises Trouble when it ended for a reason of its own."""

    def alive(self) -> bool:
        """Whether a message sent now can reach the server."""

    def notes(self) -> list[str]:
        """The last words of the server about itself, secrets removed: 20 lines of 300 characters at most."""

    def kill(self) -> None:
        """End the server at once, without waiting."""

    async def close(self, *, grace: float = 2.0, term: float = 1.0) -> None:
        """End the server politely, then firmly; seconds to wait for each. Safe to call twice."""


class Lines:
    """Cuts bytes into lines in linear time, holding at most `limit` bytes of an unfinished one."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self.overflown = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, without ends. Sets `overflown` at the first line too long."""
        if self.overflown:
            return []
        cut = data.find(b"\n")
        if cut < 0:
            self._keep(data)
            return []
        self._keep(data[:cut])
        if self.overflown:
            return []
        lines = [b"".join(self._parts)]
        *whole, rest = data[cut + 1 :].split(b"\n")
        self._parts, self._size = [], 0
        self._keep(rest)
        return lines + whole

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            self._parts, self.overflown = [], True
        elif data:
            self._parts.append(data)


class Inbox:
    """Raw messages on their way in: bounded by pausing the source, parsed when taken, one reader."""

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self.garbage = 0
        self._lines: deque[bytes | Message] = deque()
        self._size = 0
        self._paused = False
        self._pause, self._resume = pause, resume
        self._ended = False
        self._trouble: Trouble | None = None
        self._waiter: asyncio.Future[None] | None = None

    def put(self, line: bytes) -> None:
        """Add one raw message; the source is paused while more than 1 MiB wait."""
        self._lines.append(line)
        self._size += len(line)
        if self._size > _HIGH and not self._paused:
            self._paused = True
            self._pause()
        self._wake()

    def put_message(self, message: Message) -> None:
        """Add a message that we made ourselves, in the server's place."""
        self._lines.append(message)
        self._wake()

    def end(self, trouble: Trouble | None = None) -> None:
        """No more messages; the reader gets what is here, then the trouble. Only the first call counts."""
        if not self._ended:
            self._ended, self._trouble = True, trouble
            self._wake()

    async def read(self) -> AsyncIterator[Message]:
        """Yield messages in order until the end; raises the trouble that ended them."""
        taken = 0
        while True:
            while self._lines:
                message = self._take()
                if message is None:
                    self.garbage += 1
                else:
                    yield message
                taken += 1
                if taken % _BATCH == 0:
                    # A server that floods must not keep the loop from everyone else.
                    await asyncio.sleep(0)
            if self._ended:
                break
            await self._wait()
        if self._trouble is not None:
            raise self._trouble

    def _take(self) -> Message | None:
        line = self._lines.popleft()
        if isinstance(line, dict):
            return line
        self._size -= len(line)
        if self._paused and self._size < _LOW:
            self._paused = False
            self._resume()
        return parse_line(line)

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
