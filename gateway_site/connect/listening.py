"""The stream over which a session's server speaks of its own accord, held open for as long as the server has one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from gateway_site.connect.exchange import SETTLED_SECONDS, STREAM_PAUSE, AskAgain, Exchange, SessionGone, check
from gateway_site.connect.link import SSE, Link, Lost, Reply, TooLarge, Unreachable
from gateway_site.connect.session import Session

_LONGEST_PAUSE = 30.0


@dataclass
class Listening:
    """`spawn` starts a task, `pass_on` gives a message to the client, `open_again` a lost session its successor."""

    link: Link
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    pass_on: Callable[[bytes, Reply], Awaitable[None]]
    open_again: Callable[[Session, int], Awaitable[None]]
    _stream: asyncio.Task[None] | None = field(default=None, init=False)

    def begin(self, session: Session) -> None:
        """From now on in this session."""
        if self._stream is not None and self._stream is not asyncio.current_task():
            self._stream.cancel()
            self._stream = None
        if self._stream is None:
            self._stream = self.spawn(self._listen_to(session))

    async def _listen_to(self, session: Session) -> None:
        exchange = Exchange(session.opening)
        pause = STREAM_PAUSE
        has_opened = False
        while True:
            number, began = session.number, time.monotonic()
            last = {"Last-Event-ID": exchange.last_event_id} if exchange.last_event_id is not None else {}
            try:
                async with self.link.send("GET", {**session.headers, **last}) as reply:
                    check(self.link, reply)
                    if reply.status == 200 and reply.kind == SSE:
                        has_opened = False
                        await self._hear(exchange, reply)
                        pause = max(exchange.pause, 0.05)
                    elif reply.status != 404 and reply.status < 500:
                        # The server has no such stream (405), or this key may not have it.
                        return
                if reply.status == 404 and has_opened:
                    # A session that has just been opened is not lost: there is no such stream, and no use in asking.
                    return
                if reply.status == 404:
                    exchange.last_event_id = None
                    await self.open_again(session, number)
                    has_opened = True
                    continue
            except (AskAgain, Unreachable, Lost, TooLarge):
                pass
            except SessionGone:
                return
            if time.monotonic() - began > SETTLED_SECONDS:
                pause = STREAM_PAUSE
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _hear(self, exchange: Exchange, reply: Reply) -> None:
        async for event in reply.events():
            exchange.last_event_id = event.id or exchange.last_event_id
            exchange.pause = int(event.retry) / 1000 if event.retry else exchange.pause
            if event.data:
                await self.pass_on(event.data.encode(), reply)
