"""Servers that are child processes of the runner, which speaks HTTP for them on a unix socket."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings

from gateway_site.lib import egress
from servers.upstream import R, Upstream, transports


@transports.add
class Stdio:
    name = "stdio"
    # A runner that was killed is started again by its supervisor within this time.
    connect_patience = 15.0

    async def connect(self, upstream: Upstream, factory: Callable[[], R]) -> R:
        return await egress.connect_unix(str(settings.RUNNER_SOCKET), factory)

    def address(self, upstream: Upstream) -> str:
        return f"http://runner/{upstream.project_id}/{upstream.server_id}/{upstream.config_hash}"
