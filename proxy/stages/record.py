"""Writes the call down: its intent before anything leaves, its outcome before the answer does."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings

from audit.carried import without_payload
from audit.entry import Entry, new_id, now
from audit.recorder import AuditUnavailable, recorder
from gateway_site.lib import mac, tracing
from gateway_site.lib.deadline import Deadline
from gateway_site.lib.jsontext import encode
from proxy import naming, payloads
from proxy.call import Answer, Call, Event
from proxy.errors import Refusal, of_upstream
from proxy.inspection import summarise
from proxy.payloads import METADATA
from proxy.wire import is_response
from servers.upstream import Upstream, UpstreamError

if TYPE_CHECKING:
    from proxy.call import CallNext

# One server that is reached for all of them, or by ourselves: like an intent, without an outcome.
PART = "mcp.part"
# The refusal of a call that may have been made, whose end cannot be recorded.
WITHHELD = "audit_withheld"


async def record(call: Call, call_next: CallNext) -> Answer:
    """Turns every failure into a Refusal.

    Raises Refusal audit_unavailable when the intent cannot be committed in time, audit_withheld when it is the outcome.
    """
    if settings.AUDIT == "off":
        return await _unrecorded(call, call_next)
    outcome = _Outcome(call)
    with tracing.span("mcpgw.record"):
        call.call_id = new_id()
        try:
            await naming.look_up(call)
            intent = _intent(call)
            if call.snapshot.payloads != METADATA:
                intent = await payloads.with_sent(call, intent)
            await _commit(intent)
        except (Refusal, payloads.Unsealed) as error:
            # A slow store may commit the intent after all; it must not stay open.
            outcome.ended("refused", "audit_unavailable")
            if isinstance(error, payloads.Unsealed):
                raise Refusal("audit_unavailable") from None
            raise
        except BaseException as error:
            outcome.ended("cancelled", type(error).__name__)
            raise
    try:
        answer = await call_next(call)
        if answer.message is not None:
            answer.body = encode(answer.message)
    except UpstreamError as error:
        refusal = of_upstream(error)
        await outcome.refused(refusal)
        raise refusal from error
    except Refusal as refusal:
        await outcome.refused(refusal)
        raise
    except BaseException as error:
        # Also a cancelled call has an outcome: it is queued at once and needs no further await.
        outcome.ended("cancelled" if isinstance(error, asyncio.CancelledError) else "error", type(error).__name__)
        raise
    if answer.events is not None:
        answer.events = _recorded(call, answer, answer.events, outcome)
        return answer
    await outcome.answered(answer)
    return answer


async def _unrecorded(call: Call, call_next: CallNext) -> Answer:
    """Only for measuring what the log costs; the gateway says so when it starts."""
    try:
        answer = await call_next(call)
    except UpstreamError as error:
        raise of_upstream(error) from error
    if answer.message is not None:
        answer.body = encode(answer.message)
    return answer


async def _recorded(
    call: Call, answer: Answer, events: AsyncGenerator[Event, None], outcome: _Outcome
) -> AsyncGenerator[Event, None]:
    """Progress passes at once; the message that answers the call, or the stream's end, waits for the outcome."""
    try:
        async for event in events:
            if call.is_request and is_response(event.message):
                await outcome.answered(Answer(answer.status, event.message, upstream_status=answer.upstream_status))
            yield event
        if not outcome.written:
            await outcome.answered(answer)
    finally:
        if not outcome.written:
            outcome.ended("cancelled", "stream closed")
        await events.aclose()


