"""What is looked for in the log, and from where on; whether one event belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.conf import settings

from audit import logs, terms
from audit.models import Event
from audit.naming import digest_name
from projects.access import Reach

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FILTERS = (
    "kind", "decision", "reason", "server", "method", "subject", "actor", "actor_id", "policy_version",
    "upstream_status", "rpc_code",
)  # fmt: skip
# Of these a filter may name several values, with commas between them, which no value has.
LISTED = ("decision",)


class Cursor(NamedTuple):
    """The last event of a page: what follows is older."""

    at: datetime
    ord: int

    def __str__(self) -> str:
        return f"{(self.at - _EPOCH) // timedelta(microseconds=1)}.{self.ord}"

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Raises ValueError."""
        moment, _, number = text.partition(".")
        if not all(part.isascii() and part.isdigit() and len(part) <= 18 for part in (moment, number)):
            raise ValueError("not a place in the log")
        try:
            return cls(_EPOCH + timedelta(microseconds=int(moment)), int(number))
        except OverflowError as error:
            raise ValueError("not a place in the log") from error


@dataclass(frozen=True)
class Question:
    """What is looked for. `project` is a project's number, 0 for what belongs to none, None for all within reach.

    `equal` has columns with their values, those of FILTERS or ids; `finding` a code as audit.terms has it, `text` what
    was typed.
    """

    reach: Reach
    project: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    equal: Mapping[str, str | int] = field(default_factory=dict)
    finding: str = ""
    text: str = ""

    @property
    def is_plain(self) -> bool:
        return not (self.equal or self.finding or self.text)


def refs_of(question: Question) -> list[int] | None:
    """The logs that are asked about; None for all that there are."""
    reach, project = question.reach, question.project
    if project is not None:
        return [project] if reach.has(project) else []
    return None if reach.is_all else sorted(reach.projects)


def known_logs() -> list[int]:
    """The numbers of all logs; 0 is that of what belongs to no project."""
    return sorted({0, *logs.refs("audit_event")})


def digest_of(ref: int, text: str) -> str:
    ring = settings.KEYRING
    return digest_name(ring.project_digest_key(ref) if ref else ring.gateway_digest_key(), text)


def listed(value: str | int) -> list[str]:
    """The values of a filter that may have several."""
    return [part.strip() for part in str(value).split(",")]


def has_value(event: Event, name: str, value: str | int) -> bool:
    held = getattr(event, name)
    if name in LISTED:
        return held in listed(value)
    return held == value or (name == "subject" and held == digest_of(event.project_ref or 0, str(value)))


def codes_of(event: Event) -> list[str]:
    return terms.codes_of(event.detail)


def has_words(event: Event, words: list[str]) -> bool:
    """As a search finds it: each word begins a word of a searched column, or is one of its ids."""
    ids = {str(event.call_id), str(event.id), event.request_id, event.trace_id, event.actor_id}
    values = [getattr(event, name) for name in terms.SEARCHED if name != terms.FINDING] + codes_of(event)
    known = [word for value in values if value for word in terms.words_of(value)]
    return all(
        word in ids or event.subject == digest_of(event.project_ref or 0, word) or any(map(_begins(word), known))
        for word in words
    )


def _begins(start: str) -> Callable[[str], bool]:
    return lambda word: word.startswith(start)
