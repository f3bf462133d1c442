"""`manage.py doctor`: whether what the gateway needs is in order, and how to mend what is not."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from gateway_site import doctor

_MARKS = {"ok": "ok     ", "warning": "warning", "fault": "FAULT  "}


class Command(BaseCommand):
    help = "Looks at database, broker, keys, clock, sandbox, egress and pools. Exit code 1 when anything is at fault."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON document.")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = doctor.examine()
        if options["json"]:
            self.stdout.write(json.dumps([finding.as_json() for finding in findings]))
        else:
            for finding in findings:
                mend = f"\n         {'':8}  Mend: {finding.mend}" if finding.mend else ""
                self.stdout.write(f"{_MARKS[finding.state]}  {finding.part:8}  {finding.text}{mend}")
        if any(finding.state == "fault" for finding in findings):
            sys.exit(1)
