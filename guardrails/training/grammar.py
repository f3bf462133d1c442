"""Expands phrase patterns: {a|b|} is one of the alternatives, $name is one line of that list."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random

_CHOICE = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"\$([a-z_]+)")
_MOST_STEPS = 200


def expand(pattern: str, lists: Mapping[str, Sequence[str]], random: Random) -> str:
    """One phrase. Raises KeyError for a name without a list, ValueError for a pattern that never ends."""
    for _ in range(_MOST_STEPS):
        opened = _CHOICE.search(pattern)
        if opened is None:
            named = _NAME.search(pattern)
            if named is None:
                return pattern
            chosen = random.choice(lists[named[1]])
            pattern = pattern[: named.start()] + chosen + pattern[named.end() :]
        else:
            chosen = random.choice(opened[1].split("|"))
            pattern = pattern[: opened.start()] + chosen + pattern[opened.end() :]
    raise ValueError("a pattern that never ends")


def lines(text: str) -> tuple[str, ...]:
    """The lines of a block that are not empty; \\n in a line is a line break."""
    return tuple(line.strip().replace("\\n", "\n") for line in text.splitlines() if line.strip())
