"""Receivers of forwarded events on the loopback address: an HTTP server that plays a part, and a syslog server."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

RESET, HANG = "reset", "hang"
_SIGNS = x509.KeyUsage(False, False, False, False, False, True, True, False, False)


class Request(NamedTuple):
    headers: dict[str, str]
    body: bytes
    answer: int | str

    @property
    def lines(self) -> list[bytes]:
        return self.body.splitlines(keepends=True)


class Hook:
    """Answers as its script says, one part for each request, and 200 when the script is over."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.script: list[int | str] = []
        self.decide: Callable[[bytes], int | str] | None = None
        self.headers: dict[str, str] = {}
        self.released = threading.Event()
        self.came = threading.Condition()
        self.url = ""

    def wait_for(self, count: int, seconds: float = 20.0) -> None:
        with self.came:
            assert self.came.wait_for(lambda: len(self.requests) >= count, seconds), "the receiver was not asked"

    @property
    def taken(self) -> list[bytes]:
        """The lines that were answered with a yes, in their order."""
        return [line for request in self.requests if request.answer == 200 for line in request.lines]


@contextmanager
def hook() -> Iterator[Hook]:
    played = Hook()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = played.decide(body) if played.decide else played.script.pop(0) if played.script else 200
            with played.came:
                played.requests.append(Request({k.lower(): v for k, v in self.headers.items()}, body, answer))
                played.came.notify_all()
            if answer == HANG:
                played.released.wait(60)
            if isinstance(answer, str):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
                return
            self.send_response(answer)
            for name, value in {**played.headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):
                pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Says nothing: clients are cut off here on purpose."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    played.url = f"http://127.0.0.1:{server.server_port}/in"
    try:
        yield played
    finally:
        played.released.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


class SyslogServer:
    """Messages with their length before them, as they came; a length that is none is kept as a fault."""

    def __init__(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        self.messages: list[bytes] = []
        self.faults: list[str] = []
        self.connections = 0
        # After so many messages the connection is cut off.
        self.cut_after: int | None = None
        self._listener, self._tls = listener, tls

    def wait_for(self, count: int, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while len(self.messages) < count:
            assert time.monotonic() < deadline, f"{len(self.messages)} messages came, {self.faults}"
            time.sleep(0.01)

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        try:
            with connection if self._tls is None else self._tls.wrap_socket(connection, server_side=True) as stream:
                self._read_frames(stream)
        except OSError as error:
            self.faults.append(type(error).__name__)

    def _read_frames(self, stream: socket.socket) -> None:
        file = stream.makefile("rb")
        while True:
            digits = b""
            while (byte := file.read(1)) not in (b" ", b""):
                digits += byte
            if not digits:
                return
            if not digits.isdigit() or digits.startswith(b"0"):
                self.faults.append(f"length {digits!r}")
                return
            message = file.read(int(digits))
            if len(message) < int(digits):
                self.faults.append("half a message")
                return
            self.messages.append(message)
            if self.cut_after is not None and len(self.messages) >= self.cut_after:
                self.cut_after = None
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                stream.shutdown(socket.SHUT_RD)
                return


@contextmanager
def syslog_server(certificate: Path | None = None) -> Iterator[tuple[SyslogServer, int]]:
    """The server and its port; with a certificate's file it speaks TLS."""
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = SyslogServer(listener, tls)
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        try:
            yield server, listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


class Authority(NamedTuple):
    """Its certificate in PEM, and the file of a server's certificate and key that it signed."""

    pem: str
    server: Path


def authority(folder: Path, *names: str) -> Authority:
    """Of the test's own; `names` are what the server's certificate is for."""
    at = datetime.now(UTC)
    key, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of the tests")])
    limits = (at - timedelta(days=1), at + timedelta(days=1))
    root = (
        x509.CertificateBuilder(issuer, issuer, key.public_key(), x509.random_serial_number(), *limits)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_SIGNS, critical=True)
        .sign(key, hashes.SHA256())
    )
    shown: list[x509.GeneralName] = [
        x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
    ]
    leaf = (
        x509.CertificateBuilder(issuer, x509.Name([]), own.public_key(), x509.random_serial_number(), *limits)
        .add_extension(x509.SubjectAlternativeName(shown), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    folder.mkdir(exist_ok=True)
    path = folder / "server.pem"
    path.write_bytes(leaf.public_bytes(pem) + private)
    return Authority(root.public_bytes(pem).decode(), path)


def subjects(lines: list[bytes]) -> list[str]:
    """Of JSON lines or syslog messages with JSON in them."""
    return [json.loads(line[line.index(b"{") :])["subject"] for line in lines]
