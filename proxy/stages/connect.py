"""Has the session with the server that a call to all servers was led to, in the era that this server speaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from typing import TYPE_CHECKING, Any

from proxy.aggregate import bridge
from proxy.aggregate.connecting import ready
from proxy.aggregate.passage import Passage
from proxy.call import Answer, Call, Event
from proxy.errors import Refusal
from proxy.protocol import status_of
from proxy.stages.forward import refuse_upstream, tell_upstream
from proxy.wire import is_response
from servers.upstream import UpstreamError

if TYPE_CHECKING:
    from proxy.call import CallNext


def connect(call: Call, call_next: CallNext) -> Awaitable[Answer]:
    """Raises Refusal and UpstreamError. At the address of one server it is not there."""
    return call_next(call) if call.aggregate is None else _connect(call, call.aggregate, call_next)


async def _connect(call: Call, passage: Passage, call_next: CallNext) -> Answer:
    method = call.method
    await ready(call, passage)
    try:
        answer = await call_next(call)
    except Refusal as refusal:
        if refusal.kind == "session_not_found":
            # Of the server, whose session the client knows nothing of.
            raise UpstreamError("unavailable", "session lost") from refusal
        raise
    except asyncio.CancelledError:
        _give_up(call, passage)
        raise
    if answer.message is not None:
        answer.message = _hear(call, passage, answer.message, method)
        _give_status(call, passage, answer)
    if answer.events is not None:
        answer.events = _heard(call, passage, answer.events, method)
    return answer


def _hear(call: Call, passage: Passage, message: dict[str, Any], method: str) -> dict[str, Any] | None:
    """As the client's era says it."""
    if passage.modern and not call.modern:
        return bridge.hear_legacy(call, passage, message, method)
    if call.modern and not passage.modern:
        return bridge.hear_modern(message, method)
    return message


def _give_status(call: Call, passage: Passage, answer: Answer) -> None:
    """HTTP says in each era something else of a JSON-RPC error."""
    error = answer.message.get("error") if answer.message is not None else None
    if passage.modern != call.modern and isinstance(error, dict) and answer.status in (200, 400, 404):
        answer.status = status_of(error.get("code", 0)) if passage.modern else 200


async def _heard(
    call: Call, passage: Passage, events: AsyncGenerator[Event, None], method: str
) -> AsyncGenerator[Event, None]:
    answered = False
    try:
        async for event in events:
            if event.message is not None:
                answered = answered or is_response(event.message)
                if passage.modern and not call.modern and "method" in event.message and "id" in event.message:
                    # No client of this era takes requests.
                    refuse_upstream(call, event.message["id"])
                    continue
                event.message = _hear(call, passage, event.message, method)
                if event.message is None:
                    continue
            if passage.modern and not call.modern:
                event.raw.id = event.raw.retry = None
            yield event
    finally:
        if not answered:
            _give_up(call, passage)
        await events.aclose()


def _give_up(call: Call, passage: Passage) -> None:
    """A modern client cancels by leaving; a legacy server has to be told."""
    if passage.modern and not call.modern and call.is_request and not call.is_stream:
        params = {"requestId": call.message_id, "reason": "The client has left"}
        tell_upstream(call, {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
