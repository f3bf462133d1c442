"""Hashed n-grams of characters and words, and linear models over windows of them.

The hashing trick is that of Weinberger et al., "Feature Hashing for Large Scale Multitask Learning" (2009). The
features of a text are made once and shared by all models; a window's score is a difference of sums, so that scoring
every window of a long text costs no more than scoring it once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from guardrails.engine.arrays import cumulative, distinct, lower, pieces, points_of, sums_from
from guardrails.engine.turns import give_way

Hashes = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
MOST_DOUBTED = 64
WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
_P = np.uint32(0x01000193)
_Q = np.uint32(0x9E3779B1)
_MAX_WORD = 64
# Characters of the spans that are summed at a time.
_MOST_TOGETHER = 32_768
_POWERS = np.cumprod(np.full(_MAX_WORD, _P, dtype=np.uint32), dtype=np.uint32)


class Features:
    """The n-grams of one text, in lower case. Positions count characters of the lower-case text.

    Each order is made when it is asked for, and kept.
    """

    def __init__(self, text: str) -> None:
        self._points: Hashes = lowered_points(text)
        self._characters: dict[int, Hashes] = {}
        self._words: dict[int, tuple[Hashes, Places]] = {}

    def __len__(self) -> int:
        return len(self._points)

    def characters(self, order: int) -> Hashes:
        """One 32-bit hash for each position at which an n-gram of that order begins."""
        found = self._characters.get(order)
        if found is None:
            rolled = self._points
            for width in range(2, order + 1):
                rolled = rolled[:-1] * _P + self._points[width - 1 :]
            found = self._characters[order] = _mix(rolled[: max(0, len(self) - order + 1)], order)
        return found

    def words(self, order: int) -> tuple[Hashes, Places]:
        """The hashes of runs of that many words, and the position at which each run begins.

        A word is a run of letters and digits; an ideograph or kana is a word by itself.
        """
        found = self._words.get(order)
        if found is None:
            starts, hashes = self._single_words
            rolled = hashes
            for width in range(2, order + 1):
                rolled = rolled[:-1] * _Q + hashes[width - 1 :]
            rolled = rolled[: max(0, len(hashes) - order + 1)]
            found = self._words[order] = (_mix(rolled, 16 + order), starts[: len(rolled)])
        return found

    def release(self) -> None:
        """Lets go of what was kept, an order at a time; it is made again if it is asked for again."""
        for kept in (self._characters, self._words):
            while kept:
                kept.popitem()
                give_way()
        self.__dict__.pop("_single_words", None)
        give_way()

    @cached_property
    def _single_words(self) -> tuple[Places, Hashes]:
        return _hash_words(self._points)


def _mix(hashes: Hashes, salt: int) -> Hashes:
    """Spreads the bits, and keeps the orders apart; the steps of MurmurHash3's finaliser."""
    mixed = hashes ^ np.uint32(salt * 0x85EBCA6B & 0xFFFFFFFF)
    mixed ^= mixed >> np.uint32(16)
    mixed *= np.uint32(0x7FEB352D)
    mixed ^= mixed >> np.uint32(15)
    mixed *= np.uint32(0x846CA68B)
    mixed ^= mixed >> np.uint32(16)
    return mixed


def _hash_words(points: Hashes) -> tuple[Places, Hashes]:
    if not len(points):
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.uint32)
    inside = _is_word(points)
    alone = ((points >= 0x3040) & (points <= 0x9FFF)) | ((points >= 0x20000) & (points <= 0x3FFFF))
    before = np.empty_like(inside)
    before[0] = False
    before[1:] = inside[:-1] & ~alone[:-1]
    begins = inside & (~before | alone)
    starts = np.flatnonzero(begins)
    if not len(starts):
        return starts, np.zeros(0, dtype=np.uint32)
    latest = np.maximum.accumulate(np.where(begins, np.arange(len(points)), 0))
    place = np.minimum(np.arange(len(points)) - latest, _MAX_WORD - 1)
    terms = np.where(inside, points * _POWERS[place], np.uint32(0)).astype(np.uint32)
    return starts, sums_from(starts, terms)


