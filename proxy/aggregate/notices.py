"""What a client says to all servers of its session at once: cancellations, changed roots, its log level."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from proxy.aggregate import handshake
from proxy.aggregate.handshake import Kept
from proxy.aggregate.sealed import Session
from servers.upstream import Upstream, UpstreamError

if TYPE_CHECKING:
    from proxy.call import Call

LEVELS = frozenset({"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"})
# Under way, kept here so that none is collected before it is sent.
_under_way: set[asyncio.Task[None]] = set()


async def cancel(call: Call, session: Session) -> None:
    """The call is ended here when this worker has it and the server hears of it by our leaving; else it is told."""
    identity = call.params.get("requestId")
    if not isinstance(identity, (str, int)) or isinstance(identity, bool):
        return
    for other in call.state.open_calls.calls():
        passage = other.aggregate
        if passage is None or passage.session is None or passage.session.id != session.id:
            continue
        if passage.message_id == identity and other.is_request and other.method != "initialize":
            if not other.is_whole and not other.modern and other.session is not None:
                notice = {"method": "notifications/cancelled", "params": {"requestId": identity}}
                _send(call, other.upstream, Kept(other.session, other.version or ""), notice)
            else:
                call.state.open_calls.give_up(other)
            return
    await tell_all(call, session, {"method": "notifications/cancelled", "params": {"requestId": identity}})


async def tell_all(call: Call, session: Session, notice: dict[str, Any]) -> None:
    """Every server with which this session has one."""
    for upstream, kept in await call.state.aggregate.sessions.all_of(call, session):
        _send(call, upstream, kept, notice)


async def set_level(call: Call, session: Session, level: str) -> None:
    """For the servers of now and of later."""
    await call.state.aggregate.sessions.remember_level(call, session, level)
    kept = await call.state.aggregate.sessions.all_of(call, session)
    await asyncio.gather(*(handshake.set_level(call.state, upstream, each, level) for upstream, each in kept))


def _send(call: Call, upstream: Upstream, kept: Kept, notice: dict[str, Any]) -> None:
    async def send() -> None:
        with contextlib.suppress(UpstreamError):
            await handshake.tell(call.state, upstream, kept, notice)

    task = asyncio.create_task(send(), name="tell-server")
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
