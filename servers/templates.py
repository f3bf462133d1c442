"""Which of a server's resource templates (RFC 6570) a URI may be made from."""

from __future__ import annotations

import re
from collections.abc import Iterable

_EXPRESSION = re.compile(r"\{[^{}]*\}")
# What stands between expressions, and behind the last one.
_Rest = tuple[tuple[str, ...], str]


class Templates:
    """Taken apart once. A URI is then held only against those that begin like it."""

    __slots__ = ("_by_beginning", "_lengths", "_plain")

    def __init__(self, templates: Iterable[str]) -> None:
        self._plain: set[str] = set()
        self._by_beginning: dict[str, list[_Rest]] = {}
        for template in templates:
            beginning, *others = _EXPRESSION.split(template)
            if others:
                self._by_beginning.setdefault(beginning, []).append((tuple(others[:-1]), others[-1]))
            else:
                self._plain.add(template)
        self._lengths = sorted({len(beginning) for beginning in self._by_beginning})

    def may_match(self, uri: str) -> bool:
        """Whether the fixed parts of one stand in the URI in their order. Takes linear time, whatever they say."""
        if uri in self._plain:
            return True
        for length in self._lengths:
            if length > len(uri):
                return False
            rests = self._by_beginning.get(uri[:length], ())
            if any(_fits(uri, length, middle, last) for middle, last in rests):
                return True
        return False


def _fits(uri: str, place: int, middle: tuple[str, ...], last: str) -> bool:
    """Behind its beginning."""
    if not uri.endswith(last):
        return False
    end = len(uri) - len(last)
    for part in middle:
        found = uri.find(part, place, end) if place <= end else -1
        if found < 0:
            return False
        place = found + len(part)
    return place <= end
