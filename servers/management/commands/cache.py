"""`manage.py cache`: what is kept of projects, and dropping it in every process."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from projects.commanding import NounCommand, argument, find_project, verb
from projects.models import Project
from servers import freshness
from servers.management.commands.server import find_server

_PROJECT = argument("--project", "-p", metavar="SLUG", help="Its slug or id; without it all projects.")


class Command(NounCommand):
    noun = "cache"
    help = "Shows what is kept of projects and how old it is, or has every process drop it."

    @verb("Tool counts, ages and expiries by server.", _PROJECT)
    def status(self, project: str | None) -> Any:
        statuses = [freshness.cache_status(each) for each in _projects(project)]
        return {status.project: status.as_json() for status in statuses}

    @verb("Every worker drops it within a second; servers are read again.", _PROJECT,
          argument("--server", "-s", metavar="SLUG", help="One server, of which only its tools can be cleared."),
          argument("--type", default=freshness.ALL, choices=(*freshness.KINDS, freshness.ALL)))  # fmt: skip
    def clear(self, project: str | None, server: str | None, type: str) -> Any:
        if server is not None and project is None:
            raise CommandError("Name the project of the server: --project SLUG.")
        cleared = []
        for each in _projects(project):
            only = find_server(each, server) if server is not None else None
            freshness.clear_cache(project=each, server=only, kind=type)
            cleared.append(f"{each.slug}{f'/{only.slug}' if only else ''}")
        return {"type": type, "cleared": cleared}

    def as_text(self, verb_name: str, answer: Any) -> str:
        return "\n".join(_lines(answer)) if verb_name == "status" else "\n".join(
            f"Cleared {answer['type']} of {place}." for place in answer["cleared"]
        )


def _projects(text: str | None) -> list[Project]:
    return list(Project.objects.all()) if text is None else [find_project(text)]


def _lines(statuses: dict[str, Any]) -> list[str]:
    lines = []
    for project, status in statuses.items():
        age = status["config_age_seconds"]
        lines.append(
            f"{project}: configuration {'never changed' if age is None else f'changed {age:.0f} s ago'}, "
            f"kept for {status['config_expires_after_hours']:g} h at most; "
            f"tools for {status['tools_expire_after_hours']:g} h; cache: {status['cache_type']}"
        )
        lines += [_line(slug, server) for slug, server in status["servers"].items()]
    return lines


def _line(slug: str, server: dict[str, Any]) -> str:
    notes = [text for text, is_so in (("expired", server["is_expired"]), ("to be read", server["needs_discovery"]),
                                      (server["error"], bool(server["error"]))) if is_so]  # fmt: skip
    return (
        f"  {slug}: {server['tool_count']} tools, read {server['read_at'] or 'never'}, "
        f"expires {server['expires_at'] or '-'}" + (f" ({'; '.join(notes)})" if notes else "")
    )
