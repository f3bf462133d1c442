"""Owns `manage.py runner`: starts the runner process with the gateway's own launch and egress."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gateway_site.lib import egress
from servers import launch
from servers.runner.serve import run


class Command(BaseCommand):
    """Serve stdio and HTTP+SSE servers as streamable HTTP on a unix socket."""

    # It serves no page, and the gateway that starts it has checked them.
    requires_system_checks: list[str] = []
    help = "Runs the stdio and SSE servers of all projects behind a unix socket, until it is told to stop."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the socket's path."""
        parser.add_argument("--socket", required=True, metavar="PATH", help="unix socket to make (mode 0600)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM, SIGINT or the parent's death."""
        try:
            run(options["socket"], load=launch.load, sse_session_factory=egress.open_session)
        except OSError as exc:
            raise CommandError(str(exc)) from exc
