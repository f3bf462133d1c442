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

from guardrails.engine.letters import reads_like_writing
from guardrails.engine.ngrams import WEIGHTS
from guardrails.engine.pieces import Change, Reading, excerpt
from guardrails.engine.turns import each, give_way

FILE = WEIGHTS / "words.npz"
LONGEST = 16
# Letters without room, with the marks that sentences have; the words of a URL, a path or a tag have others as well.
_UNBROKEN = re2.compile(rb"(?:^|[\s\"(\[>])([A-Za-z'][A-Za-z',.;:!?\-]{27,})")
_RUN = re2.compile(rb"[A-Za-z']{4,}")
_SEAM = re2.compile(rb"[a-z][A-Z]")
_LONGEST_RUN = 4_096
# Letters of one text that are parted: each is the end of up to sixteen words. What comes again costs nothing.
_MOST = 16_384
# What a letter costs that is in no known word, in natural logarithms; the rarest word has 12 or so.
_UNKNOWN = 9.0
_LEAST_KNOWN = 0.85
_LEAST_CUTS = 4
_MADE_AT_ONCE = 2_048
# Names in code are words run together as well, but with a capital or a mark for each.
_MOST_SEAMS = 0.12


@dataclass(frozen=True, slots=True)
class Parted:
    """Where the words of a run begin, the first left out, and how many of its letters are in known words."""

    cuts: list[int]
    known: int


def parted(text: str, raw: bytes) -> Reading | None:
    found: list[Change] = []
    known: dict[bytes, list[int]] = {}
    room = _MOST
    for match in each(_UNBROKEN, raw):
        start, end = match.span(1)
        token = raw[start : min(end, start + _LONGEST_RUN)]
        cuts = known.get(token)
        if cuts is None:
            cuts = []
            if _may_be_words(token) and len(token) <= room:
                cuts, room = _part_all(token), room - len(token)
            known[token] = cuts
        found += [(start + cut, start + cut, " ", 0) for cut in cuts]
    return excerpt(text, found, "parted")


def _may_be_words(token: bytes) -> bool:
    """Told at once: neither a name in code, nor letters that no writing has one after the other."""
    return sum(1 for _ in _SEAM.finditer(token)) <= _MOST_SEAMS * len(token) and reads_like_writing(token)


def _part_all(token: bytes) -> list[int]:
    """Where the words of a token begin that nothing parts; none if it is hardly of words."""
    cuts: list[int] = []
    letters = known = 0
    for match in _RUN.finditer(token):
        best = part(match.group().lower())
        letters, known = letters + match.end() - match.start(), known + best.known
        cuts += [match.start() + cut for cut in best.cuts]
    return cuts if len(cuts) >= _LEAST_CUTS and known >= _LEAST_KNOWN * letters else []


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
