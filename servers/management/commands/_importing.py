"""What the commands that move other systems in have in common: the report, the plan, the question, the keys."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gateway_site.lib.actor import Actor, acting_as
from projects.commanding import Declined, ask, printable
from servers import declared
from servers.importing.report import Report
from servers.management.commands.apply import apply_declaration, is_to_ask, lines_of

_SHOWN = 200


class ImportCommand(BaseCommand):
    """`name` is the command's, as the log calls it; `read` makes the declaration."""

    name = ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="The JSON file.")
        parser.add_argument(
            "--trust-commands", action="store_true",
            help="Switch the command templates on at once: the file's commands may run on this machine.",
        )  # fmt: skip
        parser.add_argument("--dry-run", action="store_true", help="Report and plan, and change nothing.")
        parser.add_argument("--yes", "-y", action="store_true", help="Do not ask, on a terminal.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object, the report in it.")

    def read(self, raw: Any, options: dict[str, Any]) -> tuple[dict[str, Any], Report]:
        """Raises ValueError."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            raw, report = self.read(_load(options["file"]), options)
            declaration = declared.parse(raw)
        except (ValueError, declared.DeclarationError) as error:
            raise CommandError(printable(f"{options['file']}: {error}")) from None
        if not options["json"]:
            self._show(report)
        if is_to_ask(options):
            planned = apply_declaration(declaration, dry_run=True)
            self.stderr.write("\n".join(lines_of(planned)), self.style.NOTICE)
            if not ask("Import this?"):
                raise Declined("Nothing was changed.")
        with acting_as(Actor("command", self.name, f"manage.py {self.name}")):
            outcome = apply_declaration(declaration, dry_run=options["dry_run"])
        if options["json"]:
            report_json = {"counts": report.counts(), "report": report.as_json()}
            self.stdout.write(json.dumps({**outcome.difference(), "keys": outcome.keys, **report_json}))
        else:
            self.stdout.write("\n".join(lines_of(outcome)))

    def _show(self, report: Report) -> None:
        """What was mapped goes without saying, when it is much. Names are the file's: none of them moves the cursor."""
        lines = [line for line in report.lines if line.outcome != "mapped"]
        for line in lines[:_SHOWN]:
            self.stdout.write(printable(f"{line.outcome:8}  {line.path}: {line.text}"))
        if len(lines) > _SHOWN:
            self.stdout.write(f"{len(lines) - _SHOWN} more; --json has all of them.")
        self.stdout.write(", ".join(f"{number} {name}" for name, number in report.counts().items()))


def _load(path: Path) -> Any:
    """Raises ValueError; never repeats what is in the file."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
