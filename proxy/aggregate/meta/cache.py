"""What is kept of the project's servers and how old it is; and having every worker drop it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from gateway_site.lib.actor import Actor, acting_as
from projects.models import Project
from projects.scoping import with_project
from proxy.aggregate.meta import shown
from proxy.aggregate.meta.listing import Unknown
from proxy.aggregate.table import visible
from servers import freshness
from servers.freshness import ServerStatus, Status
from servers.models import Server

if TYPE_CHECKING:
    from proxy.call import Call

# By the words of the reference system, and by ours.
KINDS = {"all": "all", "gateway_config": "config", "server_config": "tools", "tools": "tools", "config": "config",
         "verdicts": "verdicts"}  # fmt: skip
# The database is asked no more often than this for one project, whoever asks, and made to begin anew no more often.
_STATUS_SECONDS = 1.0
_CLEAR_SECONDS = 5.0
_MAX_PROJECTS = 10_000
_UNREAD = "The server could not be read the last time."


class Declined(Exception):
    """The text says what the caller can do."""


class Recent:
    """Of one event loop: the last status of each project, and when its caches were last cleared here."""

    def __init__(self) -> None:
        self._statuses: dict[int, tuple[float, Status]] = {}
        self._cleared: dict[int, float] = {}

    async def status(self, call: Call) -> Status:
        """Raises Refusal when the database does not answer."""
        project = call.principal.project_id
        known = self._statuses.get(project)
        if known is not None and time.monotonic() - known[0] < _STATUS_SECONDS:
            return known[1]
        return await call.state.flights.join(("cache-status", project), lambda: self._ask(call, project))

    async def _ask(self, call: Call, project: int) -> Status:
        status = await call.state.snapshots.ask(_read_status, project)
        if len(self._statuses) >= _MAX_PROJECTS:
            self._statuses.clear()
        self._statuses[project] = time.monotonic(), status
        return status

    def begin_clearing(self, project: int) -> None:
        """Raises Declined."""
        now = time.monotonic()
        if now - self._cleared.get(project, float("-inf")) < _CLEAR_SECONDS:
            raise Declined("The caches were cleared a moment ago; wait a few seconds.")
        if len(self._cleared) >= _MAX_PROJECTS:
            self._cleared.clear()
        self._cleared[project] = now
        self._statuses.pop(project, None)


async def cache_status(call: Call, _: dict[str, Any]) -> dict[str, Any]:
    """Of the servers that the key may use. Of other projects, which the reference counts too, nothing is said."""
    status = await call.state.aggregate.recent.status(call)
    servers = {each.slug: each for each in status.servers}
    slugs = [slug for slug in visible(call) if slug in servers]
    return {
        "status": "success",
        "message": f"{len(slugs)} servers",
        "cache_status": {
            "gateway_specific": {
                "config": _config(status),
                "tools": {
                    "server_count": len(slugs),
                    "servers": {slug: _server(servers[slug], len(await shown.tools(call, slug))) for slug in slugs},
                },
            },
            "global": {
                "tool_cache_expiration_hours": status.tools_expire_after_hours,
                "config_cache_expiration_hours": status.config_expires_after_hours,
                "cache_type": status.cache_type,
            },
        },
    }


def _config(status: Status) -> dict[str, Any]:
    changed = status.config_changed_at
    return {"exists": True, "version": status.config_version, "changed_at": changed.isoformat() if changed else None,
            "expires_in_hours": status.config_expires_after_hours, "is_expired": False}  # fmt: skip


def _server(status: ServerStatus, tools: int) -> dict[str, Any]:
    """The error itself is for administrators: it may tell where the server is."""
    return {
        "exists": status.read_at is not None,
        "tool_count": tools,
        "read_at": status.read_at.isoformat() if status.read_at else None,
        "expires_at": status.expires_at.isoformat() if status.expires_at else None,
        "is_expired": status.is_expired,
        "needs_discovery": status.needs_discovery,
        "error": _UNREAD if status.error else None,
    }


async def clear_cache(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    """Raises Unknown, Declined, and Refusal when the database does not answer."""
    slug, kind = arguments.get("server_name"), KINDS[arguments.get("cache_type") or "all"]
    if slug is not None and slug not in visible(call):
        raise Unknown("server", slug)
    if slug is not None and kind not in ("all", "tools"):
        raise Declined("Of one server only its tools can be cleared.")
    if slug is None and "*" not in call.principal.key.servers:
        raise Declined("This key is for some servers: name the one to clear.")
    project, key = call.principal.project_id, call.principal.key
    call.state.aggregate.recent.begin_clearing(project)
    await call.state.snapshots.ask(_clear, (project, slug, kind, Actor("key", key.key_id, key.user)))
    of = f" of {slug}" if slug is not None else ""
    return {"status": "success", "message": f"Cleared {kind}{of}; every worker drops it within a second."}


def _read_status(project: int) -> Status:
    return freshness.cache_status(Project.objects.get(pk=project))


def _clear(order: tuple[int, str | None, str, Actor]) -> None:
    number, slug, kind, actor = order
    project = Project.objects.get(pk=number)
    with with_project(number):
        server = Server.objects.get(slug=slug) if slug is not None else None
    with acting_as(actor):
        freshness.clear_cache(project=project, server=server, kind=kind)
