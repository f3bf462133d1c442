"""`manage.py apply FILE`: brings about what a YAML file declares."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gateway_site.lib.actor import Actor, acting_as
from projects.commanding import Declined, ask
from projects.progress import Progress
from servers import declared


class Command(BaseCommand):
    help = "Brings about projects, servers, keys and all else that a YAML file declares."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help='The YAML file, or "-" for standard input.')
        parser.add_argument("--dry-run", action="store_true", help="Print the difference and change nothing.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")
        parser.add_argument("--prune", action="store_true", help="Delete what the file leaves out of its projects.")
        parser.add_argument("--yes", "-y", action="store_true", help="Do not show the plan and ask, on a terminal.")

    def handle(self, *args: Any, **options: Any) -> None:
        declaration = read_declaration(options["file"])
        if is_to_ask(options):
            self._plan(declaration, options)
        with acting_as(Actor("command", "apply", "manage.py apply")):
            outcome = apply_declaration(declaration, dry_run=options["dry_run"], prune=options["prune"])
        if options["json"]:
            self.stdout.write(json.dumps(
                {**outcome.difference(), "keys": outcome.keys, "signing_keys": outcome.signing_keys}
            ))
            return
        self.stdout.write("\n".join(lines_of(outcome)))

    def _plan(self, declaration: declared.Declaration, options: dict[str, Any]) -> None:
        """Raises Declined. Shown on standard error, as the question is."""
        planned = apply_declaration(declaration, dry_run=True, prune=options["prune"])
        self.stderr.write("\n".join(lines_of(planned)), self.style.NOTICE)
        if any(planned.difference().values()) and not ask("Apply this?"):
            raise Declined("Nothing was changed.")


def is_to_ask(options: dict[str, Any]) -> bool:
    """A script has nobody to ask, and has had its dry run."""
    return not (options["yes"] or options["dry_run"] or options["json"]) and sys.stdin.isatty()


def apply_declaration(declaration: declared.Declaration, *, dry_run: bool, prune: bool = False) -> declared.Outcome:
    """With progress on standard error. Raises CommandError."""
    try:
        return declared.apply(declaration, dry_run=dry_run, prune=prune, progress=Progress("servers"))
    except declared.DeclarationError as error:
        raise CommandError(str(error)) from None


def lines_of(outcome: declared.Outcome) -> list[str]:
    """What was done, for people; new keys last."""
    lines = [f"{act}  {name}" for act, names in outcome.difference().items() for name in names]
    for key in outcome.keys:
        whose = f"{key['user']} in {key['project']} ({key['label']})"
        lines.append(f"New key of {whose}, shown once: {key['key']}")
    for made in outcome.signing_keys:
        whose = f"{made['forwarder']} in {made['project']}"
        lines.append(f"New signing key of the forwarder {whose}, shown once: {made['signing_key']}")
    return lines or ["Nothing to change."]


def read_declaration(name: str) -> declared.Declaration:
    """Raises CommandError."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text()
        return declared.read(text)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{name} cannot be read: {error}") from None
    except declared.DeclarationError as error:
        raise CommandError(str(error)) from None
