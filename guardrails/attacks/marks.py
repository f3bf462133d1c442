"""A mark is a pattern that speaks for an attack; a table of marks is searched in one pass over the text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any

import re2

from guardrails.engine.hits import Hit
from guardrails.engine.turns import give_way

# An automaton is made as texts need it, and kept within this; beyond, it is begun anew.
_AUTOMATON_BYTES = 4 << 20
# Places of one mark that are looked at before the next one counts unseen.
_MOST_PLACES = 100


class Reach(IntEnum):
    """Where a mark counts. A wider reach holds wherever a narrower one does.

    WHOLE: only where the text is as short as a value is, and the text is in no language.
    VALUE: wherever the text is not written in the language that the mark is of.
    ALWAYS: also in code, in shell commands, in SQL. PAYLOAD: also in what servers say.
    """

    WHOLE = 0
    VALUE = 1
    ALWAYS = 2
    PAYLOAD = 3


@dataclass(frozen=True, slots=True)
class Mark:
    """`pattern` is in the syntax of RE2 and matches whatever the case.

    One that `closes` begins with a quotation mark, and counts only where its line did not open that mark before: in
    `name='a' or name='b'` every quotation mark has its partner, in `a' or 'b'='b` the first has none.
    """

    category: str
    score: float
    reach: Reach
    pattern: str
    closes: bool = False


class Table:
    """Marks that are searched together. Takes time in proportion to the text, whatever the text."""

    def __init__(self, families: Sequence[Sequence[Mark]]) -> None:
        # One automaton for each family and reach: their states add up, where those of a single one would multiply.
        self._groups = [
            _Group([mark for mark in marks if mark.reach is reach], reach) for marks in families for reach in Reach
            if any(mark.reach is reach for mark in marks)
        ]  # fmt: skip

    def search(self, text: str, reach: Reach) -> Iterator[Hit]:
        """The first place of each mark whose reach is `reach` or wider. The text is free of lone surrogates."""
        encoded = text.encode()
        for group in self._groups:
            give_way()
            if group.reach >= reach:
                yield from group.search(text, encoded)


class _Group:
    def __init__(self, marks: Sequence[Mark], reach: Reach) -> None:
        self.reach = reach
        self._marks = tuple(marks)
        # Made when its mark is first seen: most never are, and each takes tens of kilobytes.
        self._patterns: dict[int, Any] = {}
        self._all = re2.Set.SearchSet(_options())
        for mark in self._marks:
            self._all.Add(mark.pattern)
        # Always matches: an answer without it is the automaton out of memory, which re2 does not tell apart from none.
        self._all.Add("")
        self._all.Compile()

    def search(self, text: str, encoded: bytes) -> Iterator[Hit]:
        for index in self._all.Match(encoded) or range(len(self._marks)):
            give_way()
            if index == len(self._marks):
                continue
            span = self._find(index, text)
            if span is not None:
                yield Hit(self._marks[index].category, *span, self._marks[index].score)

    def _find(self, index: int, text: str) -> tuple[int, int] | None:
        pattern = self._patterns.get(index)
        if pattern is None:
            pattern = self._patterns[index] = re2.compile(self._marks[index].pattern, _options())
        if not self._marks[index].closes:
            found = pattern.search(text)
            return found.span() if found is not None else None
        for count, found in enumerate(pattern.finditer(text)):
            start, end = found.span()
            line = text.rfind("\n", 0, start) + 1
            if count == _MOST_PLACES or text.count(text[start], line, start) % 2 == 0:
                return start, end
        return None


def _options() -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = _AUTOMATON_BYTES
    return options


@lru_cache(maxsize=1)
def table() -> Table:
    """All marks of all families."""
    # The families import this module.
    from guardrails.attacks import command, data, directory, nosql, path, script, sql, template, url, xml

    families = (sql, nosql, script, command, template, data, xml, directory, url, path)
    return Table([family.MARKS for family in families])
