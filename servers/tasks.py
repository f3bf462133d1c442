"""Background work on servers: keeps the catalogue up to date."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

import structlog
from celery import shared_task
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from gateway_site.lib.actor import Actor, acting_as
from projects.scoping import unscoped
from servers import discovery
from servers.models import Server
from servers.upstream import Upstream, UpstreamError

logger = structlog.get_logger("servers.tasks")

_AT_ONE_TIME = 20
_OF_ONE_PROJECT = 4


@shared_task(name="servers.discover_due")  # type: ignore[untyped-decorator]  # Celery has no types
def discover_due() -> int:
    """Reads the lists of servers that are new, were changed, or were last read long ago. How many were tried."""
    now = timezone.now()
    with unscoped("servers of all projects are looked after"):
        rows = Server.objects.select_related("project", "template").order_by("discovery_due_at")
        is_due = Q(discovery_due_at=None) | Q(discovery_due_at__lte=now)
        due = _share(rows.filter(is_due, enabled=True, project__enabled=True)[: 50 * _AT_ONE_TIME])
    with acting_as(Actor("worker", "discovery", "discovery")):
        again_at = now + timedelta(seconds=settings.DISCOVERY_SECONDS)
        claimed = [(server, upstream) for server in due if (upstream := discovery.claim(server, again_at)) is not None]
        # All at once, so that a slow server keeps no other waiting.
        results = asyncio.run(_discover_all([upstream for _, upstream in claimed]))
        for (server, _), result in zip(claimed, results, strict=True):
            _store(server, result)
    return len(due)


def _share(rows: Iterable[Server]) -> list[Server]:
    """A few of each project, so that none keeps the others waiting."""
    taken: Counter[int] = Counter()
    shared: list[Server] = []
    for server in rows:
        if taken[server.project_id] < _OF_ONE_PROJECT and len(shared) < _AT_ONE_TIME:
            taken[server.project_id] += 1
            shared.append(server)
    return shared


async def _discover_all(upstreams: list[Upstream]) -> list[discovery.Seen | BaseException]:
    return await asyncio.gather(*map(discovery.discover, upstreams), return_exceptions=True)


def _store(server: Server, result: discovery.Seen | BaseException) -> None:
    """Whatever went wrong with one server is written down, and the next has its turn."""
    if isinstance(result, UpstreamError):
        discovery.store_failure(server, result)
    elif isinstance(result, BaseException):
        logger.error("discovery failed", server_id=server.pk, error=type(result).__name__)
        discovery.store_failure(server, UpstreamError("invalid", type(result).__name__))
    else:
        discovery.store(server, result)
