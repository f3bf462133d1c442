"""How many calls of a project ended how, by minute, hour and day: counted where the sealed log is indexed, and read.

A page of figures asks for some hundred rows of its project, however much there is in its log.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet, Sum
from django.utils import timezone

from audit.models import CallFigure
from audit.naming import is_digest

_CALL = "mcp.call.outcome"
_TOOL_CALL = "tools/call"
# Which decisions of an outcome are what here; the rest, such as "cancelled", are calls and nothing else.
REFUSED = ("refused",)
ERRORS = ("error", "failed", "tool_error", "interrupted")
# Of these the duration says something about the server; a stream may go on for hours.
ANSWERED = ("ok", "tool_error")
_SPANS = {
    CallFigure.Span.MINUTE: timedelta(minutes=1), CallFigure.Span.HOUR: timedelta(hours=1),
    CallFigure.Span.DAY: timedelta(days=1),
}  # fmt: skip
_KEPT = {
    CallFigure.Span.MINUTE: timedelta(hours=3), CallFigure.Span.HOUR: timedelta(days=2),
    CallFigure.Span.DAY: timedelta(days=9),
}  # fmt: skip
_FORGET_SECONDS = 600.0
# So many servers and tools of a project have figures of their own in one minute, hour or day.
MAX_APART = {CallFigure.Level.SERVER: 200, CallFigure.Level.TOOL: 200, CallFigure.Level.SERVER_TOOK: 50}
_MAX_GROUPS = 20_000
# Durations fall into classes, each a quarter wider than the one before; the first ends at 0.1 ms, the last has no end.
_FACTOR, _FIRST_MS, _CLASSES = 1.25, 0.1, 75
_NUMBERS = ("calls", "refused", "blocked_in", "blocked_out", "errors")
_SUMS = {name: Sum(name) for name in _NUMBERS}

# Project, span, level, moment, server, subject.
_Key = tuple[int, str, str, datetime, str, str]


class Counting:
    """What one process adds up, and how many servers and tools it has seen in each minute and hour."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, str, str, datetime], set[tuple[str, str]]] = {}
        self._forgot_at = float("-inf")

    def add(self, events: Iterable[Mapping[str, Any]]) -> None:
        """In the transaction that says how far the log is indexed, so that each is counted once."""
        sums: dict[_Key, Counter[str]] = {}
        for event in events:
            if event["kind"] == _CALL:
                for key, counts in self._rows_of(event):
                    sums.setdefault(key, Counter()).update(counts)
        _store(sums)

    def _rows_of(self, event: Mapping[str, Any]) -> Iterable[tuple[_Key, dict[str, int]]]:
        counts = _counts(event)
        names = [("", CallFigure.Level.ALL, "")]
        if event["server"]:
            names.append((event["server"], CallFigure.Level.SERVER, ""))
            if event["method"] == _TOOL_CALL and event["subject"] and not is_digest(event["subject"]):
                names.append((event["server"], CallFigure.Level.TOOL, event["subject"]))
        if event["method"] == _TOOL_CALL and event["decision"] in ANSWERED and event["duration_us"] is not None:
            took = str(class_of(event["duration_us"]))
            names += [("", CallFigure.Level.TOOK, took), (event["server"], CallFigure.Level.SERVER_TOOK, took)]
        for span in CallFigure.Span:
            at = begin_of(event["at"], span)
            if at < timezone.now() - _KEPT[span]:
                continue
            for server, level, subject in names:
                if self._has_room(event["project_ref"], span, level, at, server, subject):
                    yield (event["project_ref"], span, level, at, server, subject), counts

    def _has_room(self, ref: int, span: str, level: str, at: datetime, server: str, subject: str) -> bool:
        if level not in MAX_APART:
            return True
        if len(self._seen) > _MAX_GROUPS:
            self._seen.clear()
        name = (server, subject if level == CallFigure.Level.TOOL else "")
        seen = self._seen.setdefault((ref, span, level, at), set())
        if len(seen) < MAX_APART[CallFigure.Level(level)]:
            seen.add(name)
        return name in seen

    def forget_old(self) -> None:
        """Deletes what no page asks for any more, now and then."""
        if time.monotonic() - self._forgot_at < _FORGET_SECONDS:
            return
        self._forgot_at = time.monotonic()
        for span, kept in _KEPT.items():
            CallFigure.objects.filter(span=span, at__lt=timezone.now() - kept).delete()


