"""Long arrays and texts in pieces: what one call does without letting go of the interpreter, in several short ones.

Results are those of the plain calls, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from guardrails.engine.turns import give_way

# Elements of one call; a hundred or two microseconds of work.
PIECE = 32_768
Array = npt.NDArray[Any]


def cumulative(values: Array, dtype: Any = np.float64) -> Array:
    """A zero, then the sum of each value and all before it."""
    sums = np.empty(len(values) + 1, dtype=dtype)
    sums[0] = 0
    for start, end in pieces(len(values)):
        # The first takes the rest along, so that each sum is made of the same additions as in one call.
        part = values[start:end].astype(dtype)
        part[0] += sums[start]
        np.cumsum(part, out=sums[start + 1 : end + 1])
    return sums


def repeat(values: Array, counts: Array) -> Array:
    """Each value as often as its count says."""
    bounds = cumulative(counts, np.int64)
    total = int(bounds[-1])
    if total <= PIECE and len(values) <= PIECE:
        return np.repeat(values, counts)
    found = np.empty(total, dtype=values.dtype)
    for start, end in pieces(total):
        some, here = repeated(bounds, start, end)
        found[start:end] = np.repeat(values[some], here)
    return found


def repeated(bounds: Array, start: int, end: int) -> tuple[slice, Array]:
    """Which values, repeated up to these bounds, make the elements from start to end, and how often each of them."""
    first, last = int(np.searchsorted(bounds, start, "right")) - 1, int(np.searchsorted(bounds, end, "left"))
    return slice(first, last), np.minimum(bounds[first + 1 : last + 1], end) - np.maximum(bounds[first:last], start)


def sums_from(starts: Array, values: Array) -> Array:
    """The sum of the values from each start to the next one, the last to the end."""
    found = np.empty(len(starts), dtype=values.dtype)
    for first, last in pieces(len(starts)):
        begin, end = int(starts[first]), int(starts[last]) if last < len(starts) else len(values)
        found[first:last] = np.add.reduceat(values[begin:end], starts[first:last] - begin, dtype=values.dtype)
    return found


def distinct(values: Array) -> Array:
    """The different values in their order."""
    ordered = np.sort(values)
    return ordered[_differ(ordered)]


def distinct_and_counts(values: Array) -> tuple[Array, Array]:
    """The different values in their order, and how often each is there."""
    ordered = np.sort(values)
    begins = np.flatnonzero(_differ(ordered))
    return ordered[begins], np.diff(np.append(begins, len(ordered)))


def distinct_and_places(values: Array) -> tuple[Array, Array]:
    """The different values in their order, and for each value which of them it is."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    differ = _differ(ordered)
    places = np.empty(len(values), dtype=np.intp)
    places[order] = cumulative(differ, np.intp)[1:] - 1
    return ordered[differ], places


def _differ(ordered: Array) -> npt.NDArray[np.bool_]:
    """Which are not the same as the one before."""
    found = np.ones(len(ordered), dtype=np.bool_)
    found[1:] = ordered[1:] != ordered[:-1]
    return found


def overlapping(length: int, longest: int) -> Iterator[tuple[int, int]]:
    """Pieces of a text of which one holds every part that is no longer than `longest`."""
    for start, end in pieces(length):
        yield start, min(end + longest - 1, length)


def lower(text: str) -> str:
    """The text in lower case."""
    # One letter becomes what it does by what is around it.
    if text.isascii() or "\u03a3" in text:
        return text.lower()
    return "".join([text[start:end].lower() for start, end in pieces(len(text))])


def points_of(text: str, errors: str = "surrogatepass") -> npt.NDArray[np.uint32]:
    """The code points of a text, to be read only; `errors` as for `str.encode`."""
    if len(text) <= PIECE:
        return np.frombuffer(text.encode("utf-32-le", errors), dtype=np.uint32)
    found = np.empty(len(text), dtype=np.uint32)
    for start, end in pieces(len(text)):
        found[start:end] = np.frombuffer(text[start:end].encode("utf-32-le", errors), dtype=np.uint32)
    return found


def text_of(points: npt.NDArray[np.uint32], errors: str = "surrogatepass") -> str:
    """The text with these code points; `errors` as for `bytes.decode`."""
    parts = (points[start:end].tobytes() for start, end in pieces(len(points)))
    return "".join([part.decode("utf-32-le", errors) for part in parts])


def between_words(text: str) -> Iterator[tuple[int, int]]:
    """Pieces that end behind a space or a line, so that no word is cut."""
    start = 0
    while start < len(text):
        ends = [place + 1 for mark in " \n" if (place := text.find(mark, start + PIECE)) >= 0]
        end = min(ends, default=len(text))
        yield start, end
        give_way()
        start = end


def pieces(length: int, size: int = 0) -> Iterator[tuple[int, int]]:
    """Start and end of each piece; gives way between them."""
    size = size or PIECE
    for start in range(0, length, size):
        yield start, min(start + size, length)
        give_way()
