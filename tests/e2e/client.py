"""A client of either era, close enough to the wire to choose its worker and to see a stream end."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.conformance.gateway import Gateway
from tests.e2e.upstream import LEGACY, META_PREFIX, MODERN

TIMEOUT = 15.0
NAMES = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
META = {f"{META_PREFIX}protocolVersion": MODERN, f"{META_PREFIX}clientCapabilities": {}}
HANDSHAKE = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        """The JSON answer, or the last message of a stream."""
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            lines = [line for line in self.body.splitlines() if line.startswith(b"data: ")]
            return dict(json.loads(lines[-1][6:]))
        return dict(json.loads(self.body))

    @property
    def text(self) -> str:
        return str(self.message["result"]["content"][0]["text"])

    @property
    def refusal(self) -> tuple[int, Any, Any, str | None]:
        """All that a client sees of a refusal but the number of the request."""
        error = self.message["error"]
        error.get("data", {}).pop("request_id", None)
        return self.status, self.message["id"], error, self.headers.get("www-authenticate")


@dataclass
class Client:
    """Speaks to one address with one key, over one connection."""

    gateway: Gateway
    path: str
    key: str | None
    connection: http.client.HTTPConnection | None = None
    bodies: list[bytes] = field(default_factory=list)

    def modern(self, method: str, params: dict[str, Any] | None = None, **extra: str) -> Reply:
        message, headers = self._modern(method, params)
        return self.send("POST", message, {**headers, **extra})

    def legacy(
        self, method: str, params: dict[str, Any] | None = None, session: str | None = None, **extra: str
    ) -> Reply:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        headers = {"MCP-Protocol-Version": LEGACY} if method != "initialize" else {}
        if session is not None:
            headers["Mcp-Session-Id"] = session
        return self.send("POST", message, {**headers, **extra})

    def call(self, text: str, tool: str = "echo") -> Reply:
        return self.modern("tools/call", {"name": tool, "arguments": {"text": text}})

    def open(self) -> str:
        """The id of a new legacy session."""
        reply = self.legacy("initialize", HANDSHAKE)
        assert reply.status == 200, reply.body
        return reply.headers["mcp-session-id"]

    def get_stream(self, session: str) -> Stream:
        headers = {"Accept": "text/event-stream", "MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": session}
        return Stream(self._start("GET", None, headers))

    def listen(self, *wanted: str, resources: list[str] | None = None) -> Stream:
        """Wants to hear of tools, unless said otherwise: of `prompts` or `resources`, or of some of these."""
        filters: dict[str, Any] = {f"{each}ListChanged": True for each in wanted or ("tools",)}
        if resources is not None:
            filters["resourceSubscriptions"] = resources
        return Stream(self._start("POST", *self._modern("subscriptions/listen", {"notifications": filters})))

    def send(self, method: str, message: Any, headers: dict[str, str]) -> Reply:
        response = self._start(method, message, headers)
        body = response.read()
        self.bodies.append(body)
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, body)

    def _modern(self, method: str, params: dict[str, Any] | None) -> tuple[dict[str, Any], dict[str, str]]:
        params = {**(params or {}), "_meta": META}
        headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
        if method in NAMES:
            headers["Mcp-Name"] = str(params.get(NAMES[method], ""))
        return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, headers

    def _start(self, method: str, message: Any, headers: dict[str, str]) -> http.client.HTTPResponse:
        connection = self.connection or http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=TIMEOUT)
        own = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        if self.key is not None:
            own["Authorization"] = f"Bearer {self.key}"
        body = None if message is None else json.dumps(message).encode()
        connection.request(method, self.path, body, {**own, **headers})
        return connection.getresponse()


class Stream:
    """An open answer, read by a thread; `ended_at` is the wall-clock time of its end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.ended_at: float | None = None
        self.received = b""
        self._changed = threading.Condition()
        self._response = response
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while piece := self._response.read1(65536):
                with self._changed:
                    self.received += piece
                    self._changed.notify_all()
        except (OSError, http.client.HTTPException):
            self.received += b"<broken>"
        with self._changed:
            self.ended_at = time.time()
            self._changed.notify_all()

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What has come whole so far."""
        events = self.received.replace(b"\r\n", b"\n").split(b"\n\n")[:-1]
        lines = [line for event in events for line in event.split(b"\n") if line.startswith(b"data: ")]
        return [dict(json.loads(line[6:])) for line in lines]

    def wait_for_bytes(self, expected: bytes, seconds: float = 5.0) -> None:
        self.wait_until(lambda: expected in self.received, seconds)

    def wait_until(self, condition: Callable[[], bool], seconds: float = 5.0) -> None:
        """Asked whenever something has come."""
        with self._changed:
            assert self._changed.wait_for(condition, seconds), self.received

    def close(self) -> None:
        """The client leaves."""
        raw: Any = self._response.fp
        raw.raw._sock.shutdown(socket.SHUT_RDWR)

    def wait_for_end(self, seconds: float = 5.0) -> float:
        """When it ended."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.ended_at is not None, seconds), "the stream is still open"
            assert self.ended_at is not None
            return self.ended_at


def connections_to_every_worker(
    gateway: Gateway, workers: int, each: int = 1
) -> list[list[http.client.HTTPConnection]]:
    """`each` rows of kept-alive connections, one to every worker process, found by who holds the other end."""
    assert gateway.process is not None
    pids = [process.pid for process in psutil.Process(gateway.process.pid).children(recursive=True)]
    found: dict[int, list[http.client.HTTPConnection]] = {}
    spare: list[http.client.HTTPConnection] = []
    for _ in range(200):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=TIMEOUT)
        connection.request("GET", "/readyz")
        connection.getresponse().read()
        pid = _owner(pids, gateway.port, connection.sock.getsockname()[1])
        # Those too many are kept open for now: a worker that is full of connections lets the other one accept.
        (spare if len(found.setdefault(pid, [])) == each else found[pid]).append(connection)
        if [len(row) for row in found.values()] == [each] * workers:
            break
    for connection in spare:
        connection.close()
    assert [len(row) for row in found.values()] == [each] * workers, "not every worker could be reached"
    return [list(row) for row in zip(*found.values(), strict=True)]


def _owner(pids: list[int], server_port: int, client_port: int) -> int:
    """Which process holds the server's end of the connection."""
    ends = f":{server_port:04X}", f":{client_port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(ends[0]) and fields[2].endswith(ends[1]):
            socket = f"socket:[{fields[9]}]"
            for pid in pids:
                if socket in _open_files(pid):
                    return pid
    raise AssertionError("nobody holds the connection")


def _open_files(pid: int) -> set[str]:
    found = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        # It may be closed meanwhile.
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(each))
    return found
