"""Owns the one modern child of a server: finding out its era, starting it again, backing off."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY
from mcp_types.version import LATEST_MODERN_VERSION, MODERN_PROTOCOL_VERSIONS

from servers.runner import idle
from servers.runner.bridge import Bridge, ModernBridge
from servers.runner.channel import Channel
from servers.runner.messages import UNAVAILABLE, UNSUPPORTED_VERSION, Message, Trouble

logger = logging.getLogger(__name__)

PROBE_TIMEOUT: Final = 10.0
START_WAIT: Final = 12.0
MAX_WAIT: Final = 10.0
FIRST_DELAY: Final = 0.1
MAX_DELAY: Final = 30.0
HEALTHY_AFTER: Final = 10.0
DOUBT: Final = 60.0

_PROBE: Final[Message] = {
    "id": "probe",
    "method": "server/discover",
    "params": {
        "_meta": {
            PROTOCOL_VERSION_META_KEY: LATEST_MODERN_VERSION,
            CLIENT_INFO_META_KEY: {"name": "secure-mcp-gateway", "version": "1"},
            CLIENT_CAPABILITIES_META_KEY: {},
        }
    },
}


class LegacyOnly(Exception):
    """This server does not speak the modern era: the client should shake hands instead."""


class Shared:
    """At most one modern child, started on first use and again after a death while somebody uses it."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Channel]],
        end: Callable[[Bridge], None],
        idle_seconds: float,
    ) -> None:
        self._connect = connect
        self._end = end
        self._idle_seconds = idle_seconds
        self._bridge: ModernBridge | None = None
        self._probed: ModernBridge | None = None
        self._start: asyncio.Task[ModernBridge] | None = None
        self._modern = False
        self._legacy_until = 0.0
        self._failures = 0
        self._retry_at = 0.0
        self._last_wanted = 0.0
        self._closed = False
        self.restarts = 0

    @property
    def current(self) -> ModernBridge | None:
        """The child in use or being probed, None while there is none."""
        return self._bridge or self._probed

    @property
    def state(self) -> str:
        """`ready`, `starting`, `backoff`, `legacy` or `idle`."""
        if self._bridge is not None:
            return "ready"
        if self._start is not None:
            return "backoff" if time.monotonic() < self._retry_at else "starting"
        return "legacy" if time.monotonic() < self._legacy_until else "idle"

    async def bridge(self) -> ModernBridge:
        """The living child, started if need be.

        Raises LegacyOnly, Trouble(UNAVAILABLE) when it does not start in time, or what `connect` raises.
        """
        self._last_wanted = time.monotonic()
        bridge = self._bridge
        if bridge is not None:
            if bridge.alive():
                return bridge
            self._lost(bridge)
        if self._last_wanted < self._legacy_until:
            raise LegacyOnly
        if self._closed or self._retry_at - self._last_wanted > MAX_WAIT:
            raise Trouble(UNAVAILABLE)
        return await self._wait(self._begin())

    def close(self) -> None:
        """End the child, in the background, and start no other."""
        self._closed = True
        if self._start is not None:
            self._start.cancel()
        self._reap()

    async def _wait(self, start: asyncio.Task[ModernBridge]) -> ModernBridge:
        done, _ = await asyncio.wait({start}, timeout=START_WAIT)
        if not done or start.cancelled():
            raise Trouble(UNAVAILABLE)
        return start.result()

    def _begin(self) -> asyncio.Task[ModernBridge]:
        if self._start is None:
            self._start = asyncio.create_task(self._run_start())
            self._start.add_done_callback(self._started)
        return self._start

    def _started(self, start: asyncio.Task[ModernBridge]) -> None:
        self._start = None
        if not start.cancelled():
            # Taken here too, because a start after a death may have nobody waiting for it.
            start.exception()

    async def _run_start(self) -> ModernBridge:
        await asyncio.sleep(max(0.0, self._retry_at - time.monotonic()))
        try:
            bridge = ModernBridge(await self._connect(), self._lost)
        except Trouble:
            self._count_failure()
            raise
        self._probed = bridge
        try:
            if not self._modern:
                await self._probe(bridge)
        except BaseException:
            self._end(bridge)
            raise
        finally:
            self._probed = None
        self._bridge = bridge
        if bridge.ended:
            self._lost(bridge)
            raise Trouble(UNAVAILABLE)
        idle.watch(bridge, self._idle_seconds, self._reap)
        return bridge

    async def _probe(self, bridge: ModernBridge) -> None:
        deadline = time.monotonic() + PROBE_TIMEOUT
        call = bridge.call(_PROBE, streams=False)
        while not call.over and time.monotonic() < deadline:
            call.take()
            await call.wait(deadline - time.monotonic())
        if _speaks_modern(call.answer_message):
            self._modern = True
            return
        # A refusal settles it. Silence or death may be a bad day, so it is asked again after a while.
        refused = call.over and not bridge.ended
        self._legacy_until = float("inf") if refused else time.monotonic() + DOUBT
        raise LegacyOnly

    def _lost(self, bridge: Bridge) -> None:
        if self._bridge is not bridge:
            return
        self._bridge = None
        if self._closed:
            return
        if time.monotonic() - bridge.started > HEALTHY_AFTER:
            self._failures = 0
        self._count_failure()
        self.restarts += 1
        if time.monotonic() - self._last_wanted < self._idle_seconds:
            self._begin()

    def _count_failure(self) -> None:
        delay = min(FIRST_DELAY * 2 ** min(self._failures, 16), MAX_DELAY)
        self._failures += 1
        self._retry_at = time.monotonic() + delay

    def _reap(self) -> None:
        bridge, self._bridge = self._bridge, None
        if bridge is not None:
            self._end(bridge)


def _speaks_modern(answer: Message | None) -> bool:
    if answer is None:
        return False
    result = answer.get("result")
    if isinstance(result, dict):
        return _shares_version(result.get("supportedVersions"))
    # A newer server that names other versions is modern all the same: its answer goes to the client.
    failure = answer.get("error")
    return isinstance(failure, dict) and failure.get("code") == UNSUPPORTED_VERSION


def _shares_version(versions: Any) -> bool:
    return isinstance(versions, list) and any(version in MODERN_PROTOCOL_VERSIONS for version in versions)
