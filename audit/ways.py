"""Which ways along the indexes of the log lead to what a question looks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from django.db import connection

from audit import narrowing, terms
from audit.models import Term
from audit.question import LISTED, Question, digest_of, known_logs, listed, refs_of

# As many walks are merged into one page; beyond them one walk looks at each event of the window.
MAX_WALKS = 60
# As many values may a word stand for.
MAX_VALUES = 40
_MAX_TERMS = 4


@dataclass(frozen=True)
class Walk:
    """One way along an index. `project_refs` None is the whole log; `not_in` keeps it from what others walk along."""

    project_refs: tuple[int, ...] | None
    equal: tuple[tuple[str, Any], ...] = ()
    finding: str = ""
    not_in: tuple[tuple[str, tuple[str, ...]], ...] = ()
    also: tuple[tuple[tuple[str, tuple[str, ...]], ...], ...] = ()


def walks_of(question: Question) -> tuple[list[Walk], bool]:
    refs = refs_of(question)
    if refs is not None and not refs:
        return [], False
    if question.text:
        return _walks_of_text(question, refs if refs is not None else known_logs())
    if refs is None and question.is_plain:
        return [Walk(None)], False
    each = refs if refs is not None else known_logs()
    walks = _narrowed(question, each)
    if len({walk.project_refs for walk in walks}) > MAX_WALKS:
        one = Walk(None if refs is None else tuple(each), tuple(question.equal.items()), question.finding)
        return [one], False
    return walks, False


def _narrowed(question: Question, refs: list[int]) -> list[Walk]:
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


def _is_within(walk: Walk, had: Mapping[str, Mapping[int, set[str]]]) -> bool:
    refs = walk.project_refs or ()
    return all(value in had[column].get(ref, ()) for column, value in _known_values(walk) for ref in refs)


def _known_values(walk: Walk) -> Iterator[tuple[str, str]]:
    yield from ((column, value) for column, value in walk.equal if column in terms.NAMED)
    if walk.finding:
        yield terms.FINDING, walk.finding


def _of_log(question: Question, ref: int) -> list[Walk]:
    """One for each value of a list. A subject is looked for as it is, and as the log has what was not to be written."""
    return [
        Walk((ref,), tuple({**question.equal, **subject, **one_of_each}.items()), question.finding)
        for one_of_each in _each_listed(question.equal) for subject in _spellings(question.equal, ref)
    ]  # fmt: skip


def _each_listed(equal: Mapping[str, str | int]) -> list[dict[str, str | int]]:
    """What is listed with commas, one by one, so that each has its way along an index."""
    names = [name for name in LISTED if name in equal]
    values = product(*(dict.fromkeys(listed(equal[name])) for name in names))
    return [dict(zip(names, each, strict=True)) for each in values]


def _spellings(equal: Mapping[str, str | int], ref: int) -> list[dict[str, str | int]]:
    if "subject" not in equal:
        return [{}]
    return [{}, {"subject": digest_of(ref, str(equal["subject"]))}]


def _walks_of_text(question: Question, refs: list[int]) -> tuple[list[Walk], bool]:
    """Each word must be found in some column: the one that stands for the fewest values leads, the others filter."""
    words = question.text.lower().split()[:_MAX_TERMS]
    found = [_values_of(word, refs) for word in words]
    is_partial = any(each.is_partial for each in found)
    if len(words) == 1:
        text = question.text.strip()
        for column, values in (
            ("subject", {ref: digest_of(ref, text) for ref in refs}), ("actor_id", dict.fromkeys(refs, text)),
        ):  # fmt: skip
            for ref in sorted(narrowing.present(question, column, values)):
                found[0].add(ref, column, values[ref])
    walks: list[Walk] = []
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


def _led_by(question: Question, ref: int, first: _Values, others: list[_Values]) -> Iterator[Walk]:
    also = tuple(tuple(values.items()) for values in others)
    passed: tuple[tuple[str, tuple[str, ...]], ...] = ()
    for column, values in first.items():
        for number, value in enumerate(values):
            # An event can have several codes, and is listed once.
            not_in = (*passed, (column, values[:number])) if column == terms.FINDING and number else passed
            for base in _of_log(question, ref):
                yield _led(replace(base, not_in=not_in, also=also), column, value)
        passed = (*passed, (column, values))


def _led(walk: Walk, column: str, value: str) -> Walk:
    if column != terms.FINDING:
        return replace(walk, equal=(*walk.equal, (column, value)))
    if not walk.finding:
        return replace(walk, finding=value)
    return replace(walk, also=(*walk.also, ((column, (value,)),)))
