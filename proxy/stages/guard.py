"""Looks at what goes in and at what comes back: a message passes, passes rewritten, or does not pass."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from gateway_site.lib import tracing
from guardrails.engine.findings import Blocked, Rewritten
from proxy.call import Answer, Call, Event
from proxy.errors import Refusal
from proxy.inspection import Inspection, explain, inspection_of
from proxy.pace import Pace
from proxy.stages.forward import refuse_upstream
from proxy.wire import is_response
from servers.events import RawEvent

if TYPE_CHECKING:
    from proxy.call import CallNext

_SIGNS_OF_LIFE = frozenset({"", "open", "ping", "keepalive", "keep-alive", "heartbeat", "connected"})
# Event ids are a server's own; one of another form is not passed on, so that its stream cannot be taken up there.
_EVENT_ID = re.compile(r"[A-Za-z0-9_.:~+/=|-]{1,128}")


async def guard(call: Call, call_next: CallNext) -> Answer:
    """Raises Refusal blocked for what expects no result; a blocked tool call is answered as a tool error."""
    inspection = inspection_of(call)
    if inspection.is_off:
        return await call_next(call)
    if call.last_event_id is not None and not _EVENT_ID.fullmatch(call.last_event_id):
        raise Refusal("invalid_header", "Last-Event-ID is none that this gateway has given")
    if call.message is not None:
        with tracing.span("mcpgw.guard", **{"mcpgw.direction": "input"}):
            stopped = await inspection.check_incoming(call.message)
        if stopped is not None:
            return _refuse(call, "blocked_input", stopped)
    if call.http_method == "DELETE":
        await inspection.forget()
    answer = await call_next(call)
    if answer.message is not None:
        with tracing.span("mcpgw.guard", **{"mcpgw.direction": "output"}):
            answer.message = await _check_answer(call, inspection, answer.message, answer.size)
    if answer.events is not None:
        answer.events = _checked(call, inspection, answer.events)
    return answer


async def _check_answer(
    call: Call, inspection: Inspection, message: dict[str, Any], size: int
) -> dict[str, Any]:
    verdict = await inspection.check_outgoing(message, size)
    if isinstance(verdict, Blocked):
        call.blocked = "blocked_output"
        # On a stream that is taken up again the request is another's; its id is what the client waits for.
        identity = call.message_id if call.is_request else message.get("id")
        return _blocked_message(call, verdict, identity if isinstance(identity, int) or call.is_request else None)
    return verdict.value if isinstance(verdict, Rewritten) else message


async def _checked(
    call: Call, inspection: Inspection, events: AsyncGenerator[Event, None]
) -> AsyncGenerator[Event, None]:
    """Each message of a stream by itself. What is blocked is left out; the server is told when it waits for it."""
    pace = Pace()
    try:
        async for event in events:
            await pace.keep()
            _keep_to_the_protocol(event.raw)
            message = event.message
            if message is None:
                yield event
                continue
            size = len(event.raw.data or "")
            if is_response(message):
                event.message = await _check_answer(call, inspection, message, size)
                yield event
                continue
            verdict = await inspection.check_outgoing(message, size)
            if isinstance(verdict, Blocked):
                if "id" in message:
                    refuse_upstream(call, message["id"])
                continue
            if isinstance(verdict, Rewritten):
                event.message = verdict.value
            yield event
    finally:
        await events.aclose()


def _keep_to_the_protocol(raw: RawEvent) -> None:
    """Of an event's fields only the data is a message; the others must not carry one past the checks."""
    # Comments keep a connection open; the words of them are nobody's.
    raw.comments = tuple(comment if comment in _SIGNS_OF_LIFE else "" for comment in raw.comments)
    if raw.event != "message":
        raw.event = None
    if raw.id is not None and not _EVENT_ID.fullmatch(raw.id):
        raw.id = None


def _refuse(call: Call, code: str, verdict: Blocked) -> Answer:
    call.blocked = code
    if call.is_request:
        return Answer(200, _blocked_message(call, verdict, call.message_id))
    raise Refusal("blocked", explain(call, verdict), data=_data(call, verdict), reason=code)


def _blocked_message(call: Call, verdict: Blocked, identity: Any) -> dict[str, Any]:
    """A tool call gets a result that a model can read; any other request a JSON-RPC error."""
    text = explain(call, verdict)
    if call.method != "tools/call":
        refusal = Refusal("blocked", text, data=_data(call, verdict))
        return refusal.body(call.request_id, identity)
    result: dict[str, Any] = {
        "content": [{"type": "text", "text": text}],
        "isError": True,
        "_meta": {"securemcp/blocked": {**_data(call, verdict), "request_id": call.request_id}},
    }
    if call.modern:
        result["resultType"] = "complete"
    return {"jsonrpc": "2.0", "id": identity, "result": result}


def _data(call: Call, verdict: Blocked) -> dict[str, Any]:
    """What was found and where, never the value; `event` is what the admin looks the call up by."""
    return {
        "reason": call.blocked,
        "detector": verdict.detector,
        "category": verdict.category,
        "pointer": verdict.pointer,
        "event": str(call.call_id) if call.call_id is not None else call.request_id,
    }


