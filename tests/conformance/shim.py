"""A loopback proxy that adds the key to every request, because the suite's command line has no header option.

It copies bytes. The only thing it understands is where a request ends (content length or chunks), so that it
can put one `Authorization` line after each request line on a connection that stays open. Host, Origin, header
order, white space, duplicates, bodies and answers pass exactly as they came, and a side that hangs up is hung
up on at once. A proxy built on an HTTP library would tidy up the very things that the suite tests; one that
closed the connection after each request would hide faults of kept-alive connections.

At the address of all servers, where the suite's names have a prefix, it renames too, and nothing else of a message.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from types import TracebackType
from urllib.parse import urlsplit

from tests.conformance.renaming import Renaming

HEAD_LIMIT = 256 * 1024
PIECE = 64 * 1024
START_TIMEOUT = 10.0
STOP_TIMEOUT = 10.0


class Shim:
    """A running shim; a context manager that serves from a thread of its own."""

    def __init__(self, target: str, key: str, port: int = 0, renaming: Renaming | None = None) -> None:
        parts = urlsplit(target)
        if parts.hostname is None or parts.port is None:
            raise ValueError("the target needs a host and a port")
        self._upstream = (parts.hostname, parts.port)
        self._path = parts.path
        self._line = f"Authorization: Bearer {key}\r\n".encode("ascii")
        self._port = port
        self._renaming = renaming
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    @property
    def url(self) -> str:
        """The target's address with the shim's host and port in place of its own."""
        return f"http://127.0.0.1:{self._port}{self._path}"

    def __enter__(self) -> Shim:
        self._thread.start()
        if not self._ready.wait(START_TIMEOUT):
            raise TimeoutError("the shim did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(STOP_TIMEOUT)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", self._port, limit=HEAD_LIMIT)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            upstream_reader, upstream_writer = await asyncio.open_connection(*self._upstream)
            async with closing(writer), closing(upstream_writer):
                requests = asyncio.create_task(copy_requests(reader, upstream_writer, self._line, self._renaming))
                answers = asyncio.create_task(copy_bytes(upstream_reader, writer, self._renaming))
                await first_of(requests, answers)
            return
        writer.close()


@contextlib.asynccontextmanager
async def closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()


async def first_of(*tasks: asyncio.Task[None]) -> None:
    """Wait until one direction has ended, then end the other one."""
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def copy_bytes(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, renaming: Renaming | None = None
) -> None:
    rename = renaming.answers() if renaming is not None else None
    while piece := await reader.read(PIECE):
        writer.write(piece if rename is None else rename(piece))
        await writer.drain()


async def copy_requests(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes, renaming: Renaming | None = None
) -> None:
    """Copy request after request, with `line` as the first header of each."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return
        request_line, rest = head.split(b"\r\n", 1)
        length = header_values(rest).get(b"content-length", b"0")
        if renaming is not None and length.isdigit() and int(length):
            rest, body = renaming.request(rest, await reader.readexactly(int(length)))
            writer.write(request_line + b"\r\n" + line + rest + body)
            await writer.drain()
            continue
        writer.write(request_line + b"\r\n" + line + rest)
        await writer.drain()
        await copy_body(reader, writer, rest)


async def copy_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
    values = header_values(head)
    if b"chunked" in values.get(b"transfer-encoding", b"").lower():
        await copy_chunks(reader, writer)
    elif length := int(values.get(b"content-length", b"0")):
        await copy_exactly(reader, writer, length)


def header_values(head: bytes) -> dict[bytes, bytes]:
    pairs = (line.split(b":", 1) for line in head.split(b"\r\n") if b":" in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}


async def copy_exactly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, length: int) -> None:
    while length:
        piece = await reader.read(min(length, PIECE))
        if not piece:
            return
        length -= len(piece)
        writer.write(piece)
        await writer.drain()


async def copy_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        size_line = await reader.readuntil(b"\r\n")
        writer.write(size_line)
        size = int(size_line.split(b";", 1)[0], 16)
        if size == 0:
            break
        await copy_exactly(reader, writer, size + len(b"\r\n"))
    trailer = b""
    while trailer != b"\r\n":
        trailer = await reader.readuntil(b"\r\n")
        writer.write(trailer)
    await writer.drain()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", required=True, metavar="URL", help="the gateway's address of one server")
    parser.add_argument("--key", required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    with Shim(options.to, options.key, options.port) as shim, contextlib.suppress(KeyboardInterrupt):
        print(shim.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
