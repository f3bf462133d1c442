"""Looks for many patterns in one pass, and only then for the places of those that are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import re2

from guardrails.engine.hits import Hit
from guardrails.engine.turns import give_way

# Places of one pattern in one text; more of them tell nothing new.
_MOST = 20
# Of an automaton; in texts of many alphabets one grows until it is full, and then begins anew.
_MEMORY_BYTES = 4 << 20
# To compile all of them into one automaton keeps the interpreter from every other thread for 25 ms, and its states
# multiply where those of several add up.
_MOST_TOGETHER = 14


@dataclass(frozen=True, slots=True)
class Sign:
    """A pattern (RE2 syntax) and how much it tells alone, 0 to 1."""

    category: str
    score: float
    pattern: str


class Signs:
    """Patterns that are searched together. Case does not matter; ^ and $ are those of lines."""

    def __init__(self, signs: Sequence[Sign]) -> None:
        self._signs = tuple(signs)
        # Made when it is first looked for: most never are, and each takes tens of kilobytes.
        self._each: dict[int, Any] = {}
        starts = range(0, len(signs), _MOST_TOGETHER)
        self._sets = [_Together(signs[start : start + _MOST_TOGETHER]) for start in starts]

    def among(self, text: str) -> list[int]:
        """Which of the patterns are somewhere in the text."""
        data = text.encode()
        seen: list[int] = []
        for number, together in enumerate(self._sets):
            give_way()
            seen += [number * _MOST_TOGETHER + index for index in together.among(data)]
        return seen

    def find(self, text: str, which: Sequence[int] | None = None) -> Iterator[Hit]:
        """The first places of each pattern, by pattern. `which` are those to look for, if that is known."""
        for index in self.among(text) if which is None else which:
            sign = self._signs[index]
            give_way()
            pattern = self._each.get(index)
            if pattern is None:
                pattern = self._each[index] = re2.compile(_flagged(sign), _options())
            for count, match in enumerate(pattern.finditer(text)):
                if count == _MOST:
                    break
                yield Hit(sign.category, match.start(), match.end(), sign.score)


class _Together:
    """Some signs in one automaton."""

    def __init__(self, signs: Sequence[Sign]) -> None:
        self._count = len(signs)
        self._set = re2.Set.SearchSet(_options())
        for sign in signs:
            self._set.Add(_flagged(sign))
        # Always matches: an answer without it is the automaton out of memory, which re2 does not tell apart from none.
        self._set.Add("")
        self._set.Compile()
        give_way()

    def among(self, data: bytes) -> list[int]:
        seen = self._set.Match(data) or range(self._count)
        return sorted(index for index in seen if index < self._count)


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _MEMORY_BYTES
    options.log_errors = False
    return options


def _flagged(sign: Sign) -> str:
    return f"(?im){sign.pattern}"
