"""Owns child processes: started, confined, spoken to line by line, and always brought to their end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from gateway_site.lib import jsontext
from servers.runner import confine
from servers.runner.channel import MAX_BACKLOG, Inbox, Lines
from servers.runner.contract import Launch
from servers.runner.messages import OVERLOADED, TOO_LARGE, UNAVAILABLE, Message, Trouble
from servers.runner.notes import Notes, secret_values

logger = logging.getLogger(__name__)

_CONFINE: Final = str(Path(confine.__file__).resolve())
_LAST_WORDS: Final = 0.25


class _Reader(asyncio.Protocol):
    def __init__(self, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self._on_data = on_data
        self._on_end = on_end

    def data_received(self, data: bytes) -> None:
        self._on_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_end()


class _Writer(asyncio.Protocol):
    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_end()


class StdioChannel:
    """One child process and its three pipes. Made by `start`, in the thread of the event loop."""

    def __init__(self, launch: Launch) -> None:
        self._inbox = Inbox(self._pause, self._resume)
        self._lines = Lines()
        self._notes = Notes(secret_values(launch.env))
        self._exited = asyncio.Event()
        self._closed = False
        self._shutting: asyncio.Task[None] | None = None
        self._process = _spawn(launch)
        self._stdin: asyncio.WriteTransport | None = None
        self._stdout: asyncio.ReadTransport | None = None
        self._stderr: asyncio.ReadTransport | None = None

    @classmethod
    async def start(cls, launch: Launch) -> StdioChannel:
        """Start the child. Raises Trouble(UNAVAILABLE) when it cannot be executed."""
        try:
            channel = cls(launch)
        except (OSError, subprocess.SubprocessError, ValueError) as exc:
            logger.warning("child of server %d cannot be started: %s", launch.server_id, type(exc).__name__)
            raise Trouble(UNAVAILABLE) from None
        try:
            await channel._connect()
        except BaseException:
            channel.kill()
            channel._reap()
            raise
        return channel

    async def _connect(self) -> None:
        loop, process = asyncio.get_running_loop(), self._process
        talk = _Reader(self._read, self._stdout_lost)
        chat = _Reader(self._notes.feed, lambda: None)
        self._stdin, _ = await loop.connect_write_pipe(lambda: _Writer(self._stdin_lost), process.stdin)
        self._stdout, _ = await loop.connect_read_pipe(lambda: talk, process.stdout)
        self._stderr, _ = await loop.connect_read_pipe(lambda: chat, process.stderr)
        self._watch_exit(loop)

    @property
    def pid(self) -> int | None:
        """The child's process id, which is also its group's."""
        return self._process.pid

    @property
    def garbage(self) -> int:
        """How many lines were not messages."""
        return self._inbox.garbage

    def send(self, message: Message) -> None:
        """Write one line, or queue it when the child is slow.

        Raises Trouble: UNAVAILABLE when the child has ended, OVERLOADED while 1 MiB or more wait.
        """
        if self._closed or self._stdin is None:
            raise Trouble(UNAVAILABLE)
        if self._stdin.get_write_buffer_size() >= MAX_BACKLOG:
            raise Trouble(OVERLOADED)
        self._stdin.write(jsontext.encode(message) + b"\n")

    def __aiter__(self) -> AsyncIterator[Message]:
        """The child's messages until it ends; raises Trouble(TOO_LARGE) after a line without end."""
        return self._inbox.read()

    def alive(self) -> bool:
        """Whether the child runs; asks the kernel, because news of a death may still be on its way."""
        if self._closed or self._exited.is_set():
            return False
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            return os.waitid(os.P_PID, self._process.pid, flags) is None
        except ChildProcessError:
            return False

    def notes(self) -> list[str]:
        """The last lines of stderr, without the values of the child's environment."""
        return self._notes.read()

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        self._closed = True
        self._signal(signal.SIGKILL)

    async def close(self, *, grace: float = 2.0, term: float = 1.0) -> None:
        """Close stdin, wait `grace` seconds, SIGTERM the group, wait `term` seconds, SIGKILL it."""
        if self._shutting is None:
            self._closed = True
            self._shutting = asyncio.create_task(self._shut(grace, term))
        await asyncio.shield(self._shutting)

    async def _shut(self, grace: float, term: float) -> None:
        self._close_stdin()
        for patience, next_signal in ((grace, signal.SIGTERM), (term, signal.SIGKILL), (5.0, None)):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._exited.wait()
                break
            if next_signal is not None:
                self._signal(next_signal)
        self._release()
        self._inbox.end()

    def _close_stdin(self) -> None:
        if self._stdin is not None and not self._stdin.is_closing():
            # What a child does not read would hold the pipe open for ever.
            if self._stdin.get_write_buffer_size():
                self._stdin.abort()
            else:
                self._stdin.close()

    def _read(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            if line.strip():
                self._inbox.put(line)
        if self._lines.overflown:
            self._inbox.end(Trouble(TOO_LARGE))
            self.kill()

    def _pause(self) -> None:
        if self._stdout is not None and not self._stdout.is_closing():
            self._stdout.pause_reading()

    def _resume(self) -> None:
        if self._stdout is not None and not self._stdout.is_closing():
            self._stdout.resume_reading()

    def _stdin_lost(self) -> None:
        self._closed = True
        if self._shutting is None:
            self._end_soon()

    def _stdout_lost(self) -> None:
        self._closed = True
        self._inbox.end()

    def _end_soon(self) -> None:
        # A child's last answer may still be in the pipe when it ends, or when it closes stdin first.
        asyncio.get_running_loop().call_later(_LAST_WORDS, self._inbox.end)

    def _watch_exit(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            descriptor = os.pidfd_open(self._process.pid)
        except (AttributeError, OSError):
            threading.Thread(target=self._wait_in_thread, args=(loop,), daemon=True).start()
            return
        loop.add_reader(descriptor, self._on_exit, descriptor)

    def _wait_in_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._on_exit, None)

    def _on_exit(self, descriptor: int | None) -> None:
        if descriptor is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)
        # Before reaping: the zombie keeps its number, so the group cannot be somebody else's by now.
        self._signal(signal.SIGKILL)
        self._reap()
        self._closed = True
        self._exited.set()
        self._end_soon()

    def _reap(self) -> None:
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _release(self) -> None:
        for transport in (self._stdout, self._stderr):
            if transport is not None:
                transport.close()
        self._close_stdin()


def _spawn(launch: Launch) -> subprocess.Popen[bytes]:
    program = launch.argv[0] if launch.argv else ""
    if not os.path.isabs(program):
        raise ValueError("the executable must be an absolute path")
    if not os.access(program, os.X_OK) or os.path.isdir(program):
        raise PermissionError("the executable cannot be executed")
    # Python puts this one into its own environment in the C locale; the child's is given, not grown.
    unwanted = "" if "LC_CTYPE" in launch.env else "LC_CTYPE"
    first = [sys.executable, "-I", "-S", _CONFINE, str(os.getpid()), str(launch.memory_mb), unwanted]
    # In this thread, not in a pool's: the child's death signal is bound to the thread that starts it.
    return subprocess.Popen(  # noqa: S603 - what runs is the operator's to say, never a caller's
        [*first, *launch.argv],
        env=dict(launch.env),
        cwd=launch.cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        close_fds=True,
        start_new_session=True,
    )
