"""What a hostile reviewer did to a running gateway, and what must come of it."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.conformance.gateway import Gateway
from tests.e2e.test_observability import Upstream
from tests.proxy.caller import read_all, send_raw

MODERN = "2026-07-28"


@pytest.fixture(scope="module")
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Gateway]:
    keys: list[dict[str, Any]] = [
        {"user": "ada@acme.test", "label": label} for label in ("laptop", "stolen", "greedy")
    ]
    config = {
        "version": 1,
        "projects": [
            {
                "slug": "acme",
                "members": [{"email": "ada@acme.test", "role": "owner"}],
                "servers": [{"slug": "docs", "url": upstream.url}],
                "keys": [*keys, {"user": "ada@acme.test", "label": "narrow", "tools": ["echo", "resource:file:///pub/*"]}],
            }
        ],
    }
    with Gateway(tmp_path_factory.mktemp("hostile"), config, environment={"GATEWAY_KEY_RATE": "600"}) as running:
        yield running


def request(method: str, params: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    meta = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}).encode()
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
    name = params.get("name") or params.get("uri")
    return body, {**headers, "Mcp-Name": name} if name else headers


def head(gateway: Gateway, label: str | None, headers: dict[str, str], path: str = "/mcp/acme/docs") -> bytes:
    lines = {
        "Host": f"127.0.0.1:{gateway.port}", "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream", "Connection": "close", **headers,
    }  # fmt: skip
    if label is not None:
        lines["Authorization"] = f"Bearer {gateway.key('acme', label)}"
    return f"POST {path} HTTP/1.1\r\n".encode() + "".join(f"{k}: {v}\r\n" for k, v in lines.items()).encode() + b"\r\n"


def call(gateway: Gateway, label: str, method: str, params: dict[str, Any]) -> bytes:
    body, headers = request(method, params)
    return send_raw(gateway.port, head(gateway, label, {**headers, "Content-Length": str(len(body))}) + body)


def worker(gateway: Gateway) -> psutil.Process:
    assert gateway.process is not None
    tree = psutil.Process(gateway.process.pid).children(recursive=True)
    return next(process for process in tree if "gateway_site.asgi:application" in process.cmdline())


@pytest.mark.claim("hostile.held-back")
def test_a_key_that_is_revoked_while_its_body_is_held_back_does_not_work(gateway: Gateway, upstream: Upstream) -> None:
    body, headers = request("tools/call", {"name": "echo", "arguments": {"held": "back"}})
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall(head(gateway, "stolen", {**headers, "Content-Length": str(len(body))}))
        gateway.manage(
            "shell", "-c",
            "from projects.models import *; from projects.scoping import *; from projects.services import *\n"
            "with unscoped('a test'): revoke_key(key=ApiKey.objects.select_related('project').get(label='stolen'))",
        )  # fmt: skip
        deadline = time.monotonic() + 5
        while b" 401 " not in call(gateway, "stolen", "tools/list", {}):
            assert time.monotonic() < deadline
        connection.sendall(body)
        assert b" 401 " in read_all(connection).split(b"\r\n")[0]
    assert not any(message["params"].get("arguments") == {"held": "back"} for message in upstream.messages)


@pytest.mark.claim("hostile.trailers")
def test_trailers_become_no_headers_and_take_no_memory(gateway: Gateway) -> None:
    body, headers = request("tools/list", {})
    chunked = b"%x\r\n%s\r\n0\r\n" % (len(body), body)
    secret = f"Authorization: Bearer {gateway.key('acme', 'laptop')}\r\n\r\n".encode()
    answer = send_raw(gateway.port, head(gateway, None, {**headers, "Transfer-Encoding": "chunked"}) + chunked + secret)
    assert b" 401 " in answer.split(b"\r\n")[0]
    before = worker(gateway).memory_info().rss
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall(head(gateway, None, {"Transfer-Encoding": "chunked"}) + b"0\r\n")
        with contextlib.suppress(OSError):
            for _ in range(1000):
                connection.sendall(b"X: " + b"y" * 99_990 + b"\r\n")
    assert worker(gateway).memory_info().rss - before < 30 * 2**20


@pytest.mark.claim("hostile.bodies")
def test_a_page_takes_no_large_body(gateway: Gateway) -> None:
    announced = head(gateway, None, {"Content-Length": str(200 * 2**20)}, "/admin/login/")
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall(announced)
        try:
            for _ in range(64):
                connection.sendall(b"x" * 2**20)
        except OSError:
            pass
        else:
            pytest.fail("64 MiB were taken")


@pytest.mark.claim("hostile.scope")
def test_a_key_for_some_tools_has_no_way_round_them(gateway: Gateway, upstream: Upstream) -> None:
    assert b" 200 " in call(gateway, "narrow", "resources/read", {"uri": "file:///pub/a"}).split(b"\r\n")[0]
    upstream.messages.clear()
    for uri in ("file:///pub/../etc/shadow", "file:///pub/%2e%2e/etc/shadow", "file:///pub/..%2fetc", "file:///pub/..\\x"):
        assert b"-32602" in call(gateway, "narrow", "resources/read", {"uri": uri})
    others = ("tasks/list", "tasks/result", "vendor/anything")
    for method in others:
        assert b" 404 " in call(gateway, "narrow", method, {}).split(b"\r\n")[0]
    # The gateway's own discovery of the server may come between.
    assert not [message for message in upstream.messages if message["method"] in ("resources/read", *others)]


@pytest.mark.claim("hostile.flood")
def test_requests_over_the_rate_are_not_read_and_hardly_logged(gateway: Gateway) -> None:
    refused = 0
    while refused < 300:
        refused += b" 429 " in call(gateway, "greedy", "ping", {}).split(b"\r\n")[0]
    count = gateway.manage(
        "shell", "-c",
        "from audit.models import Event; print('rows', Event.objects.filter(reason='rate_limited').count())",
    )  # fmt: skip
    assert int(count.rsplit("rows ", 1)[1]) < 300
    assert b" 200 " in call(gateway, "laptop", "tools/list", {}).split(b"\r\n")[0]
