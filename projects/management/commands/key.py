"""`manage.py key`: API keys of members. The text of a new one is shown once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from projects import services
from projects.commanding import PROJECT, YES, NounCommand, argument, as_operator, changes, find, find_project, verb
from projects.models import ApiKey, User

_ONE = argument("key", help="Its visible id, with or without mgw_, or its number.")
_LIMITS = (
    argument("--server", action="append", metavar="GLOB", help="A server that it may use; may be given again."),
    argument("--tool", action="append", metavar="GLOB", help="A tool, prompt:name or resource:uri."),
    argument("--network", action="append", metavar="CIDR", help="Where it works from; may be given again."),
    argument("--surface", choices=ApiKey.Surface.values),
    argument("--expires-in-days", type=float, metavar="DAYS"),
)


class Command(NounCommand):
    noun = "key"
    help = "API keys of members."

    @verb("Keys of a project.", PROJECT, argument("--user", metavar="EMAIL"))
    def list_(self, project: str | None, user: str | None) -> Any:
        found = find_project(project)
        with as_operator():
            rows = ApiKey.objects.select_related("user").filter(project=found)
            return [_shown(row) for row in (rows.filter(user__email=user.lower()) if user else rows)]

    @verb("One key.", _ONE)
    def show(self, key: str) -> Any:
        return _shown(_find(key))

    @verb("Issues a key.", argument("user", help="The member's address."), argument("label"), *_LIMITS, PROJECT)
    def issue(self, user: str, label: str, project: str | None, **limits: Any) -> Any:
        owner = find(User.objects.all(), user.lower(), "user", "email")
        row, text = services.issue_key(project=find_project(project), user=owner, label=label, **_limits(**limits))
        return {**_shown(row), "key": text}

    @verb("Changes what a key may do.", _ONE, argument("--label"), *_LIMITS)
    def update(self, key: str, label: str | None, **limits: Any) -> Any:
        given = changes(label=label, **_limits(**limits))
        return _shown(services.update_key(key=_find(key), **given))

    @verb("Makes a successor; the old key goes on for a while.", _ONE,
          argument("--overlap-hours", type=float, default=services.OVERLAP.total_seconds() / 3600))  # fmt: skip
    def rotate(self, key: str, overlap_hours: float) -> Any:
        row, text = services.rotate_key(key=_find(key), overlap=timedelta(hours=overlap_hours))
        return {**_shown(row), "key": text}

    @verb("Lets a key work again.", _ONE)
    def enable(self, key: str) -> Any:
        return self._switch(_find(key), True)

    @verb("Stops a key until it is enabled.", _ONE)
    def disable(self, key: str) -> Any:
        return self._switch(_find(key), False)

    @verb("Ends a key for good.", _ONE, YES)
    def revoke(self, key: str, yes: bool) -> Any:
        row = _find(key)
        self.confirm(f"Revoke {row} for good?", yes)
        services.revoke_key(key=row)
        return _shown(row)

    def _switch(self, row: ApiKey, enabled: bool) -> dict[str, Any]:
        services.set_key_enabled(key=row, enabled=enabled)
        return _shown(row)


def _find(text: str) -> ApiKey:
    with as_operator():
        rows = ApiKey.objects.select_related("user", "project")
        return find(rows, text.removeprefix("mgw_")[:10] if text.startswith("mgw_") else text, "key", "key_id")


def _limits(
    *, server: list[str] | None, tool: list[str] | None, network: list[str] | None, surface: str | None,
    expires_in_days: float | None,
) -> dict[str, Any]:  # fmt: skip
    ends = timezone.now() + timedelta(days=expires_in_days) if expires_in_days is not None else None
    given = {"servers": server, "tools": tool, "networks": network, "surface": surface, "expires_at": ends}
    return {name: value for name, value in given.items() if value is not None}


def _shown(row: ApiKey) -> dict[str, Any]:
    return {
        "id": row.pk, "key_id": f"mgw_{row.key_id}", "user": row.user.email, "label": row.label, "state": _state(row),
        "servers": row.servers, "tools": row.tools, "surface": str(row.surface), "networks": row.networks,
        "expires_at": row.expires_at, "last_used_at": row.last_used_at,
    }  # fmt: skip


def _state(row: ApiKey) -> str:
    now: datetime = timezone.now()
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at is not None and row.expires_at <= now:
        return "expired"
    return "works" if row.disabled_at is None else "disabled"
