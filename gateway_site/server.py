"""Daphne, hardened: bodies and headers are bounded before they are stored, headers come soon, one Host is there.

Run as `python -m gateway_site.server`. What each limit answers was measured on Daphne 4.2 and Twisted 26.
"""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_site.settings")

import argparse
import asyncio
from typing import Any

import daphne.server
from daphne.http_protocol import HTTPFactory, WebRequest
from django.conf import settings
from twisted.internet.defer import Deferred
from twisted.web.http import HTTPChannel

# Before anything else of ours, since it sets Django up.
from gateway_site.asgi import application
from proxy import errors, metrics
from proxy.lifecycle import stop

_HEADER_SECONDS = 10
_MAX_HEADERS = 200


class HardenedRequest(WebRequest):  # type: ignore[misc]  # Daphne has no types
    """Counts the body as it comes: Daphne alone stores any amount before the application is asked."""

    _received = 0
    _refused = False

    def gotLength(self, length: int | None) -> None:
        super().gotLength(length)
        if length is not None and length > settings.MAX_REQUEST_BYTES:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        if self._refused:
            return
        self._received += len(data)
        if self._received > settings.MAX_REQUEST_BYTES:
            self._refuse()
            return
        super().handleContentChunk(data)

    def process(self) -> Any:
        if self._refused:
            return None
        hosts = self.requestHeaders.getRawHeaders(b"host", [])
        if len(hosts) != 1:
            self.basic_error(400, b"Bad Request", "Exactly one Host header is required")
            return None
        if any(b"_" in name for name, _ in self.requestHeaders.getAllRawHeaders()):
            self.basic_error(400, b"Bad Request", "Invalid header name")
            return None
        return super().process()

    def _refuse(self) -> None:
        self._refused = True
        metrics.REFUSALS.labels("body_too_large", errors.KINDS["body_too_large"].fault).inc()
        self.channel.transport.write(
            b"HTTP/1.1 413 Request Entity Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
        self.channel.loseConnection()


class HardenedChannel(HTTPChannel):
    """Counts the time of a head from its first byte, so that a byte now and then gains a client nothing."""

    maxHeaders = _MAX_HEADERS
    totalHeadersSize = settings.MAX_HEADER_BYTES
    _in_head = False

    def resetTimeout(self) -> None:
        """Called for all that is received, before it is read."""
        if not self._in_head:
            super().resetTimeout()  # type: ignore[no-untyped-call]  # Twisted has no types here
            self._in_head = not self.requests

    def allHeadersReceived(self) -> None:
        self._in_head = False
        super().allHeadersReceived()  # type: ignore[no-untyped-call]  # Twisted has no types here


class HardenedFactory(HTTPFactory):  # type: ignore[misc]  # Daphne has no types
    """Gives each connection a short time to say what it wants."""

    protocol = HardenedChannel

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = HardenedRequest
        protocol.timeOut = _HEADER_SECONDS
        return protocol


class HardenedServer(daphne.server.Server):  # type: ignore[misc]  # Daphne has no types
    """Drains before it stops: Daphne alone drops what is in flight."""

    def kill_all_applications(self) -> Deferred[Any]:
        stopping = Deferred.fromFuture(asyncio.ensure_future(stop()))
        stopping.addBoth(lambda _: super(HardenedServer, self).kill_all_applications())
        return stopping


def serve(host: str, port: int) -> None:
    """Until SIGTERM or SIGINT."""
    # Daphne makes its factory by name when it runs.
    daphne.server.HTTPFactory = HardenedFactory
    escaped = host.replace(":", r"\:")
    HardenedServer(
        application,
        endpoints=[f"tcp:port={port}:interface={escaped}"],
        request_buffer_size=settings.MAX_REQUEST_BYTES + 1,
        server_name="",
        application_close_timeout=2,
    ).run()


def main() -> None:
    parser = argparse.ArgumentParser(description="The gateway on Daphne, with its limits.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    serve(options.host, options.port)


if __name__ == "__main__":
    main()
