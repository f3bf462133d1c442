"""The runner as a process: its socket, its end, and what becomes of its children."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from servers.runner.serve import bind

from .conftest import HANDSHAKE, META, VERSION, until

pytestmark = pytest.mark.claim("runner.process")

ROOT = Path(__file__).parents[3]
START = """
import sys, types
sys.path.insert(0, sys.argv[1])
from servers.runner.serve import run
from tests.servers.runner.conftest import child
import aiohttp
run(sys.argv[2], load=lambda p, s: child(sys.argv[3], project_id=p, server_id=s),
    sse_session_factory=lambda url: aiohttp.ClientSession())
"""
PARENT = """
import subprocess, sys
process = subprocess.Popen([sys.executable, "-c", *sys.argv[1:]])
print(process.pid, flush=True)
process.wait()
"""


def command(path: Path, behaviour: str = "plain") -> list[str]:
    return [sys.executable, "-c", START, str(ROOT), str(path), behaviour]


async def answering(path: Path) -> aiohttp.ClientSession:
    http = aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)))
    async with asyncio.timeout(20):
        while True:
            try:
                async with http.get("http://runner/healthz") as response:
                    assert response.status == 200
                    return http
            except aiohttp.ClientError:
                await asyncio.sleep(0.02)


async def use(http: aiohttp.ClientSession, server: int = 1) -> int:
    """Start a modern child by a call; its process id."""
    headers = {
        "accept": "application/json",
        "mcp-protocol-version": VERSION,
        "mcp-method": "tools/call",
        "mcp-name": "echo",
    }
    params = {"name": "echo", "arguments": {"text": "x"}, "_meta": META}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    async with http.post(f"http://runner/1/{server}/h1", json=body, headers=headers) as response:
        assert response.status == 200, await response.text()
    async with http.get("http://runner/children") as response:
        found: list[dict[str, Any]] = await response.json()
        return int(next(entry["pid"] for entry in found if entry["server_id"] == server))


@pytest_asyncio.fixture
async def process(
    tmp_path: Path,
) -> AsyncIterator[tuple[subprocess.Popen[bytes], aiohttp.ClientSession, Path]]:
    path = tmp_path / "r" / "runner.sock"
    started = subprocess.Popen(command(path, "stubborn"))
    http = await answering(path)
    yield started, http, path
    await http.close()
    started.kill()
    started.wait()


@pytest.mark.asyncio
async def test_the_socket_is_ours_alone_and_a_second_runner_is_refused(process: Any) -> None:
    _, _, path = process
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        bind(str(path))


def test_a_socket_that_nobody_answers_at_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "old.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    before = os.umask(0o022)
    os.umask(before)
    with bind(path):
        assert os.umask(before) == before


@pytest.mark.asyncio
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_told_to_end_it_takes_stubborn_children_and_open_streams_along_within_three_seconds(
    process: Any, number: signal.Signals, alive: Callable[[int], bool]
) -> None:
    started, http, path = process
    pids = [await use(http, server) for server in (1, 2, 3)]
    start = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HANDSHAKE}
    async with http.post("http://runner/1/1/h1", json=start, headers={"accept": "application/json"}) as response:
        session = response.headers["mcp-session-id"]
    headers = {"accept": "text/event-stream", "mcp-session-id": session}
    async with http.get("http://runner/1/1/h1", headers=headers) as stream:
        before = time.monotonic()
        started.send_signal(number)
        await stream.content.read()
        await until(lambda: started.poll() is not None)
        assert time.monotonic() - before < 3
    assert started.returncode == 0
    assert not any(map(alive, pids))
    assert not path.exists()


@pytest.mark.asyncio
async def test_killed_it_takes_its_children_along(process: Any, alive: Callable[[int], bool]) -> None:
    started, http, _ = process
    pids = [await use(http, server) for server in (1, 2, 3)]
    assert all(map(alive, pids))
    started.kill()
    await until(lambda: not any(map(alive, pids)))


@pytest.mark.asyncio
async def test_it_ends_when_its_parent_dies(tmp_path: Path, alive: Callable[[int], bool]) -> None:
    path = tmp_path / "runner.sock"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *command(path)[2:]], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    http = await answering(path)
    child = await use(http)
    parent.kill()
    parent.wait()
    await until(lambda: not alive(pid) and not alive(child))
    await http.close()
    parent.stdout.close()


def test_the_runner_needs_no_django() -> None:
    script = "import sys; sys.path.insert(0, sys.argv[1]); import servers.runner.serve; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", script, str(ROOT)], capture_output=True, text=True, check=True)
    assert not {name for name in found.stdout.split() if name.split(".")[0] == "django"}
