"""`manage.py warm`: fills the catalogue after a deploy or a flush."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gateway_site.lib.actor import Actor, acting_as
from projects.models import Project
from servers import services


class Command(BaseCommand):
    help = "Has the lists of all enabled servers read whose catalogue is missing or older than its period."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", metavar="SLUG", help="Only this project's servers.")
        parser.add_argument("--json", action="store_true", help="Print one JSON document: the jobs.")

    def handle(self, *args: Any, **options: Any) -> None:
        project = find_project(options["project"]) if options["project"] else None
        with acting_as(Actor("command", "warm", "manage.py warm")):
            asked = services.warm(project)
        if options["json"]:
            self.stdout.write(json.dumps([{"job": job.pk, "label": job.label} for job in asked]))
            return
        self.stdout.write(f"{len(asked)} servers are to be read.")


def find_project(slug: str) -> Project:
    """Raises CommandError."""
    project = Project.objects.filter(slug=slug).first()
    if project is None:
        raise CommandError(f"There is no project {slug}.")
    return project
