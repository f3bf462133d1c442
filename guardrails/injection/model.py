"""What the linear model says of texts: the passages that look like injections, with their scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import re2

from guardrails.engine.hits import Hit
from guardrails.engine.ngrams import Features, Floats, LinearModel, load

INJECTION = "INJECTION"
JAILBREAK = "JAILBREAK"
_MOST = 5
# Characters of a passage that tell its kind.
_LOOKED_AT = 4_000
# Below this nothing is told, so that ordinary texts give no findings at all.
LEAST = 0.05
_HALF = 0.5

_JAILBREAK = re2.compile(
    r"(?i)\b(?-i:DAN)\b|do anything now|jail ?br[eo]|\bunfiltered|\buncensored|\bamoral|\bimmoral|"
    r"\b(?:no|any|without(?: any)?|free of|of all|removed? (?:all )?(?:your )?) ?"
    r"(?:restrictions|limits|limitations|rules|filters|ethics|morals|guidelines)|"
    r"role-?play|pretend (?:to|that|you)|\bact as|developer mode|hypothetical(?:ly)?|"
    r"(?:stay|remain|break)(?:ing)? (?:in )?character|\bpersona\b|never refuse|content polic|ethical guidelines|"
    r"\bevil\b|you are (?:now )?(?:going to|playing)|\bunrestricted|no longer bound|moral"
    r"(?:s|ity)\b|\billegal\b|simulate"
)


def linear_model() -> LinearModel:
    return load("prompt_injection")


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """The scores of a text's windows: where each begins, how long they are, and how much each looks like an attack."""

    begins: npt.NDArray[np.intp]
    scores: Floats
    window: int

    def at(self, start: int, end: int) -> float:
        """The highest score of the windows that overlap [start, end)."""
        near = self.scores[(self.begins < end) & (self.begins + self.window > start)]
        return float(near.max()) if len(near) else 0.0

    def passages(self, text: str) -> list[Hit]:
        """The best runs of windows, the highest first; one run where none is over 0.5, none where nothing is told."""
        if not len(self.scores) or self.scores.max() < LEAST:
            return []
        top = int(self.scores.argmax())
        bounds = np.flatnonzero(np.diff(np.concatenate(([0], (self.scores >= _HALF).astype(np.int8), [0]))))
        runs = [(int(first), int(after) - 1) for first, after in bounds.reshape(-1, 2)] or [(top, top)]
        hits = []
        for first, last in runs:
            # Lower case can be longer than the text, by a letter here and there.
            start = min(int(self.begins[first]), len(text))
            end = min(int(self.begins[last]) + self.window, len(text))
            hits.append(
                Hit(
                    kind_of(text[start : min(end, start + _LOOKED_AT)]),
                    start,
                    end,
                    float(self.scores[first : last + 1].max()),
                )
            )
        return sorted(hits, key=lambda hit: -hit.score)[:_MOST]


def score_long(model: LinearModel, features: Features, more: float = 0.0) -> Scored:
    """`more` is added before the sigmoid: what speaks for an attack beside the words."""
    begins, scores = model.windows(features)
    return Scored(begins, shift(scores, more), model.window)


def score_short(score: float, length: int, more: float = 0.0) -> Scored:
    """A text of one window whose score is known."""
    scores = np.array([score], dtype=np.float32)
    return Scored(np.zeros(1, dtype=np.intp), shift(scores, more), max(1, length))


def shift(scores: Floats, more: float) -> Floats:
    """Probabilities with so much added to their logits."""
    if not more:
        return scores
    likely = np.clip(scores.astype(np.float64), 1e-6, 1 - 1e-6)
    odds = likely / (1 - likely) * np.exp(more)
    shifted: Floats = (odds / (1 + odds)).astype(np.float32)
    return shifted


def kind_of(passage: str) -> str:
    """A jailbreak talks a model out of its rules; any other injection wants something done."""
    words = {match.group(0).lower() for match in _JAILBREAK.finditer(passage)}
    return JAILBREAK if len(words) >= 2 else INJECTION
