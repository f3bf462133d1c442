"""The start and the orderly end of the data plane, under servers that announce them and servers that do not."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings

from audit.recorder import recorder
from proxy import state

App = Callable[[Any, Any, Any], Awaitable[None]]


async def drain() -> None:
    """Readiness turns false, streams are ended by us, calls in flight finish or run out of time."""
    current = state.current()
    current.open_calls.draining = True
    for call in current.open_calls.calls():
        if call.is_stream:
            current.open_calls.end(call)
    try:
        async with asyncio.timeout(settings.DRAIN_SECONDS):
            await current.open_calls.idle.wait()
    except TimeoutError:
        pass


async def stop() -> None:
    await drain()
    await state.close_current()
    await asyncio.to_thread(recorder.stop)


class Lifecycle:
    """Answers the ASGI lifespan and drains as soon as the process is told to end."""

    def __init__(self, app: App, on_start: Callable[[], None] | None = None) -> None:
        self._app = app
        self._on_start = on_start
        self._started = False
        self._draining: asyncio.Task[None] | None = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if not self._started:
            self._start()
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        await self._app(scope, receive, send)

    def _start(self) -> None:
        self._started = True
        state.current()
        if self._on_start is not None:
            self._on_start()

    async def _lifespan(self, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._drain_on_signal()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _drain_on_signal(self) -> None:
        """A server waits for open streams before it says shutdown, so they must end at the signal itself."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            previous = signal.getsignal(number)

            def handle(received: int, frame: Any, previous: Any = previous) -> None:
                loop.call_soon_threadsafe(self._begin_drain)
                if callable(previous):
                    previous(received, frame)

            try:
                signal.signal(number, handle)
            except ValueError:
                # Not in the main thread, as in tests; whoever runs the loop there ends it.
                return

    def _begin_drain(self) -> None:
        if self._draining is None:
            self._draining = asyncio.get_running_loop().create_task(drain())
