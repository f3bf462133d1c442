"""The ASGI application: MCP and health answered before Django's handler, the rest by Django, sockets by Channels."""

from __future__ import annotations

import os
import threading
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_site.settings")

from django.core.asgi import get_asgi_application

from projects.apps import PagesConfig

PagesConfig.is_lazy = True
_django = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import URLPattern, re_path

from audit import work
from gateway_site import garbage
from gateway_site.bounded import BoundedBody
from gateway_site.celery import start_embedded_worker
from gateway_site.lifeline import end_with_parent
from gateway_site.pages import LoadedLater, load_addresses
from projects.rest.problems import problem_of_status
from proxy import probes
from proxy.endpoint import Endpoint
from proxy.lifecycle import Lifecycle


def _on_start() -> None:
    end_with_parent()
    garbage.settle()
    # What a process before us left open is closed without waiting for anybody's schedule.
    threading.Thread(target=work.recover, name="recovery", daemon=True).start()
    if settings.EMBEDDED_WORKER and os.environ.get("GATEWAY_EMBEDDED_WORKER") == "1":
        start_embedded_worker()


def _load_pages() -> Any:
    load_addresses()
    return _django


def _load_tail() -> Any:
    from audit.tail.consumer import TailConsumer

    return TailConsumer.as_asgi()


def _load_live() -> Any:
    from audit.tail.live import LiveConsumer

    return LiveConsumer.as_asgi()


def _route(pattern: str, application: Any) -> URLPattern:
    """Of a raw ASGI application; Django's types know views only."""
    made: URLPattern = re_path(pattern, application)
    return made


def _calls_first(endpoint: Endpoint, others: Any) -> Any:
    """Most requests are calls, and a stream keeps for as long as it is open what the router has made for it."""

    def dispatch(scope: Any, receive: Any, send: Any) -> Any:
        path = scope["path"]
        is_call = path == "/mcp" or path.startswith("/mcp/")
        return (endpoint if is_call else others)(scope, receive, send)

    return dispatch


def _routes() -> Any:
    pages, endpoint = LoadedLater(_load_pages), Endpoint()
    routes = URLRouter(
        [
            # In another spelling, which it refuses.
            _route(r"^mcp(?:/.*)?$", endpoint),
            _route(r"^livez$", probes.livez),
            _route(r"^readyz$", probes.readyz),
            _route(r"^metrics$", probes.metrics),
            _route(r"^\.well-known/gateway-audit-keys\.json$", BoundedBody(pages)),
            _route(r"^\.well-known/", probes.not_found),
            _route(r"^api/", BoundedBody(pages, problem_of_status)),
            _route(r"", BoundedBody(pages)),
        ]
    )
    return _calls_first(endpoint, routes)


async def _no_socket(scope: Any, receive: Any, send: Any) -> None:
    """For an address that has none: refused before it is accepted."""
    await receive()
    await send({"type": "websocket.close"})


def _sockets() -> Any:
    return URLRouter(
        [
            _route(r"^ws/audit/tail$", LoadedLater(_load_tail)),
            _route(r"^ws/live$", LoadedLater(_load_live)),
            _route(r"", _no_socket),
        ]
    )


application = Lifecycle(ProtocolTypeRouter({"http": _routes(), "websocket": _sockets()}), _on_start)
