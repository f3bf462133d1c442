"""One page of the log: within a person's reach, a window of time and filters, newest first, along an index.

A page is found by the moment and the number of the last event of the page before, never by a count or an offset. Each
project has its own walk along its own part of an index, and the walks are merged: what others have in their logs takes
no time of a tenant's page. What no index leads to is bounded by the window, and ends after `PATIENCE` seconds.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, NamedTuple

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from audit import logs, narrowing, terms
from audit.models import COMMON, NUMBERS, Event, Term
from audit.naming import digest_name
from audit.turns import turn_of
from projects.access import Reach

PATIENCE = 3.0
# As many walks are merged into one page; beyond them one walk looks at each event of the window.
MAX_WALKS = 60
# As many values may a word stand for.
MAX_VALUES = 40
_MAX_TERMS = 4
# The longest id that an event can have, and how many events with one are listed.
_ID_LENGTH = 45
_MAX_OF_ID = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
# So many events of one microsecond are told apart.
_MAX_OF_MOMENT = 20_000
_SHOWN = (
    "ord", "id", "at", "kind", "project_ref", "project", "actor_kind", "actor_id", "actor", "call_id", "server",
    "method", "subject", "decision", "reason", "rpc_code", "upstream_status", "duration_us",
)  # fmt: skip
FILTERS = (
    "kind", "decision", "reason", "server", "method", "subject", "actor", "actor_id", "policy_version",
    "upstream_status", "rpc_code",
)  # fmt: skip
# Of these a filter may name several values, with commas between them, which no value has.
LISTED = ("decision",)


class TooWide(Exception):
    """The page was not found in time: the window has too many events that no index tells apart."""


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


@dataclass(frozen=True)
class Page:
    """`older` is where the next page begins, or None at the end. `is_partial`: the text stands for too many values."""

    events: list[Event]
    older: Cursor | None = None
    is_partial: bool = False


@dataclass(frozen=True)
class _Walk:
    """One way along an index. `project_refs` None is the whole log; `not_in` keeps it from what others walk along."""

    project_refs: tuple[int, ...] | None
    equal: tuple[tuple[str, Any], ...] = ()
    finding: str = ""
    not_in: tuple[tuple[str, tuple[str, ...]], ...] = ()
    also: tuple[tuple[tuple[str, tuple[str, ...]], ...], ...] = ()


def page_of(question: Question, after: Cursor | None, size: int) -> Page:
    """Raises TooWide, audit.turns.TooMany and django.db.Error."""
    with turn_of(question.reach), in_time():
        if question.text and (found := _by_id(question)) is not None:
            return _part_of(found, after, size)
        walks, is_partial = _walks(question)
        if not walks:
            return Page([])
        events = _newest(question, walks, after, size)
    return replace(_part_of(events, None, size), is_partial=is_partial)


def _part_of(events: list[Event], after: Cursor | None, size: int) -> Page:
    """The first of these, which are in the order of pages, that come after the cursor."""
    events = [event for event in events if after is None or (event.at, event.ord) < after]
    older = Cursor(events[size - 1].at, events[size - 1].ord) if len(events) > size else None
    return Page(events[:size], older)


def _newest(question: Question, walks: list[_Walk], after: Cursor | None, size: int) -> list[Event]:
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


def _read(question: Question, walks: list[_Walk], after: Cursor | None, limit: int) -> list[Event]:
    if all(walk.finding and not (walk.equal or walk.not_in or walk.also) for walk in walks):
        return _read_marked(question, walks, after, limit)
    statement, values = _statement(question, walks, after, limit)
    return list(Event.objects.raw(statement, values))


def _read_marked(question: Question, walks: list[_Walk], after: Cursor | None, limit: int) -> list[Event]:
    """Marks are enough to say which events these are."""
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
    with connection.cursor() as cursor:
        cursor.execute(f"{' UNION ALL '.join(parts)} ORDER BY at DESC LIMIT {limit}", values)
        keys = [(number, at if at.tzinfo else at.replace(tzinfo=UTC)) for number, at in cursor.fetchall()]
    if not keys:
        return []
    rows = Event.objects.filter(ord__in=[number for number, _ in keys], at__range=(keys[-1][1], keys[0][1]))
    return list(rows.order_by().only(*_SHOWN))


def whole(events: list[Event]) -> list[Event]:
    """The events of a page with all their columns. Raises django.db.Error."""
    if not events:
        return []
    rows = Event.objects.filter(pk__in=[event.ord for event in events], at__range=(events[-1].at, events[0].at))
    return sorted(rows.order_by(), key=lambda event: (event.at, event.ord), reverse=True)


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


# --- which walks -------------------------------------------------------------------------------------------------


def _walks(question: Question) -> tuple[list[_Walk], bool]:
    refs = _refs(question)
    if refs is not None and not refs:
        return [], False
    if question.text:
        return _walks_of_text(question, refs if refs is not None else known_logs())
    if refs is None and question.is_plain:
        return [_Walk(None)], False
    each = refs if refs is not None else known_logs()
    walks = _narrowed(question, each)
    if len({walk.project_refs for walk in walks}) > MAX_WALKS:
        one = _Walk(None if refs is None else tuple(each), tuple(question.equal.items()), question.finding)
        return [one], False
    return walks, False


def _narrowed(question: Question, refs: list[int]) -> list[_Walk]:
    """Walks along those logs only that are known to have had each of the values."""
    walks = [walk for ref in refs for walk in _of_log(question, ref)]
    asked: dict[str, set[str]] = {}
    for walk in walks:
        for column, value in _known_values(walk):
            asked.setdefault(column, set()).add(value)
    if len(refs) == 1 or not asked or not narrowing.is_level():
        return walks
    had = {column: narrowing.logs_with(column, values, refs) for column, values in asked.items()}
    return [walk for walk in walks if _is_within(walk, had)]


def _is_within(walk: _Walk, had: Mapping[str, Mapping[int, set[str]]]) -> bool:
    refs = walk.project_refs or ()
    return all(value in had[column].get(ref, ()) for column, value in _known_values(walk) for ref in refs)


def _known_values(walk: _Walk) -> Iterator[tuple[str, str]]:
    yield from ((column, value) for column, value in walk.equal if column in terms.NAMED)
    if walk.finding:
        yield terms.FINDING, walk.finding


def _refs(question: Question) -> list[int] | None:
    """The logs that are asked about; None for all that there are."""
    reach, project = question.reach, question.project
    if project is not None:
        return [project] if reach.has(project) else []
    return None if reach.is_all else sorted(reach.projects)


def _of_log(question: Question, ref: int) -> list[_Walk]:
    """One for each value of a list. A subject is looked for as it is, and as the log has what was not to be written."""
    return [
        _Walk((ref,), tuple({**question.equal, **subject, **listed}.items()), question.finding)
        for listed in _each_listed(question.equal) for subject in _spellings(question.equal, ref)
    ]  # fmt: skip


def _each_listed(equal: Mapping[str, str | int]) -> list[dict[str, str | int]]:
    """What is listed with commas, one by one, so that each has its way along an index."""
    names = [name for name in LISTED if name in equal]
    return [
        dict(zip(names, values, strict=True))
        for values in product(*(dict.fromkeys(_listed(equal[name])) for name in names))
    ]


def _listed(value: str | int) -> list[str]:
    return [part.strip() for part in str(value).split(",")]


def _spellings(equal: Mapping[str, str | int], ref: int) -> list[dict[str, str | int]]:
    if "subject" not in equal:
        return [{}]
    return [{}, {"subject": _digest(ref, str(equal["subject"]))}]


def _walks_of_text(question: Question, refs: list[int]) -> tuple[list[_Walk], bool]:
    """Each word must be found in some column: the one that stands for the fewest values leads, the others filter."""
    words = question.text.lower().split()[:_MAX_TERMS]
    found = [_values_of(word, refs) for word in words]
    is_partial = any(each.is_partial for each in found)
    if len(words) == 1:
        for ref in refs:
            found[0].add(ref, "subject", _digest(ref, question.text.strip()))
            found[0].add(ref, "actor_id", question.text.strip())
    walks: list[_Walk] = []
    for ref in refs:
        if all(each.of(ref) for each in found):
            first, *others = sorted((each.of(ref) for each in found), key=_number_of_values)
            walks += _led_by(question, ref, first, others)
    if len(walks) > MAX_WALKS:
        return walks[:MAX_WALKS], True
    return walks, is_partial


_Values = dict[str, tuple[str, ...]]


class _Found:
    """What a word stands for in each log: the columns, and their values."""

    def __init__(self) -> None:
        self.is_partial = False
        self._values: dict[int, dict[str, list[str]]] = {}

    def add(self, ref: int, column: str, value: str) -> None:
        values = self._values.setdefault(ref, {}).setdefault(column, [])
        if value not in values:
            values.append(value)

    def of(self, ref: int) -> _Values:
        return {column: tuple(values) for column, values in self._values.get(ref, {}).items()}


def _number_of_values(values: _Values) -> int:
    return sum(map(len, values.values()))


def _values_of(word: str, refs: list[int]) -> _Found:
    found = _Found()
    rows = Term.objects.filter(project_ref__in=refs, column__in=terms.SEARCHED)
    rows = beginning_with(rows, word[: terms.WORD_LENGTH])
    listed = list(rows.values_list("project_ref", "column", "value")[: 3 * MAX_VALUES])
    for number, (ref, column, value) in enumerate(listed):
        if number >= MAX_VALUES and value not in found.of(ref).get(column, ()):
            found.is_partial = True
            break
        found.add(ref, column, value)
    return found


def beginning_with(rows: Any, start: str) -> Any:
    """Terms whose word begins so."""
    if connection.vendor == "postgresql":
        return rows.filter(word__startswith=start)
    # Its LIKE takes large for small letters, and then walks along no index.
    return rows.filter(word__gte=start, word__lt=start + "\U0010ffff")


def _digest(ref: int, text: str) -> str:
    ring = settings.KEYRING
    return digest_name(ring.project_digest_key(ref) if ref else ring.gateway_digest_key(), text)


def _led_by(question: Question, ref: int, first: _Values, others: list[_Values]) -> Iterator[_Walk]:
    also = tuple(tuple(values.items()) for values in others)
    passed: tuple[tuple[str, tuple[str, ...]], ...] = ()
    for column, values in first.items():
        for number, value in enumerate(values):
            # An event can have several codes, and is listed once.
            not_in = (*passed, (column, values[:number])) if column == terms.FINDING and number else passed
            for base in _of_log(question, ref):
                yield _led(replace(base, not_in=not_in, also=also), column, value)
        passed = (*passed, (column, values))


def _led(walk: _Walk, column: str, value: str) -> _Walk:
    if column != terms.FINDING:
        return replace(walk, equal=(*walk.equal, (column, value)))
    if not walk.finding:
        return replace(walk, finding=value)
    return replace(walk, also=(*walk.also, ((column, (value,)),)))


def _by_id(question: Question) -> list[Event] | None:
    """Events with exactly this id, of whatever time; None when the text is no id or nothing has it."""
    text, events, refs = question.text.strip(), Event.objects.all(), _refs(question)
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


# --- the statement -----------------------------------------------------------------------------------------------


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


def _statement(question: Question, walks: list[_Walk], after: Cursor | None, limit: int) -> tuple[str, list[Any]]:
    """Each walk ends by itself, and is taken no further than the merged page needs it."""
    parts, values = [], []
    names, shown = (", ".join(f"{table}{name}" for name in _SHOWN) for table in ("event.", ""))
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


def _where(question: Question, walk: _Walk, after: Cursor | None) -> _Where:
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
    return where


def _add_window(where: _Where, question: Question, after: Cursor | None, table: str, number: str) -> None:
    if question.since is not None:
        where.add(f"{table}.at >= %s", _moment(question.since))
    # Months that are yet to come are not looked into.
    where.add(f"{table}.at < %s", _moment(question.until or timezone.now() + timedelta(days=1)))
    if after is not None:
        at = _moment(after.at)
        where.add(f"{table}.at <= %s AND ({table}.at < %s OR {number} < %s)", at, at, after.ord)


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
        _add_one_of(where, name, tuple(_listed(value)))
        return
    is_bare = isinstance(value, uuid.UUID) and not connection.features.has_native_uuid_field
    where.add(f"event.{name} = %s", value.hex if is_bare else value)
    common = COMMON.get(name)
    if connection.vendor == "sqlite" and common and value not in common:
        # It walks along a partial index only where a statement repeats the index's condition word for word.
        listed = f"event.{name} IN ({', '.join(map(repr, common))})"
        where.add(f"NOT ({listed} AND event.{name} IS NOT NULL)" if name in NUMBERS else f"NOT ({listed})")


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


def suggestions(reach: Reach, project: int | None, column: str, start: str, limit: int = 20) -> list[str]:
    """Values of a column within reach that begin so, or have a word that does."""
    refs = _refs(Question(reach, project))
    rows = Term.objects.filter(project_ref__in=(refs if refs is not None else known_logs())[:MAX_WALKS])
    rows = beginning_with(rows.filter(column=column), start.lower()[: terms.WORD_LENGTH])
    return sorted(set(rows.values_list("value", flat=True)[: 5 * limit]))[:limit]


def choices(reach: Reach, project: int | None, limit: int = 600) -> dict[str, list[str]]:
    """The values within reach of the columns that have few."""
    refs = _refs(Question(reach, project))
    known: dict[str, list[str]] = {}
    rows = Term.objects.filter(
        project_ref__in=(refs if refs is not None else known_logs())[:MAX_WALKS],
        column__in=("kind", "decision", "reason", "server", "method", terms.FINDING), word="",
    )  # fmt: skip
    for column, value in sorted(set(rows.values_list("column", "value")[:limit])):
        known.setdefault(column, []).append(value)
    return known


def known_logs() -> list[int]:
    """The numbers of all logs; 0 is that of what belongs to no project."""
    return sorted({0, *logs.refs("audit_event")})


# --- one event at a time -----------------------------------------------------------------------------------------


def has_value(event: Event, name: str, value: str | int) -> bool:
    held = getattr(event, name)
    if name in LISTED:
        return held in _listed(value)
    return held == value or (name == "subject" and held == _digest(event.project_ref or 0, str(value)))


def codes_of(event: Event) -> list[str]:
    return terms.codes_of(event.detail)


def has_words(event: Event, words: list[str]) -> bool:
    """As a search finds it: each word begins a word of a searched column, or is one of its ids."""
    ids = {str(event.call_id), str(event.id), event.request_id, event.trace_id, event.actor_id}
    values = [getattr(event, name) for name in terms.SEARCHED if name != terms.FINDING] + codes_of(event)
    known = [word for value in values if value for word in terms.words_of(value)]
    return all(
        word in ids or event.subject == _digest(event.project_ref or 0, word) or any(map(_begins(word), known))
        for word in words
    )


def _begins(start: str) -> Callable[[str], bool]:
    return lambda word: word.startswith(start)
