"""What an operator can see: metrics right with several workers, traces joined on both sides, logs without secrets."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.conformance.gateway import Gateway
from tests.waiting import wait_until

TOKEN = "metrics-token-0123456789"
TRACE = "0af7651916cd43dd8448eb211c80319c"
MODERN = "2026-07-28"
WORD = "zugzwang-canary-7731"
REDACT_WORD = {
    "detector": "keywords", "directions": ["input"], "action": "redact", "threshold": 0.5, "config": {"words": [WORD]},
}  # fmt: skip


class Upstream:
    """A modern MCP server that remembers the messages it got."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        # Requests as they came, heads too.
        self.texts: list[str] = []
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                upstream.messages.append(message)
                upstream.texts.append(f"{self.headers}\n{json.dumps(message)}")
                result: dict[str, Any] = {"content": [{"type": "text", "text": "ok"}], "resultType": "complete"}
                if message["method"] == "tools/list":
                    result = {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}], "ttlMs": 0}
                body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/mcp"


class Collector:
    """Takes OTLP over HTTP and keeps the spans."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.arrived = threading.Condition()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = ExportTraceServiceRequest()
                request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
                with collector.arrived:
                    for resource in request.resource_spans:
                        for scope in resource.scope_spans:
                            collector.spans += list(scope.spans)
                    collector.arrived.notify_all()
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def trace(self, trace_id: str, name: str) -> dict[str, Any]:
        """The spans of a trace by name, once the named one, which ends last, is there."""

        def of_trace() -> dict[str, Any]:
            return {span.name: span for span in self.spans if span.trace_id.hex() == trace_id}

        with self.arrived:
            assert self.arrived.wait_for(lambda: name in of_trace(), 20), name
            return of_trace()


@pytest.fixture(scope="module")
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture(scope="module")
def collector() -> Collector:
    return Collector()


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, upstream: Upstream, collector: Collector
) -> Iterator[Gateway]:
    config = {
        "version": 1,
        "projects": [
            {
                "slug": "acme",
                "members": [{"email": "ada@acme.test", "role": "owner"}],
                "policies": [{"slug": "redact-word", "guardrails": [REDACT_WORD]}],
                "servers": [
                    {"slug": "docs", "url": upstream.url},
                    {"slug": "gone", "url": "http://127.0.0.1:9/mcp"},
                    {"slug": "redacted", "url": upstream.url, "input_policy": "redact-word"},
                ],
                "keys": [{"user": "ada@acme.test", "label": "laptop"}],
            }
        ],
    }
    environment = {
        "GATEWAY_METRICS_TOKEN": TOKEN,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server.server_port}",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    with Gateway(tmp_path_factory.mktemp("obs"), config, "uvicorn", 2, environment) as running:
        yield running


def call(
    gateway: Gateway, meta: dict[str, Any] | None = None, key: str | None = None, server: str = "docs",
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:  # fmt: skip
    message = {
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {
            "name": "echo", "arguments": {"text": "personal-canary"},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {}, **(meta or {}),
            },
        },
    }  # fmt: skip
    request = urllib.request.Request(
        gateway.url("acme", server), json.dumps(message).encode(), method="POST",
        headers={
            "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "echo",
            "Authorization": f"Bearer {key or gateway.key('acme', 'laptop')}", **(headers or {}),
        },
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def metrics(gateway: Gateway, token: str | None = TOKEN) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"http://127.0.0.1:{gateway.port}/metrics", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def value_of(text: str, sample: str) -> float:
    found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


CALLED = 'mcpgw_calls_total{era="modern",method="tools/call",status="200"}'


@pytest.mark.claim("observability.metrics-workers")
def test_any_worker_answers_with_the_sum_over_all_workers(gateway: Gateway) -> None:
    before = value_of(metrics(gateway)[1], CALLED)
    for _ in range(20):
        # Each on a connection of its own, so that both workers get some.
        assert call(gateway)[0] == 200

    def told() -> set[float]:
        return {value_of(metrics(gateway)[1], CALLED) - before for _ in range(6)}

    # A call is counted when its answer is out, which its client may have read before that.
    wait_until(lambda: told() == {20.0}, 10)


@pytest.mark.claim("observability.metrics-token")
def test_metrics_need_the_token_and_name_no_tenant(gateway: Gateway) -> None:
    call(gateway)
    assert metrics(gateway, None)[0] == 401
    assert metrics(gateway, "wrong")[0] == 401
    status, text = metrics(gateway)
    assert status == 200
    ours = "\n".join(line for line in text.splitlines() if line.startswith("mcpgw_"))
    assert "mcpgw_upstream_seconds_bucket" in ours and "mcpgw_audit_commit_seconds_bucket" in ours
    assert "django_http_requests" in text
    for private in ("acme", "ada@", "docs", "echo", "personal-canary", gateway.key("acme", "laptop")[:14]):
        assert private not in ours


@pytest.mark.claim("observability.metrics-failing")
def test_a_failing_server_is_counted_until_it_is_no_more(gateway: Gateway) -> None:
    def failing() -> float:
        return value_of(metrics(gateway)[1], "mcpgw_upstream_failing_servers")

    assert call(gateway, server="gone")[0] == 502
    wait_until(lambda: failing() == 1)
    gateway.manage("server", "delete", "gone", "--yes", "-p", "acme")
    wait_until(lambda: failing() == 0)


@pytest.mark.claim("observability.metrics-refusals")
def test_a_refusal_is_counted_by_its_code(gateway: Gateway) -> None:
    sample = 'mcpgw_refusals_total{code="invalid_token",fault="client"}'
    before = value_of(metrics(gateway)[1], sample)
    assert call(gateway, key="mgw_wrong")[0] == 401
    assert value_of(metrics(gateway)[1], sample) == before + 1


@pytest.mark.claim("observability.traces")
def test_one_trace_joins_client_gateway_and_upstream(
    gateway: Gateway, upstream: Upstream, collector: Collector
) -> None:
    parent = "b7ad6b7169203331"
    assert call(gateway, {"traceparent": f"00-{TRACE}-{parent}-01"})[0] == 200
    spans = collector.trace(TRACE, "mcp tools/call")
    root = spans["mcp tools/call"]
    assert root.parent_span_id.hex() == parent
    assert {"mcpgw.authorize", "mcpgw.forward", "mcpgw.record"} <= spans.keys()
    sent = next(m for m in reversed(upstream.messages) if m["method"] == "tools/call")
    version, trace_id, span_id, _ = sent["params"]["_meta"]["traceparent"].split("-")
    assert (version, trace_id) == ("00", TRACE)
    assert span_id == spans["mcpgw.forward"].span_id.hex()


@pytest.mark.claim("observability.traces")
def test_a_malformed_trace_context_is_ignored(gateway: Gateway, upstream: Upstream) -> None:
    assert call(gateway, {"traceparent": "garbage", "baggage": "x" * 100_000})[0] == 200
    meta = upstream.messages[-1]["params"]["_meta"]
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[13]", meta["traceparent"])
    assert "baggage" not in meta


@pytest.mark.claim("observability.trace-inspected")
def test_what_headers_say_beside_the_trace_reaches_neither_server_nor_collector(
    gateway: Gateway, upstream: Upstream, collector: Collector
) -> None:
    trace, parent = "1af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    headers = {
        "traceparent": f"00-{trace}-{parent}-01", "tracestate": f"vendor={WORD}", "baggage": f"user={WORD}",
        "trace-note": WORD,
    }  # fmt: skip
    before = len(upstream.texts)
    assert call(gateway, headers=headers)[0] == 200
    spans = collector.trace(trace, "mcp tools/call")
    assert spans["mcp tools/call"].parent_span_id.hex() == parent
    sent = upstream.texts[before:]
    assert trace in sent[-1] and WORD not in "".join(sent)
    assert WORD not in "".join(map(str, spans.values()))


@pytest.mark.claim("audit.names")
def test_a_method_of_no_revision_is_in_no_span(gateway: Gateway, collector: Collector) -> None:
    trace = "3af7651916cd43dd8448eb211c80319c"
    method = f"acme/{WORD}"
    body = {
        "jsonrpc": "2.0", "id": 1, "method": method,
        "params": {
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {},
                "traceparent": f"00-{trace}-b7ad6b7169203331-01",
            },
        },
    }  # fmt: skip
    request = urllib.request.Request(
        gateway.url("acme", "docs"), json.dumps(body).encode(), method="POST",
        headers={
            "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": MODERN, "Mcp-Method": method,
            "Authorization": f"Bearer {gateway.key('acme', 'laptop')}",
        },
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 200
    assert WORD not in "".join(map(str, collector.trace(trace, "mcp other").values()))
    assert WORD not in gateway.log.read_text()


@pytest.mark.claim("observability.trace-inspected")
def test_a_messages_trace_goes_upstream_as_the_guardrails_left_it(
    gateway: Gateway, upstream: Upstream, collector: Collector
) -> None:
    trace, parent = "2af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    meta = {
        "traceparent": f"00-{trace}-{parent}-01", "tracestate": f"vendor={WORD},other=kept",
        "baggage": f"user={WORD},team=kept",
    }  # fmt: skip
    before = len(upstream.texts)
    assert call(gateway, meta, server="redacted")[0] == 200
    sent = upstream.messages[-1]["params"]["_meta"]
    assert sent["traceparent"].split("-")[1] == trace and sent["traceparent"].split("-")[2] != parent
    assert sent["tracestate"].endswith("other=kept") and sent["baggage"].endswith("team=kept")
    assert WORD not in "".join(upstream.texts[before:])
    assert WORD not in "".join(map(str, collector.trace(trace, "mcp tools/call").values()))


@pytest.mark.claim("observability.logs")
def test_every_log_line_is_json_with_ids_and_without_secrets(gateway: Gateway) -> None:
    _, body = call(gateway, key="mgw_wrong")
    call(gateway)
    lines = [json.loads(line) for line in Path(gateway.log).read_text().splitlines() if line[:1] == "{"]
    refused = [line for line in lines if line.get("request_id") == body["error"]["data"]["request_id"]]
    assert refused and refused[0]["outcome"] == "invalid_token"
    served = [line for line in lines if line.get("method") == "tools/call" and line.get("project") == "acme"]
    assert served and re.fullmatch(r"[0-9a-f]{32}", served[-1]["trace_id"])
    text = gateway.log.read_text()
    assert gateway.key("acme", "laptop") not in text and "personal-canary" not in text