def _counts(event: Mapping[str, Any]) -> dict[str, int]:
    reason = event["reason"]
    return {
        "calls": 1,
        "refused": int(event["decision"] in REFUSED),
        "blocked_in": int(reason == "blocked_input"),
        "blocked_out": int(reason == "blocked_output"),
        "errors": int(event["decision"] in ERRORS),
    }


def begin_of(at: datetime, span: str) -> datetime:
    """Of the minute, hour or day that it is in."""
    whole = at.astimezone(UTC).replace(second=0, microsecond=0)
    if span == CallFigure.Span.MINUTE:
        return whole
    return whole.replace(minute=0) if span == CallFigure.Span.HOUR else whole.replace(minute=0, hour=0)


def end_of_span(at: datetime, span: str) -> datetime:
    return at + _SPANS[CallFigure.Span(span)]


def class_of(duration_us: int) -> int:
    milliseconds = max(duration_us / 1000, _FIRST_MS)
    return min(_CLASSES, math.ceil(round(math.log(milliseconds / _FIRST_MS, _FACTOR), 9)))


def end_of(number: int) -> float:
    """The longest duration of the class, in milliseconds."""
    return _FIRST_MS * float(_FACTOR**number)


def _store(sums: Mapping[_Key, Mapping[str, int]]) -> None:
    columns = ("project_ref", "span", "level", "at", "server", "subject", *_NUMBERS)
    raised = ", ".join(f"{name} = audit_callfigure.{name} + excluded.{name}" for name in _NUMBERS)
    adapt = connection.ops.adapt_datetimefield_value
    rows = [
        (ref, span, level, adapt(at), server, subject, *(counts.get(name, 0) for name in _NUMBERS))
        for (ref, span, level, at, server, subject), counts in sorted(sums.items(), key=lambda each: each[0])
    ]
    with connection.cursor() as cursor:
        for start in range(0, len(rows), 80):
            part = rows[start : start + 80]
            places = ", ".join([f"({', '.join(['%s'] * len(columns))})"] * len(part))
            cursor.execute(
                f"INSERT INTO audit_callfigure ({', '.join(columns)}) VALUES {places}"  # noqa: S608  our own columns
                f" ON CONFLICT (project_ref, span, level, at, server, subject) DO UPDATE SET {raised}",
                [value for row in part for value in row],
            )


# --- reading -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Window:
    """From `since` on; figures are kept by `span` in it."""

    name: str
    label: str
    span: str
    length: timedelta

    def since(self, now: datetime) -> datetime:
        """The beginning of the minute, hour or day in which it began, so that figures and log are about the same."""
        return begin_of(now - self.length, self.span)


WINDOWS = {
    each.name: each
    for each in (
        Window("1h", "last hour", CallFigure.Span.MINUTE, timedelta(hours=1)),
        Window("24h", "last 24 hours", CallFigure.Span.HOUR, timedelta(hours=24)),
        Window("7d", "last 7 days", CallFigure.Span.DAY, timedelta(days=7)),
    )
}


