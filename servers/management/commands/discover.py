"""`manage.py discover`: has servers' lists read, and waits for it when asked."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from gateway_site.lib.actor import Actor, acting_as
from projects import work
from projects.models import Job
from projects.progress import Progress
from projects.scoping import unscoped
from servers import services
from servers.management.commands.warm import find_project
from servers.models import Server

_WAIT_SECONDS = 600.0
_PAUSE_SECONDS = 0.5


class Command(BaseCommand):
    help = "Has the lists of enabled servers read now: of all, of a project, or of one server."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", metavar="SLUG", help="Only this project's servers.")
        parser.add_argument("--server", metavar="SLUG", help="Only the server of this name.")
        parser.add_argument(
            "--wait", action="store_true",
            help="Work along until all are read; end with an error when one could not be.",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help="Print one JSON document: the jobs.")

    def handle(self, *args: Any, **options: Any) -> None:
        with acting_as(Actor("command", "discover", "manage.py discover")):
            asked = [services.rediscover(server=server) for server in _chosen(options)]
        ended = _wait_for(asked) if options["wait"] else None
        if options["json"]:
            self.stdout.write(json.dumps([_as_json(job) for job in (asked if ended is None else ended)]))
        else:
            self._show(asked, ended or ())
        if ended is not None:
            self._judge(ended)

    def _show(self, asked: Sequence[Job], ended: Sequence[Job]) -> None:
        self.stdout.write(f"{len(asked)} servers are to be read.")
        for job in ended:
            self.stdout.write(f"{job.project}: {job.label}: {job.error or job.progress_text}")

    def _judge(self, ended: Sequence[Job]) -> None:
        """Raises CommandError."""
        failed = [job for job in ended if job.error or job.state != Job.State.DONE]
        if failed:
            raise CommandError(f"{len(failed)} of {len(ended)} servers could not be read.")


def _as_json(job: Job) -> dict[str, Any]:
    return {"job": job.pk, "project": job.project.slug, "label": job.label, "state": str(job.state),
            "error": job.error, "text": job.progress_text}  # fmt: skip


def _chosen(options: dict[str, Any]) -> list[Server]:
    """Raises CommandError when nothing has the names that were given."""
    with unscoped("the operator may have every project's servers read"):
        rows = Server.objects.select_related("project").filter(enabled=True, project__enabled=True)
        if options["project"]:
            rows = rows.filter(project=find_project(options["project"]))
        if options["server"]:
            rows = rows.filter(slug=options["server"])
        servers = list(rows)
    if not servers and options["server"]:
        raise CommandError(f"There is no enabled server {options['server']}.")
    return servers


def _wait_for(asked: Sequence[Job]) -> list[Job]:
    """The jobs when each was tried, by this process or by a worker."""
    numbers = [job.pk for job in asked]
    deadline, progress = time.monotonic() + _WAIT_SECONDS, Progress("servers")
    while True:
        work.run_due(only=numbers)
        with unscoped("they are of any project"):
            jobs = list(Job.objects.select_related("project").filter(pk__in=numbers).order_by("pk"))
        progress(sum(not _is_under_way(job) for job in jobs), len(jobs))
        if not any(_is_under_way(job) for job in jobs) or time.monotonic() > deadline:
            return jobs
        time.sleep(_PAUSE_SECONDS)


def _is_under_way(job: Job) -> bool:
    waits = job.state == Job.State.QUEUED and job.run_after <= timezone.now()
    return waits or job.state == Job.State.RUNNING
