"""Judges how far an answer as a whole keeps to what it was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from guardrails.detectors.topic import is_said
from guardrails.engine.detector import Context, MessageDetector, Target, detectors
from guardrails.engine.findings import Finding
from guardrails.language.grounding import Grounds
from guardrails.language.lexicon import load_lexicon
from guardrails.language.sentences import split_sentences


@detectors.add
class Adherence(MessageDetector):
    """The score is the share of an answer, by length, that is not borne out by the grounds. Needs grounds."""

    name: ClassVar[str] = "adherence"
    label: ClassVar[str] = "Adherence of an answer to the context"
    version: ClassVar[str] = "1"
    categories: ClassVar[tuple[str, ...]] = ("NOT_ADHERENT",)
    directions: ClassVar[tuple[str, ...]] = ("output",)

    def __init__(self, config: Mapping[str, Any]) -> None:
        load_lexicon()

    def judge(self, targets: Sequence[Target], context: Context) -> Sequence[Finding]:
        grounds = Grounds(context.grounds)
        said = [target.segment for target in targets if is_said(target.segment)]
        if not said or not len(grounds):
            return []
        missing = sum(_missing(segment.text, grounds) for segment in said) / sum(len(segment.text) for segment in said)
        longest = max(said, key=lambda segment: len(segment.text))
        score = round(min(1.0, missing), 4)
        return [Finding(self.name, "NOT_ADHERENT", score, longest.pointer, 0, len(longest.text))]


def adherence(answer: str, context: str) -> float:
    """How much of the answer the context bears out, 0 to 1; 1 where there is no context."""
    grounds = Grounds(context)
    return 1 - _missing(answer, grounds) / max(1, len(answer)) if len(grounds) else 1.0


def _missing(text: str, grounds: Grounds) -> float:
    """How many characters of the text are not borne out. Space between sentences counts as what is before it."""
    sentences = split_sentences(text)
    if not sentences:
        return 0.0
    lengths = np.array([end - start for start, end in sentences])
    lacking = float(lengths @ (1 - grounds.bear_each(text, sentences)))
    return lacking / float(lengths.sum()) * len(text)
