"""The MCP endpoint: raw ASGI in front of Django, from the socket to the pipeline and back."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

import structlog
from django.conf import settings

from gateway_site.lib import jsontext, logs, tracing
from gateway_site.lib.deadline import Deadline
from gateway_site.lib.extensions import ON_LEAVING
from projects import keys
from projects.authentication import Principal, authenticate
from proxy import errors, metrics, overlay, pipeline, protocol, session, state, wire
from proxy.aggregate.passage import Passage, whole
from proxy.aggregate.route import lead, shown_event_id
from proxy.aggregate.sealed import open_session
from proxy.agreement import check_agreement
from proxy.announcer import Announcer
from proxy.call import Answer, Call, Event
from proxy.errors import Refusal
from proxy.refusals import RefusalLog
from proxy.request import Head, check_accepts, read_head
from proxy.response import JSON, SSE, Response, Send
from proxy.snapshot import Snapshot
from proxy.stages.authorize import still_allowed
from proxy.stages.forward import refuse_upstream
from servers.events import render
from servers.rights import decide
from servers.upstream import Upstream

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

logger = structlog.get_logger("proxy.access")
_BODY_SECONDS = 30.0
# A call that is answered sooner needs no task that watches for the client's leaving.
_WATCH_AFTER_SECONDS = 0.01
_PARAMETER = "mcp-param-"
_TRACEPARENT = "traceparent"


class Endpoint:
    """Serves /mcp, /mcp/<project> and /mcp/<project>/<server>."""

    def __init__(self) -> None:
        self._refusals = RefusalLog()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        return _Exchange(self._refusals, scope, receive, send).run()


class _Exchange:
    """One HTTP request and its response."""

    __slots__ = ("_address", "_call", "_left", "_message_id", "_method", "_on_leaving", "_outcome", "_path", "_receive",
                 "_refusals", "_request_id", "_response", "_scope", "_started", "_state", "_watcher")  # fmt: skip

    def __init__(self, refusals: RefusalLog, scope: Scope, receive: Receive, send: Send) -> None:
        self._refusals = refusals
        self._scope = scope
        self._path = str(scope.get("path", ""))
        self._address = str((scope.get("client") or ("",))[0])
        self._on_leaving: Callable[[Callable[[], None] | None], None] | None = (
            (scope.get("extensions") or {}).get(ON_LEAVING)
        )
        self._receive = receive
        self._started = time.perf_counter()
        self._state = state.current()
        self._request_id = os.urandom(16).hex()
        self._response = Response(send, self._request_id)
        self._call: Call | None = None
        self._message_id: str | int | None = None
        self._left = False
        self._method = "none"
        self._outcome = "ok"
        self._watcher: asyncio.TimerHandle | asyncio.Task[None] | None = None

    async def run(self) -> None:
        try:
            await self._answer()
        except Refusal as refusal:
            await self._refuse(refusal)
        except asyncio.CancelledError:
            await self._end_cancelled()
        except Exception as error:  # noqa: BLE001  nothing of it may leave the process; where it broke goes to the log
            logger.error("call failed", request_id=self._request_id, **logs.whereabouts(error))
            await self._refuse(Refusal("internal"))
        finally:
            if self._call is not None:
                self._state.open_calls.remove(self._call)
                self._call.close()
            self._note()

    async def _answer(self) -> None:
        call = await self._admit()
        with tracing.joined(_traceparent(call)), tracing.span(f"mcp {metrics.method_label(call.method)}"):
            call.trace_id = tracing.current_trace_id()
            self._watcher = asyncio.get_running_loop().call_later(_WATCH_AFTER_SECONDS, self._watch)
            try:
                await self._deliver(await pipeline.run(call))
            finally:
                self._stop_watching()

    async def _admit(self) -> Call:
        """The call, checked and entered. What is known of the head beyond it ends here: streams are open for long."""
        head = read_head(self._scope)
        # The server keeps its own for as long as the request is open.
        self._scope["headers"].clear()
        self._scope = {}
        if self._state.open_calls.draining:
            raise Refusal("draining")
        with tracing.span("mcpgw.authenticate"):
            principal, snapshot = await self._authenticate(head)
        if not snapshot.enabled or head.project not in (None, snapshot.slug):
            raise Refusal("not_found", reason="not_of_this_key")
        upstream = _choose_upstream(head, principal, snapshot)
        meter = self._state.meters.begin_request(principal.key.key_id)
        meter.reading += 1
        try:
            call = await self._read_call(head, principal, snapshot, upstream)
        finally:
            meter.reading -= 1
        self._state.meters.charge_body(meter, call.bytes_in)
        self._call = call
        self._state.open_calls.add(call, still_allowed)
        self._confirm(call)
        if not call.principal.may_call:
            raise Refusal("insufficient_scope")
        if call.aggregate is not None:
            await lead(call)
        else:
            overlay.lead(call)
        return call

    def _confirm(self, call: Call) -> None:
        """A client may take its time with the body; what counts is what it may do now that the call begins."""
        newest = self._state.snapshots.current(call.principal.project_id)
        if newest is call.snapshot:
            return
        if not self._state.snapshots.is_confirmed():
            raise Refusal("configuration_stale")
        if newest is None or not still_allowed(call, newest):
            raise Refusal("revoked", reason="revoked_while_sending")
        if not call.is_whole and newest.upstreams[call.upstream.slug].config_hash != call.upstream.config_hash:
            raise Refusal("session_not_found" if call.sealed_session else "configuration_stale")
        call.principal = Principal(newest.project_id, newest.keys[call.principal.key.key_id])
        call.snapshot, call.policy_version = newest, newest.version
        if not call.is_whole:
            call.upstream = newest.upstreams[call.upstream.slug]

    async def _authenticate(self, head: Head) -> tuple[Principal, Snapshot]:
        text = head.credential
        if not text:
            raise Refusal("authentication_required", reason="no_credential" if text is None else "empty_credential")
        key_id = keys.key_id_of(text)
        if key_id is None:
            raise Refusal("invalid_token", reason="malformed")
        snapshot = await self._state.snapshots.for_key(key_id)
        known = snapshot.keys.get(key_id) if snapshot is not None else None
        principal, reason = authenticate(settings.KEYRING, known, text)
        if principal is None or snapshot is None:
            raise Refusal("invalid_token", reason=f"{reason}:{key_id}")
        if not principal.key.allows_address(head.address):
            raise Refusal("address_not_allowed", reason=f"address:{key_id}")
        self._state.uses[key_id] = time.time()
        return principal, snapshot

    async def _read_call(self, head: Head, principal: Principal, snapshot: Snapshot, upstream: Upstream) -> Call:
        version = head.headers.get("mcp-protocol-version")
        modern = not protocol.is_legacy_version(version)
        call = Call(
            state=self._state, request_id=self._request_id, principal=principal, snapshot=snapshot, upstream=upstream,
            http_method=head.method, version=version, modern=modern, message=None, headers=_kept(head.headers),
            address=head.address, policy_version=snapshot.version, started=self._started,
        )  # fmt: skip
        sealed = None if modern else head.headers.get("mcp-session-id")
        if head.method == "POST":
            await self._read_message(call, head, sealed)
        elif modern or head.method not in ("GET", "DELETE") or sealed is None:
            raise Refusal("method_not_allowed")
        elif head.method == "GET":
            check_accepts(head, [SSE])
            call.last_event_id = head.headers.get("last-event-id")
        if sealed is not None:
            call.sealed_session = sealed
        if head.server is None:
            kept = open_session(sealed, principal) if sealed is not None else None
            call.aggregate = Passage(modern, version, kept, self._message_id, run=pipeline.run)
        elif sealed is not None:
            call.session = session.unseal(settings.KEYRING, sealed, principal, upstream)
        return call

    async def _read_message(self, call: Call, head: Head, sealed: str | None) -> None:
        if head.headers.get("content-type", "").split(";")[0].strip().lower() != JSON:
            raise Refusal("unsupported_media_type")
        check_accepts(head, [JSON, SSE])
        body = await self._read_body(head)
        call.bytes_in = len(body)
        try:
            message = await self._state.guards.apart(
                call.principal.project_id, len(body), wire.parse_request, body
            )
        except Refusal as refusal:
            self._message_id = refusal.message_id
            raise
        call.message = message
        if "method" in message:
            self._message_id = message.get("id")
        self._method = call.method
        check_agreement(message, head, modern=call.modern, has_session=sealed is not None)

    async def _read_body(self, head: Head) -> bytes:
        limit = settings.MAX_REQUEST_BYTES
        announced = head.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > limit:
            raise Refusal("body_too_large")
        chunks: list[bytes] = []
        size = 0
        try:
            with Deadline(_BODY_SECONDS):
                while True:
                    event = await self._receive()
                    if event["type"] == "http.disconnect":
                        self._left = True
                        raise asyncio.CancelledError
                    chunks.append(event.get("body", b""))
                    size += len(chunks[-1])
                    if size > limit:
                        raise Refusal("body_too_large")
                    if not event.get("more_body"):
                        return bytes(chunks[0]) if len(chunks) == 1 else b"".join(chunks)
        except TimeoutError:
            raise Refusal("body_too_slow") from None

    # --- the client's leaving ---------------------------------------------------------------------------

    def _watch(self) -> None:
        if self._on_leaving is not None:
            self._watcher = None
            self._on_leaving(self._leave)
        else:
            self._watcher = asyncio.create_task(self._await_leaving())

    def _stop_watching(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
        elif self._on_leaving is not None:
            self._on_leaving(None)

    async def _await_leaving(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        main = self._state.open_calls.task_of(self._call) if self._call is not None else None
        if main is not None:
            self._left = True
            main.cancel()

    async def _end_cancelled(self) -> None:
        """The client left, or its right ended, or the server is stopping; only the last goes on as cancellation."""
        task = asyncio.current_task()
        if self._call is not None and self._call in self._state.open_calls.revoked:
            if task is not None:
                task.uncancel()
            self._outcome = "revoked"
            if not self._response.status:
                await self._refuse(Refusal("draining" if self._state.open_calls.draining else "revoked"))
            else:
                await self._response.finish_stream()
            return
        self._outcome = "cancelled"
        if self._call is not None and self._call in self._state.open_calls.given_up:
            if task is not None:
                task.uncancel()
            await self._refuse(Refusal("cancelled"))
            return
        if self._left:
            if task is not None:
                task.uncancel()
            return
        raise asyncio.CancelledError

    # --- the answer -------------------------------------------------------------------------------------

    def _deliver(self, answer: Answer) -> Coroutine[Any, Any, None]:
        if answer.events is not None:
            return self._stream(answer, answer.events)
        body = answer.body if answer.body is not None else b""
        if answer.message is not None and (translated := self._translate(answer.message)) is not answer.message:
            body = jsontext.encode(translated)
        return self._response.send_whole(answer.status, dict(answer.headers), body)

    async def _stream(self, answer: Answer, events: AsyncGenerator[Event, None]) -> None:
        response, call = self._response, self._call
        await response.begin_stream(answer.headers)
        announcer = Announcer(call, response.send_event) if call is not None and call.is_stream else None
        try:
            async for event in events:
                message = event.message
                if message is not None and (message := self._translate(message)) is None:
                    continue
                self._name_event(event)
                if announcer is not None:
                    announcer.pass_on(message)
                data = jsontext.encode(message) if message is not None else event.raw.data
                await response.send_event(render(event.raw, data.encode() if isinstance(data, str) else data))
        except Refusal as refusal:
            # The answer itself must not be sent now; its place takes the refusal.
            error = jsontext.encode(refusal.body(self._request_id, self._message_id))
            await response.send_event(b"data: " + error + b"\n\n")
            self._outcome = refusal.kind
        finally:
            if announcer is not None:
                announcer.close()
            await events.aclose()
        await response.finish_stream()

    def _translate(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """In the words of the address that the client called; None for what it cannot be given there."""
        call = self._call
        if call is None or call.aggregate is None:
            return message
        translated = call.aggregate.translate(call, message)
        if translated is None:
            refuse_upstream(call, message.get("id"))
        return translated

    def _name_event(self, event: Event) -> None:
        """So that the stream can be taken up again at the server that it came from."""
        call = self._call
        if event.raw.id is not None and call is not None and call.aggregate is not None and not call.is_whole:
            event.raw.id = shown_event_id(call.upstream.slug, event.raw.id)

    async def _refuse(self, refusal: Refusal) -> None:
        self._outcome = refusal.kind
        metrics.REFUSALS.labels(refusal.kind, errors.KINDS[refusal.kind].fault).inc()
        if self._call is None or refusal.kind == "insufficient_scope":
            self._refusals.record(
                refusal, self._request_id, self._path, self._address, self._call, self._state.snapshots
            )
        if self._response.status:
            await self._response.finish_stream()
            return
        body = b"" if not refusal.message else jsontext.encode(refusal.body(self._request_id, self._message_id))
        await self._response.send_whole(refusal.status, {**refusal.headers, "Cache-Control": "no-store"}, body)

    def _note(self) -> None:
        """One metric and one log line for each request; no argument and no credential is in either."""
        method = metrics.method_label(self._call.method if self._call is not None else self._method)
        seconds = time.perf_counter() - self._started
        era = "modern" if self._call is not None and self._call.modern else "legacy"
        metrics.calls_of(method, era, str(self._response.status)).inc()
        metrics.seconds_of(method).observe(seconds)
        call = self._call
        logger.info(
            "call",
            request_id=self._request_id,
            trace_id=call.trace_id if call else "",
            project=call.snapshot.slug if call else "",
            server=call.upstream.slug if call else "",
            method=method,
            status=self._response.status,
            outcome=self._outcome,
            ms=round(seconds * 1000, 2),
        )


def _choose_upstream(head: Head, principal: Principal, snapshot: Snapshot) -> Upstream:
    """The named server; without a name all of them."""
    if head.server is None:
        return whole(snapshot.project_id)
    upstream = snapshot.upstreams.get(head.server)
    if not principal.may_call:
        # Is told so once the request has been read, whatever server it names.
        return upstream or whole(snapshot.project_id)
    if upstream is None or not decide(snapshot.rights, principal, head.server).allowed:
        raise Refusal("not_found", reason="no_such_server")
    return upstream


def _kept(headers: dict[str, str]) -> dict[str, str]:
    """What stages ask for: parameters that repeat arguments, and the trace."""
    return {name: value for name, value in headers.items() if name.startswith(_PARAMETER) or name == _TRACEPARENT}


def _traceparent(call: Call) -> str:
    """The message's own, else the header's, else ""."""
    meta = call.params.get("_meta")
    if not isinstance(meta, dict) or _TRACEPARENT not in meta:
        return call.headers.get(_TRACEPARENT, "")
    return meta[_TRACEPARENT] if isinstance(meta[_TRACEPARENT], str) else ""
