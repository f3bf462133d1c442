"""Background work on servers: keeps the catalogue up to date."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from gateway_site.lib.actor import Actor, acting_as
from projects.scoping import unscoped
from servers import discovery
from servers.models import Server
from servers.upstream import UpstreamError

_AT_ONE_TIME = 20


@shared_task(name="servers.discover_due")  # type: ignore[untyped-decorator]  # Celery has no types
def discover_due() -> int:
    """Reads the lists of servers that are new, were changed, or were last read long ago. How many were tried."""
    now = timezone.now()
    with unscoped("servers of all projects are looked after"):
        rows = Server.objects.select_related("project", "template").order_by("discovery_due_at")
        is_due = Q(discovery_due_at=None) | Q(discovery_due_at__lte=now)
        due = list(rows.filter(is_due, enabled=True, project__enabled=True)[:_AT_ONE_TIME])
    with acting_as(Actor("worker", "discovery", "discovery")):
        for server in due:
            _discover(server, now + timedelta(seconds=settings.DISCOVERY_SECONDS))
    return len(due)


def _discover(server: Server, again_at: object) -> None:
    upstream = discovery.claim(server, again_at)
    if upstream is None:
        return
    try:
        found = asyncio.run(discovery.discover(upstream))
    except UpstreamError as error:
        discovery.store_failure(server, error)
        return
    discovery.store(server, found)
