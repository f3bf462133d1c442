"""Servers that speak streamable HTTP themselves."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp

from gateway_site.lib import egress
from servers.streaming import Reply
from servers.upstream import Upstream, transports


@transports.add
class Http:
    name = "http"
    connect_patience = 0.0

    def open(self, upstream: Upstream) -> aiohttp.ClientSession:
        return egress.open_session(upstream.url, limit=0)

    async def connect(self, upstream: Upstream, factory: Callable[[], Reply]) -> Reply:
        return await egress.connect(upstream.url, factory)

    def address(self, upstream: Upstream) -> str:
        return upstream.url
