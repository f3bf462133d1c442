"""The last stage: sends what was decided on to the upstream, and turns what comes back into an answer."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from django.conf import settings

from gateway_site.lib import jsontext, tracing
from gateway_site.lib.jsontext import encode
from proxy import session
from proxy.call import Answer, Call, Event
from proxy.errors import KINDS, Refusal, of_upstream
from proxy.metrics import method_label
from proxy.protocol import LIST_CHANGED, METHOD_NOT_FOUND, PROTOCOL_VERSION_KEY, envelope, modern_headers
from proxy.wire import is_response
from servers.events import RawEvent
from servers.upstream import Exchange, UpstreamError

if TYPE_CHECKING:
    from proxy.call import CallNext

BOTH = "application/json, text/event-stream"
_MAX_STREAM_SECONDS = 3600.0
_META_KEPT = 8192
_NO_LIMIT = contextlib.nullcontext()
OURSELVES = {"name": "secure-mcp-gateway", "version": "1"}
_NOTICE_SECONDS = 2.0
# Notices under way, kept here so that none is collected before it is sent.
_notices: set[asyncio.Task[None]] = set()


async def forward(call: Call, call_next: CallNext) -> Answer:
    """Raises Refusal and UpstreamError."""
    attributes = {"mcp.method.name": method_label(call.method), "mcpgw.server": call.upstream.slug}
    with tracing.span("mcpgw.forward", **attributes):
        if call.message is not None and call.modern and not call.is_request:
            # 2026-07-28 has no notifications from clients over HTTP.
            return Answer(202)
        body = _body(call)
        try:
            exchange = await _send(call, call.http_method, _headers(call), body)
        except UpstreamError as error:
            _note_given_up(call, error)
            raise
    keep = False
    try:
        answer = await _answer(call, exchange)
        keep = answer.events is not None
        return answer
    except UpstreamError as error:
        _note_given_up(call, error)
        raise
    finally:
        if not keep:
            exchange.close()


def _note_given_up(call: Call, error: UpstreamError) -> None:
    """2025-11-25 and earlier: who stops waiting says so."""
    if error.kind == "timeout" and call.is_request and call.session and call.method != "initialize":
        params = {"requestId": call.message_id, "reason": "No answer in time"}
        tell_upstream(call, {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})


def refuse_upstream(call: Call, message_id: Any) -> None:
    """The answer to a request of the server that its client must not see, so that it does not wait for one."""
    error = {"code": KINDS["blocked"].code, "message": KINDS["blocked"].message}
    tell_upstream(call, {"jsonrpc": "2.0", "id": message_id, "error": error})


def tell_upstream(call: Call, message: dict[str, Any]) -> None:
    """Nobody waits for a notice, or is told when it fails."""
    notice = asyncio.create_task(_send_notice(call, message), name="tell-upstream")
    _notices.add(notice)
    notice.add_done_callback(_notices.discard)


async def _send_notice(call: Call, message: dict[str, Any]) -> None:
    try:
        async with asyncio.timeout(_NOTICE_SECONDS):
            exchange = await _send(call, "POST", _message_headers(call, message), encode(message))
            exchange.close()
    except (TimeoutError, UpstreamError):
        pass


async def ask_upstream(
    call: Call, method: str, params: dict[str, Any], limit: int
) -> tuple[dict[str, Any], int]:
    """A request of our own on the caller's session: its result, of at most `limit` bytes, and its size.

    Raises UpstreamError, "refused" for an unknown method.
    """
    # An id like any client's, so that a server cannot answer us otherwise than its clients.
    message: dict[str, Any] = {
        "jsonrpc": "2.0", "id": secrets.randbelow(2**31), "method": method, "params": dict(params)
    }  # fmt: skip
    if call.modern:
        # Nothing of the caller's own: it has not been looked at yet.
        message["params"]["_meta"] = {**envelope(OURSELVES), PROTOCOL_VERSION_KEY: call.version}
    exchange = await _send(call, "POST", _message_headers(call, message), encode(message))
    try:
        if exchange.status == 404 and call.session:
            raise Refusal("session_not_found")
        answer, size = await find_response(exchange, message["id"], limit)
    finally:
        exchange.close()
    result, error = answer.get("result"), answer.get("error")
    if isinstance(error, dict):
        # Only this one says that there is no such list; any other may be gone the next time.
        kind = "refused" if error.get("code") == METHOD_NOT_FOUND else "unavailable"
        raise UpstreamError(kind, f"{method} was answered with an error", exchange.status)
    if not isinstance(result, dict):
        raise UpstreamError("invalid", "no result", exchange.status)
    return result, size


async def find_response(exchange: Exchange, message_id: Any, limit: int) -> tuple[dict[str, Any], int]:
    """The answer to a request of ours, and its size. Raises UpstreamError."""
    if exchange.content_type == "text/event-stream":
        async for raw in exchange.events(limit):
            message = _parse(raw.data) if raw.data else None
            if is_response(message) and message is not None and message.get("id") == message_id:
                return message, len(raw.data or "")
        raise UpstreamError("unavailable", "stream ended without an answer")
    body = await exchange.read(limit)
    message = _parse_or_none(body)
    if message is None or not is_response(message) or 300 <= exchange.status < 400:
        raise _unusable(exchange.status)
    if message.get("id") != message_id and (message.get("id") is not None or "error" not in message):
        raise UpstreamError("invalid", "answer to something else", exchange.status)
    return message, len(body)


def _unusable(status: int) -> UpstreamError:
    """What an answer without a JSON-RPC message means."""
    if status in (401, 403):
        return UpstreamError("unavailable", "the server refused our credentials", status)
    if status in (404, 405) or status >= 500:
        return UpstreamError("unavailable", f"status {status}", status)
    return UpstreamError("invalid", "not a JSON-RPC answer", status)


async def _send(call: Call, method: str, headers: dict[str, str], body: bytes | None) -> Exchange:
    exchange = await call.state.connections.send(call.upstream, method, headers, body, alone=call.is_stream)
    if exchange.status == 404 and call.reopen is not None:
        reopen, call.reopen = call.reopen, None
        exchange.close()
        headers = {**headers, **await reopen()}
        exchange = await call.state.connections.send(call.upstream, method, headers, body, alone=call.is_stream)
    return refuse_encoded(exchange)


def refuse_encoded(exchange: Exchange) -> Exchange:
    """The same exchange. Raises UpstreamError for a compressed body, which nothing would bound."""
    if exchange.headers.get("Content-Encoding", "identity").lower() != "identity":
        exchange.close()
        raise UpstreamError("encoded", "encoded answer", exchange.status)
    return exchange


def _body(call: Call) -> bytes | None:
    if call.message is None:
        return None
    params = call.message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    if isinstance(meta, dict):
        # Untrusted and unbounded by its own rules; W3C Baggage asks for no more than this.
        if len(str(meta.get("baggage", ""))) > _META_KEPT:
            del meta["baggage"]
    parent = tracing.current_parent() if call.is_request else ""
    if parent:
        # Ours alone: whatever else of a trace goes upstream stood in the message when it was looked at.
        call.message["params"] = {**(params or {}), "_meta": {**(meta or {}), "traceparent": parent}}
    return encode(call.message)


def _headers(call: Call) -> dict[str, str]:
    if call.message is not None:
        return _message_headers(call, call.message)
    headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity", **_legacy_headers(call)}
    if call.last_event_id is not None:
        headers["Last-Event-ID"] = call.last_event_id
    return headers


def _message_headers(call: Call, message: dict[str, Any]) -> dict[str, str]:
    headers = {"Accept": BOTH, "Accept-Encoding": "identity", "Content-Type": "application/json"}
    if not call.modern:
        return {**headers, **_legacy_headers(call)}
    headers.update(modern_headers(message, call.version or ""))
    if message is call.message:
        for name, value in call.headers.items():
            if name.startswith("mcp-param-"):
                headers[name] = value
    return headers


def _legacy_headers(call: Call) -> dict[str, str]:
    headers = {}
    if call.version is not None:
        headers["MCP-Protocol-Version"] = call.version
    if call.session:
        headers["Mcp-Session-Id"] = call.session
    return headers


async def _answer(call: Call, exchange: Exchange) -> Answer:
    status = exchange.status
    if exchange.content_type == "text/event-stream" and status == 200:
        return Answer(
            200, events=_events(call, exchange), headers=_session_header(call, exchange), upstream_status=status
        )
    if 300 <= status < 400:
        raise UpstreamError("invalid", "redirect", status)
    if not call.is_request:
        return await _bare(call, exchange)
    message, size = await _read_message(call, exchange)
    return Answer(status, message, headers=_session_header(call, exchange), upstream_status=status, size=size)


async def _bare(call: Call, exchange: Exchange) -> Answer:
    """The answer to what expects none: a notification, a response, DELETE, or a GET that gave no stream."""
    status = exchange.status
    if status == 404 and call.sealed_session is not None:
        raise Refusal("session_not_found", upstream_status=status)
    if status == 405:
        raise Refusal("method_not_allowed", upstream_status=status)
    if call.http_method == "GET" and status == 200:
        raise UpstreamError("invalid", "no event stream", status)
    if status in (401, 403):
        raise UpstreamError("unavailable", "the server refused our credentials", status)
    if status >= 500:
        raise UpstreamError("unavailable", f"status {status}", status)
    body = await exchange.read(settings.MAX_RESPONSE_BYTES)
    if status >= 400:
        message = _parse_or_none(body)
        return Answer(status, message, upstream_status=status)
    return Answer(202 if call.message is not None else status, upstream_status=status)


async def _read_message(call: Call, exchange: Exchange) -> tuple[dict[str, Any], int]:
    """The message, and the bytes that it came in."""
    status = exchange.status
    body = await exchange.read(settings.MAX_RESPONSE_BYTES)
    message = await _parse_apart(call, body)
    if message is not None and is_response(message):
        if message.get("jsonrpc") == "2.0" and _answers(call, message, status):
            if status == 404 and call.session and message.get("id") is None:
                raise Refusal("session_not_found", upstream_status=status)
            return message, len(body)
        raise UpstreamError("invalid", "answer to something else", status)
    if status == 404 and call.session:
        raise Refusal("session_not_found", upstream_status=status)
    raise _unusable(status)


def _answers(call: Call, message: dict[str, Any], status: int) -> bool:
    """A refusal may have no id, since the server may not have read so far."""
    if message.get("id") is None:
        return "error" in message and status >= 400
    return _same_id(message.get("id"), call.message_id) and ("result" in message) != ("error" in message)


def _same_id(given: Any, sent: Any) -> bool:
    return type(given) is type(sent) and given == sent


def _session_header(call: Call, exchange: Exchange) -> dict[str, str]:
    """Every legacy session gets an id of ours, also where the upstream keeps none: it binds the session to its key."""
    if call.modern or call.method != "initialize" or exchange.status != 200:
        return {}
    upstream_session = exchange.headers.get("Mcp-Session-Id", "")
    sealed = session.seal(settings.KEYRING, upstream_session, call.principal, call.upstream)
    return {"Mcp-Session-Id": sealed}


async def _events(call: Call, exchange: Exchange) -> AsyncGenerator[Event, None]:
    """The upstream's events, each parsed and checked. A request's stream ends with its answer."""
    resumable = False
    try:
        async with asyncio.timeout(_MAX_STREAM_SECONDS) if _is_bounded(call) else _NO_LIMIT:
            async for raw in exchange.events(settings.MAX_RESPONSE_BYTES):
                resumable = resumable or (raw.id is not None and not call.modern)
                event = await _check_event(call, raw)
                yield event
                if call.is_request and is_response(event.message):
                    await _finish(exchange)
                    return
        if call.is_request and not resumable:
            raise UpstreamError("unavailable", "stream ended without an answer")
    except TimeoutError:
        given_up = UpstreamError("timeout", "stream open for too long")
        _note_given_up(call, given_up)
        yield _error_event(call, given_up)
    except UpstreamError as error:
        # A client can take up a stream that broke off, but not one that says what it must not say.
        if call.is_request and (not resumable or error.kind in ("invalid", "too_large")):
            _note_given_up(call, error)
            yield _error_event(call, error)
    finally:
        exchange.close()


def _is_bounded(call: Call) -> bool:
    return call.is_request and call.method != "subscriptions/listen"


async def _check_event(call: Call, raw: RawEvent) -> Event:
    if not raw.data:
        return Event(raw, None)
    message = await _parse_apart(call, raw.data)
    if message is None:
        raise UpstreamError("invalid", "not a JSON-RPC message")
    if call.is_request and is_response(message) and not _same_id(message.get("id"), call.message_id):
        raise UpstreamError("invalid", "answer to something else")
    if not call.is_request and call.message is not None and is_response(message):
        raise UpstreamError("invalid", "answer to what asks for none")
    if message.get("method") in LIST_CHANGED:
        call.state.catalogue.mark_stale(call.upstream)
        call.state.rediscovery.note(call.upstream)
        call.state.listings.forget(call)
    return Event(raw, message)


async def _finish(exchange: Exchange) -> None:
    """Reads the end of the body, which is as good as there, so that the connection can be used again."""
    try:
        async with asyncio.timeout(0.25):
            async for _ in exchange.events(4096):
                break
    except (TimeoutError, UpstreamError):
        pass


def _error_event(call: Call, error: UpstreamError) -> Event:
    return Event(RawEvent(), of_upstream(error).body(call.request_id, call.message_id))


async def _parse_apart(call: Call, data: bytes | str) -> dict[str, Any] | None:
    """As `_parse_or_none`, where a long text keeps nobody waiting."""
    return await call.state.guards.apart(call.principal.project_id, len(data), _parse_or_none, data)


def _parse(data: bytes | str) -> dict[str, Any]:
    message = _parse_or_none(data)
    if message is None:
        raise UpstreamError("invalid", "not a JSON-RPC message")
    return message


def _parse_or_none(data: bytes | str) -> dict[str, Any] | None:
    try:
        message = jsontext.decode(data)
    except ValueError:
        return None
    return message if isinstance(message, dict) and message.get("jsonrpc") == "2.0" else None
