"""`manage.py guardrails evaluate` and `bench`: how good and how fast the guardrails are on labelled data."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from guardrails import compiled
from guardrails.engine.rules import Policy
from guardrails.evaluation.policies import evaluate_policy
from guardrails.evaluation.rows import DataError, read
from guardrails.evaluation.table import as_text, make_table
from guardrails.evaluation.tasks import TASKS, evaluate
from guardrails.models import Policy as PolicyRow
from guardrails.presets import PRESETS
from projects.models import Project
from projects.scoping import with_project

_UNUSABLE = 2


class Command(BaseCommand):
    help = "Measures detectors and policies on labelled data (JSON lines, also gzipped)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        one = acts.add_parser("evaluate", help="Measure one detector or policy.")
        one.add_argument("files", nargs="+", metavar="FILE", help="*.jsonl or *.jsonl.gz, all taken together.")
        one.add_argument(
            "--detector", required=True, metavar="D",
            help=f"One of {', '.join(TASKS)}; or a policy: one of {', '.join(PRESETS)}, or PROJECT/SLUG.",
        )  # fmt: skip
        one.add_argument("--json", action="store_true", help="Print one JSON object.")
        table = acts.add_parser("bench", help="Measure everything and print the table that docs/guardrails.md shows.")
        table.add_argument("--data", required=True, metavar="DIR", help="Holds labelled data, a file for each kind.")
        table.add_argument("--limit", type=int, default=0, metavar="N", help="At most N rows of a source and label.")
        table.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["act"] == "bench":
                self._bench(options)
            else:
                self._evaluate(options)
        except DataError as error:
            raise CommandError(str(error), returncode=_UNUSABLE) from None

    def _evaluate(self, options: dict[str, Any]) -> None:
        name = options["detector"]
        rows = read(options["files"])
        if name in TASKS:
            result = evaluate(name, rows, self._progress())
        else:
            result = evaluate_policy(_policy(name), rows, self._progress())
        if options["json"]:
            self.stdout.write(json.dumps(result))
            return
        for measure, value in result.items():
            self.stdout.write(f"{measure}: {_as_text(value)}")

    def _bench(self, options: dict[str, Any]) -> None:
        table = make_table(options["data"], limit=options["limit"], progress=self._progress())
        self.stdout.write(json.dumps(table) if options["json"] else as_text(table))

    def _progress(self) -> Callable[[int, int], None] | None:
        """On a terminal only, so that logs and pipes stay clean."""
        if not sys.stderr.isatty():
            return None

        def show(done: int, of: int) -> None:
            self.stderr.write(f"\r{done} of {of}", ending="\n" if done == of else "")

        return show


def _policy(name: str) -> Policy:
    if name in PRESETS:
        return PRESETS[name]
    project, _, slug = name.partition("/")
    row = Project.objects.filter(slug=project).first() if slug else None
    if row is not None:
        with with_project(row.pk):
            policy = PolicyRow.objects.filter(slug=slug).first()
        if policy is not None:
            return compiled.load(row.pk).by_id[policy.pk]
    known = ", ".join([*TASKS, *PRESETS])
    raise CommandError(f"There is no {name} to measure; there are {known}, and PROJECT/SLUG.", returncode=_UNUSABLE)


def _as_text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_as_text(each)}" for name, each in value.items()) or "none"
    return "not known" if value is None else str(value)
