"""uvicorn's HTTP protocol with what it leaves out: headers come soon and not too many; a client that leaves is told.

And without what it does too much: an answer's head and the first of its body leave together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway_site.lib.extensions import ON_LEAVING

_HEADER_SECONDS = 10.0
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

_CONTINUE = b"HTTP/1.1 100 "
# A longer body is not copied for it.
_TOGETHER = 65536


class _Pipeline(list[Any]):
    """What uvicorn asks of its deque, which takes 760 bytes for each connection, and hardly any client pipelines."""

    def appendleft(self, waiting: Any) -> None:
        self.insert(0, waiting)


class _Answer:
    """Where one answer is written: its head waits for the first of its body, as ASGI says, and leaves in one write."""

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        # None before it is written, empty when it has left.
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        if self._head is None and not data.startswith(_CONTINUE):
            self._head = data
        elif self._head and len(data) <= _TOGETHER:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        else:
            self._flush()
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)


class HardenedProtocol(HttpToolsProtocol):
    """Closes a connection whose request line and headers are not whole after ten seconds, or are too large."""

    # With these among them the attributes were more than Python keeps without a table of names for each connection.
    __slots__ = (
        "_beside_body", "_head_bytes", "_head_done", "_head_timer", "_header_bytes", "_lost", "_on_leaving",
    )  # fmt: skip

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._head_done = False
        # Names and values of the headers.
        self._header_bytes = 0
        # What came with the body and is none of it: the lengths of chunks, and trailers.
        self._beside_body = 0
        self._on_leaving: Callable[[], None] | None = None
        self._lost = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base
        super().connection_made(transport)
        self.pipeline = _Pipeline()  # type: ignore[assignment]  # a list with the same calls
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)
        self._lost = True
        if self._on_leaving is not None:
            self._on_leaving()

    def data_received(self, data: bytes) -> None:
        if self._head_done:
            self._beside_body += len(data)
        super().data_received(data)
        if self._beside_body > settings.MAX_REQUEST_BYTES:
            self._refuse_head()
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > settings.MAX_HEADER_BYTES:
                self._refuse_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_done = False
        self._header_bytes = 0
        self._beside_body = 0
        self.scope["extensions"] = {ON_LEAVING: self.call_on_leaving}  # type: ignore[dict-item]  # any value, says ASGI
        self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers (RFC 9110, 6.5.1) may be dropped, and must not become headers that nobody checked.
        if not self._head_done:
            self._header_bytes += len(name) + len(value)
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._beside_body -= len(body)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        self._head_done = True
        self._stop_head_timer()
        if self._header_bytes + len(self.url) > settings.MAX_HEADER_BYTES:
            self._refuse_head()
            # Makes the parser stop; the base class answers nothing more on a closing transport.
            raise ValueError("headers too large")
        before = self.cycle
        super().on_headers_complete()
        # The answer to HEAD has no body that its head could wait for.
        if self.cycle is not before and self.scope["method"] != "HEAD":
            self.cycle.transport = _Answer(self.transport)  # type: ignore[assignment]  # all that it asks of one

    def call_on_leaving(self, leaving: Callable[[], None] | None) -> None:
        self._on_leaving = leaving
        if leaving is not None:
            # As `receive` would: nobody sees the end of a connection that is not read.
            self.flow.resume_reading()
            if self._lost:
                leaving()

    def _await_head(self) -> None:
        self._stop_head_timer()
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(_HEADER_SECONDS, self._give_up)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        self.transport.close()

    def _refuse_head(self) -> None:
        self._stop_head_timer()
        if not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)

