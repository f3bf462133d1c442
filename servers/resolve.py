"""From a server's row to the Upstream that the data plane and discovery call."""

from __future__ import annotations

import structlog

from gateway_site.lib.secrets import Unsealable
from servers.models import Server, Transport
from servers.upstream import Upstream

logger = structlog.get_logger("servers.resolve")


def callable_servers() -> list[tuple[Server, Upstream]]:
    """Those of the active project that are switched on and can be called."""
    servers = Server.objects.filter(enabled=True).select_related("template")
    return [(server, upstream) for server in servers if (upstream := upstream_of(server)) is not None]


def upstream_of(server: Server) -> Upstream | None:
    """None when the operator switched its template off, or its credentials do not open: then it is not called."""
    if server.template is not None and not server.template.enabled:
        return None
    try:
        headers = server.secrets["headers"] if server.transport == Transport.HTTP else {}
    except Unsealable:
        logger.error("server secrets do not open", server_id=server.pk)
        return None
    return Upstream(
        server_id=server.pk,
        project_id=server.project_id,
        slug=server.slug,
        transport=server.transport,
        url=server.url,
        config_hash=server.config_hash,
        timeout_seconds=float(server.timeout_seconds),
        headers=headers,
    )
