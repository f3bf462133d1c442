"""Bounds the bodies of requests that Django answers: read whole, in time and not too large, before it sees them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_MAX_BYTES = 2_621_440  # Django's own limit for forms, which it checks only after it stored the body
_SECONDS = 30.0


Answer = tuple[bytes, list[tuple[bytes, bytes]]]


def _say_nothing(status: int) -> Answer:
    return b"", []


class BoundedBody:
    """Wraps an ASGI application: 413 for too much, 408 for too slow. Everything but HTTP passes as it is.

    `say` gives the body and the headers of a refusal, by its status.
    """

    def __init__(
        self, app: Callable[[Any, Any, Any], Awaitable[None]], say: Callable[[int], Answer] = _say_nothing
    ) -> None:
        self._app = app
        self._say = say

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, status = await _read(receive)
        if status:
            await _refuse(send, status, *self._say(status))
            return
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> MutableMapping[str, Any]:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, replay, send)


async def _read(receive: Receive) -> tuple[bytes, int]:
    """The body, and the status that refuses it or 0."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_SECONDS):
            while True:
                event = await receive()
                if event["type"] == "http.disconnect":
                    return b"", 400
                chunks.append(event.get("body", b""))
                size += len(chunks[-1])
                if size > _MAX_BYTES:
                    return b"", 413
                if not event.get("more_body"):
                    return b"".join(chunks), 0
    except TimeoutError:
        return b"", 408


async def _refuse(send: Send, status: int, body: bytes, more: list[tuple[bytes, bytes]]) -> None:
    headers = [(b"content-length", str(len(body)).encode()), (b"connection", b"close"), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
