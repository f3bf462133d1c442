"""An upstream whose every word a test decides, which counts what it was asked to do; it speaks both eras."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

Message = dict[str, Any]
OBJECT: Message = {"type": "object"}
TOOLS: list[Message] = [
    {"name": "act", "description": "Does something that cannot be undone.", "inputSchema": OBJECT},
    {"name": "read", "description": "Gives a text back.", "inputSchema": OBJECT},
]


@dataclass
class Upstream:
    """A context manager. `answer` gives the result, or the error in {"error": …}, of one request.

    `before` holds messages that are sent on the answer's stream before it; a test may change all of them at any time.
    """

    tools: list[Message] = field(default_factory=lambda: list(TOOLS))
    answer: Callable[[Message], Message] = lambda message: {"content": [{"type": "text", "text": "done"}]}
    before: list[Message] = field(default_factory=list)
    instructions: str = ""
    capabilities: Message = field(
        default_factory=lambda: {"tools": {}, "prompts": {}, "resources": {}, "completions": {}, "logging": {}}
    )
    asked: list[Message] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def __enter__(self) -> Upstream:
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                upstream._serve(self, json.loads(body))

            def do_GET(self) -> None:
                self.send_error(405)

            def do_DELETE(self) -> None:
                self.send_error(405)

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._lock = threading.Lock()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/mcp"

    @property
    def done(self) -> list[Message]:
        """The requests that a client meant for it, besides those for lists and greetings."""
        own = {"initialize", "notifications/initialized", "server/discover", "tools/list", "prompts/list",
               "resources/list", "resources/templates/list", "ping"}  # fmt: skip
        with self._lock:
            return [message for message in self.asked if message.get("method") not in own]

    def reset(self) -> None:
        """As it was at the start."""
        fresh = Upstream()
        with self._lock:
            self.tools, self.answer, self.before = fresh.tools, fresh.answer, fresh.before
            self.instructions, self.capabilities = fresh.instructions, fresh.capabilities
            self.asked.clear()
            self.headers.clear()

    def _serve(self, handler: BaseHTTPRequestHandler, message: Message) -> None:
        with self._lock:
            self.asked.append(message)
            self.headers.append({name.lower(): value for name, value in handler.headers.items()})
        if "id" not in message or "method" not in message:
            handler.send_response(202)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        outcome = self._outcome(message)
        answer = {"jsonrpc": "2.0", "id": message["id"], **outcome}
        is_call = message["method"] not in ("initialize", "tools/list", "server/discover")
        if self.before and is_call:
            events = [*self.before, answer]
            body = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in events)
            content_type = "text/event-stream"
        else:
            body, content_type = json.dumps(answer).encode(), "application/json"
        handler.send_response(200)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _outcome(self, message: Message) -> Message:
        method = message["method"]
        modern = "io.modelcontextprotocol/protocolVersion" in message.get("params", {}).get("_meta", {})
        extra: Message = {"resultType": "complete"} if modern else {}
        if method == "initialize":
            result: Message = {
                "protocolVersion": "2025-11-25",
                "capabilities": self.capabilities,
                "serverInfo": {"name": "scripted", "version": "1"},
            }
            if self.instructions:
                result["instructions"] = self.instructions
            return {"result": result}
        if method == "tools/list":
            cached: Message = {"ttlMs": 0, "cacheScope": "private"} if modern else {}
            return {"result": {"tools": self.tools, **extra, **cached}}
        found = self.answer(message)
        return found if "error" in found else {"result": {**found, **extra}}
