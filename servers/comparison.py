"""Two versions of a definition beside each other in lines, for a person who sees all that is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby, zip_longest
from typing import Any, Literal

from servers.definitions import canonical
from servers.texts import visible

Kind = Literal["equal", "changed", "added", "removed"]
MAX_LINES = 10_000
_MAX_DEPTH = 64
# Equal lines that are kept on each side of what differs, when there are too many lines.
_AROUND = 5
# To find what moved takes time with the square of it.
_MAX_ALIGNED = 200
# In bytes that are compared; a pair of items takes as long as some twenty.
_MAX_WORK = 20_000_000
_DEARER = 20
_PIECE = re.compile(r"(?:[^\\]|\\[^n])*(?:\\n)?", re.DOTALL)
_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Line:
    """A row. The side that has no such line is empty."""

    left: str
    right: str
    kind: Kind


def compare(before: Any, after: Any) -> list[Line]:
    """Indented JSON without commas, sorted; a text in the lines that it has itself. `before` may be None.

    Characters that show nothing are \\u escapes. At most MAX_LINES rows; equal ones are the first to be left out, in
    favour of a row that says how many.
    """
    lines = list(_Rows().of(_MISSING if before is None else before, after))
    if len(lines) > MAX_LINES:
        lines = list(_without_most_equal(lines))
    if len(lines) > MAX_LINES:
        left_out = f"… {len(lines) - MAX_LINES:,} more lines differ"
        lines = [*lines[:MAX_LINES], Line(left_out, left_out, "changed")]
    return lines


def _without_most_equal(lines: Sequence[Line]) -> Iterator[Line]:
    for kind, group in groupby(lines, key=lambda line: line.kind):
        run = list(group)
        if kind == "equal" and len(run) > 3 * _AROUND:
            left_out = f"… {len(run) - 2 * _AROUND:,} equal lines"
            run = [*run[:_AROUND], Line(left_out, left_out, "equal"), *run[-_AROUND:]]
        yield from run


class _Rows:
    """Goes down both sides together. To find what stands beside what is bounded for all of it."""

    def __init__(self) -> None:
        self._budget = _MAX_WORK

    def of(self, old: Any, new: Any, indent: str = "", label: str = "", depth: int = 0) -> Iterator[Line]:
        """`label` is the member's name with its colon, or nothing."""
        if isinstance(old, dict) and isinstance(new, dict) and depth < _MAX_DEPTH:
            names = sorted({**old, **new})
            pairs = [(old.get(name, _MISSING), new.get(name, _MISSING), f"{_spell(name)}: ") for name in names]
            yield from self._of_container("{}", pairs, indent, label, depth)
        elif isinstance(old, list) and isinstance(new, list) and depth < _MAX_DEPTH:
            pairs = [(one, other, "") for one, other in self._items(old, new)]
            yield from self._of_container("[]", pairs, indent, label, depth)
        else:
            left, right = _lines(old, indent, label, depth), _lines(new, indent, label, depth)
            for one, other in self._aligned(left, right, left, right):
                yield _row(one, other)

    def _of_container(
        self, brackets: str, pairs: Sequence[tuple[Any, Any, str]], indent: str, label: str, depth: int
    ) -> Iterator[Line]:
        yield _equal(f"{indent}{label}{brackets[0]}")
        for old, new, name in pairs:
            yield from self.of(old, new, f"{indent}  ", name, depth + 1)
        yield _equal(f"{indent}{brackets[1]}")

    def _items(self, old: list[Any], new: list[Any]) -> Iterator[tuple[Any, Any]]:
        if self._budget <= 0 or len(old) == len(new) == 1:
            return zip_longest(old, new, fillvalue=_MISSING)
        keys, other_keys = [*map(canonical, old)], [*map(canonical, new)]
        self._budget -= sum(map(len, keys)) + sum(map(len, other_keys))
        return self._aligned(old, new, keys, other_keys)

    def _aligned(
        self, old: Sequence[Any], new: Sequence[Any], keys: Sequence[Any], other_keys: Sequence[Any]
    ) -> Iterator[tuple[Any, Any]]:
        """Items beside those with equal keys; of many, what is the same at both ends and the rest as it comes."""
        shorter = min(len(old), len(new))
        first = next((at for at in range(shorter) if keys[at] != other_keys[at]), shorter)
        rest = shorter - first
        last = next((at for at in range(rest) if keys[-1 - at] != other_keys[-1 - at]), rest)
        end, other_end = len(old) - last, len(new) - last
        yield from zip(old[:first], new[:first], strict=True)
        for a, b, c, d in self._alike(keys[first:end], other_keys[first:other_end]):
            yield from zip_longest(old[first + a : first + b], new[first + c : first + d], fillvalue=_MISSING)
        yield from zip(old[end:], new[other_end:], strict=True)

    def _alike(self, keys: Sequence[Any], other_keys: Sequence[Any]) -> list[tuple[int, int, int, int]]:
        """Which stretches stand beside which."""
        work = len(keys) * len(other_keys)
        if max(len(keys), len(other_keys)) > _MAX_ALIGNED or work * _DEARER > self._budget:
            return [(0, len(keys), 0, len(other_keys))]
        self._budget -= work * _DEARER
        matcher = SequenceMatcher(None, keys, other_keys, autojunk=False)
        return [(a, b, c, d) for _, a, b, c, d in matcher.get_opcodes()]


def _equal(text: str) -> Line:
    shown = visible(text)
    return Line(shown, shown, "equal")


def _row(one: Any, other: Any) -> Line:
    if one is _MISSING:
        return Line("", visible(other), "added")
    if other is _MISSING:
        return Line(visible(one), "", "removed")
    return Line(visible(one), visible(other), "equal" if one == other else "changed")


def _lines(value: Any, indent: str, label: str, depth: int) -> list[str]:
    """The value alone."""
    if value is _MISSING:
        return []
    if isinstance(value, str):
        pieces = [piece for piece in _PIECE.findall(_spell(value)) if piece]
        return [f"{indent}{label}{pieces[0]}", *(f"{indent}  {piece}" for piece in pieces[1:])]
    if not isinstance(value, (dict, list)) or depth >= _MAX_DEPTH:
        return [f"{indent}{label}{canonical(value).decode('utf-8', 'backslashreplace')}"]
    brackets, inner = "[]" if isinstance(value, list) else "{}", [f"{indent}{label}"]
    inner[0] += brackets[0]
    for name, each in sorted(value.items()) if isinstance(value, dict) else [("", each) for each in value]:
        inner += _lines(each, f"{indent}  ", f"{_spell(name)}: " if isinstance(value, dict) else "", depth + 1)
    return [*inner, f"{indent}{brackets[1]}"]


def _spell(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
