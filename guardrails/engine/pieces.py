"""A text put together from parts of another one, with the place that each of its characters came from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from guardrails.engine.arrays import pieces, repeated
from guardrails.engine.turns import give_way

Places = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.int64]


class Reading(NamedTuple):
    """Character i of `text` comes from characters `starts[i]` to `ends[i]` of what was read."""

    text: str
    how: str
    starts: Places
    ends: Places


class _Block(NamedTuple):
    """Some parts: their texts together, where each begins in that and the last ends, and what they came from."""

    text: str
    bounds: Numbers
    starts: Numbers
    ends: Numbers
    steps: Numbers

    def places(self, here: int, there: int) -> tuple[Numbers, Numbers]:
        """What the characters from `here` to `there` start and end at."""
        some, counts = repeated(self.bounds, here, there)
        begin, first, last, step = (
            np.repeat(each[some], counts) for each in (self.bounds, self.starts, self.ends, self.steps)
        )
        within = np.arange(here, there) - begin
        found = np.where(step > 0, first + within * step, np.where(step < 0, last - 1 - within, first))
        return found, np.where(step > 0, found + step, np.where(step < 0, found + 1, last))


class Pieces:
    """Collects parts in their order.

    A step of 1 or more says that each character came from that many, one after the other; 0 that all came from the
    whole of the part; -1 that they came one by one from its end.

    Some thousand are kept as they came, the rest in blocks: lists of a million grow by being copied, all at the same
    time, and take as long again to let go of.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._steps: list[int] = []
        self._blocks: list[_Block] = []
        self._in_blocks = 0

    def __len__(self) -> int:
        return self._in_blocks + len(self._texts)

    def put(self, text: str, start: int, end: int, step: int = 0) -> None:
        if text:
            self._texts.append(text)
            self._starts.append(start)
            self._ends.append(end)
            self._steps.append(step)
            if len(self._texts) >= _AT_ONCE:
                self._close_block()

    def extend(self, texts: list[str], starts: list[int], ends: list[int], steps: list[int]) -> None:
        for first in range(0, len(texts), _AT_ONCE):
            some = slice(first, first + _AT_ONCE)
            self._texts += texts[some]
            self._starts += starts[some]
            self._ends += ends[some]
            self._steps += steps[some]
            if len(self._texts) >= _AT_ONCE:
                self._close_block()

    def separate(self, start: int, end: int) -> None:
        """Between parts that do not touch: a line feed that stands for what was left out."""
        if len(self):
            self.put("\n", start, end)

    def read(self, how: str) -> Reading:
        """Once: it lets go of the parts."""
        self._close_block()
        text = "".join([block.text for block in self._blocks])
        starts, ends = np.empty(len(text), dtype=np.int32), np.empty(len(text), dtype=np.int32)
        reached = 0
        self._blocks.reverse()
        while self._blocks:
            block = self._blocks.pop()
            for here, there in pieces(len(block.text)):
                to = slice(reached + here, reached + there)
                starts[to], ends[to] = block.places(here, there)
            reached += len(block.text)
            give_way()
        return Reading(text, how, starts, ends)

    def _close_block(self) -> None:
        bounds = np.cumsum([0, *map(len, self._texts)], dtype=np.int64)
        numbers = (np.array(each, dtype=np.int64) for each in (self._starts, self._ends, self._steps))
        self._blocks.append(_Block("".join(self._texts), bounds, *numbers))
        self._in_blocks += len(self._texts)
        for collected in (self._texts, self._starts, self._ends, self._steps):
            collected.clear()
        give_way()


# Parts of one block.
_AT_ONCE = 8_192


# First character, the one after the last, what they are read as, and the step as in `Pieces`.
Change = tuple[int, int, str, int]


def excerpt(text: str, changes: list[Change], how: str, margin: int = 128, whole_to: int = 2048) -> Reading | None:
    """A text with some parts read otherwise, and around them only as much as gives them sense.

    In a long text that is mostly plain, reading all of it once more would cost as much as the first time. Changes come
    in their order and do not overlap; None when there are none.
    """
    if not changes:
        return None
    starts, ends, texts, steps = zip(*changes, strict=True)
    margin = len(text) if len(text) <= whole_to else margin
    gaps = np.flatnonzero(np.asarray(starts[1:]) - np.asarray(ends[:-1]) > 2 * margin) + 1
    edges = [0, *gaps.tolist(), len(changes)]
    found, reached = Pieces(), 0
    for first, last in pairwise(edges):
        begin, end = max(reached, starts[first] - margin), min(len(text), ends[last - 1] + margin)
        found.separate(reached, begin)
        # What is kept goes before what is changed, one for one.
        kept_from, kept_to = (begin, *ends[first : last - 1]), starts[first:last]
        found.extend(
            _alternate([text[a:b] for a, b in zip(kept_from, kept_to, strict=True)], texts[first:last]),
            _alternate(kept_from, starts[first:last]),
            _alternate(kept_to, ends[first:last]),
            _alternate([1] * (last - first), steps[first:last]),
        )
        found.put(text[ends[last - 1] : end], ends[last - 1], end, 1)
        reached = end
    return found.read(how)


def _alternate(first: Sequence[Any], second: Sequence[Any]) -> list[Any]:
    both = [None] * (2 * len(first))
    both[0::2] = first
    both[1::2] = second
    return both


def windows(hits: npt.NDArray[np.intp], length: int, margin: int) -> list[tuple[int, int]]:
    """Stretches of `margin` characters around each hit, joined where they touch. `hits` are in order."""
    if not len(hits):
        return []
    gaps = np.flatnonzero(np.diff(hits) > 2 * margin)
    begins = np.concatenate((hits[:1], hits[gaps + 1]))
    ends = np.concatenate((hits[gaps], hits[-1:]))
    return [
        (max(0, begin - margin), min(length, end + margin + 1))
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
    ]
