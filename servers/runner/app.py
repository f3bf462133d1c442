"""Owns the HTTP semantics: streamable HTTP of both eras in front of the pool, as a raw ASGI application."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any, Final

from mcp.shared.inbound import (
    classify_inbound_request,
    find_duplicated_routing_header,
    unsupported_protocol_version_rejection,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from gateway_site.lib import jsontext
from servers.runner.answers import (
    JSON,
    Answered,
    Receive,
    Scope,
    Send,
    as_event,
    await_leaving,
    check_head,
    priming,
    read_body,
    refusal,
    reply,
    reply_raw,
    send_body,
    start_events,
    status_of,
    troubled,
)
from servers.runner.bridge import Bridge, LegacyBridge, quiet
from servers.runner.contract import Load, SseSessionFactory
from servers.runner.messages import (
    HEADER_MISMATCH,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    OVERLOADED,
    PARSE_ERROR,
    Message,
    Trouble,
    is_id,
    too_deep,
)
from servers.runner.pool import Key, Missing, Pool, Stale
from servers.runner.shared import LegacyOnly
from servers.runner.streams import Call, Stream

KEEP_ALIVE: Final = 15.0
DRAIN: Final = 0.8
# The first revision whose clients expect an empty first event; to older ones it is a parse error.
_RESUMABLE: Final = "2025-11-25"

_PATH = re.compile(r"/(\d{1,18})/(\d{1,18})/([A-Za-z0-9_.:~-]{1,200})/?")
_REMOVED: Final = frozenset({"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"})
_SINGLE = "Body must be a single JSON-RPC request or notification object"


class RunnerApp:
    """The application of the runner: `/<project>/<server>/<config>`, `/healthz` and `/children`."""

    def __init__(self, *, load: Load, sse_session_factory: SseSessionFactory, keep_alive: float = KEEP_ALIVE) -> None:
        self.pool = Pool(load, sse_session_factory)
        self._keep_alive = keep_alive
        self._draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection; a lifespan's end ends all children."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            try:
                await self._serve(scope, receive, send)
            except Answered as end:
                await reply(send, end.status, end.body, end.headers)

    async def drain(self) -> None:
        """Refuse what is new, end standing streams, give calls in flight 0.8 seconds, end all children.

        Takes 3 seconds at most.
        """
        self._draining = True
        bridges = self.pool.bridges()
        for bridge in bridges:
            if isinstance(bridge, LegacyBridge):
                bridge.standalone.end()
        await quiet(bridges, DRAIN)
        await self.pool.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.pool.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if method == "GET" and path == "/healthz":
            status, word = (503, "draining") if self._draining else (200, "ok")
            raise Answered(status, {"status": word})
        if method == "GET" and path == "/children":
            raise Answered(200, self.pool.children())
        found = _PATH.fullmatch(path)
        if found is None:
            raise Answered(404, {"error": "not found"})
        if self._draining:
            raise troubled(None, OVERLOADED)
        key = Key(int(found[1]), int(found[2]), found[3])
        exchange = _Exchange(self.pool, key, scope, receive, send, self._keep_alive)
        try:
            await exchange.run()
        except Missing:
            raise Answered(404, {"error": "unknown server"}) from None
        except Stale:
            raise Answered(410, {"error": "stale configuration"}) from None


class _Exchange:
    """One HTTP request at a server's endpoint."""

    def __init__(
        self,
        pool: Pool,
        key: Key,
        scope: Scope,
        receive: Receive,
        send: Send,
        keep_alive: float,
    ) -> None:
        self._pool, self._key, self._method = pool, key, scope["method"]
        self._receive, self._send, self._keep_alive = receive, send, keep_alive
        self._pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        self._headers = {name: value.strip() for name, value in self._pairs}
        accept = self._headers.get("accept", "application/json").lower()
        anything = "*/*" in accept
        self._takes_events = anything or "text/event-stream" in accept
        self._takes_json = anything or "application/json" in accept or "application/*" in accept

    async def run(self) -> None:
        """Answer by method and era; an unknown version is a modern matter, which knows the words for it."""
        method = self._method
        version = self._headers.get("mcp-protocol-version")
        modern = version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS
        if modern and method != "POST":
            raise Answered(405, None, [(b"allow", b"POST")])
        if method == "POST":
            if not self._takes_json:
                raise Answered(406)
            message = await self._read_message()
            await (self._post_modern(message, version or "") if modern else self._post_legacy(message))
        elif method == "GET":
            await self._get()
        elif method == "DELETE":
            self._delete()
        else:
            raise Answered(405, None, [(b"allow", b"GET, POST, DELETE")])

    async def _read_message(self) -> Message:
        body = await read_body(self._receive)
        try:
            message = jsontext.decode(body)
        except ValueError:
            raise refusal(400, None, PARSE_ERROR, "Parse error") from None
        if not isinstance(message, dict):
            raise refusal(400, None, INVALID_REQUEST, _SINGLE)
        if too_deep(message, body):
            raise refusal(400, None, PARSE_ERROR, "Parse error")
        if message.get("jsonrpc") != "2.0" or ("id" in message and not is_id(message["id"])):
            raise refusal(400, None, INVALID_REQUEST, _SINGLE)
        if "method" in message and not isinstance(message["method"], str):
            raise refusal(400, None, INVALID_REQUEST, _SINGLE)
        return message

    async def _post_modern(self, message: Message, version: str) -> None:
        if "method" not in message:
            raise refusal(400, None, INVALID_REQUEST, _SINGLE)
        if "id" not in message:
            check_head(unsupported_protocol_version_rejection(version), None)
            raise Answered(202)
        identity, method = message["id"], message["method"]
        if method == "subscriptions/listen" and not self._takes_events:
            raise Answered(406)
        if (name := find_duplicated_routing_header(self._pairs)) is not None:
            raise refusal(400, identity, HEADER_MISMATCH, f"{name} header appears more than once")
        check_head(classify_inbound_request(message, headers=self._headers), identity)
        if method in _REMOVED:
            raise refusal(404, identity, METHOD_NOT_FOUND, "Method not found")
        try:
            bridge = await self._pool.modern(self._key)
            call = bridge.call(message, streams=self._takes_events)
        except LegacyOnly:
            raise refusal(404, identity, METHOD_NOT_FOUND, "Method not found") from None
        except Trouble as trouble:
            raise troubled(identity, trouble.code) from None
        await self._deliver(bridge, call, modern=True)

    async def _post_legacy(self, message: Message) -> None:
        name = self._headers.get("mcp-session-id")
        if name is None and message.get("method") == "initialize" and "id" in message:
            await self._initialize(message)
            return
        bridge = self._session(name, message.get("id") if "method" in message else None)
        try:
            if "method" not in message:
                bridge.respond(message)
            elif "id" not in message:
                bridge.notify(message)
            else:
                call = bridge.call(message, streams=self._takes_events)
                if self._takes_events and self._headers.get("mcp-protocol-version") == _RESUMABLE:
                    await self._deliver_events(bridge, call, priming(call))
                else:
                    await self._deliver(bridge, call, modern=False)
                return
        except Trouble as trouble:
            raise troubled(message.get("id"), trouble.code) from None
        raise Answered(202)

    def _session(self, name: str | None, identity: Any) -> LegacyBridge:
        if name is None:
            raise refusal(400, identity, INVALID_REQUEST, "Missing session ID")
        bridge = self._pool.session(self._key, name)
        if bridge is None:
            raise refusal(404, identity, INVALID_REQUEST, "Session not found")
        return bridge

    async def _initialize(self, message: Message) -> None:
        """Start a child and shake hands; the session exists for the client only if the child agrees.

        Always JSON: the session id is a header, and it is known only when the answer is.
        """
        try:
            name, bridge = await self._pool.open_session(self._key)
        except Trouble as trouble:
            raise troubled(message["id"], trouble.code) from None
        agreed = False
        try:
            call = bridge.call(message, streams=False)
            if await self._await_answer(bridge, call):
                agreed = call.code is None
                named = [(b"mcp-session-id", name.encode())] if agreed else []
                status = status_of(call, modern=False)
                await reply_raw(self._send, status, call.answer or b"", [JSON, *named])
        except Trouble as trouble:
            raise troubled(message["id"], trouble.code) from None
        finally:
            if not agreed:
                self._pool.end_session(self._key, name)

    async def _await_answer(self, bridge: Bridge, call: Call) -> bool:
        watcher = asyncio.create_task(await_leaving(self._receive, call.end))
        try:
            while not call.over:
                await call.wait(self._keep_alive)
                call.take()
        finally:
            watcher.cancel()
            bridge.drop(call)
        return call.answer is not None

    async def _deliver(self, bridge: Bridge, call: Call, *, modern: bool) -> None:
        """JSON when the answer comes first, otherwise a stream that the answer ends."""
        watcher = asyncio.create_task(await_leaving(self._receive, call.end))
        try:
            await self._first(call)
            if call.waiting or not call.over:
                await start_events(self._send)
                await self._pour(call, lambda: False, as_event)
                if call.answer is not None:
                    await send_body(self._send, as_event(call.answer), more=False)
            elif call.answer is not None:
                await reply_raw(self._send, status_of(call, modern=modern), call.answer, [JSON])
        finally:
            watcher.cancel()
            bridge.drop(call)

    async def _first(self, call: Call) -> None:
        await call.wait(self._keep_alive)
        while not self._takes_events and (call.waiting or not call.over):
            call.take()
            await call.wait(self._keep_alive)

    async def _deliver_events(self, bridge: LegacyBridge, call: Call, start: bytes) -> None:
        """A stream from the first moment, which a client that loses it can take up again."""
        gone = _Flag(call)
        watcher = asyncio.create_task(await_leaving(self._receive, gone.set))
        told = False
        try:
            await start_events(self._send)
            await send_body(self._send, start)
            await call.wait(self._keep_alive)
            await self._pour(call, gone.is_set, call.frame)
            if call.answer is not None and not gone.is_set():
                await send_body(self._send, call.frame(call.answer), more=False)
                told = True
        finally:
            watcher.cancel()
            (bridge.drop if told else bridge.park)(call)

    async def _pour(self, stream: Stream, gone: Callable[[], bool], frame: Callable[[bytes], bytes]) -> None:
        # Nothing is taken once the reader has left: it stays for the next one.
        while not gone():
            queued = stream.take()
            if stream.over and not queued:
                return
            await send_body(self._send, b"".join(map(frame, queued)) or b": keep-alive\n\n")
            await stream.wait(self._keep_alive)

    async def _get(self) -> None:
        if not self._takes_events:
            raise Answered(406)
        bridge = self._session(self._headers.get("mcp-session-id"), None)
        found = bridge.resume(self._headers.get("last-event-id", ""))
        if found is not None:
            call, number = found
            await self._deliver_events(bridge, call, call.framed_after(number))
        elif bridge.attached:
            raise refusal(409, None, INVALID_REQUEST, "Only one stream per session")
        else:
            await self._attach(bridge)

    async def _attach(self, bridge: LegacyBridge) -> None:
        bridge.attached = True
        gone = _Flag(bridge.standalone)
        watcher = asyncio.create_task(await_leaving(self._receive, gone.set))
        try:
            await start_events(self._send)
            await self._pour(bridge.standalone, gone.is_set, as_event)
            await send_body(self._send, b"", more=False)
        finally:
            watcher.cancel()
            bridge.attached = False
            bridge.last_used = time.monotonic()

    def _delete(self) -> None:
        name = self._headers.get("mcp-session-id")
        self._session(name, None)
        self._pool.end_session(self._key, name or "")
        raise Answered(200)


class _Flag:
    """Remembers that a reader has left its stream, and wakes it to see that; the stream itself goes on."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self._set = stream, False

    def set(self) -> None:
        self._set = True
        self._stream.nudge()

    def is_set(self) -> bool:
        return self._set
