"""The statements that walk along the indexes of the log, with their values."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.utils import timezone

from audit import terms
from audit.models import COMMON, NUMBERS
from audit.question import LISTED, Cursor, Question, listed

if TYPE_CHECKING:
    from audit.ways import Walk

SHOWN = (
    "ord", "id", "at", "kind", "project_ref", "project", "actor_kind", "actor_id", "actor", "call_id", "server",
    "method", "subject", "decision", "reason", "rpc_code", "upstream_status", "duration_us",
)  # fmt: skip


_MARKED = "audit_findingmark AS mark JOIN audit_event AS event ON event.ord = mark.event_ord AND event.at = mark.at"


class _Where:
    """Conditions and their values, in step."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.values: list[Any] = []

    def add(self, condition: str, *values: Any) -> None:
        self.conditions.append(condition)
        self.values += values

    def __str__(self) -> str:
        return " AND ".join(self.conditions) or "TRUE"


def statement_of(question: Question, walks: list[Walk], after: Cursor | None, limit: int) -> tuple[str, list[Any]]:
    """Each walk ends by itself, and is taken no further than the merged page needs it."""
    parts, values = [], []
    names, shown = (", ".join(f"{table}{name}" for name in SHOWN) for table in ("event.", ""))
    for walk in walks:
        where = _where(question, walk, after)
        source, table = (_MARKED, "mark") if walk.finding else ("audit_event AS event", "event")
        # No planner knows that what is NULL is all the same, and that the index is in the order of time there too.
        of_none = "event.project_ref DESC, " if walk.project_refs == (0,) and not walk.finding else ""
        order = f"{of_none}{table}.at DESC"
        inner = f"SELECT {names} FROM {source} WHERE {where} ORDER BY {order} LIMIT {limit}"  # noqa: S608  our own columns and conditions
        parts.append(inner if len(walks) == 1 else f"SELECT {shown} FROM ({inner}) AS event")  # noqa: S608  the same
        values += where.values
    if len(walks) == 1:
        return parts[0], values
    return f"{' UNION ALL '.join(parts)} ORDER BY at DESC LIMIT {limit}", values


def statement_of_marks(
    question: Question, walks: list[Walk], after: Cursor | None, limit: int
) -> tuple[str, list[Any]]:
    """`event_ord` and `at` of what has a finding: for walks along nothing else, marks are enough."""
    parts, values = [], []
    for walk in walks:
        where = _Where()
        if walk.project_refs is not None:
            _add_projects(where, "mark", walk.project_refs)
        where.add("mark.code = %s", walk.finding)
        _add_window(where, question, after, "mark", "mark.event_ord")
        inner = f"SELECT mark.at, mark.event_ord FROM audit_findingmark AS mark WHERE {where}"  # noqa: S608  our own columns and conditions
        parts.append(f"SELECT event_ord, at FROM ({inner} ORDER BY mark.at DESC LIMIT {limit}) AS mark")  # noqa: S608  the same
        values += where.values
    return f"{' UNION ALL '.join(parts)} ORDER BY at DESC LIMIT {limit}", values


def statement_of_presence(question: Question, column: str, values: Mapping[int, Any]) -> tuple[str, list[Any]]:
    """The numbers of the logs that have an event with their value in this column, within the question's window."""
    where = _Where()
    where.add(f"event.project_ref = log.column1 AND event.{column} = log.column2")
    if COMMON[column]:
        where.add(_is_uncommon(column))
    _add_bounds(where, question, "event")
    rows = ", ".join("(%s, %s)" for _ in values)
    statement = f"SELECT log.column1 FROM (VALUES {rows}) AS log WHERE EXISTS (SELECT 1 FROM audit_event AS event WHERE {where})"  # noqa: S608, E501  our own columns and conditions
    return statement, [part for each in values.items() for part in each] + where.values


def _where(question: Question, walk: Walk, after: Cursor | None) -> _Where:
    where = _Where()
    table, number = ("mark", "mark.event_ord") if walk.finding else ("event", "event.ord")
    if walk.project_refs is not None:
        _add_projects(where, table, walk.project_refs)
        if walk.finding:
            _add_projects(where, "event", walk.project_refs)
    if walk.finding:
        where.add("mark.code = %s", walk.finding)
    for name, value in walk.equal:
        _add_equal(where, name, value)
    for name, values in walk.not_in:
        _add_one_of(where, name, values, "NOT ")
    for alternatives in walk.also:
        _add_any(where, alternatives)
    _add_window(where, question, after, table, number)
    if walk.finding:
        # The moments are the same, but no planner leaves a month out for that.
        _add_bounds(where, question, "event")
    return where


def _add_window(where: _Where, question: Question, after: Cursor | None, table: str, number: str) -> None:
    _add_bounds(where, question, table)
    if after is not None:
        at = _moment(after.at)
        where.add(f"{table}.at <= %s AND ({table}.at < %s OR {number} < %s)", at, at, after.ord)


def _add_bounds(where: _Where, question: Question, table: str) -> None:
    if question.since is not None:
        where.add(f"{table}.at >= %s", _moment(question.since))
    # Months that are yet to come are not looked into.
    where.add(f"{table}.at < %s", _moment(question.until or timezone.now() + timedelta(days=1)))


def _add_projects(where: _Where, table: str, refs: tuple[int, ...]) -> None:
    # A mark has 0 where an event has nothing.
    if refs == (0,):
        where.add("mark.project_ref = 0" if table == "mark" else "event.project_ref IS NULL")
    elif len(refs) == 1:
        where.add(f"{table}.project_ref = %s", refs[0])
    else:
        where.add(f"{table}.project_ref IN ({_places(refs)})", *refs)


def _add_equal(where: _Where, name: str, value: Any) -> None:
    if name in LISTED and "," in value:
        _add_one_of(where, name, tuple(listed(value)))
        return
    is_bare = isinstance(value, uuid.UUID) and not connection.features.has_native_uuid_field
    where.add(f"event.{name} = %s", value.hex if is_bare else value)
    common = COMMON.get(name)
    if connection.vendor == "sqlite" and common and value not in common:
        where.add(_is_uncommon(name))


def _is_uncommon(column: str) -> str:
    """What has the planner walk along a partial index whose condition does not follow from the value that is asked for.

    SQLite does so only where a statement repeats the condition word for word.
    """
    common = f"event.{column} IN ({', '.join(map(repr, COMMON[column]))})"
    return f"NOT ({common} AND event.{column} IS NOT NULL)" if column in NUMBERS else f"NOT ({common})"


def _add_any(where: _Where, alternatives: Iterable[tuple[str, tuple[str, ...]]]) -> None:
    either = _Where()
    for name, values in alternatives:
        _add_one_of(either, name, values)
    where.add(f"({' OR '.join(either.conditions)})", *either.values)


def _add_one_of(where: _Where, name: str, values: tuple[str, ...], negation: str = "") -> None:
    if name == terms.FINDING:
        where.add(f"{negation}EXISTS ({_MARK_OF_EVENT} AND other.code IN ({_places(values)}))", *values)
    else:
        where.add(f"event.{name} {negation}IN ({_places(values)})", *values)


_MARK_OF_EVENT = (
    "SELECT 1 FROM audit_findingmark AS other WHERE other.project_ref = coalesce(event.project_ref, 0)"
    " AND other.at = event.at AND other.event_ord = event.ord"
)


def _places(values: Iterable[Any]) -> str:
    return ", ".join("%s" for _ in values)


def _moment(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)
