"""Finds sentences of an answer that what it may rely on does not bear out: a grounding score, no proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from guardrails.detectors.topic import is_said
from guardrails.engine.detector import Context, MessageDetector, Target, detectors
from guardrails.engine.findings import Finding
from guardrails.engine.turns import giving_way
from guardrails.language.grounding import Grounds, grounding
from guardrails.language.lexicon import load_lexicon
from guardrails.language.sentences import split_sentences

__all__ = ["Hallucination", "grounding"]
# Below this only the worst sentence of a text is told.
_LEAST = 0.2
_MOST_SENTENCES = 500


@detectors.add
class Hallucination(MessageDetector):
    """The score of a sentence is the mean of its own and of its text's lack of grounds. Needs grounds.

    It compares words, phrases, numbers and names. It cannot tell a denial from an assertion, so flag with it rather
    than block.
    """

    name: ClassVar[str] = "hallucination"
    label: ClassVar[str] = "Sentences without grounds in the context"
    version: ClassVar[str] = "1"
    categories: ClassVar[tuple[str, ...]] = ("UNGROUNDED",)
    directions: ClassVar[tuple[str, ...]] = ("output",)

    def __init__(self, config: Mapping[str, Any]) -> None:
        load_lexicon()

    def judge(self, targets: Sequence[Target], context: Context) -> Sequence[Finding]:
        grounds = Grounds(context.grounds)
        if not len(grounds):
            return []
        return [
            finding for target in giving_way(targets)
            if is_said(target.segment)
            for finding in self._read(target, grounds)
        ]  # fmt: skip

    def _read(self, target: Target, grounds: Grounds) -> Sequence[Finding]:
        segment = target.segment
        whole = grounds.bear(segment.text)
        sentences = split_sentences(segment.text)
        if len(sentences) > _MOST_SENTENCES:
            # Joined, so that a text of many tiny sentences costs no more; none is left out.
            step = -(-len(sentences) // _MOST_SENTENCES)
            ends = sentences[step - 1 :: step] + sentences[-1:]
            sentences = [(start, ends[index][1]) for index, (start, _) in enumerate(sentences[::step])]
        scores = 1 - (whole + grounds.bear_each(segment.text, sentences)) / 2
        worst = int(scores.argmax()) if len(scores) else -1
        return [
            Finding(self.name, "UNGROUNDED", round(float(score), 4), segment.pointer, start, end)
            for index, (score, (start, end)) in enumerate(zip(scores, sentences, strict=True))
            if score >= _LEAST or index == worst
        ]  # fmt: skip
