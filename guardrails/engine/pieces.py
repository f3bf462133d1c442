"""A text put together from parts of another one, with the place that each of its characters came from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from guardrails.engine.arrays import cumulative, pieces, repeat
from guardrails.engine.turns import give_way

Places = npt.NDArray[np.int32]


class Reading(NamedTuple):
    """Character i of `text` comes from characters `starts[i]` to `ends[i]` of what was read."""

    text: str
    how: str
    starts: Places
    ends: Places


class Pieces:
    """Collects parts in their order.

    A step of 1 or more says that each character came from that many, one after the other; 0 that all came from the
    whole of the part; -1 that they came one by one from its end.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._steps: list[int] = []

    def __len__(self) -> int:
        return len(self._texts)

    def put(self, text: str, start: int, end: int, step: int = 0) -> None:
        if text:
            self._texts.append(text)
            self._starts.append(start)
            self._ends.append(end)
            self._steps.append(step)

    def extend(self, texts: list[str], starts: list[int], ends: list[int], steps: list[int]) -> None:
        self._texts += texts
        self._starts += starts
        self._ends += ends
        self._steps += steps

    def separate(self, start: int, end: int) -> None:
        """Between parts that do not touch: a line feed that stands for what was left out."""
        if self._texts:
            self.put("\n", start, end)

    def read(self, how: str) -> Reading:
        """Once: it lets go of the parts."""
        text, lengths = _joined(self._texts)
        parts = (_array(each) for each in (self._starts, self._ends, self._steps))
        of_characters = [repeat(each, lengths) for each in (cumulative(lengths, np.int64)[:-1], *parts)]
        starts, ends = np.empty(len(text), dtype=np.int32), np.empty(len(text), dtype=np.int32)
        for here, there in pieces(len(text)):
            begin, first, last, step = (each[here:there] for each in of_characters)
            within = np.arange(here, there) - begin
            found = np.where(step > 0, first + within * step, np.where(step < 0, last - 1 - within, first))
            starts[here:there] = found
            ends[here:there] = np.where(step > 0, found + step, np.where(step < 0, found + 1, last))
        for collected in (self._texts, self._starts, self._ends, self._steps):
            _release(collected)
        return Reading(text, how, starts, ends)


def _release(parts: list[Any]) -> None:
    """To let go of a million at once takes as long as to make them."""
    while parts:
        del parts[-_AT_ONCE:]
        give_way()


def _array(values: list[int]) -> npt.NDArray[np.int64]:
    """Of many numbers a piece at a time, as each call keeps the interpreter."""
    array = np.empty(len(values), dtype=np.int64)
    for start in range(0, len(values), _AT_ONCE):
        array[start : start + _AT_ONCE] = values[start : start + _AT_ONCE]
        give_way()
    return array


def _joined(texts: list[str]) -> tuple[str, npt.NDArray[np.int64]]:
    """The texts as one, and how long each is."""
    lengths = np.empty(len(texts), dtype=np.int64)
    parts = []
    for start in range(0, len(texts), _AT_ONCE):
        some = texts[start : start + _AT_ONCE]
        lengths[start : start + _AT_ONCE] = list(map(len, some))
        parts.append("".join(some))
        give_way()
    return "".join(parts), lengths


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
