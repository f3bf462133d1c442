"""Owns what waits between a bridge and one HTTP response: a bounded queue, and a call with its answer."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

from gateway_site.lib import jsontext
from servers.runner.messages import Message, error_code

MAX_QUEUED: Final = 1024
MAX_QUEUED_BYTES: Final = 4 * 1024 * 1024
MAX_REPLAYED: Final = 256
MAX_REPLAYED_BYTES: Final = 1024 * 1024


class Stream:
    """Encoded messages on their way to one response. Written by a bridge, read by one request."""

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self.over = False

    def push(self, message: Message) -> bool:
        """Queue one message; False, and nothing queued, when the reader is too slow or gone."""
        if self.over:
            return False
        encoded = jsontext.encode(message)
        full = len(self._messages) >= MAX_QUEUED or self._size + len(encoded) > MAX_QUEUED_BYTES
        if full and self._messages:
            return False
        self._messages.append(encoded)
        self._size += len(encoded)
        self.nudge()
        return True

    @property
    def waiting(self) -> bool:
        """Whether `take` has something to give."""
        return bool(self._messages)

    def take(self) -> list[bytes]:
        """All queued messages, encoded."""
        taken = list(self._messages)
        self._messages.clear()
        self._size = 0
        return taken

    def end(self) -> None:
        """Nothing more comes, or nobody reads any more."""
        self.over = True
        self.nudge()

    def ready(self) -> bool:
        """Whether `wait` would return at once."""
        return self.over or bool(self._messages)

    async def wait(self, seconds: float) -> None:
        """Return when there is something to take, at the end, or after `seconds`."""
        if self.ready():
            return
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(seconds, self.nudge)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def nudge(self) -> None:
        """Let a waiting reader look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Call(Stream):
    """One request in flight: its id on both sides, what it asked for, and in the end its answer."""

    def __init__(self, own: int, identity: Any, method: str, *, streams: bool, wants_logs: bool) -> None:
        super().__init__()
        self.own = own
        self.identity = identity
        self.method = method
        self.streams = streams
        self.wants_logs = wants_logs
        self.token: Any = None
        self.has_token = False
        self.answer: bytes | None = None
        self.answer_message: Message | None = None
        self.code: int | None = None
        self._sent = 0
        self._replay: deque[tuple[int, bytes]] = deque()
        self._replay_size = 0

    def frame(self, message: bytes) -> bytes:
        """The message as a numbered event, remembered for a client that loses its connection."""
        self._sent += 1
        event = b"id: %d-%d\nevent: message\ndata: %b\n\n" % (self.own, self._sent, message)
        self._replay.append((self._sent, event))
        self._replay_size += len(event)
        while len(self._replay) > MAX_REPLAYED or self._replay_size > MAX_REPLAYED_BYTES:
            self._replay_size -= len(self._replay.popleft()[1])
        return event

    def framed_after(self, number: int) -> bytes:
        """The remembered events after the one with that number."""
        return b"".join(event for sent, event in self._replay if sent > number)

    def finish(self, message: Message) -> None:
        """Give the answer; whatever was queued before it is still delivered first."""
        self.answer = jsontext.encode(message)
        self.answer_message = message
        self.code = error_code(message)
        self.end()
