"""Looks for many patterns in one pass, and only then for the places of those that are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import re2

from guardrails.engine.turns import give_way

# Places of one pattern in one text; more of them tell nothing new.
_MOST = 20
# Of an automaton; in texts of many alphabets one grows until it is full, and then begins anew.
_MEMORY_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Sign:
    """A pattern (RE2 syntax) and how much it tells alone, 0 to 1."""

    category: str
    score: float
    pattern: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A place in a text, [start, end), and how much it tells alone."""

    category: str
    score: float
    start: int
    end: int


class Signs:
    """Patterns that are searched together. Case does not matter; ^ and $ are those of lines."""

    def __init__(self, signs: Sequence[Sign]) -> None:
        options = re2.Options()
        options.max_mem = _MEMORY_BYTES
        options.log_errors = False
        self._signs = tuple(signs)
        self._each = [re2.compile(_flagged(sign), options) for sign in signs]
        self._all = re2.Set.SearchSet(options)
        for sign in signs:
            self._all.Add(_flagged(sign))
        # Always matches: an answer without it is the automaton out of memory, which re2 does not tell apart from none.
        self._all.Add("")
        self._all.Compile()

    def among(self, text: str) -> list[int]:
        """Which of the patterns are somewhere in the text."""
        seen = self._all.Match(text) or range(len(self._signs))
        return sorted(index for index in seen if index < len(self._signs))

    def find(self, text: str, which: Sequence[int] | None = None) -> Iterator[Hit]:
        """The first places of each pattern, by pattern. `which` are those to look for, if that is known."""
        for index in self.among(text) if which is None else which:
            sign = self._signs[index]
            give_way()
            for count, match in enumerate(self._each[index].finditer(text)):
                if count == _MOST:
                    break
                yield Hit(sign.category, sign.score, match.start(), match.end())


def _flagged(sign: Sign) -> str:
    return f"(?im){sign.pattern}"
