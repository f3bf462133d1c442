"""`manage.py token issue|list|revoke`: credentials for REST."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from gateway_site.lib.actor import Actor, acting_as
from projects import tokens
from projects.commanding import find_project
from projects.models import AdminToken, Project, User


class Command(BaseCommand):
    help = "Issues, lists and revokes admin tokens, which open REST and nothing of MCP."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parts = parser.add_subparsers(dest="part", required=True)
        add = parts.add_parser("issue", help="Prints the token, which is shown this once.")
        add.add_argument("--user", required=True, help="E-mail address. An operator, or a member of the project.")
        add.add_argument("--project", help="Slug; without it the token is an operator's, for the whole gateway.")
        add.add_argument("--label", required=True)
        add.add_argument("--days", type=int, default=90, help="How long it lasts; 366 at most.")
        add.add_argument("--action", action="append", help="Only this, as in config.read; again for more.")
        add.add_argument("--network", action="append", default=[], help="Only from there, as in 192.0.2.0/24.")
        add.add_argument("--json", action="store_true")
        add = parts.add_parser("list", help="All that are not revoked.")
        add.add_argument("--project", help="Slug.")
        add = parts.add_parser("revoke", help="For good.")
        add.add_argument("token", help="Its visible id, as in mga_<id>.")

    def handle(self, *args: Any, **options: Any) -> None:
        with acting_as(Actor("command", "token", "manage.py token")):
            try:
                getattr(self, f"_{options['part']}")(options)
            except ValidationError as error:
                raise CommandError(" ".join(error.messages)) from error

    def _issue(self, options: dict[str, Any]) -> None:
        user = User.objects.filter(email=options["user"].lower()).first()
        if user is None:
            raise CommandError(f"There is no person {options['user']}.")
        token, text = tokens.issue_token(
            user=user, project=_project(options["project"]), label=options["label"], actions=options["action"],
            networks=options["network"], expires_at=timezone.now() + timedelta(days=max(0, min(options["days"], 9999))),
        )  # fmt: skip
        if options["json"]:
            self.stdout.write(json.dumps({"token_id": token.token_id, "token": text}))
            return
        self.stdout.write(text)
        self.stderr.write(f"{', '.join(token.actions)}; until {token.expires_at:%Y-%m-%d}. It is not shown again.")

    def _list(self, options: dict[str, Any]) -> None:
        rows = AdminToken.objects.filter(revoked_at=None).select_related("user", "project")
        if options["project"]:
            rows = rows.filter(project=_project(options["project"]))
        for token in rows:
            used = f"{token.last_used_at:%Y-%m-%d}" if token.last_used_at else "never"
            self.stdout.write(
                f"mga_{token.token_id}…  {token.user}  {token.project or 'operator'}  {token.label}  "
                f"until {token.expires_at:%Y-%m-%d}  used {used}  {', '.join(token.actions)}"
            )

    def _revoke(self, options: dict[str, Any]) -> None:
        token_id = options["token"].removeprefix("mga_")
        token = AdminToken.objects.select_related("project").filter(token_id=token_id, revoked_at=None).first()
        if token is None:
            raise CommandError("There is no such token, or it is revoked already.")
        tokens.revoke_token(token=token)
        self.stdout.write(f"mga_{token_id}… is revoked.")


def _project(slug: str | None) -> Project | None:
    """Raises NotFound."""
    return None if slug is None else find_project(slug)
