"""What a server offers is read and put into the catalogue: the job of that name."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.utils import timezone

from audit.recorder import record
from projects import jobs
from projects.jobs import Lease, LeaseLost
from servers.models import Server
from servers.observing import Listed, closed_kinds, eras_in_order, observe
from servers.resolve import upstream_of
from servers.upstream import UpstreamError

logger = structlog.get_logger("servers.discovery")

KIND = "servers.discovery"


@dataclass(frozen=True, slots=True)
class EraFound:
    """What a server says in one era. `versions` are those of the protocol that it speaks there.

    `whole` names the kinds whose list was seen to its end, with those that it does not offer at all.
    """

    server_info: dict[str, Any]
    capabilities: dict[str, Any]
    instructions: str
    versions: tuple[str, ...]
    entries: tuple[Listed, ...] = ()
    whole: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Discovered:
    """By era, modern and legacy, those that the server speaks; one at least."""

    eras: Mapping[str, EraFound]


@jobs.handles(KIND)
def read_server(lease: Lease) -> None:
    """The subject is the server. Nothing happens when it is gone or was switched off by now."""
    rows = Server.objects.select_related("template", "project")
    server = rows.filter(pk=lease.job.subject_ref, enabled=True).first()
    if server is None:
        return
    _record("discovery.started", server)
    try:
        found = _discover_now(server, lease)
    except UpstreamError as error:
        _fail(lease, server, f"{error.kind}: {error.detail}" if error.detail else error.kind)
    else:
        _finish(lease, server, found)


def _discover_now(server: Server, lease: Lease) -> Discovered:
    upstream = upstream_of(server)
    if upstream is None:
        raise UpstreamError("unavailable", "its template is switched off, or its credentials do not open")

    # Importing the protocol's library takes as long as most commands take, which ask no server.
    from servers.conversation import discover

    def tell(done: int, total: int, text: str) -> None:
        lease.check()
        lease.report(done, total, text)

    try:
        return asyncio.run(discover(upstream, tell))
    except (UpstreamError, LeaseLost):
        raise
    except Exception as error:  # whatever one server brings about is written down as its own
        logger.exception("discovery failed", server_id=server.pk)
        raise UpstreamError("invalid", type(error).__name__) from error


def _finish(lease: Lease, server: Server, found: Discovered) -> None:
    count = {era: len(each.entries) for era, each in found.eras.items()}
    lease.report(1, 1, ", ".join(f"{era} {number}" for era, number in count.items()))
    with lease.finish():
        if not _is_current(server):
            # It was deleted, or changed while it was asked, and is asked again by then.
            _record("discovery.finished", server, outdated=True)
            return
        _store(server, found)
        Server.objects.filter(pk=server.pk).update(
            discovered_hash=server.config_hash, discovered_at=timezone.now(), discovery_error="",
            discovery_due_at=timezone.now() + period_of(server),
        )  # fmt: skip
        _record("discovery.finished", server, found=count)


def _is_current(server: Server) -> bool:
    now = Server.objects.select_for_update(of=("self",)).select_related("template").filter(pk=server.pk).first()
    return now is not None and now.config_hash == server.config_hash


def _store(server: Server, found: Discovered) -> None:
    """An era that the server does not speak just now keeps what it had.

    All that is read at one time is first sight together, and then there is none any more.
    """
    closed = closed_kinds(Server.objects.get(pk=server.pk))
    for era in eras_in_order(server, found.eras):
        each = found.eras[era]
        about = {
            "server_info": each.server_info, "capabilities": each.capabilities, "instructions": each.instructions,
            "versions": list(each.versions),
        }  # fmt: skip
        observe(
            server=server, era=era, listed=each.entries, whole=each.whole, about=about, closed=closed,
            ends_first_sight=True,
        )


def _fail(lease: Lease, server: Server, error: str) -> None:
    """The catalogue keeps what it had; the error is readable where the admin looks."""
    with lease.fail(error, jobs.retry_time(lease.job.attempts)):
        if _is_current(server):
            Server.objects.filter(pk=server.pk).update(
                discovery_error=error[:200], discovery_due_at=timezone.now() + period_of(server)
            )
        _record("discovery.failed", server, error=error[:200], attempt=lease.job.attempts)


_LONGEST = 30 * 24 * 3600


def period_of(server: Server) -> timedelta:
    """How long a reading of this server's lists counts as new."""
    return timedelta(seconds=server.discovery_seconds or settings.DISCOVERY_SECONDS or _LONGEST)


def _record(kind: str, server: Server, **detail: Any) -> None:
    record(
        kind, project_ref=server.project_id, project=server.project.slug, server_ref=server.pk, server=server.slug,
        subject=server.slug, detail=detail,
    )  # fmt: skip
