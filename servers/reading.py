"""When servers' lists are read: at once, when told that they changed, by the clock, and after a deploy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from gateway_site.lib.actor import current
from projects import jobs
from projects.models import Job, Project
from projects.scoping import unscoped, with_project
from servers import discovery
from servers.models import Server

# Notes of one change come in bursts, and a server may send them without an end.
_SETTLING = timedelta(seconds=2)
_BETWEEN_NOTES = timedelta(seconds=10)
_NOTED_SECONDS = 1.0
# The reading itself says when the next is due; until then, it has this long to begin.
_ASKED = timedelta(minutes=10)
_OF_ONE_LOOK = 500
_MAX_NOTED = 10_000
# Until when, by this process's clock, a note on a server says nothing new.
_noted: dict[int, float] = {}
_is_left: ContextVar[bool] = ContextVar("left to the schedule", default=False)


def rediscover(*, server: Server, requested_by: str = "") -> Job:
    """The job that reads the server now; who asks twice gets the same. Raises ValidationError for one switched off."""
    if not server.enabled:
        raise ValidationError(f"{server.slug} is switched off.")
    return _ask(server, requested_by or current().label or current().kind)


def read_soon(server: Server) -> None:
    """For the transaction of a change: the server is due with it, and asked for once it is committed."""
    who = current().label or current().kind
    server.discovery_due_at = None
    with with_project(server.project_id):
        Server.objects.filter(pk=server.pk).update(discovery_due_at=None)
    if server.enabled and _is_by_itself(server) and not _is_left.get():
        transaction.on_commit(lambda: _ask_if_due(server, who))


@contextmanager
def left_to_schedule() -> Iterator[None]:
    """Inside, servers that are changed are due, and the clock (`ask_due`) asks for them: for changes of very many."""
    token = _is_left.set(True)
    try:
        yield
    finally:
        _is_left.reset(token)


def _is_by_itself(server: Server) -> bool:
    """Whether the server is read without anybody asking for it."""
    return bool(server.discovery_seconds or settings.DISCOVERY_SECONDS)


def note_list_changed(server_id: int) -> Job | None:
    """For who hears from a server that its lists changed: they are read soon, and at most every 10 s.

    None when that is known already, and when the server is gone or switched off.
    """
    if time.monotonic() < _noted.get(server_id, 0.0):
        return None
    with unscoped("the server is named by its id"):
        server = Server.objects.select_related("project").filter(pk=server_id, enabled=True).first()
    if server is None or not _is_by_itself(server):
        return None
    soon = _SETTLING
    if server.discovered_at is not None:
        soon = max(soon, server.discovered_at + _BETWEEN_NOTES - timezone.now())
    if len(_noted) >= _MAX_NOTED:
        _noted.clear()
    # The job begins later, so that it sees whatever changes until then.
    _noted[server_id] = time.monotonic() + _NOTED_SECONDS
    return _ask(server, "list changed", timezone.now() + soon)


def ask_due() -> int:
    """Asks for the reading of servers that are new, were changed, or were last read long ago. How many."""
    with unscoped("servers of all projects are looked after"):
        is_due = Q(discovery_due_at=None) | Q(discovery_due_at__lte=timezone.now())
        rows = Server.objects.filter(is_due, enabled=True, project__enabled=True).select_related("project")
        due = list(rows.order_by(F("discovery_due_at").asc(nulls_first=True))[:_OF_ONE_LOOK])
    return sum(_ask_if_due(server, "schedule") for server in due if _is_by_itself(server))


def _ask_if_due(server: Server, requested_by: str) -> bool:
    """Whether it was still due. Two statements and no transaction: who settles the job locks it the other way round.

    Were this process lost in between, the server would be due again before long.
    """
    with with_project(server.project_id):
        taken = Server.objects.filter(pk=server.pk, discovery_due_at=server.discovery_due_at).update(
            discovery_due_at=timezone.now() + _ASKED
        )
    if taken:
        _ask(server, requested_by)
    return bool(taken)


def warm(project: Project | None = None, requested_by: str = "") -> list[Job]:
    """Asks for the reading of every enabled server, of all projects or one, whose catalogue is missing or old."""
    with unscoped("after a deploy every project's catalogue is looked after"):
        rows = Server.objects.select_related("project").filter(enabled=True, project__enabled=True)
        servers = list(rows if project is None else rows.filter(project=project))
    return [rediscover(server=server, requested_by=requested_by) for server in servers if _is_old(server)]


def _is_old(server: Server) -> bool:
    read_at: datetime | None = server.discovered_at
    return read_at is None or read_at + discovery.period_of(server) <= timezone.now()


def _ask(server: Server, requested_by: str, run_after: datetime | None = None) -> Job:
    return jobs.enqueue(
        project=server.project, kind=discovery.KIND, subject_ref=server.pk, label=f"Read the lists of {server.slug}",
        requested_by=requested_by, run_after=run_after,
    )  # fmt: skip
