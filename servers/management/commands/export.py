"""`manage.py export`: writes projects down as the YAML that `apply` takes, with references in place of secrets."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gateway_site.lib.secrets import Unsealable
from projects.commanding import find_project
from projects.models import Project
from servers import exporting


class Command(BaseCommand):
    help = "Writes all of the gateway, or of projects, but secrets, for `apply`; applying it changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", nargs="*", help="Slugs or ids; none means the whole gateway.")
        parser.add_argument("--output", "-o", type=Path, help="A file to make or to replace; else standard output.")
        parser.add_argument(
            "--secrets", choices=("stored", "env"), default="stored",
            help="How secrets are written: stay as they are stored here, or come from the environment elsewhere.",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help="Print JSON, which is YAML too.")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = [find_project(text) for text in options["project"]] or list(Project.objects.all())
        references = exporting.References(by_environment=options["secrets"] == "env")
        try:
            document = exporting.export(chosen, references, whole=not options["project"])
        except Unsealable:
            raise CommandError("What is stored does not open with this gateway's key ring: see `doctor`.") from None
        text = json.dumps(document) if options["json"] else exporting.as_yaml(document)
        self._put(text, options["output"])
        for name in references.names:
            self.stderr.write(f"Secret: {name}")
        for project in chosen:
            if left_out := exporting.older_keys(project):
                self.stderr.write(f"{project.slug}: left out {left_out} keys that a newer one of their label replaces.")

    def _put(self, text: str, path: Path | None) -> None:
        if path is None:
            self.stdout.write(text)
            return
        try:
            path.write_text(text)
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from None
