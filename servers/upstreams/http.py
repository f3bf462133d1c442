"""Servers that speak streamable HTTP themselves."""

from __future__ import annotations

import aiohttp

from servers import egress
from servers.upstream import Upstream, transports


@transports.add
class Http:
    name = "http"
    connect_patience = 0.0

    def open(self, upstream: Upstream) -> aiohttp.ClientSession:
        return egress.open_session(upstream.url, limit=0)

    def address(self, upstream: Upstream) -> str:
        return upstream.url
