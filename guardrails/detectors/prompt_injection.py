"""Finds texts that tell a model what to do: injections, jailbreaks, hidden text, forged roles, poisoned definitions.

Rules (guardrails/injection) say that something is there which harmless texts do not have; a linear model says how much
the words read like an attack. Where both speak, their scores are joined. The weights come from
guardrails/training/prompt_injection.py, which sets 0.5 where one in two hundred harmless tool results is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from guardrails.engine.detector import Context, SeveralDetector, Target, detectors
from guardrails.engine.findings import Finding
from guardrails.engine.hits import Hit
from guardrails.engine.segments import Kind, Segment, Surface
from guardrails.engine.turns import give_way, giving_way, in_order
from guardrails.engine.views import View
from guardrails.injection import concealment, exfiltration, hidden, overrides, poisoning, roles
from guardrails.injection.model import INJECTION, JAILBREAK, LEAST, Scored, linear_model, score_long, score_short, shift
from guardrails.injection.signs import Signs

_DEFINING = frozenset({Surface.DEFINITION, Surface.INSTRUCTIONS})
# Shorter texts and names are no sentence that could tell anyone anything.
_SHORTEST = 12
_SHORTEST_NAME = 24
# Who hides an instruction means it: what is added to the logit of a reading by the way it was hidden, and of text
# that is not shown. Readings that harmless texts have too (percent, entities, folded letters, markup) count by their
# words.
_DISGUISED_MORE = 1.5
_UNSEEN_MORE = 0.7
# Definitions are there to tell a model when to do what; they have rules of their own.
_DEFINING_LESS = 1.5
_ORDINARY = frozenset({"folded", "percent", "entities", "escapes", "marked", "joined", "parted", "reordered"})
_MOST_OF_A_TEXT = 50
_MOST_TOGETHER = 256
# So few are scored sooner by what other detectors have made of them already.
_FEW = 6


@dataclass(slots=True)
class _Reading:
    """One view of one text, with what the model says of it; None where it was not asked."""

    target: Target
    index: int
    view: View
    scored: Scored | None = None


@detectors.add
class PromptInjection(SeveralDetector):
    """A finding's score joins what a rule found with what the model says of the words around it."""

    name: ClassVar[str] = "prompt_injection"
    label: ClassVar[str] = "Prompt injection, jailbreaks, hidden text and poisoned tool definitions"
    version: ClassVar[str] = "3"
    categories: ClassVar[tuple[str, ...]] = (
        INJECTION, JAILBREAK, hidden.CATEGORY, roles.CATEGORY, concealment.CATEGORY, exfiltration.CATEGORY,
        poisoning.CATEGORY,
    )  # fmt: skip
    cached_from: ClassVar[int] = 1
    surest_first: ClassVar[bool] = True

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._model = linear_model()
        self._signs = Signs([*overrides.SIGNS, *roles.SIGNS, *concealment.SIGNS, *exfiltration.SIGNS])
        self._defining = Signs(poisoning.SIGNS)

    def is_alone(self, segment: Segment) -> bool:
        """In definitions names and places count too, also those of other texts."""
        return segment.surface not in _DEFINING

    def judge_some(self, asked: Sequence[Target], targets: Sequence[Target], context: Context) -> Sequence[Finding]:
        readings = list(_readings(asked))
        self._score(readings)
        found = _Found()
        self._look_for_signs(readings, found)
        for reading in giving_way(readings):
            self._look_at(reading, found)
        while readings:
            # To let go of all of them at once would keep the interpreter for as long as there are many.
            readings.pop()
            give_way()
        _look_at_praise(asked, found)
        return found.told()

    def _score(self, readings: Sequence[_Reading]) -> None:
        """Short texts together, for one by one they would cost more than a long one."""
        asked: list[_Reading] = []
        short: list[_Reading] = []
        for reading in giving_way(readings):
            if _is_for_the_model(reading):
                asked.append(reading)
                if len(reading.view.text) <= self._model.window:
                    short.append(reading)
        for some in _together(short):
            scores = self._score_few(some) if len(some) <= _FEW else \
                self._model.score_each([reading.view.text for reading in some])  # fmt: skip
            for reading, score in zip(some, scores, strict=True):
                if score >= LEAST / 10:
                    reading.scored = score_short(float(score), len(reading.view.text), _more(reading))
        for reading in giving_way(asked):
            if len(reading.view.text) > self._model.window:
                reading.scored = score_long(self._model, reading.target.features[reading.index], _more(reading))

    def _score_few(self, readings: Sequence[_Reading]) -> list[float]:
        return [self._model.score_alone(reading.target.features[reading.index]) for reading in readings]

    def _look_for_signs(self, readings: Sequence[_Reading], found: _Found) -> None:
        """All short texts are searched as one; only if something is there each is searched by itself."""
        for defines, signs in ((False, self._signs), (True, self._defining)):
            short: list[_Reading] = []
            for reading in giving_way(readings):
                if defines and reading.target.segment.surface not in _DEFINING:
                    continue
                if len(reading.view.text) <= self._model.window:
                    short.append(reading)
                else:
                    _add(reading, signs.find(reading.view.text), found)
            for some in _together(short):
                which = signs.among("\n".join(each.view.text for each in some))
                for reading in some if which else ():
                    _add(reading, signs.find(reading.view.text, which), found)

    def _look_at(self, reading: _Reading, found: _Found) -> None:
        view, segment = reading.view, reading.target.segment
        if reading.scored is not None:
            for hit in reading.scored.passages(view.text):
                found.add(reading, hit, joined=True)
        if not view.how:
            for hit in hidden.find_characters(view.text):
                found.add(reading, hit)
        parts = hidden.find_parts(view.text)
        if parts:
            scores = self._model.score_each([view.text[start:end] for start, end in parts])
            for (start, end), score in zip(parts, shift(scores, _UNSEEN_MORE), strict=True):
                if score >= LEAST:
                    found.add(reading, Hit(hidden.CATEGORY, start, end, float(score)), joined=True)
        if segment.is_key:
            found.add(reading, Hit(roles.CATEGORY, 0, len(view.text), roles.named_for_a_model(view.text)))
        if segment.surface is Surface.DEFINITION and not view.how:
            _look_at_names(reading, found)


