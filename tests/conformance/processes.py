"""Starts and stops the processes that a test run needs: a line or a probe says when one is ready."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIXTURE = HERE / "fixture.py"
START_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def fixture_command() -> list[str]:
    """The fixture over stdio, by path and isolated, so that it runs from any directory."""
    return [sys.executable, "-I", str(FIXTURE), "--stdio"]


def start(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    announces: bool = False,
) -> subprocess.Popen[bytes]:
    """A process that leads its own group, so that its children can be ended with it.

    Only the output of one that `announces` itself is read; all else goes to the log, where it cannot block.
    """
    with log.open("ab") as sink:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if announces else sink,
            stderr=sink,
            env=None if environment is None else dict(environment),
            cwd=cwd,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes], timeout: float = STOP_TIMEOUT) -> int:
    """Ask the process to end; what is left of its group after `timeout` is killed."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        pass
    finally:
        end_group(process)
    return process.wait(timeout)


def end_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def first_line(process: subprocess.Popen[bytes], timeout: float = START_TIMEOUT) -> str:
    """The first line that the process prints; an error when it ends or is silent for too long."""
    if process.stdout is None:
        raise ValueError("the process was started without a pipe")
    deadline, received = time.monotonic() + timeout, b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while b"\n" not in received:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise TimeoutError(f"nothing was printed within {timeout} seconds")
            piece = os.read(process.stdout.fileno(), 4096)
            if not piece:
                raise RuntimeError(f"the process ended with {process.wait(STOP_TIMEOUT)} before it was ready")
            received += piece
    return received.split(b"\n", 1)[0].decode()


@contextmanager
def running_fixture(directory: Path) -> Iterator[str]:
    """The fixture over HTTP on a free port; gives its address."""
    log = directory / "fixture.log"
    process = start([sys.executable, "-I", str(FIXTURE), "--port", "0"], log, announces=True)
    try:
        line = first_line(process)
        if not line.startswith("ready "):
            raise RuntimeError(f"the fixture said: {line}")
        yield line.removeprefix("ready ")
    finally:
        stop(process)
