"""Owns the runner as a process: its socket, its signals, and its end with its parent's."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import uvicorn

from servers.runner.app import RunnerApp
from servers.runner.confine import die_with_parent
from servers.runner.contract import Load, SseSessionFactory

logger = logging.getLogger(__name__)


def run(path: str, *, load: Load, sse_session_factory: SseSessionFactory) -> None:
    """Serve on the unix socket at `path` until SIGTERM, SIGINT, or the death of the parent.

    Raises OSError when another runner answers there or the socket cannot be made.
    """
    parent = os.getppid()
    die_with_parent(signal.SIGTERM)
    if os.getppid() != parent:
        return
    _raise_file_limit()
    app = RunnerApp(load=load, sse_session_factory=sse_session_factory)
    config = uvicorn.Config(
        app,
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=120,
        timeout_graceful_shutdown=1,
    )
    listener = bind(path)
    try:
        _Server(config, app).run(sockets=[listener])
    finally:
        listener.close()
        Path(path).unlink(missing_ok=True)


def bind(path: str) -> socket.socket:
    """A listening-ready unix socket that only this user can reach; replaces a dead one.

    Raises OSError when a living process answers there.
    """
    with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(path)
        raise FileExistsError(f"a runner already answers at {path}")
    Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    Path(path).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    # Before the socket exists, not after: there must be no moment in which others could connect.
    before = os.umask(0o177)
    try:
        listener.bind(path)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def _raise_file_limit() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, app: RunnerApp) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Our drain first: uvicorn's would wait for streams that nobody ends."""
        for server in self.servers:
            server.close()
        await self._app.drain()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Unlike uvicorn's, ends with a clean exit status instead of raising the signal again."""
        handled = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, self._stop) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.should_exit = True
