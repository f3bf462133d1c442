"""Loads what answers browsers and scripts when it is first asked for: a worker that has only calls goes without it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from django.urls import get_resolver

Application = Callable[[Any, Any, Any], Awaitable[None]]


class LoadedLater:
    """Wraps an ASGI application that `load` makes. It is loaded once, beside the loop, which calls go on using."""

    def __init__(self, load: Callable[[], Application]) -> None:
        self._load = load
        self._app: Application | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._app is None:
            # Requests that come together wait for the same import: Python's own lock sees to that.
            self._app = await asyncio.to_thread(self._load)
        await self._app(scope, receive, send)


def load_addresses() -> None:
    """Imports all views: what Django would do on the loop, in the middle of the first request."""
    _ = get_resolver().url_patterns