class _Outcome:
    """The call's second line, written once."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.written = False

    async def answered(self, answer: Answer) -> None:
        message, refused = answer.message, answer.headers.pop("X-Refused", "") or self._call.blocked
        decision, code = _decision_of(message)
        body = answer.body if answer.body is not None else (encode(message) if message is not None else b"")
        self._call.bytes_out = len(body)
        await self._write(
            decision="refused" if refused else decision,
            reason=refused,
            http_status=answer.status,
            rpc_code=code,
            upstream_status=answer.upstream_status,
            result_digest=_digest(self._call, message.get("result")) if message is not None else answer.digest,
            answer=(message, body),
        )

    async def refused(self, refusal: Refusal) -> None:
        failed = refusal.kind.startswith("upstream") or refusal.kind == "response_too_large"
        await self._write(
            decision="failed" if failed else "refused",
            reason=refusal.reason[:64],
            http_status=refusal.status,
            rpc_code=refusal.code,
            upstream_status=refusal.upstream_status,
        )

    def ended(self, decision: str, reason: str) -> None:
        """Queues without waiting."""
        self.written = True
        with contextlib.suppress(AuditUnavailable):
            recorder.write_behind(self._entry(decision=decision, reason=reason))

    async def _write(self, answer: tuple[dict[str, Any] | None, bytes] | None = None, **fields: Any) -> None:
        self.written = True
        # By now the server's list may have been read.
        await naming.look_up(self._call)
        entry = self._entry(**fields)
        if answer is None or self._call.snapshot.payloads == METADATA:
            await _commit(entry, WITHHELD)
            return
        try:
            entry = await payloads.with_answered(self._call, entry, *answer)
        except payloads.Unsealed:
            await _commit(without_payload(entry, "unsealed"), WITHHELD)
            raise Refusal(WITHHELD) from None
        await _commit(entry, WITHHELD)

    def _entry(self, **fields: Any) -> Entry:
        call = self._call
        call.state.figures.note(call, fields["decision"], fields.get("rpc_code"))
        return _entry(
            call, "mcp.call.outcome", bytes_out=call.bytes_out,
            duration_us=int((time.perf_counter() - call.started) * 1e6), detail=summarise(call), **fields,
        )  # fmt: skip


async def record_part(call: Call) -> None:
    """That a call to all servers is about to reach this one of them. Raises Refusal audit_unavailable."""
    if settings.AUDIT != "off":
        await _commit(_entry(call, PART))


async def record_ours(upstream: Upstream, project: str, method: str) -> None:
    """The same of what nobody has asked for. Raises Refusal audit_unavailable."""
    if settings.AUDIT != "off":
        entry = Entry(
            id=new_id(), at=now(), kind=PART, project_ref=upstream.project_id, project=project, actor_kind="system",
            actor_id="proxy", actor="data plane", server_ref=upstream.server_id, server=upstream.slug, method=method,
        )  # fmt: skip
        await _commit(entry)


def _intent(call: Call) -> Entry:
    return _entry(call, "mcp.call.intent", params_digest=_digest(call, call.params))


def _entry(call: Call, kind: str, **fields: Any) -> Entry:
    actor_kind, actor_id = call.principal.actor
    return Entry(
        id=new_id(),
        at=now(),
        kind=kind,
        project_ref=call.principal.project_id,
        project=call.snapshot.slug,
        actor_kind=actor_kind,
        actor_id=actor_id,
        actor=call.principal.key.user,
        call_id=call.call_id,
        request_id=call.request_id,
        trace_id=call.trace_id,
        session=_session_digest(call),
        server_ref=call.upstream.server_id or None,
        server=call.upstream.slug,
        method=naming.shown_method(call),
        subject=naming.shown_subject(call).encode("utf-8", "replace").decode(),
        policy_version=call.policy_version,
        bytes_in=call.bytes_in,
        **fields,
    )


def _decision_of(message: dict[str, Any] | None) -> tuple[str, int | None]:
    if message is None:
        return "ok", None
    error = message.get("error")
    if isinstance(error, dict):
        code = error.get("code")
        return "error", code if type(code) is int and abs(code) < 2**31 else None
    result = message.get("result")
    return ("tool_error" if isinstance(result, dict) and result.get("isError") is True else "ok"), None


def _digest(call: Call, value: Any) -> str:
    """HMAC-SHA256 with the project's own key over sorted compact JSON: comparable, but not to be guessed."""
    try:
        data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        data = encode(value)
    return mac.digest(call.snapshot.digest_key, data).hex()


def _session_digest(call: Call) -> str:
    session = call.session if call.aggregate is None else call.aggregate.owner
    if not session:
        return ""
    return mac.digest(call.snapshot.digest_key, session.encode()).hex()[:32]


async def _commit(entry: Entry, otherwise: str = "audit_unavailable") -> None:
    try:
        with Deadline(settings.AUDIT_TIMEOUT_SECONDS):
            await recorder.write(entry)
    except (AuditUnavailable, TimeoutError):
        raise Refusal(otherwise) from None