def _is_word(points: Hashes) -> npt.NDArray[np.bool_]:
    digit = (points >= 48) & (points <= 57)
    letter = (points >= 97) & (points <= 122)
    # Beyond ASCII nearly everything that is not general punctuation is a letter of some script.
    other = (points >= 0xC0) & ~((points >= 0x2000) & (points <= 0x2BFF)) & ~((points >= 0x3000) & (points <= 0x303F))
    return digit | letter | other


def _cut(hashes: Hashes, shift: np.uint32, first: Places, last: Places) -> tuple[Hashes, Places, Places]:
    """The buckets from the first that is wanted to the last, and the places in them."""
    start = int(first[0]) if len(first) else 0
    return hashes[start : int(last.max(initial=start))] >> shift, first - start, last - start


def lowered_points(text: str) -> Hashes:
    """The code points of a text in lower case."""
    return points_of(lower(text), "replace")


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Weights by bucket. A window's score is sigmoid(slope * sum(weights) / sqrt(number of n-grams) + bias).

    `word_orders` and `character_orders` say which n-grams count; there are 2**bits buckets, shared by all orders.
    `window` and `stride` are in characters. With `distinct` a bucket counts once in a window, so that a table is no
    louder than a sentence. `doubt` is taken from the logit for each factor e in the number of windows, up to
    MOST_DOUBTED: the more windows there are, the likelier it is that one of them looks odd by chance.
    """

    weights: Floats
    bias: float
    slope: float
    word_orders: tuple[int, ...]
    character_orders: tuple[int, ...]
    window: int
    stride: int
    distinct: bool = False
    doubt: float = 0.0

    @property
    def bits(self) -> int:
        return len(self.weights).bit_length() - 1

    def score(self, features: Features) -> float:
        """The highest window's score; 0.0 for a text without n-grams."""
        scores = self.windows(features)[1]
        return float(scores.max()) if len(scores) else 0.0

    def score_alone(self, features: Features) -> float:
        """The score of a text as one window, however long it is: as `score_each`, by a shorter way."""
        found = buckets(self, features)
        if self.distinct:
            found = distinct(found)
        if not len(found):
            return 0.0
        logit = self.slope * float(self.weights[found].sum(dtype=np.float64)) / math.sqrt(len(found)) + self.bias
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, logit))))

    def windows(self, features: Features) -> tuple[Places, Floats]:
        """Where each window begins, and its score."""
        length = len(features)
        if not length:
            return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.float32)
        begins = np.arange(0, max(1, length - self.window + self.stride), self.stride)
        ends = np.minimum(begins + self.window, length)
        total, count = (self._sum_distinct if self.distinct else self._sum)(features, begins, ends)
        doubt = self.doubt * float(np.log(min(len(begins), MOST_DOUBTED)))
        return begins, self._scores(total, count, doubt)

    def score_each(self, texts: Sequence[str]) -> Floats:
        """The score of each text as one window, in one pass, which one by one would take far longer; 0.0 as `score`."""
        lowered = [text.lower() for text in texts]
        lengths = np.array([len(text) + 1 for text in lowered], dtype=np.intp)
        ends = np.cumsum(lengths) - 1
        begins = ends - lengths + 1
        features = Features("\n".join(lowered))
        total, count = (self._sum_distinct if self.distinct else self._sum)(features, begins, ends, apart=True)
        return self._scores(total, count)

    def _scores(self, total: Doubles, count: Doubles, doubt: float = 0.0) -> Floats:
        logit = self.slope * total / np.sqrt(np.maximum(count, 1.0)) + self.bias - doubt
        return np.where(count > 0, 1.0 / (1.0 + np.exp(-np.clip(logit, -30, 30))), 0.0).astype(np.float32)

    def _sum(self, features: Features, begins: Places, ends: Places, apart: bool = False) -> tuple[Doubles, Doubles]:
        """The sum of the weights of each span's n-grams, and their number."""
        total = np.zeros(len(begins), dtype=np.float64)
        count = np.zeros(len(begins), dtype=np.float64)
        for buckets, first, last in self._runs(features, begins, ends, apart):
            sums = cumulative(self.weights[buckets])
            total += sums[last] - sums[first]
            count += last - first
        return total, count

    def _sum_distinct(
        self, features: Features, begins: Places, ends: Places, apart: bool = True
    ) -> tuple[Doubles, Doubles]:
        """As `_sum`, each bucket once in a span; of a long text some spans at a time."""
        if not len(begins):
            return np.zeros(0), np.zeros(0)
        step = max(1, _MOST_TOGETHER // max(1, int((ends - begins).max(initial=1))))
        totals, counts = [], []
        for start, end in pieces(len(begins), step):
            total, count = self._sum_few_distinct(features, begins[start:end], ends[start:end], apart)
            totals.append(total)
            counts.append(count)
        return np.concatenate(totals), np.concatenate(counts)

    def _sum_few_distinct(
        self, features: Features, begins: Places, ends: Places, apart: bool
    ) -> tuple[Doubles, Doubles]:
        """Spans and buckets are sorted as one number."""
        # 32 bits hold both for all but huge texts, and sort faster.
        width: Any = np.uint64 if len(begins) >> (32 - self.bits) else np.uint32
        parts: list[npt.NDArray[Any]] = []
        for buckets, first, last in self._runs(features, begins, ends, apart):
            sizes = last - first
            span = np.repeat(np.arange(len(first)), sizes)
            place = np.arange(len(span)) + np.repeat(first - np.concatenate(([0], np.cumsum(sizes)[:-1])), sizes)
            parts.append((span.astype(width) << width(self.bits)) | buckets[place].astype(width))
        keys: npt.NDArray[Any] = np.sort(np.concatenate(parts)) if parts else np.zeros(0, dtype=width)
        keys = keys[np.concatenate(([True], keys[1:] != keys[:-1]))] if len(keys) else keys
        span = (keys >> width(self.bits)).astype(np.intp)
        weights = self.weights[keys & width(len(self.weights) - 1)]
        total: Doubles = np.bincount(span, weights=weights, minlength=len(begins)).astype(np.float64)
        return total, np.bincount(span, minlength=len(begins)).astype(np.float64)

    def _runs(
        self, features: Features, begins: Places, ends: Places, apart: bool
    ) -> Iterator[tuple[Hashes, Places, Places]]:
        """For each order the buckets of all spans together, and which of them each span holds: from first to last.

        With `apart` no run of words reaches out of a span; else one may that begins in it.
        """
        shift = np.uint32(32 - self.bits)
        for order in self.character_orders:
            give_way()
            hashes = features.characters(order)
            if len(hashes):
                last = np.minimum(np.maximum(ends - order + 1, begins), len(hashes))
                yield _cut(hashes, shift, np.minimum(begins, last), last)
        for order in self.word_orders:
            give_way()
            hashes, places = features.words(order)
            if len(hashes):
                first, last = np.searchsorted(places, begins), np.searchsorted(features.words(1)[1], ends)
                if apart:
                    last = last - order + 1
                last = np.minimum(np.maximum(last, first), len(hashes))
                yield _cut(hashes, shift, np.minimum(first, last), last)

    def save(self, path: Path) -> None:
        """Half-precision, compressed, without pickles."""
        shape = np.array([self.bias, self.slope, self.window, self.stride, self.distinct, self.doubt], dtype=np.float64)
        orders = np.array([*self.word_orders, -1, *self.character_orders], dtype=np.int8)
        np.savez_compressed(path, weights=self.weights.astype(np.float16), shape=shape, orders=orders)


@lru_cache(maxsize=32)
def load(name: str) -> LinearModel:
    """The model `weights/<name>.npz`. Raises FileNotFoundError."""
    with np.load(WEIGHTS / f"{name}.npz", allow_pickle=False) as stored:
        # The last two were added later; models without them count every n-gram and do not doubt.
        bias, slope, window, stride, distinct, doubt = ([float(each) for each in stored["shape"]] + [0.0, 0.0])[:6]
        orders = [int(each) for each in stored["orders"]]
        middle = orders.index(-1)
        return LinearModel(
            weights=stored["weights"].astype(np.float32), bias=bias, slope=slope, window=int(window),
            stride=int(stride), word_orders=tuple(orders[:middle]), character_orders=tuple(orders[middle + 1 :]),
            distinct=bool(distinct), doubt=doubt,
        )  # fmt: skip


def buckets(model: LinearModel, features: Features) -> npt.NDArray[np.uint32]:
    """The buckets of a whole text, for training: what `windows` would sum over one window as long as the text."""
    shift = np.uint32(32 - model.bits)
    parts = [features.characters(order) for order in model.character_orders]
    parts += [features.words(order)[0] for order in model.word_orders]
    return np.concatenate(parts) >> shift
