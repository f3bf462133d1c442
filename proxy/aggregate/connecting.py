"""Readies a call for the server that it was led to: the era, and the session where the era has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.aggregate import bridge
from proxy.aggregate.handshake import Kept, WrongEra, session_headers
from proxy.aggregate.passage import Passage
from proxy.errors import Refusal
from proxy.protocol import REMOVED
from servers.upstream import UpstreamError

if TYPE_CHECKING:
    from proxy.call import Call


async def ready(call: Call, passage: Passage) -> None:
    """Raises UpstreamError, and Refusal for what is not carried into the other era."""
    if passage.asked is not None:
        call.session, call.version = passage.asked.session, passage.asked.version
    elif passage.kept is not None:
        _use(call, passage.kept)
    elif passage.modern:
        await _ready_modern(call, passage)
    else:
        await _ready_legacy(call, passage)


async def _ready_modern(call: Call, passage: Passage) -> None:
    if await call.state.aggregate.eras.speaks_modern(call):
        return
    try:
        kept, was_there = await call.state.aggregate.sessions.of(call, None)
    except WrongEra as error:
        raise UpstreamError("invalid", "speaks neither era") from error
    passage.is_pooled = True
    _use(call, kept)
    bridge.speak_legacy(call, passage)
    if was_there:
        call.reopen = lambda: _reopen(call, passage, kept)


async def _ready_legacy(call: Call, passage: Passage) -> None:
    eras, sessions = call.state.aggregate.eras, call.state.aggregate.sessions
    if eras.speaks(call, False) is not False:
        try:
            kept, was_there = await sessions.of(call, passage.session)
        except WrongEra:
            eras.note(call, False, False)
        else:
            _use(call, kept)
            if was_there:
                call.reopen = lambda: _reopen(call, passage, kept)
            return
    if not await eras.speaks_modern(call):
        raise UpstreamError("invalid", "speaks neither era")
    if call.method in REMOVED:
        raise Refusal("unknown_method")
    call.modern = True
    if passage.session is not None:
        passage.log_level = sessions.client(call.principal.project_id, passage.session).level
    bridge.speak_modern(call, passage)


def _use(call: Call, kept: Kept) -> None:
    call.session, call.version, call.modern = kept.id, kept.version, False


async def _reopen(call: Call, passage: Passage, lost: Kept) -> dict[str, str]:
    """Once for each call; the server did nothing with what it was sent."""
    try:
        kept = await call.state.aggregate.sessions.reopen(call, passage.session, lost)
    except WrongEra as error:
        raise UpstreamError("invalid", "speaks neither era") from error
    _use(call, kept)
    return session_headers(kept)
