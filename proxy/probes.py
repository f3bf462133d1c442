"""Small raw ASGI answers beside the MCP endpoint: health, metrics, and plain 404s where clients look for OAuth."""

from __future__ import annotations

import hmac
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson
from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from proxy import state
from proxy.errors import Refusal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def livez(scope: Scope, receive: Receive, send: Send) -> None:
    """The process answers."""
    await _json(send, 200, {"status": "alive"})


async def readyz(scope: Scope, receive: Receive, send: Send) -> None:
    """Calls would be served: the configuration is confirmed and the process is not stopping."""
    current = state.current()
    try:
        await current.snapshots.for_key("")
    except Refusal:
        await _json(send, 503, {"status": "configuration not confirmed"})
        return
    if current.open_calls.draining:
        await _json(send, 503, {"status": "draining"})
        return
    await _json(send, 200, {"status": "ready"})


async def metrics(scope: Scope, receive: Receive, send: Send) -> None:
    """Prometheus text of all workers; 404 until GATEWAY_METRICS_TOKEN is set, 401 without it."""
    if not settings.METRICS_TOKEN:
        await _json(send, 404, {"error": "not found"})
        return
    given = dict(scope["headers"]).get(b"authorization", b"")
    if not hmac.compare_digest(given, b"Bearer " + settings.METRICS_TOKEN.encode()):
        await _json(send, 401, {"error": "authentication required"}, [(b"www-authenticate", b"Bearer")])
        return
    await _send(send, 200, generate_latest(_registry()), CONTENT_TYPE_LATEST.encode(), [])


def _registry() -> CollectorRegistry:
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library has no types here
    return registry


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """A JSON 404, so that no client begins an OAuth flow on a page of HTML."""
    await _json(send, 404, {"error": "not found"})


async def _json(send: Send, status: int, body: object, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    await _send(send, status, orjson.dumps(body), b"application/json", headers or [])


async def _send(send: Send, status: int, body: bytes, kind: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    start = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": start + headers})
    await send({"type": "http.response.body", "body": body})
