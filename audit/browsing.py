"""One page of the log: within a person's reach, a window of time and filters, newest first, along an index.

A page is found by the moment and the number of the last event of the page before, never by a count or an offset. Each
project has its own walk along its own part of an index, and the walks are merged: what others have in their logs takes
no time of a tenant's page. What no index leads to is bounded by the window, and ends after `PATIENCE` seconds.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from typing import Any

from django.db import OperationalError, connection, transaction

from audit import terms
from audit.models import Event, Term
from audit.question import Cursor, Question, known_logs, refs_of
from audit.statements import SHOWN, statement_of, statement_of_marks
from audit.turns import turn_of
from audit.ways import MAX_WALKS, Walk, beginning_with, walks_of
from projects.access import Reach
from projects.rest.records import records

PATIENCE = 3.0
# The longest id that an event can have, and how many events with one are listed.
_ID_LENGTH = 45
_MAX_OF_ID = 200
_TICK = timedelta(microseconds=1)
# So many events of one microsecond are told apart.
_MAX_OF_MOMENT = 20_000


class TooWide(Exception):
    """The page was not found in time: the window has too many events that no index tells apart."""


@dataclass(frozen=True)
class Page:
    """`older` is where the next page begins, or None at the end. `is_partial`: the text stands for too many values."""

    events: list[Event]
    older: Cursor | None = None
    is_partial: bool = False


def page_of(question: Question, after: Cursor | None, size: int) -> Page:
    """Raises TooWide, audit.turns.TooMany and django.db.Error."""
    with turn_of(question.reach), in_time():
        if question.text and (found := _by_id(question)) is not None:
            return _part_of(found, after, size)
        walks, is_partial = walks_of(question)
        if not walks:
            return Page([])
        events = _newest(question, walks, after, size)
    return replace(_part_of(events, None, size), is_partial=is_partial)


def _part_of(events: list[Event], after: Cursor | None, size: int) -> Page:
    """The first of these, which are in the order of pages, that come after the cursor."""
    events = [event for event in events if after is None or (event.at, event.ord) < after]
    older = Cursor(events[size - 1].at, events[size - 1].ord) if len(events) > size else None
    return Page(events[:size], older)


def _newest(question: Question, walks: list[Walk], after: Cursor | None, size: int) -> list[Event]:
    """The page's events and at least one more, if there are more, by their moments and numbers.

    Indexes know the moment only, and walks along them are merged by it. Where the page would end in the middle of one
    moment, all events of that moment are read.
    """
    events = _read(question, walks, after, size + 1)
    if len(events) > size and events[size].at == events[size - 1].at:
        moment = events[size].at
        events = [event for event in events if event.at > moment]
        events += _read(replace(question, since=moment, until=moment + _TICK), walks, after, _MAX_OF_MOMENT)
    return sorted(events, key=lambda event: (event.at, event.ord), reverse=True)


def _read(question: Question, walks: list[Walk], after: Cursor | None, limit: int) -> list[Event]:
    if all(walk.finding and not (walk.equal or walk.not_in or walk.also) for walk in walks):
        return _read_marked(question, walks, after, limit)
    statement, values = statement_of(question, walks, after, limit)
    return list(Event.objects.raw(statement, values))


def _read_marked(question: Question, walks: list[Walk], after: Cursor | None, limit: int) -> list[Event]:
    """Marks are enough to say which events these are."""
    statement, values = statement_of_marks(question, walks, after, limit)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        keys = [(number, at if at.tzinfo else at.replace(tzinfo=UTC)) for number, at in cursor.fetchall()]
    if not keys:
        return []
    rows = Event.objects.filter(ord__in=[number for number, _ in keys], at__range=(keys[-1][1], keys[0][1]))
    return list(rows.order_by().only(*SHOWN))


def whole(events: list[Event], columns: Sequence[str]) -> list[Any]:
    """Records of a page's events with these columns (projects.rest.records). Raises django.db.Error."""
    if not events:
        return []
    rows = Event.objects.filter(pk__in=[event.ord for event in events], at__range=(events[-1].at, events[0].at))
    found = records(rows.order_by(), ("at", "ord", *columns), len(events))
    return sorted(found, key=lambda event: (event.at, event.ord), reverse=True)


