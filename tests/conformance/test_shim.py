"""The shim adds one header line to each request and changes nothing else."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.conformance.shim import Shim

pytestmark = pytest.mark.claim("conformance.shim")

TIMEOUT = 5.0
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Upstream:
    """Accepts one connection at a time and shows the bytes that arrive."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(TIMEOUT)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/mcp/a/b"
        self.connections: queue.Queue[socket.socket] = queue.Queue()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        try:
            while True:
                connection, _ = self._listener.accept()
                connection.settimeout(TIMEOUT)
                self.connections.put(connection)
        except OSError:
            return

    def connection(self) -> socket.socket:
        return self.connections.get(timeout=TIMEOUT)

    def close(self) -> None:
        self._listener.close()


def receive(connection: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        piece = connection.recv(count - len(received))
        if not piece:
            return received
        received += piece
    return received


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.close()


@pytest.fixture
def client(upstream: Upstream) -> Iterator[Callable[[], socket.socket]]:
    opened: list[socket.socket] = []

    def connect() -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        opened.append(connection)
        return connection

    with Shim(upstream.url, "secret") as shim:
        assert shim.url.endswith("/mcp/a/b")
        port = int(shim.url.split(":")[2].split("/")[0])
        yield connect
    for connection in opened:
        connection.close()


def expected(request: bytes) -> bytes:
    line, rest = request.split(b"\r\n", 1)
    return line + b"\r\nAuthorization: Bearer secret\r\n" + rest


REQUESTS = {
    "a body of a stated length": (
        b"POST /mcp/a/b HTTP/1.1\r\nHost: evil.example.com\r\nMcp-Name:   spaced  \r\n"
        b"Content-Length: 4\r\n\r\n\r\n\r\n"
    ),
    "a chunked body": (
        b"POST /mcp/a/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5;ext=1\r\nab\r\n\r\r\n0\r\nTrailer: t\r\n\r\n"
    ),
    "no body and a header twice": b"GET /mcp HTTP/1.1\r\nHost: x\r\nMcp-Method: a\r\nMCP-Method: b\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", REQUESTS.values(), ids=REQUESTS.keys())
def test_each_request_of_a_kept_connection_arrives_as_sent_plus_the_key(
    request_bytes: bytes, upstream: Upstream, client: Callable[[], socket.socket]
) -> None:
    connection = client()
    for round_number in range(2):
        connection.sendall(request_bytes)
        wanted = expected(request_bytes)
        if round_number == 0:
            behind = upstream.connection()
        assert receive(behind, len(wanted)) == wanted
        behind.sendall(ANSWER)
        assert receive(connection, len(ANSWER)) == ANSWER


def test_an_answer_reaches_the_client_piece_by_piece(
    upstream: Upstream, client: Callable[[], socket.socket]
) -> None:
    connection = client()
    connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
    behind = upstream.connection()
    for piece in (b"HTTP/1.1 200 OK\r\n\r\n", b"data: 1\n\n", b"data: 2\n\n"):
        behind.sendall(piece)
        assert receive(connection, len(piece)) == piece


def test_a_client_that_hangs_up_is_gone_for_the_upstream_too(
    upstream: Upstream, client: Callable[[], socket.socket]
) -> None:
    connection = client()
    connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
    behind = upstream.connection()
    receive(behind, len(expected(b"GET / HTTP/1.1\r\n\r\n")))
    connection.close()
    assert receive(behind, 1) == b""
