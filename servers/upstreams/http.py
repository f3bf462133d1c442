"""Servers that speak streamable HTTP themselves."""

from __future__ import annotations

from collections.abc import Callable

from gateway_site.lib import egress
from servers.upstream import R, Upstream, transports


@transports.add
class Http:
    name = "http"
    connect_patience = 0.0

    async def connect(self, upstream: Upstream, factory: Callable[[], R]) -> R:
        return await egress.connect(upstream.url, factory)

    def address(self, upstream: Upstream) -> str:
        return upstream.url
