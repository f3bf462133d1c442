"""A client that sends exactly what it is told to, in either era, and reads the answer without judging it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tests.conformance.gateway import Gateway

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
META: dict[str, Any] = {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}}
TIMEOUT = 20.0
Era = Literal["modern", "legacy"]
Headers = Iterable[tuple[str, str]]
_sessions: dict[tuple[int, str | None, str], str] = {}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)

    @property
    def message(self) -> dict[str, Any]:
        parsed = json.loads(self.body)
        assert isinstance(parsed, dict)
        return parsed

    @property
    def error(self) -> dict[str, Any]:
        error = self.message["error"]
        assert isinstance(error, dict)
        return error

    @property
    def events(self) -> list[dict[str, Any]]:
        """The messages of a stream."""
        lines = [line[5:].strip() for line in self.body.split(b"\n") if line.startswith(b"data:")]
        # The first event of a stream that can be taken up again has an id and no data.
        return [json.loads(line) for line in lines if line]

    @property
    def final(self) -> dict[str, Any]:
        """The message that answers, whether it came alone or at the end of a stream."""
        return self.events[-1] if (self.header("content-type") or "").startswith("text/event-stream") else self.message

    def comparable(self, *words: str) -> tuple[int, list[tuple[str, str]], bytes]:
        """All that is seen of the answer, without what is different in every one."""
        body = self.body.replace((self.header("x-request-id") or "?").encode(), b"<request id>")
        for word in words:
            body = body.replace(word.encode(), b"<name>")
        passing = {"x-request-id", "date", "content-length"}
        headers = sorted((name.lower(), value) for name, value in self.headers if name.lower() not in passing)
        return self.status, headers, body


def send(
    port: int, http_method: str, path: str, headers: Headers, body: bytes | None = None, timeout: float = TIMEOUT
) -> Reply:
    """One request over a connection of its own. The headers are sent as they are, `Host` included."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        return send_on(connection, http_method, path, headers, body)
    finally:
        connection.close()


def send_on(
    connection: http.client.HTTPConnection, http_method: str, path: str, headers: Headers, body: bytes | None = None
) -> Reply:
    connection.putrequest(http_method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    # A server may answer and leave before it has all of a body that it does not want.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.endheaders(body)
    response = connection.getresponse()
    return Reply(response.status, response.getheaders(), response.read())


def send_raw(port: int, data: bytes, timeout: float = TIMEOUT) -> bytes:
    """All that comes back on a connection until the server closes it or is silent for `timeout`."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall(data)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except (TimeoutError, ConnectionResetError):
        pass
    return received


@dataclass
class Caller:
    """Somebody with a key who speaks one era with one server of the gateway."""

    gateway: Gateway
    era: Era = "modern"
    key: str | None = "laptop"
    project: str = "acme"
    server: str = "well"

    def with_(self, **changes: Any) -> Caller:
        return Caller(**{"gateway": self.gateway, "era": self.era, "key": self.key, "project": self.project,
                         "server": self.server, **changes})  # fmt: skip

    @property
    def path(self) -> str:
        return f"/mcp/{self.project}/{self.server}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.gateway.port}"

    @property
    def text(self) -> str:
        """The key itself."""
        assert self.key is not None
        owner = "globex" if self.key == "other" else "acme"
        return self.gateway.key(owner, self.key)

    @property
    def session(self) -> str:
        """The legacy session of this key with this server, begun on first use and shared by all tests."""
        place = (self.gateway.port, self.key, self.path)
        if place not in _sessions:
            reply = self.initialize()
            assert reply.status == 200, reply.body
            _sessions[place] = reply.header("mcp-session-id") or ""
        return _sessions[place]

    def initialize(self, **overrides: Any) -> Reply:
        params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "caller", "version": "1"}}
        body = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).encode()
        return self.post(body, headers={"MCP-Protocol-Version": None, "Mcp-Session-Id": None}, **overrides)

    def tool(self, name: str = "echo", arguments: Any = None, **overrides: Any) -> Reply:
        given = {"text": "hello"} if arguments is None else arguments
        return self.request("tools/call", {"name": name, "arguments": given}, **overrides)

    def request(self, method: str, params: dict[str, Any], message_id: Any = 1, **overrides: Any) -> Reply:
        body, headers = self.prepared(method, params, message_id)
        return self.post(body, headers={**headers, **overrides.pop("headers", {})}, **overrides)

    def prepared(self, method: str, params: dict[str, Any], message_id: Any = 1) -> tuple[bytes, dict[str, str]]:
        """A well-formed request of this era: its body and the headers that go with it."""
        headers = {}
        if self.era == "modern":
            params = {**params, "_meta": {**META, **params.get("_meta", {})}}
            headers["Mcp-Method"] = method
            name = params.get("uri") if method.startswith("resources/") else params.get("name")
            if isinstance(name, str):
                headers["Mcp-Name"] = name
        message = {"jsonrpc": "2.0", "id": message_id, "method": method, "params": params}
        return json.dumps(message).encode(), headers

    def usual_headers(self, begin_session: bool = True) -> dict[str, str | None]:
        headers: dict[str, str | None] = {
            "Host": self.host,
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": MODERN if self.era == "modern" else LEGACY,
        }
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.text}"
        if self.era == "legacy" and begin_session:
            headers["Mcp-Session-Id"] = self.session
        return headers

    def post(
        self, body: bytes, *, headers: Mapping[str, str | None] | None = None, extra: Headers = (),
        http_method: str = "POST", path: str | None = None, timeout: float = TIMEOUT,
    ) -> Reply:  # fmt: skip
        """`headers` override the usual ones, None takes one away; `extra` are sent besides, also twice."""
        given = dict(headers or {})
        usual = self.usual_headers(begin_session="Mcp-Session-Id" not in given)
        pairs = [(name, value) for name, value in {**usual, **given}.items() if value is not None]
        return send(self.gateway.port, http_method, path or self.path, [*pairs, *extra], body or None, timeout)
