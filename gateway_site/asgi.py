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
from django.urls import re_path

from audit import recovery, work
from gateway_site import garbage
from gateway_site.bounded import BoundedBody
from gateway_site.celery import start_embedded_worker
from gateway_site.pages import LoadedLater, load_addresses
from projects.rest.problems import problem_of_status
from proxy import probes
from proxy.endpoint import Endpoint
from proxy.lifecycle import Lifecycle


def _on_start() -> None:
    garbage.settle()
    # What a process before us left open is closed without waiting for anybody's schedule.
    threading.Thread(target=work.attempt, args=(recovery.close_interrupted,), name="recovery", daemon=True).start()
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


def _routes() -> Any:
    pages = LoadedLater(_load_pages)
    return URLRouter(
        [
            re_path(r"^mcp(?:/.*)?$", Endpoint()),  # type: ignore[arg-type]  # a raw ASGI application
            re_path(r"^livez$", probes.livez),  # type: ignore[arg-type]  # a raw ASGI application
            re_path(r"^readyz$", probes.readyz),  # type: ignore[arg-type]  # a raw ASGI application
            re_path(r"^metrics$", probes.metrics),  # type: ignore[arg-type]  # a raw ASGI application
            re_path(r"^\.well-known/gateway-audit-keys\.json$", BoundedBody(pages)),  # type: ignore[arg-type]  # a raw ASGI application
            re_path(r"^\.well-known/", probes.not_found),  # type: ignore[arg-type]  # a raw ASGI application
            re_path(r"^api/", BoundedBody(pages, problem_of_status)),  # type: ignore[arg-type]  # a raw ASGI application
            re_path(r"", BoundedBody(pages)),  # type: ignore[arg-type]  # a raw ASGI application
        ]
    )


async def _no_socket(scope: Any, receive: Any, send: Any) -> None:
    """For an address that has none: refused before it is accepted."""
    await receive()
    await send({"type": "websocket.close"})


def _sockets() -> Any:
    return URLRouter(
        [
            re_path(r"^ws/audit/tail$", LoadedLater(_load_tail)),  # type: ignore[arg-type]  # a raw ASGI application
            re_path(r"^ws/live$", LoadedLater(_load_live)),  # type: ignore[arg-type]  # a raw ASGI application
            re_path(r"", _no_socket),  # type: ignore[arg-type]  # a raw ASGI application
        ]
    )


application = Lifecycle(ProtocolTypeRouter({"http": _routes(), "websocket": _sockets()}), _on_start)
