"""Numbers on pages, each with the list of the log that has exactly what was counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.urls import reverse
from django.utils.http import urlencode

from audit.figures import ERRORS, REFUSED, Numbers

CALL = "mcp.call.outcome"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with the list of exactly what was counted."""

    id: str
    label: str
    text: str
    address: str
    parts: list[Figure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Log:
    """Where lists of the log are that have exactly what was counted."""

    project: str
    since: datetime

    def address(self, **filters: str) -> str:
        """Of events that all of `filters` have, by the names that the list knows."""
        given = {"project": self.project, "from": moment(self.since), **filters}
        query = urlencode({name: value for name, value in given.items() if value})
        return f"{reverse('admin:audit_event_changelist')}?{query}"


def moment(at: datetime) -> str:
    """As the list takes it."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def few_of(number: Numbers, log: Log, filters: dict[str, str]) -> list[Figure]:
    return [
        Figure("calls", "calls", count(number.calls), log.address(**filters)),
        Figure("refused", "not let through", count(number.refused),
               log.address(**filters, decision=",".join(REFUSED))),
        Figure("errors", "errors", count(number.errors), log.address(**filters, decision=",".join(ERRORS))),
    ]  # fmt: skip


def count(number: int) -> str:
    return f"{number:,}"
