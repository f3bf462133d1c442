"""Words that were run together, parted where that is likeliest.

A list says how rare each word is in writing; a run of letters is cut so that its words are the least rare together
(Viterbi over the words of a unigram model). The list comes from guardrails/training/words.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import re2

from guardrails.engine.ngrams import WEIGHTS
from guardrails.engine.pieces import Change, Reading, excerpt
from guardrails.engine.turns import each, give_way

FILE = WEIGHTS / "words.npz"
LONGEST = 16
# A run that nobody writes who leaves room between words; and what is parted of the text around it that has no room.
_LONG = re2.compile(rb"[A-Za-z']{28,}")
_RUN = re2.compile(rb"[A-Za-z']{6,}")
_SPACE = re2.compile(rb"[ \t\r\n]")
_SEAM = re2.compile(rb"[a-z][A-Z]")
# Letters of one text that are looked at: each is the end of up to sixteen words.
_MOST = 4_096
# What a letter costs that is in no known word, in natural logarithms; the rarest word has 12 or so.
_UNKNOWN = 9.0
_LEAST_KNOWN = 0.85
_MADE_AT_ONCE = 2_048
_LEAST_WORDS = 5
# Names in code are words run together as well, but with a capital for each.
_MOST_SEAMS = 0.05


@dataclass(frozen=True, slots=True)
class Parted:
    """Where the words of a run begin, the first left out, and how many of its letters are in known words."""

    cuts: list[int]
    known: int


def parted(text: str, raw: bytes) -> Reading | None:
    found: list[Change] = []
    looked_at = known = words = reached = 0
    for long in each(_LONG, raw):
        if long.start() < reached or _is_of_capitals(long.group()):
            continue
        begin, reached = _unbroken(raw, *long.span())
        for match in each(_RUN, raw, begin, reached):
            run = match.group()
            if looked_at + len(run) > _MOST:
                break
            best = part(run.lower())
            looked_at, known, words = looked_at + len(run), known + best.known, words + len(best.cuts) + 1
            found += [(match.start() + cut, match.start() + cut, " ", 0) for cut in best.cuts]
    if words < _LEAST_WORDS or known < _LEAST_KNOWN * looked_at:
        return None
    return excerpt(text, found, "parted")


def _is_of_capitals(run: bytes) -> bool:
    return sum(1 for _ in _SEAM.finditer(run)) > _MOST_SEAMS * len(run)


def _unbroken(raw: bytes, start: int, end: int) -> tuple[int, int]:
    """The run with everything around it, as far as there is no white space, and within reason."""
    before = _SPACE.split(raw[max(0, start - _MOST) : start])[-1]
    after = _SPACE.split(raw[end : end + _MOST], 1)[0]
    return start - len(before), end + len(after)


def part(run: bytes) -> Parted:
    """`run` is letters and apostrophes in lower case. Takes time in proportion to it."""
    costs = _costs()
    best = [0.0]
    steps = [0]
    for end in range(1, len(run) + 1):
        least, step = best[end - 1] + _UNKNOWN, 0
        for length in range(1, min(end, LONGEST) + 1):
            cost = costs.get(run[end - length : end])
            if cost is not None and best[end - length] + cost < least:
                least, step = best[end - length] + cost, length
        best.append(least)
        steps.append(step)
        if not end % 64:
            give_way()
    return _trace(steps)


def _trace(steps: list[int]) -> Parted:
    """Letters that are in no word stay together."""
    cuts: list[int] = []
    known, end, was_known = 0, len(steps) - 1, True
    while end:
        step = steps[end]
        if step or was_known:
            cuts.append(end)
        known, was_known = known + step, step > 0
        end -= step or 1
    return Parted(sorted(cuts)[:-1], known)


@lru_cache(maxsize=1)
def _costs() -> Mapping[bytes, float]:
    """What each word costs: the negative logarithm of its share."""
    with np.load(FILE, allow_pickle=False) as kept:
        words, costs = kept["words"].tobytes().split(b"\n"), kept["costs"].astype(np.float64)
    found: dict[bytes, float] = {}
    for start in range(0, len(words), _MADE_AT_ONCE):
        some = slice(start, start + _MADE_AT_ONCE)
        found.update(zip(words[some], costs[some].tolist(), strict=True))
        give_way()
    return found
