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
    lines = list(_rows(_MISSING if before is None else before, after, "", "", 0))
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


def _rows(old: Any, new: Any, indent: str, label: str, depth: int) -> Iterator[Line]:
    """`label` is the member's name with its colon, or nothing."""
    if isinstance(old, dict) and isinstance(new, dict) and depth < _MAX_DEPTH:
        members = [(name, old.get(name, _MISSING), new.get(name, _MISSING)) for name in sorted({**old, **new})]
        pairs = [(one, other, f"{_spell(name)}: ") for name, one, other in members]
        yield from _container_rows("{}", pairs, indent, label, depth)
    elif isinstance(old, list) and isinstance(new, list) and depth < _MAX_DEPTH:
        pairs = [(one, other, "") for one, other in _aligned(old, new, [*map(canonical, old)], [*map(canonical, new)])]
        yield from _container_rows("[]", pairs, indent, label, depth)
    else:
        left, right = _lines(old, indent, label, depth), _lines(new, indent, label, depth)
        for one, other in _aligned(left, right, left, right):
            yield _row(one, other)


def _container_rows(
    brackets: str, pairs: Sequence[tuple[Any, Any, str]], indent: str, label: str, depth: int
) -> Iterator[Line]:
    yield _equal(f"{indent}{label}{brackets[0]}")
    for old, new, name in pairs:
        yield from _rows(old, new, f"{indent}  ", name, depth + 1)
    yield _equal(f"{indent}{brackets[1]}")


def _equal(text: str) -> Line:
    shown = visible(text)
    return Line(shown, shown, "equal")


def _row(one: Any, other: Any) -> Line:
    if one is _MISSING:
        return Line("", visible(other), "added")
    if other is _MISSING:
        return Line(visible(one), "", "removed")
    return Line(visible(one), visible(other), "equal" if one == other else "changed")


def _aligned(old: Sequence[Any], new: Sequence[Any], keys: Any, other_keys: Any) -> Iterator[tuple[Any, Any]]:
    """Items beside their equals; of long lists what is the same at both ends, and the rest as it comes."""
    first = next((at for at, (a, b) in enumerate(zip(keys, other_keys, strict=False)) if a != b),
                 min(len(old), len(new)))  # fmt: skip
    rest = min(len(old), len(new)) - first
    last = next((at for at in range(rest) if keys[-1 - at] != other_keys[-1 - at]), rest)
    yield from zip(old[:first], new[:first], strict=True)
    yield from _middle(
        old[first : len(old) - last], new[first : len(new) - last],
        keys[first : len(old) - last], other_keys[first : len(new) - last],
    )  # fmt: skip
    yield from zip(old[len(old) - last :], new[len(new) - last :], strict=True)


def _middle(old: Sequence[Any], new: Sequence[Any], keys: Any, other_keys: Any) -> Iterator[tuple[Any, Any]]:
    if max(len(old), len(new)) > _MAX_ALIGNED:
        yield from zip_longest(old, new, fillvalue=_MISSING)
        return
    for _, a, b, c, d in SequenceMatcher(None, keys, other_keys, autojunk=False).get_opcodes():
        yield from zip_longest(old[a:b], new[c:d], fillvalue=_MISSING)


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
