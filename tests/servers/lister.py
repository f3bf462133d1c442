"""A server whose lists a test decides, in each era apart; it remembers what it was asked and keeps legacy sessions."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Message = dict[str, Any]
MODERN_VERSION, LEGACY_VERSION = "2026-07-28", "2025-11-25"
META_VERSION, META_INFO = "io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/serverInfo"
EVERYTHING: Message = {"tools": {}, "prompts": {}, "resources": {}}
OBJECT: Message = {"type": "object"}
NOT_FOUND: Message = {"error": {"code": -32601, "message": "Method not found"}}


@dataclass
class Seen:
    """One request. `message` is empty for those that carry none."""

    http_method: str
    era: str
    message: Message
    headers: dict[str, str]

    @property
    def method(self) -> str:
        return str(self.message.get("method", ""))


@dataclass
class Lister:
    """A context manager. `modern` and `legacy` map methods to results; None means that it does not speak the era.

    A result may be a function of the request, may be {"error": …}, an HTTP status, or SILENCE. `before` goes ahead of
    every answer on its stream.
    """

    modern: Message | None = field(default_factory=lambda: introduced("modern"))
    legacy: Message | None = field(default_factory=lambda: introduced("legacy"))
    before: list[Message] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    # Set it to let those that wait for an answer that never comes end.
    released: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Lister:
        lister = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                lister._serve(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def do_DELETE(self) -> None:
                lister._serve(self, {})

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = _Quiet(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/mcp"

    def asked(self, method: str, era: str = "") -> list[Seen]:
        return [each for each in list(self.seen) if each.method == method and era in ("", each.era)]

    def _serve(self, handler: BaseHTTPRequestHandler, message: Message) -> None:
        era = "modern" if META_VERSION in (message.get("params") or {}).get("_meta", {}) else "legacy"
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.seen.append(Seen(handler.command, era, message, headers))
        if "id" not in message or "method" not in message:
            _send(handler, 202, b"")
            return
        outcome = self._outcome(era, message)
        if outcome is SILENCE:
            self.released.wait(60)
            handler.close_connection = True
            return
        if isinstance(outcome, int):
            _send(handler, outcome, b"{}")
            return
        answer = {"jsonrpc": "2.0", "id": message["id"],
                  **(outcome if "error" in outcome else {"result": outcome})}  # fmt: skip
        extra = {"Mcp-Session-Id": "session-1"} if message["method"] == "initialize" else {}
        if self.before:
            events = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in (*self.before, answer))
            _send(handler, 200, events, "text/event-stream", extra)
        else:
            _send(handler, 200, json.dumps(answer).encode(), headers=extra)

    def _outcome(self, era: str, message: Message) -> Any:
        spoken = self.modern if era == "modern" else self.legacy
        found = NOT_FOUND if spoken is None else spoken.get(message["method"], NOT_FOUND)
        return found(message) if callable(found) else found


SILENCE = object()


class _Quiet(ThreadingHTTPServer):
    """Clients that are killed in the middle of an answer are no news."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing."""


def _send(
    handler: BaseHTTPRequestHandler, status: int, body: bytes, content_type: str = "application/json",
    headers: dict[str, str] | None = None,
) -> None:  # fmt: skip
    handler.send_response(status)
    for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def introduced(era: str, capabilities: Message | None = None, **about: Any) -> Message:
    """What a server answers first in an era, with one tool."""
    common = {"capabilities": {"tools": {}} if capabilities is None else capabilities, **about}
    info = {"name": f"{era} server", "version": "1"}
    first: Message = (
        {"server/discover": {"supportedVersions": [MODERN_VERSION], "_meta": {META_INFO: info}, **common}}
        if era == "modern"
        else {"initialize": {"protocolVersion": LEGACY_VERSION, "serverInfo": info, **common}}
    )
    return {**first, "tools/list": {"tools": [tool(f"{era}_tool")]}}


def tool(name: str, **members: Any) -> Message:
    return {"name": name, "inputSchema": OBJECT, **members}


def paged(member: str, *pages: list[Any]) -> Callable[[Message], Message]:
    """A list in pages; a cursor is the number of the next."""

    def answer(message: Message) -> Message:
        number = int(message.get("params", {}).get("cursor", "0"))
        more = {"nextCursor": str(number + 1)} if number + 1 < len(pages) else {}
        return {member: pages[number], **more}

    return answer
