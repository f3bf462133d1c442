"""One call that a tool of ours makes for its caller: led to its server, and through every stage like any other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gateway_site.lib import tracing
from gateway_site.lib.jsontext import decode, encode
from projects.authentication import Principal
from proxy.aggregate.about import plain_info
from proxy.aggregate.bridge import own_id
from proxy.aggregate.meta import shown
from proxy.aggregate.names import shown_name
from proxy.aggregate.passage import Passage, whole
from proxy.aggregate.route import route
from proxy.aggregate.table import visible
from proxy.call import Call, Event
from proxy.errors import KINDS, Refusal
from proxy.metrics import REFUSALS
from proxy.protocol import CAPABILITIES_KEY, CLIENT_KEY, PROTOCOL_VERSION_KEY
from proxy.stages.forward import refuse_upstream, tell_upstream
from proxy.wire import is_response

if TYPE_CHECKING:
    from proxy.call import CallNext

Message = dict[str, Any]
# What says that the caller may not, rather than that it went wrong.
_DENIED = frozenset({"unknown_tool", "not_found", "insufficient_scope", "address_not_allowed"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """One call as it was asked for: the tool by its name at the server, or at the address of all."""

    server: str
    tool: str
    arguments: dict[str, Any]


@dataclass(slots=True)
class Outcome:
    """`status` is success, error, blocked_input, blocked_output or denied. Either there is a result or an error."""

    status: str
    message: str
    call: Call
    result: Message | None = None
    error: Message = field(default_factory=dict)
    size: int = 0


async def run(outer: Call, passage: Passage, run_call: CallNext, wanted: Wanted) -> Outcome:
    """Once through the pipeline, with a record of its own. A no of any stage is an outcome."""
    inner = _make(outer, passage, wanted)
    # So that a right that ends ends it with the call that it is part of.
    passage.parts.append(inner)
    try:
        with tracing.span("mcp tools/call"):
            _confirm(inner)
            await _lead(inner, wanted)
            return _judge(inner, *await answer_of(inner, run_call))
    except Refusal as refusal:
        REFUSALS.labels(refusal.kind, KINDS[refusal.kind].fault).inc()
        return _refused(inner, wanted, refusal)
    except asyncio.CancelledError:
        _give_up(inner, passage)
        raise
    finally:
        passage.parts.remove(inner)
        inner.close()


def _make(outer: Call, passage: Passage, wanted: Wanted) -> Call:
    identity = own_id()
    params: Message = {"name": shown_name(wanted.server, wanted.tool), "arguments": wanted.arguments}
    if outer.modern:
        params["_meta"] = _envelope(outer)
    message = {"jsonrpc": "2.0", "id": identity, "method": "tools/call", "params": params}
    return replace(
        outer, upstream=whole(outer.principal.project_id), message=message, headers={}, bytes_in=len(encode(message)),
        aggregate=Passage(passage.modern, passage.version, passage.session, identity, is_inner=True), call_id=None,
        bytes_out=0, started=time.perf_counter(), reports=[], blocked="", unapproved=set(), reopen=None, closers=[],
    )  # fmt: skip


def _envelope(outer: Call) -> Message:
    """Without any capability of the client: nothing that a server might ask for could be carried."""
    meta: Message = {PROTOCOL_VERSION_KEY: outer.version, CAPABILITIES_KEY: {}}
    given = outer.params.get("_meta")
    client = plain_info(given.get(CLIENT_KEY)) if isinstance(given, dict) else {}
    return {**meta, CLIENT_KEY: client} if client else meta


def _confirm(inner: Call) -> None:
    """A batch may take its time; what counts is what its key may do now that the call begins. Raises Refusal."""
    snapshots = inner.state.snapshots
    newest, key_id = snapshots.current(inner.principal.project_id), inner.principal.key.key_id
    if not snapshots.is_confirmed():
        raise Refusal("configuration_stale")
    if newest is None or not newest.enabled or key_id not in newest.keys:
        raise Refusal("revoked")
    inner.principal = Principal(newest.project_id, newest.keys[key_id])
    inner.snapshot, inner.policy_version = newest, newest.version


async def _lead(inner: Call, wanted: Wanted) -> None:
    """Where the server has no such tool it stays at the whole, where it is refused."""
    name = _find(inner, wanted)
    if name is None and wanted.server in visible(inner):
        await shown.look(inner, [wanted.server])
        inner.policy_version = inner.snapshot.version
        name = _find(inner, wanted)
    if name is not None:
        inner.message = {**(inner.message or {}), "params": {**inner.params, "name": name}}
        route(inner)


def _find(inner: Call, wanted: Wanted) -> str | None:
    """What it is called at the address of all."""
    names = inner.state.aggregate.names(inner.snapshot)
    for name in (shown_name(wanted.server, wanted.tool), wanted.tool):
        if names.get(("tool", name), ("", ""))[0] == wanted.server:
            return name
    return None


async def answer_of(inner: Call, run_call: CallNext) -> tuple[Message, int]:
    """The answer in the words of the address of all, and the bytes that it is long. Raises Refusal."""
    answer = await run_call(inner)
    message = answer.message if answer.events is None else await _last(inner, answer.events)
    if message is None and answer.body:
        # Lists of all servers are kept as bytes.
        message = decode(answer.body)
    translated = inner.aggregate.translate(inner, message) if message is not None and inner.aggregate else None
    if translated is None:
        raise Refusal("upstream_unavailable", reason="no answer")
    return translated, len(answer.body) if answer.body is not None else len(encode(translated))


async def _last(inner: Call, events: AsyncGenerator[Event, None]) -> Message | None:
    """The message that answers. What the server says besides is for nobody, what it asks is refused."""
    found = None
    try:
        async for event in events:
            if event.message is None:
                continue
            if is_response(event.message):
                found = event.message
            elif "id" in event.message:
                refuse_upstream(inner, event.message["id"])
    finally:
        await events.aclose()
    return found


def _judge(inner: Call, message: Message, size: int) -> Outcome:
    result = message.get("result")
    if isinstance(result, dict):
        status, text = _status_of(inner, result)
        return Outcome(status, text, inner, result, size=size)
    error = message.get("error")
    error = dict(error) if isinstance(error, dict) else {}
    text = str(error.get("message", ""))
    return Outcome(inner.blocked or "error", text or "The server answered with an error", inner, error=error, size=size)


def _status_of(inner: Call, result: Message) -> tuple[str, str]:
    if inner.blocked:
        return inner.blocked, "Blocked by policy"
    if result.get("isError") is True:
        return "error", "The tool reports an error"
    if result.get("resultType", "complete") != "complete":
        return "error", "The server asks for input that cannot be given here"
    return "success", "Request processed successfully"


def _refused(inner: Call, wanted: Wanted, refusal: Refusal) -> Outcome:
    if refusal.kind in _DENIED:
        # By what was asked for and nothing else, so that what is there and what is not cannot be told apart.
        text = f"Unknown tool: {wanted.tool[:256]}"
        return Outcome("denied", text, inner, error={"code": KINDS["unknown_tool"].code, "message": text})
    body = refusal.body(inner.request_id, None)["error"]
    return Outcome(inner.blocked or "error", body["message"] or refusal.kind, inner, error=body)


def _give_up(inner: Call, passage: Passage) -> None:
    """A server of sessions has to be told; for a client without them the stage that connects does it."""
    if not passage.modern and not inner.modern and not inner.is_whole and inner.session is not None:
        params = {"requestId": inner.message_id, "reason": "The client has left"}
        tell_upstream(inner, {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
