"""What a client says to all servers of its session at once: cancellations, changed roots, its log level."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, Any

from proxy.aggregate import handshake, parts
from proxy.aggregate.handshake import Kept
from proxy.aggregate.sealed import Session
from proxy.errors import Refusal
from proxy.wire import MAX_ID_TEXT, MAX_SAFE_INTEGER
from servers.upstream import Upstream, UpstreamError

if TYPE_CHECKING:
    from proxy.call import Call

LEVELS = frozenset({"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"})
# An id in which nobody has worded anything.
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
# Under way, kept here so that none is collected before it is sent.
_under_way: set[asyncio.Task[None]] = set()


async def cancel(call: Call, session: Session) -> None:
    """The call is ended here when this worker has it and the server hears of it by our leaving; else it is told.

    Nothing but the id is passed on. Servers that are not known to have such a call learn only ids that say nothing.
    """
    identity = call.params.get("requestId")
    if not _is_id(identity):
        return
    notice = {"method": "notifications/cancelled", "params": {"requestId": identity}}
    for other in call.state.open_calls.calls():
        passage = other.aggregate
        if passage is None or passage.session is None or passage.session.id != session.id:
            continue
        if passage.message_id == identity and other.is_request and other.method != "initialize":
            if not other.is_whole and not other.modern and other.session is not None:
                _send(call, other.upstream, Kept(other.session, other.version or ""), notice)
            else:
                call.state.open_calls.give_up(other)
            return
    if not isinstance(identity, str) or _PLAIN_ID.fullmatch(identity):
        await tell_all(call, session, notice)


def _is_id(value: Any) -> bool:
    """As any message may have one."""
    if isinstance(value, str):
        return len(value) <= MAX_ID_TEXT
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_SAFE_INTEGER


async def tell_all(call: Call, session: Session, notice: dict[str, Any]) -> None:
    """Every server with which this session has one."""
    for upstream, kept in await call.state.aggregate.sessions.all_of(call, session):
        _send(call, upstream, kept, notice)


async def set_level(call: Call, session: Session, level: str) -> None:
    """For the servers of now and of later. Raises Refusal audit_unavailable."""
    sessions = call.state.aggregate.sessions
    await sessions.remember_level(call, session, level)
    logging = [each for each in await sessions.all_of(call, session) if each[1].logs]
    await asyncio.gather(*(_set_level(call, upstream, kept, level) for upstream, kept in logging))


async def _set_level(call: Call, upstream: Upstream, kept: Kept, level: str) -> None:
    await parts.note(call, upstream)
    await handshake.set_level(call.state, upstream, kept, level)


def _send(call: Call, upstream: Upstream, kept: Kept, notice: dict[str, Any]) -> None:
    async def send() -> None:
        # Nobody waits for it; what cannot be put on record is not sent.
        with contextlib.suppress(UpstreamError, Refusal):
            await parts.note(call, upstream)
            await handshake.tell(call.state, upstream, kept, notice)

    task = asyncio.create_task(send(), name="tell-server")
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
