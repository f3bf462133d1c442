"""Tells by examples, a few for each group, which group a text is of: kernel ridge regression over three likenesses.

The likenesses are those of parts of words, of words, and of directions (guardrails.language.similarity). A dozen
short examples of a group are enough to tell its requests from others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from guardrails.engine.arrays import cumulative, distinct
from guardrails.engine.ngrams import Features
from guardrails.language.lexicon import GRAM_BITS, Doubles
from guardrails.language.sentences import split_sentences
from guardrails.language.similarity import GRAM, Reading, read, read_passages
from guardrails.language.tokens import Hashes, among

# Examples are about as long, and likeness needs passages of one size.
PASSAGE = 240
# So many passages of a long text are compared with every example; a cheap look at all of them chooses which.
MOST_PASSAGES = 12
# Weights of the three likenesses; together 1.
_GRAMS, _WORDS, _DIRECTION = 4 / 7, 2 / 7, 1 / 7
_RIDGE = 0.3
# A text counts as half of a group where it is this share as near as the group's examples are to one another.
_NEARNESS = 0.65
# No nearer than the first is ever asked for; no farther than the second is ever enough, or than the third where there
# are examples of what is not of the group.
_NEAREST, _FARTHEST, _FARTHEST_AGAINST = 0.45, 0.22, 0.18
# How sharply the score changes there.
_SLOPE = 8.0


@dataclass(frozen=True, slots=True)
class Near:
    """A passage, the group that it is nearest to, and how likely it is of that group, 0 to 1."""

    group: str
    score: float
    start: int
    end: int


class _Table:
    """Weights of examples (rows) by hash (columns); only the hashes that some example has."""

    def __init__(self, sets: Sequence[tuple[Hashes, Doubles]]) -> None:
        self.hashes: Hashes = distinct(np.concatenate([hashes for hashes, _ in sets]))
        self.weights = np.zeros((len(self.hashes), len(sets)), dtype=np.float32)
        for column, (hashes, weights) in enumerate(sets):
            self.weights[np.searchsorted(self.hashes, hashes), column] = weights

    def compare(self, hashes: Hashes, weights: Doubles) -> npt.NDArray[np.float32]:
        """The cosine with each example."""
        known = among(hashes, self.hashes)
        rows = np.searchsorted(self.hashes, hashes[known])
        return weights[known].astype(np.float32) @ self.weights[rows]


class Examples:
    """Groups of example texts, and texts that are `against`: near to the groups, but of none. Empty without groups."""

    def __init__(self, groups: Mapping[str, Sequence[str]], against: Sequence[str] = ()) -> None:
        self.groups = [name for name, texts in groups.items() if texts]
        if not self.groups:
            return
        readings = [read(text) for name in self.groups for text in groups[name]]
        readings += [read(text) for text in against]
        sizes = [len(groups[name]) for name in self.groups]
        self._grams = _Table([reading.grams for reading in readings])
        self._words = _Table([(reading.words[0], reading.weights) for reading in readings])
        self._directions = np.array([reading.direction for reading in readings])
        self._quick = np.zeros(1 << GRAM_BITS, dtype=np.float32)
        self._quick[self._grams.hashes] = self._grams.weights[:, : sum(sizes)].max(axis=1)
        self._fit(np.array([self._likeness(reading) for reading in readings]), sizes)

    def _fit(self, likeness: Doubles, sizes: Sequence[int]) -> None:
        count, of_groups = len(likeness), sum(sizes)
        sought = np.zeros((count, len(sizes)))
        sought[of_groups:] = -1.0
        group = np.repeat(np.arange(len(sizes)), sizes)
        sought[np.arange(of_groups), group] = 1.0
        # Both sides count the same, however many examples each has.
        ridge = np.ones(count)
        if of_groups < count:
            ridge[:of_groups] = 2 * of_groups / count
            ridge[of_groups:] = 2 * (count - of_groups) / count
        inverse = np.linalg.inv(likeness + _RIDGE * np.diag(ridge))
        self._weights = inverse @ sought
        # What each example would score if it were not one (Rifkin and Lippert, 2007).
        left_out = sought - self._weights / np.diag(inverse)[:, np.newaxis]
        farthest = _FARTHEST if of_groups == count else _FARTHEST_AGAINST
        own = left_out[np.arange(of_groups), group]
        self._middles = np.array([
            min(max(_NEARNESS * float(np.median(own[group == index])), farthest), _NEAREST)
            for index in range(len(sizes))
        ])  # fmt: skip

    def __bool__(self) -> bool:
        return bool(self.groups)

    def _likeness(self, reading: Reading) -> Doubles:
        """To each example, 0 to 1."""
        found: Doubles = (
            _GRAMS * self._grams.compare(*reading.grams)
            + _WORDS * self._words.compare(reading.words[0], reading.weights)
            + _DIRECTION * (self._directions @ reading.direction)
        )
        return found

    def score(self, reading: Reading) -> Doubles:
        """How likely a passage is of each group, 0 to 1."""
        found: Doubles = 1 / (1 + np.exp(-_SLOPE * (self._likeness(reading) @ self._weights - self._middles)))
        return found

    def nearest(self, text: str, features: Features, *, evenly: bool = False) -> list[Near]:
        """The passages of a text, each with its nearest group; of a long text those that look nearest.

        With `evenly`, those that are spread evenly over the text.
        """
        spans = split_passages(text)
        if len(spans) > MOST_PASSAGES:
            spans = self._choose(spans, features, evenly)
        found = []
        for (start, end), reading in zip(spans, read_passages(text, spans, features), strict=True):
            if not len(reading.words[0]):
                continue
            scores = self.score(reading)
            best = int(scores.argmax())
            found.append(Near(self.groups[best], float(scores[best]), start, end))
        return found

    def _choose(self, spans: list[tuple[int, int]], features: Features, evenly: bool) -> list[tuple[int, int]]:
        if evenly:
            return [spans[int(index)] for index in np.linspace(0, len(spans) - 1, MOST_PASSAGES)]
        hashes = features.characters(GRAM)
        sums = cumulative(self._quick[hashes >> np.uint32(32 - GRAM_BITS)])
        bounds = np.minimum(np.array(spans), len(hashes))
        quick = (sums[bounds[:, 1]] - sums[bounds[:, 0]]) / np.sqrt(np.maximum(bounds[:, 1] - bounds[:, 0], 1))
        return [spans[index] for index in sorted(np.argsort(-quick)[:MOST_PASSAGES])]


def split_passages(text: str) -> list[tuple[int, int]]:
    """Sentences put together up to the length of a passage; longer ones are cut. Covers all that is not space."""
    found: list[tuple[int, int]] = []
    for start, end in split_sentences(text):
        if found and end - found[-1][0] <= PASSAGE:
            found[-1] = found[-1][0], end
            continue
        found += [(begin, min(begin + PASSAGE, end)) for begin in range(start, end, PASSAGE)]
    return found
