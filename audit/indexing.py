"""Follows the sealed log, checkpoint by checkpoint, and keeps what it is searched by, and how many calls ended how.

It is no part of what the data plane waits for, nor of the proof: what is lost here is made again from the log.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from audit import figures, terms
from audit.models import Checkpoint, Event, FindingMark, IndexState, Term

_CHECKPOINTS = 500
_EVENTS = 5_000
_IN_ONE_QUESTION = 500
_TURN_SECONDS = 10.0
_MAX_KNOWN = 200_000
_COLUMNS = ("project_ref", "ord", "at", "detail", "duration_us", *terms.NAMED)

_Known = set[tuple[int, str, str]]
_Range = tuple[int, int, int]


class Indexer:
    """What one process remembers between its turns: the values that have their terms."""

    def __init__(self) -> None:
        self._known: _Known = set()
        self._figures = figures.Counting()

    def take_turn(self) -> int:
        """Until nothing is left to be done or the turn is over. How many events. Raises django.db.Error."""
        until, done = time.monotonic() + _TURN_SECONDS, 0
        while time.monotonic() < until and (count := self._follow()):
            done += count
        self._figures.forget_old()
        return done

    def _follow(self) -> int:
        with transaction.atomic():
            state = _state()
            if state is None:
                return 0
            ranges, reached = _ranges(state.checkpoint_id)
            if reached == state.checkpoint_id:
                return 0
            new: _Known = set()
            count = self._index(ranges, new)
            IndexState.objects.filter(pk=1).update(checkpoint_id=reached)
        # Only what is committed is known.
        if len(self._known) > _MAX_KNOWN:
            self._known.clear()
        self._known |= new
        return max(count, 1)

    def _index(self, ranges: list[_Range], new: _Known) -> int:
        marks: list[FindingMark] = []
        counted: list[dict[str, Any]] = []
        rows, numbers = _events(ranges)
        for row in rows:
            event = dict(zip(_COLUMNS, row, strict=True))
            # SQLite has no time zones; what it holds is UTC.
            at = event["at"] if event["at"].tzinfo else event["at"].replace(tzinfo=UTC)
            project_ref = event["project_ref"] or 0
            if event["ord"] in numbers:
                # Those of later seals come again, and are counted then.
                counted.append({**event, "at": at, "project_ref": project_ref})
            new.update((project_ref, name, event[name]) for name in terms.NAMED if event[name])
            for code in _codes(event["detail"]):
                new.add((project_ref, terms.FINDING, code))
                marks.append(FindingMark(project_ref=project_ref, code=code, at=at, event_ord=event["ord"]))
        _insert_terms(new - self._known)
        FindingMark.objects.bulk_create(marks, batch_size=1_000, ignore_conflicts=True)
        self._figures.add(counted)
        return len(rows)


def forget_marks(project_ref: int, before: datetime) -> None:
    """Of events of a project that are gone, all older than `before`. Raises django.db.Error."""
    there = Event.objects.filter(ord=OuterRef("event_ord"), at=OuterRef("at"))
    FindingMark.objects.filter(~Exists(there), project_ref=project_ref, at__lt=before).delete()


def _state() -> IndexState | None:
    """The row, held until the end of the transaction; None while another process is at it."""
    IndexState.objects.bulk_create([IndexState(pk=1)], ignore_conflicts=True)
    rows = IndexState.objects.filter(pk=1)
    if connection.vendor == "postgresql":
        rows = rows.select_for_update(skip_locked=True)
    return rows.first()


def _ranges(after: int) -> tuple[list[_Range], int]:
    """The seals under the next checkpoints, as `(project_ref, first, last)`, and the last of these checkpoints.

    Who signs is alone, so that checkpoints are committed in the order of their numbers.
    """
    sizes: dict[int, tuple[int, int]] = {}
    reached, total = after, 0
    for number, ref, size in Checkpoint.objects.filter(id__gt=after).order_by("id").values_list(
        "id", "project_ref", "size"
    )[:_CHECKPOINTS]:
        first, last = sizes.get(ref) or (_size_before(ref, number),) * 2
        if total and total + size - last > _EVENTS:
            break
        total += size - last
        sizes[ref] = (first, size)
        reached = number
    return [(ref, first + 1, last) for ref, (first, last) in sizes.items() if last > first], reached


def _size_before(project_ref: int, number: int) -> int:
    before = Checkpoint.objects.filter(project_ref=project_ref, id__lt=number).order_by("-id")
    return before.values_list("size", flat=True).first() or 0


def _events(ranges: list[_Range]) -> tuple[list[tuple[Any, ...]], set[int]]:
    """Those under these seals, and sometimes a few that come under later ones; and the numbers of the first."""
    numbers = sorted(number for each in ranges for number in _numbers(*each))
    if not numbers:
        return [], set()
    # They mostly stand together, and then one walk finds them.
    found = _select("ord BETWEEN %s AND %s", [numbers[0], numbers[-1]], 2 * len(numbers))
    if len(found) < 2 * len(numbers):
        return found, set(numbers)
    found = [
        row
        for start in range(0, len(numbers), _IN_ONE_QUESTION)
        for row in _select(*_among(numbers[start : start + _IN_ONE_QUESTION]), _IN_ONE_QUESTION)
    ]
    return found, set(numbers)


def _numbers(project_ref: int, first: int, last: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT event_ord FROM audit_seal WHERE project_ref = %s AND seq BETWEEN %s AND %s",
            [project_ref, first, last],
        )
        return [row[0] for row in cursor.fetchall()]


def _among(numbers: list[int]) -> tuple[str, list[int]]:
    return f"ord IN ({', '.join(['%s'] * len(numbers))})", numbers


def _select(where: str, values: list[int], limit: int) -> list[tuple[Any, ...]]:
    sql = f"SELECT {', '.join(_COLUMNS)} FROM audit_event WHERE {where} ORDER BY ord LIMIT %s"  # noqa: S608  our own columns
    with connection.cursor() as cursor:
        cursor.execute(sql, [*values, limit])
        return list(cursor.fetchall())


def _codes(detail: Any) -> list[str]:
    if isinstance(detail, str):
        if '"guardrails"' not in detail:
            return []
        try:
            detail = orjson.loads(detail)
        except orjson.JSONDecodeError:
            return []
    return terms.codes_of(detail)


def _insert_terms(values: _Known) -> None:
    rows = [
        Term(project_ref=ref, column=column, word=word, value=value)
        for ref, name, text in sorted(values)
        for column, word, value in terms.rows_of(name, text)
    ]
    Term.objects.bulk_create(rows, batch_size=1_000, ignore_conflicts=True)
