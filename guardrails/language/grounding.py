"""How far a claim is borne out by a text: its words in one sentence, its phrases, its numbers and names."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import re2

from guardrails.language.lexicon import Doubles, load_lexicon
from guardrails.language.sentences import readable, split_sentences
from guardrails.language.tokens import Hashes, Tokens, among
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


class Grounds:
    """A text that claims are held against; read once for many claims."""

    def __init__(self, text: str) -> None:
        self._lexicon = load_lexicon()
        tokens = Tokens(text)
        order = np.argsort(tokens.stems, kind="stable")
        self._stems = tokens.stems[order]
        self._known = np.unique(tokens.stems)
        content = tokens.stems[tokens.is_content]
        self._pairs = np.unique(_pairs(content))
        self._runs = np.unique(tokens.runs(3))
        bounds = np.array([start for start, _ in split_sentences(text)], dtype=np.intp)
        # By word, in the order of their hashes: in which sentence it stands.
        self._sentence = np.searchsorted(bounds, tokens.starts, side="right")[order]
        self._numbers = _numbers(text) | _loose_numbers(text)

    def __len__(self) -> int:
        """The number of words."""
        return len(self._stems)

    def bear(self, claim: str) -> float:
        """0 (nothing of the claim is here) to 1. A claim without content words is borne by anything."""
        tokens = Tokens(claim)
        content = tokens.stems[tokens.is_content]
        words = np.unique(content)
        if not len(words):
            return 1.0
        rarities = self._lexicon.rarity(words)
        known = among(words, self._known)
        covered = float(rarities[known].sum() / rarities.sum())
        parts = [covered, self._in_one_sentence(words, rarities)]
        # Phrases; a claim too short to have any is judged by its words.
        parts.append(_share(_pairs(content), self._pairs, covered))
        parts.append(_share(tokens.runs(3), self._runs, covered))
        raw = sum(parts) / len(parts) - _WEIGHT_OF_FACTS * self._missing_facts(claim)
        return 1 / (1 + math.exp(-_SLOPE * (raw - _MIDDLE)))

    def _in_one_sentence(self, words: Hashes, rarities: Doubles) -> float:
        """The greatest share of the words that one sentence holds."""
        first = np.searchsorted(self._stems, words)
        counts = np.searchsorted(self._stems, words, side="right") - first
        which = np.repeat(np.arange(len(words)), counts)
        hits = np.arange(len(which)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        if not len(hits):
            return 0.0
        pairs = np.unique(self._sentence[hits].astype(np.int64) * len(words) + which)
        sums = np.bincount(pairs // len(words), weights=rarities[pairs % len(words)])
        return float(sums.max() / rarities.sum())

    def _missing_facts(self, claim: str) -> float:
        """The share of the claim's numbers and names that the text does not have."""
        numbers = _numbers(claim)
        missing = len(numbers - self._numbers)
        names = Tokens(" ".join(_NAME.findall(readable(claim)))).stems
        missing += int((~among(names, self._known)).sum())
        count = len(numbers) + len(names)
        return missing / count if count else 0.0


def grounding(claim: str, context: str) -> float:
    """How far the context bears the claim out, 0 to 1; 1 where there is no context to hold it against."""
    grounds = Grounds(context)
    return grounds.bear(claim) if len(grounds) else 1.0


def _pairs(content: Hashes) -> Hashes:
    return content[:-1] * np.uint32(0x9E3779B1) + content[1:]


def _share(found: Hashes, known: Hashes, otherwise: float) -> float:
    different: npt.NDArray[np.uint32] = np.unique(found)
    return float(among(different, known).mean()) if len(different) else otherwise


def _numbers(text: str) -> frozenset[str]:
    return frozenset(number.replace(",", "") for number in _NUMBER.findall(readable(text)))


def _loose_numbers(text: str) -> frozenset[str]:
    """What else of a text could be meant by a number in digits."""
    found = {number.replace(" ", "").replace(",", "") for number in _LOOSE_NUMBER.findall(readable(text))}
    return frozenset(found | {_NUMERALS[word] for word in _NUMERALS.keys() & set(split_words(text))})
