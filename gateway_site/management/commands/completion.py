"""`manage.py completion SHELL`: prints what makes a shell complete `mcp-gateway`."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, cast

import shtab
from django.apps import apps
from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandParser

_ALSO = ("migrate", "createsuperuser", "changepassword", "check")


class Command(BaseCommand):
    help = 'Prints shell completion; for example: eval "$(mcp-gateway completion bash)"'

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS)

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(shtab.complete(whole_parser(), options["shell"]))


def whole_parser() -> ArgumentParser:
    """All commands of ours, and those of Django that an operator needs, as one parser."""
    parser = ArgumentParser(prog="mcp-gateway")
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, app in sorted(our_commands().items()):
        command = load_command_class(app, name)
        under = commands.add_parser(name.replace("_", "-"), help=command.help, description=command.help)
        # Ours and Django's take any parser.
        command.add_arguments(cast(CommandParser, under))
    return parser


def our_commands() -> dict[str, str]:
    """Name to app."""
    ours = {config.name for config in apps.get_app_configs() if Path(config.path).parent == settings.BASE_DIR}
    return {name: str(app) for name, app in get_commands().items()
            if (app in ours or name in _ALSO) and not name.startswith("_")}  # fmt: skip
