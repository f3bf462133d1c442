"""`manage.py apply FILE`: brings about what a YAML file declares."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gateway_site.lib.actor import Actor, acting_as
from servers import declared


class Command(BaseCommand):
    help = "Makes projects, members, servers, command templates and keys as a YAML file declares them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help='The YAML file, or "-" for standard input.')
        parser.add_argument("--dry-run", action="store_true", help="Print the difference and change nothing.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")
        parser.add_argument("--prune", action="store_true", help="Delete members and servers that the file leaves out.")

    def handle(self, *args: Any, **options: Any) -> None:
        with acting_as(Actor("command", "apply", "manage.py apply")):
            outcome = self._apply(options)
        if options["json"]:
            self.stdout.write(json.dumps({**outcome.difference(), "keys": outcome.keys}))
            return
        for verb, names in outcome.difference().items():
            for name in names:
                self.stdout.write(f"{verb}  {name}")
        if not any(outcome.difference().values()):
            self.stdout.write("Nothing to change.")
        for key in outcome.keys:
            whose = f"{key['user']} in {key['project']} ({key['label']})"
            self.stdout.write(f"New key of {whose}, shown once: {key['key']}")

    def _apply(self, options: dict[str, Any]) -> declared.Outcome:
        try:
            text = self._read(options["file"])
            return declared.apply(declared.read(text), dry_run=options["dry_run"], prune=options["prune"])
        except declared.DeclarationError as error:
            raise CommandError(str(error)) from None

    def _read(self, name: str) -> str:
        try:
            return sys.stdin.read() if name == "-" else Path(name).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{name} cannot be read: {error}") from None
