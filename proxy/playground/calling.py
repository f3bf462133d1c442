"""A call of a person without a key: admitted as one with a key is, and led through every stage of the pipeline.

There is no second way to a server: what is made here is a Call like the endpoint's, at the address of all servers.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Any, TypeVar

from gateway_site.lib import tracing
from gateway_site.lib.jsontext import encode
from projects.authentication import KeyRecord, Principal
from proxy import protocol, state, wire
from proxy.aggregate.bridge import own_id
from proxy.aggregate.meta.inner import answer_of
from proxy.aggregate.passage import Passage, whole
from proxy.aggregate.route import lead
from proxy.call import Call
from proxy.errors import Refusal
from proxy.playground import finding
from proxy.playground.finding import Found, Tool
from proxy.playground.watching import Watched
from proxy.stages.authorize import still_allowed

SECONDS = 120.0
_CLIENT = {"name": "secure-mcp-gateway playground", "version": "1"}
Message = dict[str, Any]
T = TypeVar("T")


@dataclass(slots=True)
class Played:
    """What came of one call. `answer` is the JSON-RPC message that a client would get."""

    answer: Message
    call: Call | None
    watched: Watched
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Asker:
    """Who calls, from where."""

    record: KeyRecord
    address: IPv4Address | IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """What was found of that which the person's client would be listed. A no of any stage is in `trouble`."""

    found: Found = field(default_factory=Found)
    trouble: str = ""


async def list_tools(asker: Asker, typed: str) -> Listed:
    """By `tools/list`, so that what is offered is what can be called, and looked through here."""
    try:
        async with _admitted(asker, "tools/list", {}) as call:
            await _within_time(Watched().run(call), call)
            return Listed(await finding.find(call, typed))
    except Refusal as refusal:
        return Listed(trouble=refusal.message or refusal.kind)


async def describe_tool(asker: Asker, name: str) -> Tool | None:
    """`name` as it is listed; None for what the person may not call."""
    try:
        async with _admitted(asker, "tools/list", {}) as call:
            return await finding.named(call, name)
    except Refusal:
        return None


async def call_tool(asker: Asker, name: str, arguments: Message) -> Played:
    """`name` as it is listed. Raises nothing of the pipeline: a no is the answer that a client would get."""
    watched, began = Watched(), time.perf_counter()
    call: Call | None = None
    identity: Any = None
    try:
        async with _admitted(asker, "tools/call", {"name": name, "arguments": arguments}) as admitted:
            call, identity = admitted, admitted.message_id
            answer, _ = await _within_time(answer_of(admitted, watched.run), admitted)
    except Refusal as refusal:
        answer = refusal.body(call.request_id if call is not None else "", identity)
    return Played(answer, call, watched, round((time.perf_counter() - began) * 1000, 1))


async def _within_time(work: Awaitable[T], call: Call) -> T:
    """Raises Refusal, also when it takes too long; the record then says that the call was given up."""
    try:
        async with asyncio.timeout(SECONDS):
            return await work
    except TimeoutError:
        raise Refusal("upstream_timeout") from None
    except asyncio.CancelledError:
        if call in call.state.open_calls.revoked:
            _go_on()
            raise Refusal("draining" if call.state.open_calls.draining else "revoked") from None
        raise


def _go_on() -> None:
    """It was the call that was ended, not who waits for it."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


@asynccontextmanager
async def _admitted(asker: Asker, method: str, params: Message) -> AsyncIterator[Call]:
    """The call, checked, counted and among those that are open. Raises Refusal."""
    here = state.current()
    if here.open_calls.draining:
        raise Refusal("draining")
    record = asker.record
    snapshot = await here.snapshots.for_project(record.project_id)
    if snapshot is None or not snapshot.enabled:
        raise Refusal("not_found", reason="project_off")
    call = _make(here, asker, Principal(record.project_id, record), snapshot, method, params)
    if not call.principal.may_call:
        raise Refusal("insufficient_scope")
    call.closers.append(here.meters.enter(record.key_id, record.project_id, False))
    here.open_calls.add(call, still_allowed)
    try:
        with tracing.span(f"mcp {method}"):
            call.trace_id = tracing.current_trace_id()
            await lead(call)
            yield call
    finally:
        here.open_calls.remove(call)
        call.close()


def _make(
    here: state.State, asker: Asker, principal: Principal, snapshot: Any, method: str, params: Message
) -> Call:
    """From bytes, so that what is refused of a client is refused here."""
    identity = own_id()
    params = {**params, "_meta": protocol.envelope(_CLIENT)}
    body = encode({"jsonrpc": "2.0", "id": identity, "method": method, "params": params})
    # Like a call of our own tools: its client knows of no headers that a server may want.
    passage = Passage(True, protocol.LATEST_MODERN, None, identity, is_inner=True)
    return Call(
        state=here, request_id=os.urandom(16).hex(), principal=principal, snapshot=snapshot,
        upstream=whole(principal.project_id), http_method="POST", version=protocol.LATEST_MODERN, modern=True,
        message=wire.parse_request(body), headers={}, address=asker.address, bytes_in=len(body),
        policy_version=snapshot.version, started=time.perf_counter(), aggregate=passage,
    )  # fmt: skip


