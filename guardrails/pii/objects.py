"""The objects of JSON, or of what looks like it, in a text: which one holds a key, and what that one is called."""

from __future__ import annotations

from bisect import bisect_right

from guardrails.engine.turns import giving_way
from guardrails.pii.reading import Reading
from guardrails.pii.vocabulary import normalise

# An object is told to be a thing by what it holds near its beginning and near the key.
_LOOKED_AT = 1_500
# How far above an element the list may begin that it belongs to.
_NAME = 80
_OF_THINGS = (
    "version", "license", "homepage", "repository", "scripts", "dependencies", "sha", "resolved", "inputschema", "sdk",
    "code", "iso", "numeric",
)  # fmt: skip


class Objects:
    """Where the braces and brackets of a text open and close. Those inside of strings are taken for real ones."""

    def __init__(self, reading: Reading) -> None:
        self._text = text = reading.text
        self._places = reading.places(b"{}[]")
        # For each brace or bracket: the object that holds what comes next, by the place where it opens; -1 for none.
        self._holders: list[int] = []
        self._ends: dict[int, int] = {}
        self._lists: dict[int, int] = {}
        self._things: dict[int, bool] = {}
        stack: list[int] = []
        holders = [-1]
        for place in giving_way(self._places):
            mark = text[place]
            if mark in "{[":
                if mark == "{" and stack and text[stack[-1]] == "[":
                    self._lists[place] = stack[-1]
                stack.append(place)
                holders.append(place if mark == "{" else holders[-1])
            elif stack and text[stack[-1]] == ("{" if mark == "}" else "["):
                self._ends[stack.pop()] = place
                holders.pop()
            self._holders.append(holders[-1])

    def around(self, key: int) -> tuple[str, bool, int, int] | None:
        """The name of the innermost object with this key, whether it is a thing, and where it begins and ends."""
        index = bisect_right(self._places, key) - 1
        opening = self._holders[index] if index >= 0 else -1
        if opening < 0:
            return None
        # A text that is cut off closes nothing.
        closing = self._ends.get(opening, len(self._text))
        return self._name(opening), self._is_thing(opening, closing), opening, closing

    def _is_thing(self, opening: int, closing: int) -> bool:
        known = self._things.get(opening)
        if known is None:
            body = self._text[opening : min(closing, opening + _LOOKED_AT)].lower()
            known = any(f'"{name}"' in body or f'{name}\\"' in body for name in _OF_THINGS)
            self._things[opening] = known
        return known

    def _name(self, opening: int) -> str:
        """The member whose value the object is, or is an element of."""
        place = self._lists.get(opening, opening)
        before = self._text[max(0, place - _NAME) : place].rstrip()
        if before[-1:] not in (":", "="):
            return ""
        before = before[:-1].rstrip(" \\\"'>=")
        start = len(before)
        while start > 0 and (before[start - 1].isalnum() or before[start - 1] in "_-"):
            start -= 1
        return normalise(before[start:])
