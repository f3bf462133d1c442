"""`manage.py cache status` and `manage.py cache clear`: what is kept of projects, and dropping it in every process."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from gateway_site.lib.actor import Actor, acting_as
from projects.models import Project
from projects.scoping import with_project
from servers import freshness
from servers.models import Server


class Command(BaseCommand):
    help = "Shows what is kept of projects and how old it is, or has every process drop it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        status = acts.add_parser("status", help="Tool counts, ages and expiries by server.")
        clear = acts.add_parser("clear", help="Every worker drops it within a second; servers are read again.")
        for each in (status, clear):
            each.add_argument("--project", help="The slug; without it all projects.")
        status.add_argument("--json", action="store_true", help="Print one JSON object, by project.")
        clear.add_argument("--server", help="The slug of one server, of which only its tools can be cleared.")
        clear.add_argument("--type", default=freshness.ALL, choices=(*freshness.KINDS, freshness.ALL))

    def handle(self, *args: Any, **options: Any) -> None:
        projects = self._projects(options["project"])
        if options["act"] == "status":
            self._show([freshness.cache_status(project) for project in projects], as_json=options["json"])
            return
        if options["server"] and not options["project"]:
            raise CommandError("Name the project of the server: --project SLUG.")
        with acting_as(Actor("command", "cache", "manage.py cache")):
            for project in projects:
                self._clear(project, options["server"], options["type"])

    def _projects(self, slug: str | None) -> list[Project]:
        found = Project.objects.all() if slug is None else Project.objects.filter(slug=slug)
        if slug is not None and not found:
            raise CommandError(f"There is no project {slug!r}.")
        return list(found)

    def _clear(self, project: Project, slug: str | None, kind: str) -> None:
        with with_project(project.pk):
            server = Server.objects.filter(slug=slug).first() if slug else None
        if slug and server is None:
            raise CommandError(f"The project {project.slug} has no server {slug!r}.")
        try:
            freshness.clear_cache(project=project, server=server, kind=kind)
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from None
        self.stdout.write(f"Cleared {kind} of {project.slug}{f'/{slug}' if slug else ''}.")

    def _show(self, statuses: list[freshness.Status], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({status.project: status.as_json() for status in statuses}))
            return
        for status in statuses:
            self._show_one(status)

    def _show_one(self, status: freshness.Status) -> None:
        age = "never changed" if status.config_age_seconds is None else f"changed {status.config_age_seconds:.0f} s ago"
        self.stdout.write(
            f"{status.project}: configuration {age}, kept for {status.config_expires_after_hours:g} h at most; "
            f"tools for {status.tools_expire_after_hours:g} h; cache: {status.cache_type}"
        )
        for server in status.servers:
            read = server.read_at.isoformat(timespec="seconds") if server.read_at else "never"
            expires = server.expires_at.isoformat(timespec="seconds") if server.expires_at else "-"
            notes = [text for text, is_so in (("expired", server.is_expired), ("to be read", server.needs_discovery),
                                              (server.error, bool(server.error))) if is_so]  # fmt: skip
            self.stdout.write(
                f"  {server.slug}: {server.tool_count} tools, read {read}, expires {expires}"
                + (f" ({'; '.join(notes)})" if notes else "")
            )
