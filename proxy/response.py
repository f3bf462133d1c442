"""The HTTP response to one request, as ASGI has it: a whole body, or a stream of events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON = "application/json"
SSE = "text/event-stream"


class Response:
    """`status` is 0 until it has begun."""

    __slots__ = ("_request_id", "_send", "status")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0

    async def send_whole(self, status: int, headers: dict[str, str], body: bytes) -> None:
        if body:
            headers["Content-Type"] = JSON
        headers["Content-Length"] = str(len(body))
        await self._start(status, headers)
        await self._send({"type": "http.response.body", "body": body})

    async def begin_stream(self, headers: dict[str, str]) -> None:
        await self._start(
            200, {**headers, "Content-Type": SSE, "Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
        )
        # Sent on their own, so that the client knows that it is connected before anything happens.
        await self._send({"type": "http.response.body", "body": b"", "more_body": True})

    async def send_event(self, event: bytes) -> None:
        """Whole events only: the gateway's own may come while a server's waits for the client to read."""
        await self._send({"type": "http.response.body", "body": event, "more_body": True})

    async def finish_stream(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _start(self, status: int, headers: dict[str, str]) -> None:
        self.status = status
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        raw.append((b"x-request-id", self._request_id.encode()))
        await self._send({"type": "http.response.start", "status": status, "headers": raw})
