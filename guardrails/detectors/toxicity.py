"""Finds harmful language with linear models: abuse, hate, threats, violence, sexual content, self-harm.

One model says whether a passage is harmful at all; only where it might be do the others name the kind. The weights
come from guardrails/training/toxicity.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import re2

from guardrails.engine.detector import Context, SeveralDetector, Target, detectors
from guardrails.engine.findings import Finding
from guardrails.engine.ngrams import Features, Floats, LinearModel, load
from guardrails.engine.segments import Segment
from guardrails.engine.turns import give_way, giving_way
from guardrails.engine.views import View
from guardrails.language.sentences import readable

KINDS = ("HATE", "HARASSMENT", "THREAT", "VIOLENCE", "SEXUAL", "SELF_HARM")
# What is not for a workplace is what is sexual, and what is graphically violent.
_NSFW = ("SEXUAL", "VIOLENCE")
# Texts up to one window's length are scored together.
_SHORT = 400
_MOST_TOGETHER = 256
_FEW = 6
# A passage under this is harmless; what lies above is told so that thresholds lower than 0.5 work.
_LEAST = 0.005
_LEAST_KIND = 0.2
# Without a space or three letters in a row it is an id, a number or a date, of whose letters the model makes too much.
_WORDS = re2.compile(r"[A-Za-z]{3}|\s|[^\x00-\x7f]")


@detectors.add
class Toxicity(SeveralDetector):
    """A finding's score is that of its passage, of 400 characters at most; passages that touch are one finding."""

    name: ClassVar[str] = "toxicity"
    label: ClassVar[str] = "Toxic, hateful, violent or sexual language"
    version: ClassVar[str] = "3"
    categories: ClassVar[tuple[str, ...]] = ("TOXICITY", *KINDS, "NSFW")
    cached_from: ClassVar[int] = 1

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._any = load("toxicity")
        self._kinds = {kind: load(f"toxicity_{kind.lower()}") for kind in KINDS}

    def is_alone(self, segment: Segment) -> bool:
        return True

    def judge_some(self, asked: Sequence[Target], targets: Sequence[Target], context: Context) -> Sequence[Finding]:
        short: list[tuple[Target, int]] = []
        found: list[Finding] = []
        for target in asked:
            for index, view in enumerate(target.views):
                if _WORDS.search(readable(view.text)) is None:
                    continue
                if len(view.text) <= _SHORT:
                    short.append((target, index))
                else:
                    found += self._read_long(target, view, target.features[index])
            give_way()
        for start in range(0, len(short), _MOST_TOGETHER):
            found += self._read_short(short[start : start + _MOST_TOGETHER])
            give_way()
        return _once(found)

    def _read_short(self, texts: Sequence[tuple[Target, int]]) -> Iterator[Finding]:
        scores = _score(self._any, texts)
        # Only what may be harmful is asked for its kind.
        doubtful = np.flatnonzero(scores >= _LEAST_KIND)
        kinds = {
            kind: dict(zip(doubtful, _score(model, [texts[int(index)] for index in doubtful]), strict=True))
            for kind, model in self._kinds.items()
        } if len(doubtful) else {}  # fmt: skip
        for index in giving_way(np.flatnonzero(scores >= _LEAST)):
            target, reading = texts[int(index)]
            view = target.views[reading]
            named = {kind: float(min(of.get(index, 0.0), scores[index])) for kind, of in kinds.items()}
            for category, score in _categories(float(scores[index]), named):
                yield _finding(target, view, category, score, 0, len(view.text))

    def _read_long(self, target: Target, view: View, features: Features) -> Iterator[Finding]:
        begins, scores = self._any.windows(features)
        if not len(scores) or scores.max() < _LEAST:
            return
        top = int(scores.argmax())
        if scores[top] < _LEAST_KIND:
            yield _finding(target, view, "TOXICITY", float(scores[top]), *_passage(view, self._any, int(begins[top])))
            return
        kinds = {kind: np.minimum(model.windows(features)[1], scores) for kind, model in self._kinds.items()}
        for category, of in (("TOXICITY", scores), *kinds.items(), ("NSFW", _highest(kinds))):
            least = _LEAST if category == "TOXICITY" else _LEAST_KIND
            for first, last, score in _runs(of, least):
                start = _passage(view, self._any, int(begins[first]))[0]
                end = _passage(view, self._any, int(begins[last]))[1]
                yield _finding(target, view, category, score, start, end)


def _score(model: LinearModel, texts: Sequence[tuple[Target, int]]) -> Floats:
    """Of each reading as one window; few are scored sooner by what other detectors have made of them already."""
    if len(texts) > _FEW:
        return model.score_each([target.views[index].text for target, index in texts])
    return np.array([model.score_alone(target.features[index]) for target, index in texts], dtype=np.float32)


def _highest(kinds: Mapping[str, Floats]) -> Floats:
    first, second = (kinds[kind] for kind in _NSFW)
    return np.maximum(first, second)


def _categories(score: float, kinds: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    yield "TOXICITY", score
    yield from ((kind, of) for kind, of in kinds.items() if of >= _LEAST_KIND)
    nsfw = max((kinds.get(kind, 0.0) for kind in _NSFW), default=0.0)
    if nsfw >= _LEAST_KIND:
        yield "NSFW", nsfw


def _runs(scores: Floats, least: float) -> Iterator[tuple[int, int, float]]:
    """First and last window and highest score of each run over 0.5; of the best window alone where none is."""
    if scores.max() < least:
        return
    bounds = np.flatnonzero(np.diff(np.concatenate(([0], (scores >= 0.5).astype(np.int8), [0]))))
    if not len(bounds):
        top = int(scores.argmax())
        yield top, top, float(scores[top])
    for first, after in bounds.reshape(-1, 2):
        yield int(first), int(after) - 1, float(scores[first:after].max())


def _passage(view: View, model: LinearModel, begin: int) -> tuple[int, int]:
    # Lower case can be longer than the text, by a letter here and there.
    return min(begin, len(view.text)), min(begin + model.window, len(view.text))


def _finding(target: Target, view: View, category: str, score: float, start: int, end: int) -> Finding:
    segment = target.segment
    start, end = view.span(start, end)
    return Finding("toxicity", category, round(score, 4), segment.pointer, start, end, segment.is_key, view.how)


def _once(found: Sequence[Finding]) -> list[Finding]:
    """Without those of other readings that tell no more than the text as it stands."""
    plain: dict[tuple[str, bool, str], float] = {}
    for finding in giving_way(found):
        if not finding.how:
            place = finding.pointer, finding.is_key, finding.category
            plain[place] = max(plain.get(place, 0.0), finding.score)
    return [
        finding for finding in giving_way(found)
        if not finding.how or finding.score > plain.get((finding.pointer, finding.is_key, finding.category), 0.0)
    ]  # fmt: skip
