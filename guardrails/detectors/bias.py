"""Finds slanted language and generalisations about groups of people, with a linear model.

The weights come from guardrails/training/bias.py. It sees loaded words; a slant that lies in what is left out, or a
stereotype in plain words, it does not see. Flag with it rather than block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from guardrails.engine.detector import Target, TextDetector, detectors
from guardrails.engine.findings import Finding
from guardrails.engine.ngrams import Features, load
from guardrails.engine.segments import Kind

# A passage under this is plain; what lies above is told so that thresholds lower than 0.5 work.
_LEAST = 0.005
# Fewer words than these have no slant.
_LEAST_WORDS = 3
_NOT_SAID = frozenset({Kind.ID, Kind.PATH, Kind.URL})


@detectors.add
class Bias(TextDetector):
    """A finding's score is that of the most slanted passage of a text, of 400 characters at most."""

    name: ClassVar[str] = "bias"
    label: ClassVar[str] = "Slanted language and generalisations about groups"
    version: ClassVar[str] = "3"
    categories: ClassVar[tuple[str, ...]] = ("BIAS",)

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._model = load("bias")

    def scan(self, target: Target) -> Sequence[Finding]:
        segment = target.segment
        if segment.is_key or segment.kind in _NOT_SAID or len(segment.text.split(None, _LEAST_WORDS)) < _LEAST_WORDS:
            return []
        view, features = target.views[0], target.features[0]
        begin, score = self._most_slanted(features)
        if score < _LEAST:
            return []
        start = min(begin, len(view.text))
        start, end = view.span(start, min(start + self._model.window, len(view.text)))
        return [Finding(self.name, "BIAS", round(score, 4), segment.pointer, start, end)]

    def _most_slanted(self, features: Features) -> tuple[int, float]:
        """Where the worst passage begins, and its score."""
        if len(features) <= self._model.window:
            return 0, self._model.score_alone(features)
        begins, scores = self._model.windows(features)
        top = int(scores.argmax())
        return int(begins[top]), float(scores[top])
