"""Messages as lines over file descriptors (MCP stdio transport): bounded, in threads of their own."""

from __future__ import annotations

import asyncio
import contextlib
import io
import queue
import threading
from collections.abc import AsyncIterator, Iterator

# More than the gateway takes (GATEWAY_MAX_REQUEST_BYTES), so that it is the gateway that says no.
MAX_LINE = 16 * 2**20
_PIECE = 64 * 1024
# Lines read ahead of what is being worked on.
_AHEAD = 64


class Overlong:
    """Stands for a line that was longer than MAX_LINE and was thrown away."""


Line = bytes | Overlong


class Incoming:
    """Lines of a descriptor, without their ends; blank ones are left out. Iterate once, in one event loop."""

    def __init__(self, descriptor: int) -> None:
        self._raw = io.FileIO(descriptor, "rb", closefd=False)
        self._room = threading.Semaphore(_AHEAD)

    async def __aiter__(self) -> AsyncIterator[Line]:
        loop = asyncio.get_running_loop()
        lines: asyncio.Queue[Line | None] = asyncio.Queue()
        # A thread, because pipes of some platforms and plain files cannot be waited for; a daemon, because nothing
        # ends a read that the other side lets wait.
        threading.Thread(target=self._read, args=(loop, lines), daemon=True, name="stdin").start()
        while (line := await lines.get()) is not None:
            self._room.release()
            yield line

    def _read(self, loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[Line | None]) -> None:
        # The loop may have ended meanwhile.
        with contextlib.suppress(RuntimeError):
            for line in split(self._pieces()):
                self._room.acquire()
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, None)

    def _pieces(self) -> Iterator[bytes]:
        with contextlib.suppress(OSError):
            while piece := self._raw.read(_PIECE):
                yield piece


def split(pieces: Iterator[bytes], limit: int = MAX_LINE) -> Iterator[Line]:
    """Lines that are not blank; what comes after the last line break is one too."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        *ends, rest = piece.split(b"\n")
        for end in ends:
            line = b"".join([*held, end]).strip() if size + len(end) <= limit else None
            held, size = [], 0
            if line is None:
                yield Overlong()
            elif line:
                yield line
        size += len(rest)
        if size <= limit:
            held.append(rest)
        else:
            held.clear()
    if size > limit:
        yield Overlong()
    elif last := b"".join(held).strip():
        yield last


class Outgoing:
    """Writes lines to a descriptor, one after the other."""

    def __init__(self, descriptor: int) -> None:
        self._raw = io.FileIO(descriptor, "wb", closefd=False)
        self._waiting: queue.SimpleQueue[tuple[bytes, asyncio.AbstractEventLoop, asyncio.Future[bool]]]
        self._waiting = queue.SimpleQueue()
        self.closed = asyncio.Event()
        threading.Thread(target=self._write, daemon=True, name="stdout").start()

    async def write(self, line: bytes) -> None:
        """Returns when it is written: who reads slowly is not sent ever more. Sets `closed` when nobody reads."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bool] = loop.create_future()
        self._waiting.put((line + b"\n", loop, done))
        # What has been put in line is written, whoever stops waiting for it.
        if not await asyncio.shield(done):
            self.closed.set()

    def _write(self) -> None:
        while True:
            line, loop, done = self._waiting.get()
            written = self._write_one(line)
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, done, written)

    def _write_one(self, line: bytes) -> bool:
        left = memoryview(line)
        try:
            while left:
                left = left[self._raw.write(left) or 0 :]
        except OSError:
            return False
        return True


def _settle(done: asyncio.Future[bool], written: bool) -> None:
    if not done.done():
        done.set_result(written)
