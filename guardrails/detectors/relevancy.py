"""Finds answers that have nothing to do with what was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from guardrails.engine.detector import Context, MessageDetector, Target, detectors
from guardrails.engine.findings import Finding
from guardrails.engine.turns import giving_way
from guardrails.language.lexicon import load_lexicon
from guardrails.language.similarity import relevancy

__all__ = ["Relevancy", "relevancy"]


@detectors.add
class Relevancy(MessageDetector):
    """Judges the texts of an answer together; the score is one minus the relevancy. Needs a question."""

    name: ClassVar[str] = "relevancy"
    label: ClassVar[str] = "Relevancy of an answer to the call"
    version: ClassVar[str] = "1"
    categories: ClassVar[tuple[str, ...]] = ("IRRELEVANT",)
    directions: ClassVar[tuple[str, ...]] = ("output",)

    def __init__(self, config: Mapping[str, Any]) -> None:
        load_lexicon()

    def judge(self, targets: Sequence[Target], context: Context) -> Sequence[Finding]:
        said = [target.segment for target in giving_way(targets) if not target.segment.is_key]
        if not context.question or not said:
            return []
        irrelevancy = 1 - relevancy(context.question, "\n".join(segment.text for segment in giving_way(said)))
        longest = max(giving_way(said), key=lambda segment: len(segment.text))
        return [Finding(self.name, "IRRELEVANT", round(irrelevancy, 4), longest.pointer, 0, len(longest.text))]
