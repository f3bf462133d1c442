"""How old what is known of servers may become: what is asked for anew, dropped everywhere, and shown of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from audit.recorder import record
from projects import versions
from projects.models import Project
from projects.scoping import with_project
from servers.models import Server, Tool

KINDS = ("tools", "config", "verdicts")
ALL = "all"
_HOUR = 3600


@transaction.atomic
def clear_cache(*, project: Project, server: Server | None = None, kind: str = ALL) -> None:
    """Every worker drops it within a second, and servers whose tools are forgotten are read again.

    `kind` is tools, config, verdicts or all. Raises ValidationError for another one, for a server of another project,
    and for a server with what no server has.
    """
    kinds = _kinds(kind, server)
    if server is not None and server.project_id != project.pk:
        raise ValidationError({"server": "The server is of another project."})
    versions.mark_cleared(project.pk, [_mark(each, server) for each in kinds])
    if "tools" in kinds:
        with with_project(project.pk):
            servers = Server.objects.all() if server is None else Server.objects.filter(pk=server.pk)
            servers.update(discovery_due_at=None)
    record(
        "cache.cleared", project_ref=project.pk, project=project.slug, subject=server.slug if server else project.slug,
        server_ref=server.pk if server else None, server=server.slug if server else "", detail={"kinds": kinds},
    )  # fmt: skip


def _kinds(kind: str, server: Server | None) -> list[str]:
    if kind not in (*KINDS, ALL):
        raise ValidationError({"kind": f"Choose one of {', '.join((*KINDS, ALL))}."})
    if server is None:
        return list(KINDS) if kind == ALL else [kind]
    if kind not in ("tools", ALL):
        raise ValidationError({"kind": "Of one server only its tools can be cleared."})
    return ["tools"]


def _mark(kind: str, server: Server | None) -> str:
    return kind if server is None else f"{kind}:{server.pk}"


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What is known of one server's tools. `needs_discovery` is whether it is about to be read again."""

    slug: str
    tool_count: int
    read_at: datetime | None
    expires_at: datetime | None
    is_expired: bool
    needs_discovery: bool
    error: str


@dataclass(frozen=True, slots=True)
class Status:
    """One project's caches, as every process sees them. Ages in seconds, expiries in hours.

    `cache_type` is where workers hear of changes and share the tokens of guardrails: redis, or memory for each itself.
    """

    project: str
    cache_type: str
    tools_expire_after_hours: float
    config_expires_after_hours: float
    config_version: int
    config_changed_at: datetime | None
    config_age_seconds: float | None
    cleared: dict[str, int]
    servers: tuple[ServerStatus, ...]

    def as_json(self) -> dict[str, Any]:
        shown = asdict(self)
        shown["config_changed_at"] = _iso(self.config_changed_at)
        shown["servers"] = {
            each.slug: {
                **{name: value for name, value in asdict(each).items() if name != "slug"},
                "read_at": _iso(each.read_at), "expires_at": _iso(each.expires_at),
            }
            for each in self.servers
        }  # fmt: skip
        return shown


def cache_status(project: Project) -> Status:
    """What the database knows, and so the same from every process."""
    standing = versions.standing(project.pk)
    now = timezone.now()
    with with_project(project.pk):
        tools = Tool.objects.filter(kind=Tool.Kind.TOOL).exclude(modern_digest="", legacy_digest="")
        counted = {row["server_id"]: row["n"] for row in tools.values("server_id").order_by().annotate(n=Count("pk"))}
        servers = tuple(_status_of(server, counted.get(server.pk, 0), now) for server in Server.objects.all())
    changed_at = standing.changed_at
    return Status(
        project=project.slug,
        cache_type="redis" if settings.REDIS_URL else "memory",
        tools_expire_after_hours=settings.CACHE_TOOLS_SECONDS / _HOUR,
        config_expires_after_hours=settings.CACHE_CONFIG_SECONDS / _HOUR,
        config_version=standing.version,
        config_changed_at=changed_at,
        config_age_seconds=round((now - changed_at).total_seconds(), 1) if changed_at else None,
        cleared=dict(standing.cleared),
        servers=servers,
    )


def _status_of(server: Server, tools: int, now: datetime) -> ServerStatus:
    read_at = server.discovered_at
    expires_at = read_at + timedelta(seconds=settings.CACHE_TOOLS_SECONDS) if read_at else None
    is_of_another = bool(server.discovered_hash) and server.discovered_hash != server.config_hash
    due_at = server.discovery_due_at
    return ServerStatus(
        slug=server.slug, tool_count=tools, read_at=read_at, expires_at=expires_at,
        is_expired=expires_at is None or expires_at <= now or due_at is None or is_of_another,
        needs_discovery=server.enabled and (due_at is None or due_at <= now), error=server.discovery_error,
    )  # fmt: skip


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment is not None else None
