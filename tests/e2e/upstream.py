"""An upstream that remembers every request, knows both eras, and keeps streams open to push into.

It lives in a thread of the test process, so that a test reads what it saw without asking.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
MODERN = "2026-07-28"
LEGACY = "2025-11-25"
META_PREFIX = "io.modelcontextprotocol/"


@dataclass(frozen=True)
class Seen:
    """One request as it came. `connection` is the port that the gateway called from."""

    path: str
    http_method: str
    headers: dict[str, str]
    message: dict[str, Any]
    connection: int

    @property
    def text(self) -> str:
        """What a call says, "" for anything else."""
        arguments = self.message.get("params", {}).get("arguments") or {}
        return str(arguments.get("text", ""))

    @property
    def client(self) -> str:
        """What the client calls itself, in a handshake or, since 2026-07-28, in each request; else ""."""
        params = self.message.get("params") or {}
        said = params.get("clientInfo") or (params.get("_meta") or {}).get("io.modelcontextprotocol/clientInfo") or {}
        return str(said.get("name", ""))


@dataclass
class Upstream:
    """`before_answer` runs in a thread for every request, before anything is answered."""

    seen: list[Seen] = field(default_factory=list)
    before_answer: Callable[[Seen], None] | None = None
    # What is listed at a path instead of the usual tools.
    tools: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    # What a tool gives besides its text, by name.
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    ttl: int = 60_000
    # What it honours of what a client wants to listen to.
    honours: tuple[str, ...] = ("toolsListChanged",)
    # Paths of open streams and of calls that wait, with what they wait for.
    streams: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    _queues: list[asyncio.Queue[dict[str, Any]]] = field(default_factory=list)
    _sessions: set[str] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop | None = None
    port: int = 0
    # What the tool echo is said to do, by path, and how long a list is good.
    descriptions: dict[str, str] = field(default_factory=dict)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def saw(self, text: str) -> list[Seen]:
        return [each for each in list(self.seen) if each.text == text]

    def wait_for(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, seconds), "the upstream did not see it in time"

    def forget_sessions(self) -> None:
        self._sessions.clear()

    def push(self, message: dict[str, Any]) -> None:
        """To every open stream."""
        assert self._loop is not None
        for queue in list(self._queues):
            self._loop.call_soon_threadsafe(queue.put_nowait, message)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._loop = asyncio.get_running_loop()
        body = await _body(receive)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        message = json.loads(body) if body else {}
        seen = Seen(scope["path"], scope["method"], headers, message, scope["client"][1])
        self._note(lambda: self.seen.append(seen))
        if self.before_answer is not None:
            await asyncio.to_thread(self.before_answer, seen)
        modern = f"{META_PREFIX}protocolVersion" in (message.get("params") or {}).get("_meta", {})
        if scope["path"].startswith("/legacy-" if modern else "/modern-"):
            # It speaks the other era only.
            await _json(send, 400, _error(message.get("id"), -32600, "Bad request"))
        elif not (modern or message.get("method") == "initialize" or headers.get("mcp-session-id") in self._sessions):
            await _json(send, 404, _error(message.get("id"), -32600, "Session not found"))
        elif scope["method"] == "GET" or message.get("method") == "subscriptions/listen":
            await self._stream(seen, receive, send)
        elif "id" not in message:
            await _json(send, 202, None)
        elif message["method"] == "tools/call":
            await self._call(seen, receive, send, modern)
        else:
            await self._other(seen, send, modern)

    async def _call(self, seen: Seen, receive: Receive, send: Send, modern: bool) -> None:
        params = seen.message["params"]
        if params["name"] == "wait":
            self._note(lambda: self.streams.append(seen.text))
            while (await receive())["type"] != "http.disconnect":
                pass
            self._note(lambda: self.left.append(seen.text))
            return
        given = self.results.get(params["name"], {})
        result: dict[str, Any] = {"content": [{"type": "text", "text": seen.text}], **given}
        if modern:
            result["resultType"] = "complete"
        message = {"jsonrpc": "2.0", "id": seen.message["id"], "result": result}
        if params["name"] == "stream":
            await _start(send)
            await _event(send, {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info"}})
            await _event(send, message)
            await send({"type": "http.response.body", "body": b""})
            return
        await _json(send, 200, message)

    async def _other(self, seen: Seen, send: Send, modern: bool) -> None:
        result: dict[str, Any] = {"resultType": "complete"} if modern else {}
        headers: list[tuple[bytes, bytes]] = []
        match seen.message["method"]:
            case "initialize":
                session = secrets.token_hex(16)
                self._sessions.add(session)
                headers.append((b"mcp-session-id", session.encode()))
                result = {"protocolVersion": LEGACY, "capabilities": {"tools": {}}, "serverInfo": _INFO}
            case "server/discover":
                result |= {"supportedVersions": [MODERN], "capabilities": {"tools": {}}}
            case "tools/list":
                # The credential decides what is listed, so that a list that crosses tenants shows.
                owner = seen.headers.get("x-tenant", "nobody")
                names = ("echo", "stream", "wait", f"only-{owner}")
                usual = [{"name": name, "inputSchema": _SCHEMA} for name in names]
                result |= {"tools": self.tools.get(seen.path, usual)}
                if seen.path in self.descriptions:
                    result["tools"][0]["description"] = self.descriptions[seen.path]
                if modern:
                    result |= {"ttlMs": self.ttl, "cacheScope": "public"}
        await _json(send, 200, {"jsonrpc": "2.0", "id": seen.message["id"], "result": result}, headers)

    async def _stream(self, seen: Seen, receive: Receive, send: Send) -> None:
        path = seen.path
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._queues.append(queue)
        await _start(send)
        await send({"type": "http.response.body", "body": b": open\n\n", "more_body": True})
        if "id" in seen.message:
            await _event(send, _acknowledgement(seen.message, self.honours))
        self._note(lambda: self.streams.append(path))
        leaving = asyncio.create_task(_disconnected(receive))
        try:
            while not leaving.done():
                message = asyncio.create_task(queue.get())
                await asyncio.wait({leaving, message}, return_when=asyncio.FIRST_COMPLETED)
                if message.done():
                    await _event(send, message.result())
                message.cancel()
        finally:
            leaving.cancel()
            self._queues.remove(queue)
            self._note(lambda: self.left.append(path))

    def _note(self, note: Callable[[], None]) -> None:
        with self.changed:
            note()
            self.changed.notify_all()


_INFO = {"name": "recording", "version": "1"}
_SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}}


def _acknowledgement(message: dict[str, Any], honours: tuple[str, ...]) -> dict[str, Any]:
    wanted = message["params"].get("notifications", {})
    honoured = {name: value for name, value in wanted.items() if name in honours}
    meta = {f"{META_PREFIX}subscriptionId": message["id"]}
    return {"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
            "params": {"notifications": honoured, "_meta": meta}}  # fmt: skip


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    return body


def _error(identity: Any, code: int, text: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity, "error": {"code": code, "message": text}}


async def _json(send: Send, status: int, value: Any, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    body = b"" if value is None else json.dumps(value).encode()
    start = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


async def _start(send: Send) -> None:
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _event(send: Send, message: dict[str, Any]) -> None:
    await send({"type": "http.response.body", "body": f"data: {json.dumps(message)}\n\n".encode(), "more_body": True})


@contextmanager
def running() -> Iterator[Upstream]:
    """An upstream on a free port."""
    upstream = Upstream()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    upstream.port = listener.getsockname()[1]
    config = uvicorn.Config(
        upstream, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1, timeout_keep_alive=300
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]  # not the main thread
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]), daemon=True)
    thread.start()
    try:
        yield upstream
    finally:
        server.should_exit = True
        thread.join(10)
