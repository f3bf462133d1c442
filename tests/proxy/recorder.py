"""An upstream that writes down everything it is sent, and misbehaves in one way for each path.

It keeps no state and no sessions, speaks both eras, and runs in a thread of the test process.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

START_SECONDS = 20.0
# More than the gateways under test let through.
OVERSIZE = 3 * 1024 * 1024
UPSTREAM_SESSION = "upstream-session-1"
# What the gateway may ask on its own account, at any time: these say nothing about a test's own request.
OWN_QUESTIONS = frozenset(
    {
        "initialize", "notifications/initialized", "server/discover", "ping",
        "tools/list", "prompts/list", "resources/list", "resources/templates/list",
    }
)  # fmt: skip
TOOLS: dict[str, list[dict[str, Any]]] = {
    "well": [
        {
            "name": "echo",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "text": {"type": "string", "maxLength": 40},
                    "count": {"type": "integer", "minimum": 0},
                    "deep": {"type": "object", "properties": {"a/b": {"type": "array", "items": {"type": "integer"}}}},
                },
                "required": ["text"],
                "additionalProperties": True,
            },
        },
        {"name": "wipe", "inputSchema": {"type": "object"}},
    ],
    "secret": [{"name": "globex_only", "inputSchema": {"type": "object"}}],
}
# Servers that answer `tools/list` with an error: the first has no such method, the other is only unwell.
LIST_ERRORS = {"list-absent": -32601, "list-failing": -32603}
ANY_TOOL: list[dict[str, Any]] = [{"name": "echo", "inputSchema": {"type": "object"}}]


@dataclass(frozen=True)
class Seen:
    """One request as it reached the upstream."""

    path: str
    http_method: str
    headers: list[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def message(self) -> dict[str, Any]:
        parsed = json.loads(self.body) if self.body else {}
        return parsed if isinstance(parsed, dict) else {}

    @property
    def method(self) -> str:
        return str(self.message.get("method", self.http_method))

    def header(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known == name.lower()), None)


class Recorder:
    """A context manager; `url(path)` is the address of one behaviour."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._changed = threading.Condition()
        self._socket = _bound_socket()
        self._raw_socket = _bound_socket()
        self._refusing = _bound_socket()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._held: asyncio.Event | None = None
        self._server = uvicorn.Server(
            uvicorn.Config(self, lifespan="off", log_level="critical", timeout_graceful_shutdown=1, ws="none")
        )
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._ready = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/{path}"

    @property
    def raw_url(self) -> str:
        """Answers every request with bytes that are not HTTP."""
        return f"http://127.0.0.1:{self._raw_socket.getsockname()[1]}/raw"

    @property
    def refusing_url(self) -> str:
        """Nothing listens here, and nothing else can come to."""
        return f"http://127.0.0.1:{self._refusing.getsockname()[1]}/refused"

    @property
    def forwarded(self) -> list[Seen]:
        """What was passed on from a client, without what the gateway asks by itself."""
        with self._changed:
            return [seen for seen in self.seen if seen.method not in OWN_QUESTIONS]

    def clear(self) -> None:
        with self._changed:
            self.seen.clear()

    def await_seen(self, fits: Callable[[Seen], bool], timeout: float = 10.0) -> Seen:
        """The first request that fits, as soon as there is one. Raises TimeoutError."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                found = next((seen for seen in self.seen if fits(seen)), None)
                if found is not None:
                    return found
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise TimeoutError(f"not seen; there were {[seen.method for seen in self.seen]}")

    def release(self) -> None:
        """Lets the answers go that the path `held` holds back, now and from now on."""
        assert self._loop is not None
        assert self._held is not None
        self._loop.call_soon_threadsafe(self._held.set)

    def hold(self) -> None:
        assert self._loop is not None
        assert self._held is not None
        self._loop.call_soon_threadsafe(self._held.clear)

    def __enter__(self) -> Recorder:
        self._thread.start()
        assert self._ready.wait(START_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self._server.should_exit = True
        self._thread.join(START_SECONDS)
        self._refusing.close()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._held = asyncio.get_running_loop(), asyncio.Event()
        self._socket.listen(256)
        raw = await asyncio.start_server(_answer_garbage, sock=self._raw_socket)
        self._ready.set()
        await self._server.serve(sockets=[self._socket])
        raw.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            event = await receive()
            body += event.get("body", b"")
            if event["type"] == "http.disconnect" or not event.get("more_body"):
                break
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        path = scope["path"].strip("/")
        seen = Seen(path, scope["method"], headers, body)
        with self._changed:
            self.seen.append(seen)
            self._changed.notify_all()
        exchange = _Exchange(self, seen, receive, send)
        always = path.startswith("all-")
        misbehave = _BEHAVIOURS.get(path.removeprefix("all-"))
        if misbehave is None or (seen.method in OWN_QUESTIONS and not always):
            await exchange.answer_well()
        else:
            await misbehave(exchange)

    async def await_release(self) -> None:
        assert self._held is not None
        await self._held.wait()


def _bound_socket() -> socket.socket:
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound


async def _answer_garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(65536)
    writer.write(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
    writer.close()


class _Exchange:
    """One request and the ways to answer it."""

    def __init__(self, recorder: Recorder, seen: Seen, receive: Receive, send: Send) -> None:
        self.recorder = recorder
        self.seen = seen
        self._receive = receive
        self._send = send
        self.id = seen.message.get("id")
        self.is_modern = seen.header("mcp-protocol-version") == "2026-07-28"

    def result(self, **members: Any) -> dict[str, Any]:
        result = {"content": [{"type": "text", "text": "done"}], **members}
        if self.is_modern:
            result["resultType"] = "complete"
        return {"jsonrpc": "2.0", "id": self.id, "result": result}

    async def respond(self, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        await self.start(status, kind, {"Content-Length": str(len(body)), **(headers or {})})
        await self.send(body, more=False)

    async def start(self, status: int, kind: str, headers: dict[str, str] | None = None) -> None:
        pairs = [(b"content-type", kind.encode())] if kind else []
        pairs += [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})

    async def send(self, body: bytes, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def json(self, value: Any, status: int = 200) -> None:
        await self.respond(status, "application/json", json.dumps(value).encode())

    async def stream(self, *parts: bytes) -> None:
        await self.start(200, "text/event-stream")
        for part in parts:
            await self.send(part)

    async def await_leaving(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def send_until_left(self, piece: bytes, most: int) -> None:
        leaving = asyncio.create_task(self.await_leaving())
        try:
            for _ in range(most // len(piece)):
                if leaving.done():
                    return
                await self.send(piece)
        finally:
            leaving.cancel()

    async def answer_well(self) -> None:
        message = self.seen.message
        if "method" not in message or "id" not in message:
            status = {"GET": 405, "DELETE": 204}.get(self.seen.http_method, 202)
            await self.respond(status, "", b"")
            return
        result = self._well(message)
        if result is None:
            error = {"code": LIST_ERRORS.get(self.seen.path, -32601), "message": "Not now"}
            await self.json({"jsonrpc": "2.0", "id": self.id, "error": error}, 404 if self.is_modern else 200)
            return
        if self.is_modern:
            result["resultType"] = "complete"
        headers = {}
        if message["method"] == "initialize" and self.seen.path == "silent":
            headers["Mcp-Session-Id"] = UPSTREAM_SESSION
        body = json.dumps({"jsonrpc": "2.0", "id": self.id, "result": result}).encode()
        await self.respond(200, "application/json", body, headers)

    def _well(self, message: dict[str, Any]) -> dict[str, Any] | None:
        method, params = message["method"], message.get("params", {})
        info = {"name": "recorder", "version": "1"}
        if method == "initialize":
            return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
        if method == "server/discover":
            return {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "serverInfo": info,
                    "ttlMs": 0, "cacheScope": "private"}  # fmt: skip
        if method == "ping":
            return {}
        if method == "tools/list" and self.seen.path in LIST_ERRORS:
            return None
        if method == "tools/list":
            tools = TOOLS.get(self.seen.path, ANY_TOOL)
            return {"tools": tools, **({"ttlMs": 0, "cacheScope": "private"} if self.is_modern else {})}
        if method == "tools/call":
            return {"content": [{"type": "text", "text": json.dumps(params.get("arguments"), ensure_ascii=False)}]}
        return None


def _event(value: Any) -> bytes:
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


async def _silent(exchange: _Exchange) -> None:
    if "id" not in exchange.seen.message:
        await exchange.respond(202, "", b"")
        return
    await exchange.await_leaving()


async def _held(exchange: _Exchange) -> None:
    await exchange.recorder.await_release()
    await exchange.json(exchange.result())


async def _garbage(exchange: _Exchange) -> None:
    await exchange.respond(200, "application/json", b"}{ not JSON")


async def _empty(exchange: _Exchange) -> None:
    await exchange.respond(200, "application/json", b"")


async def _wrong_id(exchange: _Exchange) -> None:
    await exchange.json({**exchange.result(), "id": "somebody-else"})


async def _no_id(exchange: _Exchange) -> None:
    await exchange.json({**exchange.result(), "id": None})


async def _both(exchange: _Exchange) -> None:
    await exchange.json({**exchange.result(), "error": {"code": 1, "message": "both"}})


async def _html(exchange: _Exchange) -> None:
    await exchange.respond(200, "text/html", b"<html><title>Welcome to nginx</title></html>")


async def _redirect(exchange: _Exchange) -> None:
    await exchange.respond(307, "text/html", b"moved", {"Location": exchange.recorder.url("well")})


async def _redirect_answer(exchange: _Exchange) -> None:
    body = json.dumps(exchange.result()).encode()
    await exchange.respond(302, "application/json", body, {"Location": exchange.recorder.url("well")})


async def _twice(exchange: _Exchange) -> None:
    one = json.dumps(exchange.result()).encode()
    await exchange.respond(200, "application/json", one + b"\n" + one)


async def _batch(exchange: _Exchange) -> None:
    await exchange.json([exchange.result(), exchange.result()])


async def _large_announced(exchange: _Exchange) -> None:
    await exchange.start(200, "application/json", {"Content-Length": str(OVERSIZE)})
    await exchange.send_until_left(b" " * 65536, OVERSIZE)


async def _large_chunked(exchange: _Exchange) -> None:
    await exchange.start(200, "application/json")
    await exchange.send_until_left(b" " * 65536, OVERSIZE)
    await exchange.send(json.dumps(exchange.result()).encode(), more=False)


async def _gzip(exchange: _Exchange) -> None:
    text = "x" * OVERSIZE
    body = gzip.compress(json.dumps(exchange.result(content=[{"type": "text", "text": text}])).encode())
    await exchange.respond(200, "application/json", body, {"Content-Encoding": "gzip"})


async def _unauthorized(exchange: _Exchange) -> None:
    await exchange.respond(401, "text/plain", b"who are you", {"WWW-Authenticate": 'Bearer realm="upstream"'})


async def _broken(exchange: _Exchange) -> None:
    await exchange.respond(500, "text/html", b"<pre>Traceback (most recent call last): upstream-secret</pre>")


async def _stream_endless_line(exchange: _Exchange) -> None:
    await exchange.stream(b"data: ")
    await exchange.send_until_left(b"x" * 65536, 4 * OVERSIZE)


async def _stream_wrong_id(exchange: _Exchange) -> None:
    await exchange.stream(_event({**exchange.result(), "id": "somebody-else"}))
    await exchange.await_leaving()


async def _stream_garbage(exchange: _Exchange) -> None:
    await exchange.stream(b"id: 1\ndata: }{ not JSON\n\n")
    await exchange.await_leaving()


async def _stream_twice(exchange: _Exchange) -> None:
    second = exchange.result(content=[{"type": "text", "text": "second"}])
    await exchange.stream(_event(exchange.result()) + _event(second))
    await exchange.send(b"", more=False)


async def _stream_silent(exchange: _Exchange) -> None:
    if "id" not in exchange.seen.message:
        await exchange.respond(202, "", b"")
        return
    await exchange.stream(b": waiting\n\n")
    await exchange.await_leaving()


async def _stream_cut(exchange: _Exchange) -> None:
    await exchange.stream(b": waiting\n\n")
    await exchange.send(b"", more=False)


_BEHAVIOURS: dict[str, Callable[[_Exchange], Awaitable[None]]] = {
    "silent": _silent,
    "held": _held,
    "garbage": _garbage,
    "empty": _empty,
    "wrong-id": _wrong_id,
    "no-id": _no_id,
    "both": _both,
    "html": _html,
    "redirect": _redirect,
    "redirect-answer": _redirect_answer,
    "twice": _twice,
    "batch": _batch,
    "large-announced": _large_announced,
    "large-chunked": _large_chunked,
    "gzip": _gzip,
    "unauthorized": _unauthorized,
    "broken": _broken,
    "stream-endless-line": _stream_endless_line,
    "stream-wrong-id": _stream_wrong_id,
    "stream-garbage": _stream_garbage,
    "stream-twice": _stream_twice,
    "stream-silent": _stream_silent,
    "stream-cut": _stream_cut,
}
PATHS = ("well", *LIST_ERRORS, *_BEHAVIOURS)
