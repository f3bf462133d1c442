"""How much two texts have in common: words by their rarity, parts of words, and what they are about."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from guardrails.engine.arrays import distinct_and_counts
from guardrails.engine.ngrams import Features
from guardrails.language.lexicon import GRAM_BITS, Doubles, Lexicon, load_lexicon
from guardrails.language.tokens import Hashes, Tokens, among

GRAM = 4


class Reading:
    """One passage as its words, parts of words and direction, each made when asked for."""

    def __init__(self, content: Hashes, grams: Hashes, lexicon: Lexicon) -> None:
        self._content = content
        self._grams = grams
        self.lexicon = lexicon

    @cached_property
    def words(self) -> tuple[Hashes, npt.NDArray[np.intp]]:
        """The different content words and how often each occurs."""
        return distinct_and_counts(self._content)

    @cached_property
    def rarities(self) -> Doubles:
        return self.lexicon.rarity(self.words[0])

    @cached_property
    def weights(self) -> Doubles:
        """Of the words, together of length 1."""
        weights = (1 + np.log(self.words[1])) * self.rarities
        return weights / max(float(np.linalg.norm(weights)), 1e-9)

    @cached_property
    def grams(self) -> tuple[Hashes, Doubles]:
        """The buckets of character 4-grams, and their weights together of length 1."""
        found, counts = distinct_and_counts(self._grams >> np.uint32(32 - GRAM_BITS))
        weights = (1 + np.log(counts)) * self.lexicon.gram_rarities[found]
        return found, weights / max(float(np.linalg.norm(weights)), 1e-9)

    @cached_property
    def direction(self) -> Doubles:
        return self.lexicon.vector(*self.words)


def read(text: str, lexicon: Lexicon | None = None) -> Reading:
    """A whole text as one passage."""
    return read_passages(text, [(0, len(text))], Features(text), lexicon)[0]


def read_passages(
    text: str, spans: Sequence[tuple[int, int]], features: Features, lexicon: Lexicon | None = None
) -> list[Reading]:
    """Each passage of a text, given by start and end; `features` are those of the text."""
    lexicon = lexicon or load_lexicon()
    tokens = Tokens(text)
    grams = features.characters(GRAM)
    bounds = np.searchsorted(tokens.starts, np.array(spans, dtype=np.intp).reshape(-1, 2))
    found = []
    for (start, end), (first, last) in zip(spans, bounds, strict=True):
        stems = tokens.stems[first:last]
        content = stems[tokens.is_content[first:last]]
        found.append(Reading(content, grams[start : max(start, end - GRAM + 1)], lexicon))
    return found


def compare(asked: Reading, said: Reading) -> Doubles:
    """The features of relevancy, each about 0 to 1."""
    left, right = asked.words[0], said.words[0]
    in_left, in_right = among(left, right), among(right, left)
    shared = asked.rarities[in_left]
    return np.array([
        _share(asked.rarities, in_left),
        _share(said.rarities, in_right),
        float(asked.weights[in_left] @ said.weights[in_right]),
        float(asked.direction @ said.direction),
        likeness(asked.grams, said.grams),
        math.sqrt(float(shared @ shared)) / 10,
        math.log1p(len(left)) / 5,
        math.log1p(len(right)) / 5,
    ])  # fmt: skip


def relevancy(question: str, answer: str) -> float:
    """How likely the answer belongs to the question, 0 to 1. Without words in either nothing can be said: 1."""
    return relevancy_of(read(question), read(answer))


def relevancy_of(asked: Reading, said: Reading) -> float:
    """As `relevancy`, of texts that were read before."""
    if not len(asked.words[0]) or not len(said.words[0]):
        return 1.0
    weights = asked.lexicon.relevancy
    score = float(weights[0] + weights[1:] @ compare(asked, said))
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))


def likeness(left: tuple[Hashes, Doubles], right: tuple[Hashes, Doubles]) -> float:
    """The cosine of two weighted sets of buckets."""
    return float(left[1][among(left[0], right[0])] @ right[1][among(right[0], left[0])])


def _share(weights: Doubles, which: npt.NDArray[np.bool_]) -> float:
    return float(weights[which].sum() / max(weights.sum(), 1e-9))
