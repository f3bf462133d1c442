"""Finds the words and phrases of a list, all in one pass however long the list is."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import ahocorasick
import numpy as np
import numpy.typing as npt

from guardrails.engine.arrays import lower, pieces, points_of, text_of
from guardrails.engine.detector import ConfigError, Parameter, Target, TextDetector, detectors
from guardrails.engine.findings import Finding
from guardrails.engine.views import View
from guardrails.language.settings import read_flag, read_strings
from guardrails.language.spans import find_once

MOST_WORDS = 20_000
LONGEST_WORD = 500


@detectors.add
class Keywords(TextDetector):
    """Compares after Unicode normalisation (NFKC); every reading of the text is searched."""

    name: ClassVar[str] = "keywords"
    label: ClassVar[str] = "Words and phrases of a list"
    version: ClassVar[str] = "3"
    categories: ClassVar[tuple[str, ...]] = ("KEYWORD",)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("words", "array", "Words and phrases to look for.", required=True),
        Parameter("case_sensitive", "boolean", "Whether capitals matter.", default=False),
        Parameter("whole_words", "boolean", "Whether a word inside a longer word does not count.", default=True),
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        words = read_strings(config, "words", most=MOST_WORDS, longest=LONGEST_WORD, required=True)
        self._lowers = not read_flag(config, "case_sensitive", False)
        self._whole = read_flag(config, "whole_words", True)
        self._automaton = ahocorasick.Automaton()
        self._longest = 0
        for index, word in enumerate(words):
            # White space of any kind and length in a phrase stands for one space.
            plain = " ".join(unicodedata.normalize("NFKC", word).split())
            plain = _lower(plain) if self._lowers else plain
            if not plain:
                raise ConfigError(f"words: entry {index + 1} must not be empty")
            self._automaton.add_word(plain, len(plain))
            self._longest = max(self._longest, len(plain))
        self._automaton.make_automaton()

    def scan(self, target: Target) -> Sequence[Finding]:
        places = [(view, start, end) for view in target.views for start, end in self._search(view)]
        return find_once(target, self.name, "KEYWORD", places)

    def _search(self, view: View) -> Iterator[tuple[int, int]]:
        text = _lower(view.text) if self._lowers else view.text
        text, places = _collapse(text)
        for first, end in pieces(len(text)):
            # What begins before the piece is found in the piece in which it ends.
            for last, length in self._automaton.iter(text, max(0, first - self._longest + 1), end):
                start = last + 1 - length
                if last >= first and (not self._whole or _is_whole(text, start, last + 1)):
                    yield (start, last + 1) if places is None else (int(places[start]), int(places[last]) + 1)


def _collapse(text: str) -> tuple[str, npt.NDArray[np.intp] | None]:
    """The text with each run of white space as one space, and where its characters stood if they moved."""
    if text.isascii() and not any(each in text for each in ("\t", "\n", "\r", "\v", "\f", "  ")):
        return text, None
    points = points_of(text, "replace")
    is_space = np.isin(points, _SPACES)
    repeats = is_space.copy()
    repeats[1:] &= is_space[:-1]
    repeats[:1] = False
    places = np.flatnonzero(~repeats)
    plain = np.where(is_space, np.uint32(32), points)[places].astype(np.uint32)
    return text_of(plain, "replace"), places


_SPACES = np.array([ord(each) for each in " \t\n\r\v\f\u00a0\u2028\u2029\u3000"], dtype=np.uint32)


def _lower(text: str) -> str:
    """In lower case, character by character, so that places stay."""
    lowered = lower(text)
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := each.lower()) == 1 else each for each in text)


def _is_whole(text: str, start: int, end: int) -> bool:
    before = start > 0 and _joins(text[start - 1], text[start])
    after = end < len(text) and _joins(text[end - 1], text[end])
    return not before and not after


def _joins(left: str, right: str) -> bool:
    """Whether two neighbours are of one word. Scripts without spaces between words have no such joints."""
    return _is_of_word(left) and _is_of_word(right)


def _is_of_word(character: str) -> bool:
    return (character.isalnum() or character == "_") and not ("\u3040" <= character <= "\u9fff")
