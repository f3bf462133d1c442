"""A runner to talk to: its application on a loopback port, with launches that the test writes itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn

from servers.runner.app import RunnerApp

CHILD = Path(__file__).with_name("child.py")
VERSION = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {}}
HANDSHAKE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
BOTH = "application/json, text/event-stream"


@dataclass(frozen=True)
class Recipe:
    """A launch as the runner sees one."""

    argv: tuple[str, ...] = ()
    project_id: int = 1
    server_id: int = 1
    config_hash: str = "h1"
    transport: str = "stdio"
    env: Mapping[str, str] = field(default_factory=lambda: {"PATH": os.environ["PATH"]})
    cwd: str = "/tmp"
    memory_mb: int = 0
    max_processes: int = 8
    idle_seconds: int = 300
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def child(behaviour: str, **changes: Any) -> Recipe:
    """The scripted child with one of its behaviours."""
    return Recipe(argv=(sys.executable, "-I", "-S", str(CHILD), behaviour), **changes)


class Stage:
    """A running runner and a client for it."""

    def __init__(self, app: RunnerApp, base: str, http: aiohttp.ClientSession, launches: dict[Any, Any]) -> None:
        self.app, self.base, self.http, self.launches = app, base, http, launches

    def path(self, recipe: Recipe) -> str:
        return f"{self.base}/{recipe.project_id}/{recipe.server_id}/{recipe.config_hash}"

    def add(self, recipe: Recipe) -> str:
        self.launches[recipe.project_id, recipe.server_id] = recipe
        return self.path(recipe)

    def modern(self, url: str, method: str, params: dict[str, Any] | None = None, **extra: Any) -> Any:
        """A modern request, as an aiohttp context manager; `identity`, `meta`, `accept` change it."""
        params = {**(params or {}), "_meta": {**META, **extra.pop("meta", {})}}
        headers = {"accept": extra.pop("accept", BOTH), "mcp-protocol-version": VERSION, "mcp-method": method}
        if "name" in params:
            headers["mcp-name"] = params["name"]
        body = {"jsonrpc": "2.0", "id": extra.pop("identity", 1), "method": method, "params": params}
        return self.http.post(url, json=body, headers=headers)

    async def call(self, url: str, tool: str, **arguments: Any) -> tuple[int, Any]:
        """Status and JSON body of a modern tools/call."""
        async with self.modern(url, "tools/call", {"name": tool, "arguments": arguments}) as response:
            return response.status, await response.json()

    def legacy(self, url: str, body: dict[str, Any], session: str = "", accept: str = BOTH) -> Any:
        headers = {"accept": accept}
        if session:
            headers["mcp-session-id"] = session
        return self.http.post(url, json={"jsonrpc": "2.0", **body}, headers=headers)

    async def open(self, url: str) -> str:
        """A legacy session's id."""
        async with self.legacy(url, {"id": 0, "method": "initialize", "params": HANDSHAKE}) as response:
            assert response.status == 200, await response.text()
            session = response.headers["mcp-session-id"]
        async with self.legacy(url, {"method": "notifications/initialized"}, session) as response:
            assert response.status == 202
        return str(session)

    def listen(self, url: str, session: str) -> Any:
        """The GET stream of a session."""
        return self.http.get(url, headers={"accept": "text/event-stream", "mcp-session-id": session})

    async def children(self) -> list[dict[str, Any]]:
        async with self.http.get(f"{self.base}/children") as response:
            found: list[dict[str, Any]] = await response.json()
            return found


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """The JSON messages of an event stream, comments left out."""
    assert response.content_type == "text/event-stream", await response.text()
    async for line in response.content:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


async def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for something that announces itself nowhere."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """The URL of an ASGI application on a free loopback port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, lifespan="on", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]  # the tests' own signals stay
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def runner(**options: Any) -> AsyncIterator[Stage]:
    """A runner whose launches are a dictionary."""
    launches: dict[tuple[int, int], Recipe] = {}
    app = RunnerApp(
        load=lambda project, server: launches.get((project, server)),
        sse_session_factory=lambda url: aiohttp.ClientSession(),
        **options,
    )
    connector = aiohttp.TCPConnector(limit=0)
    async with served(app) as base, aiohttp.ClientSession(connector=connector) as http:
        async with asyncio.timeout(60):
            yield Stage(app, base, http, launches)
        await http.close()
        await app.drain()


@pytest.fixture
def alive() -> Callable[[int], bool]:
    """Whether a process runs; a zombie does not."""

    def look(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    return look
