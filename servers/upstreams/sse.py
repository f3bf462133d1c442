"""Servers of the 2024-11-05 HTTP+SSE transport, which the runner adapts."""

from __future__ import annotations

from servers.upstream import transports
from servers.upstreams.stdio import Stdio


@transports.add
class Sse(Stdio):
    name = "sse"
