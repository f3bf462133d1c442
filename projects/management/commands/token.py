"""`manage.py token`: credentials for REST, issued, listed and revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from projects import tokens
from projects.commanding import YES, NotFound, NounCommand, argument, find_project, verb
from projects.models import AdminToken, User


class Command(NounCommand):
    noun = "token"
    help = "Admin tokens, which open REST and nothing of MCP."

    @verb("Makes a token, which is shown this once.",
          argument("--user", required=True, help="E-mail address. An operator, or a member of the project."),
          argument("--project", "-p", metavar="SLUG",
                   help="Its slug or id; without it the token is an operator's, for the whole gateway."),
          argument("--label", required=True),
          argument("--days", type=int, default=90, help="How long it lasts; 366 at most."),
          argument("--action", action="append", help="Only this, as in config.read; again for more."),
          argument("--network", action="append", default=[],
                   help="Only from there, as in 192.0.2.0/24."))  # fmt: skip
    def issue(
        self, user: str, project: str | None, label: str, days: int, action: list[str] | None, network: list[str]
    ) -> Any:
        person = User.objects.filter(email=user.lower()).first()
        if person is None:
            raise NotFound(f"There is no person {user}.")
        token, text = tokens.issue_token(
            user=person, project=find_project(project) if project is not None else None, label=label, actions=action,
            networks=network, expires_at=timezone.now() + timedelta(days=max(0, min(days, 9999))),
        )  # fmt: skip
        self.stderr.write(f"{', '.join(token.actions)}; until {token.expires_at:%Y-%m-%d}. It is not shown again.")
        return {**_shown(token), "token": text}

    @verb("All that are not revoked.", argument("--project", "-p", metavar="SLUG", help="Those for it alone."))
    def list_(self, project: str | None) -> Any:
        rows = AdminToken.objects.filter(revoked_at=None).select_related("user", "project")
        return [_shown(row) for row in (rows if project is None else rows.filter(project=find_project(project)))]

    @verb("Ends a token for good.", argument("token", help="Its visible id, as in mga_<id>."), YES)
    def revoke(self, token: str, yes: bool) -> Any:
        # Its whole text is understood too, for who has nothing else; no more than the id of it is ever said.
        token_id = token.removeprefix("mga_")[:10]
        row = AdminToken.objects.select_related("user", "project").filter(token_id=token_id, revoked_at=None).first()
        if row is None:
            raise NotFound(f"There is no token mga_{token_id}, or it is revoked already.")
        self.confirm(f"Revoke mga_{token_id} of {row.user} for good?", yes)
        tokens.revoke_token(token=row)
        return _shown(row)

    def as_text(self, verb_name: str, answer: Any) -> str:
        # So that it goes straight into a variable or a file.
        return str(answer["token"]) if verb_name == "issue" else super().as_text(verb_name, answer)


def _shown(row: AdminToken) -> dict[str, Any]:
    return {
        "token_id": row.token_id, "user": row.user.email, "project": row.project.slug if row.project else None,
        "label": row.label, "actions": row.actions, "networks": row.networks, "expires_at": row.expires_at,
        "revoked_at": row.revoked_at, "last_used_at": row.last_used_at,
    }  # fmt: skip
