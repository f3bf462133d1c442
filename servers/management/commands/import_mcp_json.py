"""`manage.py import-mcp-json FILE`: makes servers of a project from a client's file."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from projects.commanding import find_project
from servers.importing import clients
from servers.importing.report import Report
from servers.management.commands._importing import ImportCommand


class Command(ImportCommand):
    name = "import-mcp-json"
    help = "Makes servers of a project from the mcpServers of a client's file (Claude, Cursor, VS Code)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--project", "-p", metavar="SLUG", help="Its slug or id; the only one without it.")

    def read(self, raw: Any, options: dict[str, Any]) -> tuple[dict[str, Any], Report]:
        project = find_project(options["project"])
        return clients.read(raw, project.slug, trust_commands=options["trust_commands"])
