"""How far a claim is borne out by a text: its words in one sentence, its phrases, its numbers and names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import re2

from guardrails.engine.arrays import cumulative, distinct, distinct_and_places, repeat
from guardrails.engine.turns import each, giving_way
from guardrails.language.lexicon import Doubles, load_lexicon
from guardrails.language.sentences import readable, split_sentences
from guardrails.language.tokens import Hashes, Places, Tokens, among
from guardrails.language.words import split_words

_NUMBER = re2.compile(r"\d+(?:[.,:]\d+)*")
# As a text reads that was taken apart into words: 3 , 800.
_LOOSE_NUMBER = re2.compile(r"\d+(?: ?[.,] ?\d+)+")
_NUMERALS = {
    "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
}  # fmt: skip
# A name within a sentence: behind a lower-case letter or comma, a word with a capital.
_NAME = re2.compile(r"[a-z,;] (\p{Lu}[\p{L}\p{N}]+)")
# What a claim loses for numbers and names that are nowhere in the text, when none of them is.
_WEIGHT_OF_FACTS = 0.3
# The raw score at which a claim counts as half grounded, and how sharply it changes there.
_MIDDLE = 0.45
_SLOPE = 8.0
# So many places of words are compared at a time; a text beyond that is judged by its words alone.
_MOST_PLACES = 5_000_000
_HALF, _LOWER = np.uint64(32), np.uint64(0xFFFFFFFF)


class Grounds:
    """A text that claims are held against; read once for many claims."""

    def __init__(self, text: str) -> None:
        self._lexicon = load_lexicon()
        tokens = Tokens(text)
        self._known = distinct(tokens.stems)
        self._pairs = distinct(_runs(tokens.stems[tokens.is_content], 2))
        self._runs = distinct(_runs(tokens.stems, 3))
        bounds = np.array([start for start, _ in split_sentences(text)], dtype=np.intp)
        sentence = np.searchsorted(bounds, tokens.starts, side="right")
        # Each word with each sentence that it stands in, in the order of the words' hashes.
        places = distinct(_pack(tokens.stems, sentence))
        self._stems = (places >> _HALF).astype(np.uint32)
        self._sentence = (places & _LOWER).astype(np.intp)
        self._numbers = _numbers(text) | _loose_numbers(text)

    def __len__(self) -> int:
        """The number of different words."""
        return len(self._known)

    def bear(self, claim: str) -> float:
        """0 (nothing of the claim is here) to 1. A claim without content words is borne by anything."""
        return float(self.bear_each(claim, [(0, len(claim))])[0])

    def bear_each(self, text: str, spans: Sequence[tuple[int, int]]) -> Doubles:
        """As `bear`, of each part of a text; `spans` are in order and do not overlap."""
        count = len(spans)
        tokens = Tokens(text)
        ends = np.array([end for _, end in spans], dtype=np.intp)
        of = np.searchsorted(ends, tokens.starts, side="right")
        kept = of < count
        stems, of = tokens.stems[kept], of[kept]
        is_content = tokens.is_content[kept]
        content, of_content = stems[is_content], of[is_content]
        # Each word once in a part.
        keys = distinct(_pack(of_content, content))
        words, of_word = (keys & _LOWER).astype(np.uint32), (keys >> _HALF).astype(np.intp)
        rarities = self._lexicon.rarity(words)
        total = np.maximum(np.bincount(of_word, weights=rarities, minlength=count), 1e-9)
        known = among(words, self._known)
        covered = np.bincount(of_word[known], weights=rarities[known], minlength=count) / total
        together = self._in_one_sentence(words, of_word, rarities, count)
        parts = covered + (together / total if together is not None else covered)
        # Phrases; a claim too short to have any is judged by its words.
        parts += _share_of_runs(content, of_content, 2, self._pairs, covered)
        parts += _share_of_runs(stems, of, 3, self._runs, covered)
        raw = parts / 4 - _WEIGHT_OF_FACTS * self._missing_facts(text, ends, tokens)
        scores = 1 / (1 + np.exp(-_SLOPE * (raw - _MIDDLE)))
        return np.where(np.bincount(of_word, minlength=count) > 0, scores, 1.0)

    def _in_one_sentence(self, words: Hashes, of: Places, rarities: Doubles, count: int) -> Doubles | None:
        """The greatest weight of each part's words that one sentence holds; None for more than can be compared."""
        first = np.searchsorted(self._stems, words)
        sizes = np.searchsorted(self._stems, words, side="right") - first
        if sizes.sum() > _MOST_PLACES:
            return None
        word = repeat(np.arange(len(words)), sizes)
        place = np.arange(len(word)) + repeat(first - cumulative(sizes, np.intp)[:-1], sizes)
        keys, which = distinct_and_places(_pack(of[word], self._sentence[place]))
        sums = np.bincount(which, weights=rarities[word], minlength=len(keys))
        found = np.zeros(count)
        np.maximum.at(found, (keys >> _HALF).astype(np.intp), sums)
        return found

    def _missing_facts(self, text: str, ends: Places, tokens: Tokens) -> Doubles:
        """The share of each part's numbers and names that are not here."""
        plain = readable(text)
        missing, facts = np.zeros(len(ends)), np.zeros(len(ends))
        places = [(match.start(), _plain(match.group()) not in self._numbers) for match in each(_NUMBER, plain)]
        for match in each(_NAME, plain):
            index = int(np.searchsorted(tokens.starts, match.start(1)))
            if index < len(tokens):
                places.append((match.start(1), not among(tokens.stems[index : index + 1], self._known)[0]))
        for place, is_missing in giving_way(places):
            part = int(np.searchsorted(ends, place, side="right"))
            if part < len(ends):
                facts[part] += 1
                missing[part] += is_missing
        return missing / np.maximum(facts, 1)


def grounding(claim: str, context: str) -> float:
    """How far the context bears the claim out, 0 to 1; 1 where there is no context to hold it against."""
    grounds = Grounds(context)
    return grounds.bear(claim) if len(grounds) else 1.0


def _pack(upper: Hashes | Places, lower: Hashes | Places) -> npt.NDArray[np.uint64]:
    """Pairs as one number each, sorted as pairs are."""
    return (upper.astype(np.uint64) << _HALF) | lower.astype(np.uint64)


def _runs(stems: Hashes, order: int) -> Hashes:
    rolled = stems
    for step in range(1, order):
        rolled = rolled[:-1] * np.uint32(0x9E3779B1) + stems[step:]
    return rolled


def _share_of_runs(stems: Hashes, of: Places, order: int, known: Hashes, otherwise: Doubles) -> Doubles:
    """The share of each part's runs of words that are known; `otherwise` where a part has none."""
    count = len(otherwise)
    if len(stems) < order:
        return otherwise
    inside = of[order - 1 :] == of[: 1 - order]
    part = of[order - 1 :][inside]
    hits = among(_runs(stems, order)[inside], known)
    runs = np.bincount(part, minlength=count)
    share = np.bincount(part, weights=hits, minlength=count) / np.maximum(runs, 1)
    return np.where(runs > 0, share, otherwise)


def _numbers(text: str) -> frozenset[str]:
    return frozenset(_plain(match.group()) for match in each(_NUMBER, readable(text)))


def _plain(number: str) -> str:
    return number.replace(",", "").replace(" ", "")


def _loose_numbers(text: str) -> frozenset[str]:
    """What else of a text could be meant by a number in digits."""
    found = {_plain(match.group()) for match in each(_LOOSE_NUMBER, readable(text))}
    return frozenset(found | {_NUMERALS[word] for word in _NUMERALS.keys() & set(split_words(text))})