@dataclass(frozen=True, slots=True)
class Numbers:
    """`name` is a project's number, a server, or a server and a tool."""

    name: tuple[str, str] = ("", "")
    calls: int = 0
    refused: int = 0
    blocked_in: int = 0
    blocked_out: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """Of some projects together. `took` has the number of tool calls by class of their duration."""

    all: Numbers = Numbers()
    servers: dict[str, Numbers] = field(default_factory=dict)
    tools: tuple[Numbers, ...] = ()
    took: Mapping[int, int] = field(default_factory=dict)

    def quantile(self, share: float) -> float | None:
        """A duration in milliseconds that this share of the tool calls did not exceed; None without any."""
        wanted = share * sum(self.took.values())
        if not wanted:
            return None
        for number in sorted(self.took):
            wanted -= self.took[number]
            if wanted <= 1e-9:
                return end_of(number)
        return end_of(max(self.took))


def read(projects: Collection[int], window: Window, now: datetime, tools: int = 10) -> Figures:
    """Of a project or a few: four short statements along the key of the figures. Raises django.db.Error."""
    rows = _rows(projects, window, now)
    of_servers = rows.filter(level=CallFigure.Level.SERVER).values_list("server", "subject").annotate(**_SUMS)
    of_tools = rows.filter(level=CallFigure.Level.TOOL).values_list("server", "subject").annotate(**_SUMS)
    return replace(
        totals(projects, window, now),
        servers={row[0]: _numbers(row) for row in of_servers.order_by()},
        tools=tuple(_numbers(row) for row in of_tools.order_by("-calls", "server", "subject")[:tools]),
    )


def totals(projects: Collection[int] | None, window: Window, now: datetime) -> Figures:
    """Of any number of projects, None for all; without servers and tools. Raises django.db.Error."""
    rows = _rows(projects, window, now)
    whole = rows.filter(level=CallFigure.Level.ALL).aggregate(**_SUMS)
    took = rows.filter(level=CallFigure.Level.TOOK).values_list("subject").annotate(Sum("calls"))
    return Figures(
        _totals(("", ""), whole),
        took={int(number): count for number, count in took.order_by()},
    )


def _totals(name: tuple[str, str], sums: Mapping[str, int | None]) -> Numbers:
    return Numbers(name, *(sums[each] or 0 for each in _NUMBERS))


def of_server(project: int, server: str, window: Window, now: datetime) -> Figures:
    """Of one server of a project. Raises django.db.Error."""
    rows = _rows([project], window, now).filter(server=server)
    took = rows.filter(level=CallFigure.Level.SERVER_TOOK).values_list("subject").annotate(Sum("calls"))
    whole = rows.filter(level=CallFigure.Level.SERVER).aggregate(**_SUMS)
    return Figures(
        _totals((server, ""), whole),
        took={int(number): count for number, count in took.order_by()},
    )


def by_project(projects: Collection[int] | None, window: Window, now: datetime, limit: int) -> dict[int, Numbers]:
    """Those with the most calls, by their numbers. Raises django.db.Error."""
    rows = _rows(projects, window, now).filter(level=CallFigure.Level.ALL).exclude(project_ref=0)
    sums = rows.values_list("project_ref").annotate(**_SUMS).order_by("-calls", "project_ref")[:limit]
    return {row[0]: Numbers(("", ""), *row[1:]) for row in sums}


def _rows(projects: Collection[int] | None, window: Window, now: datetime) -> QuerySet[CallFigure]:
    rows = CallFigure.objects.filter(span=window.span, at__gte=window.since(now))
    return rows if projects is None else rows.filter(project_ref__in=list(projects))


def _numbers(row: tuple[Any, ...]) -> Numbers:
    return Numbers((row[0], row[1]), *row[2:])


def series(projects: Collection[int] | None, window: Window, now: datetime) -> list[Numbers]:
    """Of each minute, hour or day of the window in its order, those without calls too; `name` has its beginning."""
    rows = _rows(projects, window, now).filter(level=CallFigure.Level.ALL)
    found = {row[0]: row[1:] for row in rows.values_list("at").annotate(**_SUMS).order_by()}
    listed, at = [], window.since(now)
    while at <= now:
        listed.append(Numbers((at.isoformat(), ""), *found.get(at, ())))
        at += _SPANS[CallFigure.Span(window.span)]
    return listed
