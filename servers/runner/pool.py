"""Owns which channel serves which request: per server one shared modern child and its legacy sessions."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final

from servers.runner import idle
from servers.runner.bridge import Bridge, LegacyBridge, ModernBridge, quiet
from servers.runner.channel import Channel
from servers.runner.contract import Launch, Load, SseSessionFactory
from servers.runner.messages import OVERLOADED, Trouble
from servers.runner.shared import LegacyOnly, Shared
from servers.runner.sse import SseChannel
from servers.runner.stdio import StdioChannel

logger = logging.getLogger(__name__)

RETIREMENT: Final = 10.0
_SESSION_BYTES: Final = 32


class Missing(Exception):
    """There is no such server."""


class Stale(Exception):
    """The server is configured differently by now."""


@dataclass(frozen=True, slots=True)
class Key:
    """Names one server at one configuration, as a path does."""

    project_id: int
    server_id: int
    config_hash: str


class Host:
    """What the pool keeps for one server at one configuration."""

    def __init__(self, key: Key, launch: Launch, shared: Shared) -> None:
        self.key = key
        self.transport = launch.transport
        self.max_sessions = launch.max_processes
        self.idle_seconds = launch.idle_seconds
        self.shared = shared
        self.sessions: dict[str, LegacyBridge] = {}
        self.opening = 0


class Pool:
    """All children of this process. Made outside any loop, used inside one."""

    def __init__(self, load: Load, sse_session_factory: SseSessionFactory) -> None:
        self._load = load
        self._factory = sse_session_factory
        self._hosts: dict[tuple[int, int], Host] = {}
        self._retired: set[Host] = set()
        self._ending: dict[asyncio.Task[None], Bridge | None] = {}
        self._closed = False

    async def modern(self, key: Key) -> ModernBridge:
        """The shared child of a server.

        Raises Missing, Stale, LegacyOnly, or Trouble(UNAVAILABLE) when it cannot be started.
        """
        host = await self._host(key)
        if host.transport != "stdio":
            raise LegacyOnly
        return await host.shared.bridge()

    async def open_session(self, key: Key) -> tuple[str, LegacyBridge]:
        """A fresh child for one legacy session, and the session's id: 256 random bits.

        Raises Missing, Stale, or Trouble: OVERLOADED at the server's cap, UNAVAILABLE when it cannot start.
        """
        host = await self._host(key)
        if host.opening + len(host.sessions) >= max(1, host.max_sessions):
            raise Trouble(OVERLOADED)
        host.opening += 1
        try:
            channel = await self._connect(key)
        finally:
            host.opening -= 1
        name = secrets.token_urlsafe(_SESSION_BYTES)
        bridge = LegacyBridge(channel, lambda _: _unlist(host, name))
        host.sessions[name] = bridge
        if self._closed or self._hosts.get((key.project_id, key.server_id)) is not host:
            self.end(bridge)
            raise Stale
        idle.watch(bridge, host.idle_seconds, lambda: self.end(bridge))
        return name, bridge

    def session(self, key: Key, name: str) -> LegacyBridge | None:
        """The living session of that id at exactly this server and configuration."""
        host = self._hosts.get((key.project_id, key.server_id))
        bridge = host.sessions.get(name) if host is not None and host.key == key else None
        return bridge if bridge is not None and bridge.alive() else None

    def end_session(self, key: Key, name: str) -> None:
        """End a session's child; the id is unknown from now on."""
        host = self._hosts.get((key.project_id, key.server_id))
        bridge = host.sessions.pop(name, None) if host is not None and host.key == key else None
        if bridge is not None:
            self.end(bridge)

    def end(self, bridge: Bridge) -> None:
        """Close a bridge in the background."""
        for host in self._all_hosts():
            for name in [name for name, kept in host.sessions.items() if kept is bridge]:
                del host.sessions[name]
        self._in_background(bridge.close(), bridge)

    def bridges(self) -> list[Bridge]:
        """Every bridge that serves somebody."""
        found: list[Bridge] = []
        for host in self._all_hosts():
            found.extend(host.sessions.values())
            if host.shared.current is not None:
                found.append(host.shared.current)
        return found

    def children(self) -> list[dict[str, Any]]:
        """One entry per child, and one per server whose shared child is down; without session ids."""
        entries: list[dict[str, Any]] = []
        for host in self._all_hosts():
            shared = host.shared
            if shared.state != "idle":
                entries.append(_describe(host, shared.current, "modern", shared.state, shared.restarts))
            entries.extend(_describe(host, bridge, "legacy", "ready", 0) for bridge in host.sessions.values())
        for bridge in self._ending.values():
            if bridge is not None:
                entries.append({"pid": bridge.channel.pid, "era": bridge.era, "state": "closing"})
        return entries

    async def close(self, *, grace: float = 0.5, term: float = 0.3) -> None:
        """End every child within `grace + term` seconds and a little; no other is started."""
        self._closed = True
        bridges = self.bridges()
        closing = [bridge for bridge in self._ending.values() if bridge is not None]
        tasks = [asyncio.create_task(bridge.close(grace=grace, term=term)) for bridge in bridges]
        for host in self._all_hosts():
            host.shared.close()
        waiting = {*tasks, *(task for task, bridge in self._ending.items() if bridge is not None)}
        if waiting:
            await asyncio.wait(waiting, timeout=grace + term + 0.3)
        for bridge in (*bridges, *closing):
            if bridge.channel.alive():
                bridge.channel.kill()
        if waiting:
            await asyncio.wait(waiting, timeout=0.3)

    async def _host(self, key: Key) -> Host:
        host = self._hosts.get((key.project_id, key.server_id))
        if host is not None and host.key == key:
            return host
        launch = await self._loaded(key)
        host = self._hosts.get((key.project_id, key.server_id))
        if host is None or host.key != key:
            if host is not None:
                self._retire(host)
            host = Host(key, launch, Shared(lambda: self._connect(key), self.end, launch.idle_seconds))
            self._hosts[key.project_id, key.server_id] = host
        return host

    async def _loaded(self, key: Key) -> Launch:
        if self._closed:
            raise Trouble(OVERLOADED)
        launch = await asyncio.to_thread(self._load, key.project_id, key.server_id)
        if launch is None:
            raise Missing
        if launch.config_hash != key.config_hash:
            raise Stale
        return launch

    async def _connect(self, key: Key) -> Channel:
        # Loaded anew at every start: a removed server gets no child, a rotated secret reaches the next one.
        launch = await self._loaded(key)
        if launch.transport == "sse":
            return await SseChannel.open(launch, self._factory)
        return await StdioChannel.start(launch)

    def _all_hosts(self) -> list[Host]:
        return [*self._hosts.values(), *self._retired]

    def _retire(self, host: Host) -> None:
        self._retired.add(host)
        self._in_background(self._see_off(host), None)

    async def _see_off(self, host: Host) -> None:
        """Let calls in flight finish, then end all children of a configuration that is no more."""
        shared = host.shared.current
        bridges: list[Bridge] = [*host.sessions.values(), *([shared] if shared is not None else [])]
        await quiet(bridges, RETIREMENT)
        host.shared.close()
        for bridge in bridges:
            self.end(bridge)
        self._retired.discard(host)

    def _in_background(self, work: Coroutine[Any, Any, None], bridge: Bridge | None) -> None:
        task = asyncio.create_task(work)
        self._ending[task] = bridge
        task.add_done_callback(lambda done: self._ending.pop(done, None))


def _unlist(host: Host, name: str) -> None:
    host.sessions.pop(name, None)


def _describe(host: Host, bridge: Bridge | None, era: str, state: str, restarts: int) -> dict[str, Any]:
    return {
        "project_id": host.key.project_id,
        "server_id": host.key.server_id,
        "pid": bridge.channel.pid if bridge is not None else None,
        "era": era,
        "state": state,
        "restarts": restarts,
        "garbage": bridge.channel.garbage if bridge is not None else 0,
        "stderr": bridge.channel.notes() if bridge is not None else [],
    }
