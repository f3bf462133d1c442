"""`manage.py connect`: the stdio face, as `mcp-gateway connect` starts it without Django."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from gateway_site.connect import command


class Command(BaseCommand):
    help = "Lets a client that only starts programs (Claude Desktop) use a gateway over stdio."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        command.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(
            command.connect(
                options["url"], options["key_file"], options["patience"], allow_http=options["allow_http"]
            )
        )
