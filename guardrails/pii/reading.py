"""A text made ready for many searches: encoded once, with places counted in characters of the text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import re2

from guardrails.engine.arrays import cumulative, pieces
from guardrails.engine.turns import give_way, giving_way

# Of an automaton; it grows with the texts that it has seen until it is full, and then begins anew.
_MAX_PATTERN_BYTES = 8 << 20
# Letters in as few ranges as will do: the full classes of Unicode make automata of megabytes. What they find is looked
# at again with the methods of str.
_LETTER = r"A-Za-z\x{aa}\x{b5}\x{ba}\x{c0}-\x{2c1}\x{300}-\x{1fff}\x{2c00}-\x{2fef}\x{3005}-\x{d7ff}\x{f900}-\x{ffdc}"
# Capitals, and the letters of scripts that have none.
_CAPITAL = (
    r"A-Z\x{c0}-\x{de}\x{100}-\x{24f}\x{370}-\x{3ab}\x{400}-\x{42f}\x{531}-\x{556}\x{5d0}-\x{e7f}\x{10a0}-\x{10ff}"
    r"\x{1e00}-\x{1eff}\x{3040}-\x{9fff}\x{ac00}-\x{d7a3}"
)


@lru_cache(maxsize=256)
def pattern(expression: str) -> Any:
    """A linear expression for `Reading`. Inside brackets, <LET> stands for letters and <CAP> for capitals."""
    options = re2.Options()
    options.max_mem = _MAX_PATTERN_BYTES
    options.never_capture = True
    options.log_errors = False
    return re2.compile(expression.replace("<LET>", _LETTER).replace("<CAP>", _CAPITAL).encode(), options)


@lru_cache(maxsize=16)
def _table(marks: bytes) -> npt.NDArray[np.bool_]:
    table = np.zeros(256, dtype=np.bool_)
    table[list(marks)] = True
    return table


class Reading:
    """A text, and the same as UTF-8. A lone surrogate, which UTF-8 does not have, is read as a question mark."""

    __slots__ = ("_starts", "data", "text")

    def __init__(self, text: str) -> None:
        self._starts: npt.NDArray[np.int64] | None = None
        if text.isascii():
            self.data = text.encode()
        else:
            parts = [text[start:end].encode("utf-8", "replace") for start, end in pieces(len(text))]
            self.data = b"".join(parts)
            text = "".join([part.decode() for part in giving_way(parts)])
            octets, first = np.frombuffer(self.data, dtype=np.uint8), np.empty(len(self.data), dtype=np.bool_)
            for start, end in pieces(len(octets)):
                first[start:end] = (octets[start:end] & 0xC0) != 0x80
            self._starts = cumulative(first, np.int64)
        self.text = text

    def find(self, compiled: Any, place: int = 0) -> Iterator[tuple[int, int]]:
        """Start and end of every match from `place` on, in characters, from left to right."""
        starts = self._starts
        if starts is None:
            for match in compiled.finditer(self.data, place):
                yield match.span()
                give_way()
        else:
            first = int(np.searchsorted(starts, place, side="right")) - 1 if place else 0
            for match in compiled.finditer(self.data, first):
                start, end = match.span()
                yield int(starts[start]), int(starts[end])
                give_way()

    def places(self, marks: bytes) -> list[int]:
        """Where any of these ASCII characters stand."""
        found = np.flatnonzero(_table(marks)[np.frombuffer(self.data, dtype=np.uint8)])
        found = found if self._starts is None else self._starts[found]
        return list(chain.from_iterable(found[start:end].tolist() for start, end in pieces(len(found))))

    def follows(self, compiled: Any, place: int, reach: int = 200) -> int:
        """Where a match that begins exactly at `place` ends, or -1. Looks at `reach` characters only."""
        give_way()
        match = compiled.match(self.text[place : place + reach].encode())
        if match is None:
            return -1
        end: int = match.end()
        if self._starts is None:
            return place + end
        return place + len(self.text[place : place + reach].encode()[:end].decode())


def unescaped(value: str) -> str:
    """A value of JSON text as it is meant; as it stands when it cannot be read."""
    if "\\" not in value:
        return value
    for _ in range(3):
        try:
            plain = json.loads(f'"{value}"')
        except ValueError:
            return value
        if plain == value or "\\" not in plain:
            return str(plain)
        value = plain
    return value
