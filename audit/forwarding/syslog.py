"""Syslog over TLS (RFC 5425) or TCP (RFC 6587): RFC 5424 messages, each with its length before it.

Syslog has no answer. What counts as taken is what the receiver's machine has acknowledged; when that machine falls
before its syslog server has read it, it is lost.
"""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from collections.abc import Sequence

from audit.exporters import syslog as rfc5424
from audit.forwarding import Destination, Message, NotTaken, registry
from gateway_site.lib.egress import ConnectFailed, EgressDenied, check_stream, open_stream

_SECONDS = 10.0
_LOOK_SECONDS = 0.005
# RFC 5425 section 4.1 and, as everybody has it, RFC 3164's number for TCP.
_PORTS = {"syslog+tls": 6514, "syslog": 514}


@registry.add
class Syslog:
    """Lines of another form than syslog's own become the text of a message."""

    name = "syslog"
    label = "Syslog (TCP, TLS)"
    schemes: tuple[str, ...] = ("syslog+tls", "syslog")
    default_format = "syslog"
    secrets = frozenset[str]()

    def __init__(self, destination: Destination, media_type: str, header: bytes) -> None:
        self._to = destination
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @staticmethod
    def check(address: str) -> str:
        scheme, separator, rest = address.rstrip("/").partition("://")
        # What is in brackets is an address with colons of its own.
        if separator and ":" not in rest.rpartition("]")[2]:
            rest = f"{rest}:{_PORTS.get(scheme, '')}"
        check_stream(f"{scheme}://{rest}")
        return f"{scheme}://{rest}"

    async def send(self, messages: Sequence[Message]) -> None:
        frames = b"".join(map(self._frame, messages))
        try:
            async with asyncio.timeout(_SECONDS):
                await self._write(frames)
        except BaseException as error:
            # Half a frame may be out.
            self._drop()
            if isinstance(error, EgressDenied):
                raise NotTaken(f"denied: {error}"[:40]) from None
            if isinstance(error, TimeoutError):
                raise NotTaken("timeout") from None
            if isinstance(error, ConnectFailed):
                raise NotTaken("certificate" if "Cert" in str(error) else "unreachable") from None
            if isinstance(error, OSError):
                raise NotTaken("dropped") from None
            raise

    async def close(self) -> None:
        if self._streams is None:
            return
        _, writer = self._streams
        self._streams = None
        try:
            writer.close()
            async with asyncio.timeout(1.0):
                await writer.wait_closed()
        except (OSError, TimeoutError):
            writer.transport.abort()

    def _frame(self, message: Message) -> bytes:
        text = message.line.rstrip(b"\r\n")
        if self._to.format != rfc5424.Syslog.name:
            text = rfc5424.message(message.record, "-", text)
        return b"%d %b" % (len(text), text)

    async def _write(self, frames: bytes) -> None:
        if self._streams is not None and self._streams[0].at_eof():
            self._drop()
        if self._streams is None:
            self._streams = await open_stream(self._to.address, self._to.tls())
            # drain() then waits until nothing is left. With 0, TLS would pause at every second look and wait for ever.
            self._streams[1].transport.set_write_buffer_limits(high=1, low=0)
        reader, writer = self._streams
        writer.write(frames)
        await writer.drain()
        await _acknowledged(writer)
        if reader.at_eof() or reader.exception() is not None:
            raise ConnectionResetError

    def _drop(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


async def _acknowledged(writer: asyncio.StreamWriter) -> None:
    """Until the receiver's machine has it all, where the system can tell."""
    connection = writer.get_extra_info("socket")
    empty = 0
    # Twice, because what TLS holds back comes into the system's queue when the loop has its turn.
    while empty < 2:
        try:
            queued = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0]
        except OSError:
            if connection.fileno() < 0:
                raise ConnectionResetError from None
            return
        empty = empty + 1 if queued == 0 else 0
        await asyncio.sleep(_LOOK_SECONDS if queued else 0)
