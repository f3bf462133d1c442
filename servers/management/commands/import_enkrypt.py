"""`manage.py import-enkrypt FILE`: makes what the reference system's configuration file sets up."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from servers.importing import enkrypt
from servers.importing.report import Report
from servers.management.commands._importing import ImportCommand


class Command(ImportCommand):
    name = "import-enkrypt"
    help = "Makes the projects, members, keys, servers, rules and guardrails of an enkrypt_mcp_config.json."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--owner", default="", metavar="EMAIL", help="Whose role is owner; else all are members.")

    def read(self, raw: Any, options: dict[str, Any]) -> tuple[dict[str, Any], Report]:
        return enkrypt.read(raw, trust_commands=options["trust_commands"], owner=options["owner"])
