"""Words of a text as numbers: hashes of their beginnings, which joins the forms of a word, and where they stand."""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from guardrails.engine.arrays import distinct
from guardrails.engine.ngrams import lowered_points
from guardrails.language.words import STOPWORDS, is_letter

Hashes = npt.NDArray[np.uint32]
Places = npt.NDArray[np.intp]
# Forms of a word mostly share so many letters, and different words mostly do not.
_STEM = 6
# What an apostrophe leaves behind it.
_CLITICS = frozenset({"s", "t", "d", "m", "ll", "re", "ve", "don", "isn", "didn", "doesn", "won", "wasn"})
_PRIME = np.uint32(0x01000193)
_POWERS = np.cumprod(np.full(_STEM, _PRIME, dtype=np.uint32), dtype=np.uint32)


class Tokens:
    """The words of one text, in their order. Positions are those of the text in lower case."""

    def __init__(self, text: str) -> None:
        points = lowered_points(text)
        inside = is_letter(points)
        before = np.zeros_like(inside)
        before[1:] = inside[:-1]
        self.starts: Places = np.flatnonzero(inside & ~before)
        after = np.zeros_like(inside)
        after[:-1] = inside[1:]
        self.ends: Places = np.flatnonzero(inside & ~after) + 1
        self.stems: Hashes = _hash(points, self.starts, np.minimum(self.ends, self.starts + _STEM))

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def is_content(self) -> npt.NDArray[np.bool_]:
        return ~among(self.stems, _stop_stems())


def among(values: Hashes, known: Hashes) -> npt.NDArray[np.bool_]:
    """Which of the values are in `known`, which is sorted."""
    if not len(known):
        return np.zeros(len(values), dtype=np.bool_)
    found: npt.NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
    return found


def _hash(points: Hashes, starts: Places, ends: Places) -> Hashes:
    found = np.zeros(len(starts), dtype=np.uint32)
    last = len(points) - 1
    for step in range(_STEM):
        places = starts + step
        found += np.where(places < ends, points[np.minimum(places, last)] * _POWERS[step], np.uint32(0))
    # Spread, so that the upper bits say as much as the lower ones.
    found ^= found >> np.uint32(16)
    found *= np.uint32(0x7FEB352D)
    found ^= found >> np.uint32(15)
    return found


@lru_cache(maxsize=1)
def _stop_stems() -> Hashes:
    return distinct(Tokens(" ".join(sorted(STOPWORDS | _CLITICS))).stems)