class _Found:
    """Findings as they come in; what another reading tells no better than the text as it stands is left out."""

    def __init__(self) -> None:
        self._findings: list[Finding] = []

    def add(self, reading: _Reading, hit: Hit, *, joined: bool = False) -> None:
        """`joined` says that the score holds the model's word already."""
        segment, view = reading.target.segment, reading.view
        score = hit.score
        if not joined and reading.scored is not None:
            score = 1 - (1 - score) * (1 - reading.scored.at(hit.start, hit.end))
        if score < LEAST:
            return
        start, end = view.span(hit.start, hit.end)
        self._findings.append(
            Finding(
                PromptInjection.name,
                hit.category,
                round(score, 4),
                segment.pointer,
                start,
                end,
                segment.is_key,
                view.how,
            )
        )

    def told(self) -> list[Finding]:
        plain: dict[tuple[str, bool, str], float] = {}
        counts: dict[tuple[str, bool], int] = {}
        for finding in giving_way(self._findings):
            if not finding.how:
                place = finding.pointer, finding.is_key, finding.category
                plain[place] = max(plain.get(place, 0.0), finding.score)
        kept = []
        for finding in giving_way(in_order(self._findings, lambda each: -each.score)):
            if finding.how and finding.score <= plain.get((finding.pointer, finding.is_key, finding.category), 0.0):
                continue
            text = finding.pointer, finding.is_key
            counts[text] = counts.get(text, 0) + 1
            if counts[text] <= _MOST_OF_A_TEXT:
                kept.append(finding)
        return kept


def _readings(targets: Sequence[Target]) -> Iterator[_Reading]:
    for target in giving_way(targets):
        for index, view in enumerate(target.views):
            if view.text:
                yield _Reading(target, index, view)


def _together(readings: Sequence[_Reading]) -> Iterator[Sequence[_Reading]]:
    """As many short texts at a time as make up a long one."""
    for start in range(0, len(readings), _MOST_TOGETHER):
        yield readings[start : start + _MOST_TOGETHER]
        give_way()


def _add(reading: _Reading, hits: Iterable[Hit], found: _Found) -> None:
    for hit in hits:
        found.add(reading, _weighed(hit, reading))


def _is_for_the_model(reading: _Reading) -> bool:
    segment, text = reading.target.segment, reading.view.text
    if len(text) < (_SHORTEST_NAME if segment.is_key else _SHORTEST):
        return False
    # An id, a hash or a link in one piece reads like nothing; what is decoded from it is another reading.
    return bool(reading.view.how) or segment.kind is not Kind.ID or " " in text or not text.isascii()


def _more(reading: _Reading) -> float:
    """What speaks for or against an attack before a word is read, as logits."""
    view = reading.view
    disguised = any(way not in _ORDINARY for way in view.how.split("+")) if view.how else False
    defining = reading.target.segment.surface in _DEFINING
    return (_DISGUISED_MORE if disguised else 0.0) - (_DEFINING_LESS if defining else 0.0)


def _weighed(hit: Hit, reading: _Reading) -> Hit:
    if hit.category not in (roles.CATEGORY, overrides.CATEGORY):
        return hit
    return roles.weigh(hit, reading.view.text, _is_code(reading.target.segment))


def _is_code(segment: Segment) -> bool:
    """Chat templates stand in code for a reason; in a definition, which is read as prose, they have none."""
    return segment.kind is Kind.CODE and segment.surface not in _DEFINING


def _look_at_names(reading: _Reading, found: _Found) -> None:
    """Member names that no tool definition should have, be it that they stand here or stand above this text."""
    segment = reading.target.segment
    name = segment.text if segment.is_key else segment.key
    if not name or (not segment.is_key and "/annotations/" not in segment.pointer):
        return
    score = poisoning.claiming_member(name, segment.pointer)
    if not score:
        return
    found.add(reading, Hit(poisoning.CATEGORY, 0, len(segment.text), score))


def _look_at_praise(targets: Sequence[Target], found: _Found) -> None:
    """A name that praises makes a praising description worse; both stand in one definition."""
    names: dict[str, float] = {}
    described: list[tuple[str, float, Target]] = []
    for target in targets:
        segment = target.segment
        if segment.surface is not Surface.DEFINITION or segment.is_key:
            continue
        if segment.key in ("name", "title"):
            above = _above(segment)
            names[above] = max(names.get(above, 0.0), poisoning.praising_name(segment.text))
        elif segment.key == "description":
            described.append((_above(segment), poisoning.praise(segment.text), target))
    for above, score, target in described:
        if score:
            score = 1 - (1 - score) * (1 - names.get(above, 0.0))
            hit = Hit(poisoning.CATEGORY, 0, len(target.segment.text), score)
            found.add(_Reading(target, 0, target.views[0]), hit)


def _above(segment: Segment) -> str:
    return segment.pointer.rpartition("/")[0]
