"""Which events an export holds: by time, server, tool, user and outcome, all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection

from audit.naming import digest_name
from audit.rows import stamp

_LONGEST = 512


@dataclass(frozen=True)
class Filters:
    """What is empty restricts nothing.

    `since` is the first moment and `until` the first one after. `tool` is a tool's, prompt's or resource's name, found
    also where the log has a digest for it. `user` is an e-mail address, or the id of a key or user. `outcome` is an
    event's decision, such as ok, refused or failed; intents have none.
    """

    since: datetime | None = None
    until: datetime | None = None
    server: str = ""
    tool: str = ""
    user: str = ""
    outcome: str = ""

    def __bool__(self) -> bool:
        return self != Filters()

    def check(self) -> None:
        """Raises ValidationError."""
        for name, value in asdict(self).items():
            if isinstance(value, str) and (len(value) > _LONGEST or "\0" in value):
                raise ValidationError({name: "This is nothing that the log could hold."})
        for name in ("since", "until"):
            at = getattr(self, name)
            if at is not None and at.tzinfo is None:
                raise ValidationError({name: "Say the time zone too, for example 2026-01-31T00:00:00Z."})
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValidationError({"until": "The end is not after the beginning."})

    def to_json(self) -> dict[str, str]:
        """Only what restricts, times in RFC 3339."""
        shown = {name: stamp(at) if isinstance(at, datetime) else at for name, at in asdict(self).items()}
        return {name: value for name, value in shown.items() if value}

    @classmethod
    def of_json(cls, kept: Mapping[str, str]) -> Filters:
        """Of what to_json() gave. Raises TypeError and ValueError."""
        times = {name: datetime.fromisoformat(kept[name]) for name in ("since", "until") if name in kept}
        return cls(**{**kept, **times})  # type: ignore[arg-type]  # the times replace their texts

    def conditions(self, project_ref: int, alias: str) -> tuple[str, list[Any]]:
        """A condition on the events' table, true for all when nothing restricts, and its values."""
        parts: list[tuple[str, list[Any]]] = []
        if self.since is not None:
            parts.append((f"{alias}.at >= %s", [_moment(self.since)]))
        if self.until is not None:
            parts.append((f"{alias}.at < %s", [_moment(self.until)]))
        if self.server:
            parts.append((f"{alias}.server = %s", [self.server]))
        if self.tool:
            parts.append((f"{alias}.subject IN (%s, %s)", [self.tool, _digest(project_ref, self.tool)]))
        if self.user:
            parts.append((f"(lower({alias}.actor) = %s OR {alias}.actor_id = %s)", [self.user.lower(), self.user]))
        if self.outcome:
            parts.append((f"{alias}.decision = %s", [self.outcome]))
        return " AND ".join(text for text, _ in parts) or "1 = 1", [value for _, values in parts for value in values]


def _digest(project_ref: int, text: str) -> str:
    ring = settings.KEYRING
    return digest_name(ring.project_digest_key(project_ref) if project_ref else ring.gateway_digest_key(), text)


def _moment(at: datetime) -> Any:
    """As the database keeps it."""
    return at if connection.vendor == "postgresql" else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
