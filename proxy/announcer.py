"""Tells a client on its open stream which lists are other ones now, beside whatever its server says there.

What is said here is ours: it goes to the socket directly, so that nothing judges it as a server's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from gateway_site.lib.jsontext import encode
from proxy.call import Call
from proxy.changes import LISTS, Changed, Listener
from proxy.protocol import SUBSCRIPTION_KEY

logger = structlog.get_logger("proxy.announcer")
# On a stream of 2026-07-28 the acknowledgement comes first. A server that gives none is not waited for.
_ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
_ACKNOWLEDGEMENT_SECONDS = 0.4
# What a client asks for when it wants to hear of a list.
_FILTERS = {f"{listed}ListChanged": listed for listed in sorted(LISTS)}
_NONE: frozenset[str] = frozenset()
SendEvent = Callable[[bytes], Awaitable[None]]


class Announcer(Listener):
    """Of one stream. Between two changes it is this object and nothing else; `close` it with the stream."""

    __slots__ = ("_asked", "_changes", "_is_open", "_pending", "_send", "_subscription", "_task")

    def __init__(self, call: Call, send: SendEvent) -> None:
        """`send` takes one whole event; it may be called while the server's own are sent."""
        server = None if call.is_whole else call.upstream.slug
        super().__init__(call.principal.key.key_id, server, call.modern, call.snapshot)
        self._send = send
        self._subscription = call.message_id
        self._asked = _asked_for(call) if call.modern else LISTS
        self._is_open = not call.modern
        self._pending: frozenset[str] = _NONE
        self._task: asyncio.Task[None] | None = None
        self._changes = call.state.changes
        self._changes.add(self)

    def tell(self, changed: Changed) -> None:
        """What is not sent yet is sent once."""
        self._pending |= self._asked & _NONE.union(*changed.values())
        self._begin()

    def pass_on(self, message: dict[str, Any] | None) -> None:
        """Called with each message of the server before it is sent. What it acknowledges is what we add to as well."""
        if self._is_open or message is None:
            return
        params = message.get("params")
        honoured = params.get("notifications") if isinstance(params, dict) else None
        if message.get("method") == _ACKNOWLEDGED and isinstance(honoured, dict):
            honoured.update({name: True for name, listed in _FILTERS.items() if listed in self._asked})
            self._is_open = True

    def close(self) -> None:
        self._changes.remove(self)
        self._pending = _NONE
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        if self._pending and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._announce(), name="announce")
            self._task.add_done_callback(self._announced)

    async def _announce(self) -> None:
        if not self._is_open:
            await asyncio.sleep(_ACKNOWLEDGEMENT_SECONDS)
        while self._pending:
            listed = min(self._pending)
            self._pending -= {listed}
            await self._send(b"data: " + encode(self._message(listed)) + b"\n\n")

    def _message(self, listed: str) -> dict[str, Any]:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": f"notifications/{listed}/list_changed"}
        if self.modern:
            message["params"] = {"_meta": {SUBSCRIPTION_KEY: self._subscription}}
        return message

    def _announced(self, done: asyncio.Task[None]) -> None:
        self._task = None
        if done.cancelled():
            return
        if done.exception() is not None:
            # The connection is gone, as whoever serves the stream is about to find.
            self._pending = _NONE
            logger.warning("a stream could not be told of a change", error=type(done.exception()).__name__)
        self._begin()


def _asked_for(call: Call) -> frozenset[str]:
    wanted = call.params.get("notifications")
    if not isinstance(wanted, dict):
        return frozenset()
    return frozenset(listed for name, listed in _FILTERS.items() if wanted.get(name) is True)