@contextmanager
def in_time(seconds: float = PATIENCE) -> Iterator[None]:
    """Ends what takes longer than `seconds`, on PostgreSQL each statement for itself. Raises TooWide."""
    try:
        with _bounded_on_postgresql(seconds) if connection.vendor == "postgresql" else _bounded_on_sqlite(seconds):
            yield
    except OperationalError as error:
        code = getattr(error.__cause__, "sqlstate", "")
        if code == "57014" or "interrupted" in str(error):
            raise TooWide from error
        raise


# The planner takes what is asked for to be spread evenly over the log, and would rather look through all of it than
# jump: rows that are looked at in vain are made dear, so that it takes the index that leads to the fewest.
_PLANNING = {
    "enable_sort": "off", "enable_bitmapscan": "off", "enable_seqscan": "off", "enable_hashjoin": "off",
    "enable_mergejoin": "off", "jit": "off", "cpu_tuple_cost": "1", "random_page_cost": "1.1",
}  # fmt: skip


@contextmanager
def _bounded_on_postgresql(seconds: float) -> Iterator[None]:
    is_inside = connection.in_atomic_block
    settings_then = {**_PLANNING, "statement_timeout": str(int(seconds * 1000))}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join('set_config(%s, %s, true)' for _ in settings_then)}",
            [part for each in settings_then.items() for part in each],
        )
        yield
        if is_inside:
            for name in settings_then:
                cursor.execute(f"SET LOCAL {name} = DEFAULT")


@contextmanager
def _bounded_on_sqlite(seconds: float) -> Iterator[None]:
    connection.ensure_connection()
    until = time.monotonic() + seconds
    connection.connection.set_progress_handler(lambda: time.monotonic() > until, 10_000)
    try:
        yield
    finally:
        connection.connection.set_progress_handler(None, 0)


def _by_id(question: Question) -> list[Event] | None:
    """Events with exactly this id, of whatever time; None when the text is no id or nothing has it."""
    text, events, refs = question.text.strip(), Event.objects.all(), refs_of(question)
    if len(text) > _ID_LENGTH or len(text.split()) != 1:
        return None
    number = _as_uuid(text)
    spellings = {text} | ({str(number), number.hex} if number else set())
    known: set[tuple[int, uuid.UUID | None]] = set()
    for name in ("request_id", "trace_id"):
        # The intent is found by its outcome: there is one index entry for both.
        rows = events.filter(**{f"{name}__in": spellings}).exclude(kind="mcp.call.intent").exclude(**{name: ""})
        known |= set(_within(rows, refs).order_by().values_list("pk", "call_id")[:_MAX_OF_ID])
    calls = {call for _, call in known if call} | ({number} if number else set())
    found = set(_within(events.filter(call_id__in=calls), refs).order_by()[:_MAX_OF_ID])
    found |= set(_within(events.filter(pk__in=[pk for pk, call in known if not call]), refs).order_by())
    if number:
        found |= set(_within(events.filter(id=number), refs).order_by()[:_MAX_OF_ID])
    return sorted(found, key=lambda event: (event.at, event.ord), reverse=True) or None


def _within(rows: Any, refs: list[int] | None) -> Any:
    if refs is None:
        return rows
    return rows.filter(project_ref__isnull=True) if refs == [0] else rows.filter(project_ref__in=refs)


def _as_uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def suggestions(reach: Reach, project: int | None, column: str, start: str, limit: int = 20) -> list[str]:
    """Values of a column within reach that begin so, or have a word that does."""
    refs = refs_of(Question(reach, project))
    rows = Term.objects.filter(project_ref__in=(refs if refs is not None else known_logs())[:MAX_WALKS])
    rows = beginning_with(rows.filter(column=column), start.lower()[: terms.WORD_LENGTH])
    return sorted(set(rows.values_list("value", flat=True)[: 5 * limit]))[:limit]


def choices(reach: Reach, project: int | None, limit: int = 600) -> dict[str, list[str]]:
    """The values within reach of the columns that have few."""
    refs = refs_of(Question(reach, project))
    known: dict[str, list[str]] = {}
    rows = Term.objects.filter(
        project_ref__in=(refs if refs is not None else known_logs())[:MAX_WALKS],
        column__in=("kind", "decision", "reason", "server", "method", terms.FINDING), word="",
    )  # fmt: skip
    for column, value in sorted(set(rows.values_list("column", "value")[:limit])):
        known.setdefault(column, []).append(value)
    return known
