"""What the address of a list, a tail or a saved filter asks for: read from it, and shown again in the form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from audit import browsing
from audit.models import Event, Term
from audit.question import FILTERS, Question, codes_of, has_value, has_words, known_logs
from projects.access import Reach
from projects.choosing import Offered, offered_within, projects_within

DEFAULT_WINDOW = "24h"
WINDOWS: dict[str, tuple[str, timedelta | None]] = {
    "15m": ("last 15 minutes", timedelta(minutes=15)),
    "1h": ("last hour", timedelta(hours=1)),
    "24h": ("last day", timedelta(days=1)),
    "7d": ("last 7 days", timedelta(days=7)),
    "30d": ("last month", timedelta(days=30)),
    "all": ("all", None),
}
# What belongs to no project.
NO_PROJECT = "-"
LABELS = {
    "project": "Project", "within": "Time", "from": "From (UTC)", "to": "To (UTC)", "kind": "Kind",
    "decision": "Decision", "reason": "Reason", "server": "Server", "method": "Method", "subject": "Subject (tool)",
    "actor": "Actor", "actor_id": "Key or user id", "policy_version": "Policy version", "finding": "Finding",
    "upstream_status": "Upstream status", "rpc_code": "RPC code", "q": "Search",
}  # fmt: skip
TIMES = ("within", "from", "to")
NAMES = tuple(LABELS)
_NUMBERS = {"policy_version": 2**63, "upstream_status": 2**15, "rpc_code": 2**31}
_MAX_TEXT = 512


class Unanswerable(ValueError):
    """The address asks for something that no page has."""


@dataclass(frozen=True)
class Asked:
    """`given` is what the address says, by the names of LABELS; `question` what that means for this person."""

    question: Question
    given: dict[str, str]


def read(values: Mapping[str, str], reach: Reach) -> Asked:
    """Raises Unanswerable. A project out of reach is answered like one that there never was: with nothing."""
    given = {name: values[name].strip() for name in NAMES if values.get(name, "").strip()}
    if any(len(text) > _MAX_TEXT or "\x00" in text for text in given.values()):
        raise Unanswerable("too long")
    since, until = _window(given)
    equal: dict[str, str | int] = {
        name: _number(name, given[name]) if name in _NUMBERS else given[name] for name in FILTERS if name in given
    }
    question = Question(
        reach=reach, project=project_of(given.get("project", ""), reach), since=since, until=until, equal=equal,
        finding=given.get("finding", ""), text=given.get("q", ""),
    )  # fmt: skip
    return Asked(question, given)


def project_of(text: str, reach: Reach) -> int | None:
    """A project by its name; for operators also by a name that it had, its number, or NO_PROJECT.

    None when nothing was chosen, and -1, which no project has, when it is not within reach.
    """
    if not text:
        return None
    number = projects_within(reach).filter(slug=text).values_list("pk", flat=True).first()
    if number is not None:
        return number
    if not reach.is_all:
        return -1
    if text == NO_PROJECT:
        return 0
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    former = Term.objects.filter(project_ref__in=known_logs(), column="project", word="", value=text)
    return former.values_list("project_ref", flat=True).first() or -1


def _number(name: str, text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20 and abs(int(text)) < _NUMBERS[name]):
        raise Unanswerable("not a number")
    return int(text)


def _window(given: Mapping[str, str]) -> tuple[datetime | None, datetime | None]:
    since, until = (_moment(given[name]) if name in given else None for name in ("from", "to"))
    if since or until:
        return since, until
    chosen = given.get("within", DEFAULT_WINDOW)
    if chosen not in WINDOWS:
        raise Unanswerable("not a window")
    length = WINDOWS[chosen][1]
    return (timezone.now() - length if length else None), None


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise Unanswerable("not a time") from error


def matcher(question: Question, reach: Callable[[], Reach]) -> Callable[[Event], bool]:
    """Whether an event that comes now belongs to what is asked for; the window counts for nothing.

    `reach` is that of now, which the question's may no longer be. Of a text each word has to be found.
    """
    words = question.text.lower().split()

    def belongs(event: Event) -> bool:
        if not reach().has(event.project_ref):
            return False
        if question.project is not None and (event.project_ref or 0) != question.project:
            return False
        if any(not has_value(event, name, value) for name, value in question.equal.items()):
            return False
        if question.finding and question.finding not in codes_of(event):
            return False
        return not words or has_words(event, words)

    return belongs


def form_of(asked: Asked, reach: Reach) -> dict[str, Any]:
    """What the template shows: each field with its value, and the choices within reach."""
    projects, chosen = offered_within(reach), asked.given.get("project", "")
    offered = browsing.choices(reach, asked.question.project)
    return {
        "projects": projects,
        "chosen": chosen,
        # Besides those that are offered: what belongs to none, and what the address names.
        "also": [(name, words, name == chosen) for name, words in _besides(projects, chosen, reach)],
        "windows": [
            (name, label, name == asked.given.get("within", DEFAULT_WINDOW)) for name, (label, _) in WINDOWS.items()
        ],
        "fields": [
            {"name": name, "label": LABELS[name], "value": asked.given.get(name, ""), "options": offered.get(name, []),
             "suggests": name in SUGGESTED}
            for name in (*FILTERS, "finding")
        ],
        "given": asked.given,
    }  # fmt: skip


def _besides(projects: Offered, chosen: str, reach: Reach) -> list[tuple[str, str]]:
    more = [(NO_PROJECT, "(no project)")] if reach.is_all else []
    return [*more, *([(chosen, chosen)] if chosen and chosen not in (*projects.slugs, NO_PROJECT) else [])]


SUGGESTED = ("subject", "actor")
