"""What the bench found, cut into pieces that a page can show: plain text and marked text, never markup."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from gateway_site.lib.display import visible
from guardrails.bench import Trial
from guardrails.engine.findings import Blocked, Finding, Report, Rewritten
from guardrails.engine.segments import Segment

_LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text. `about` names the findings that it belongs to, "" for none."""

    text: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class ShownSegment:
    """A segment with its text in pieces."""

    place: str
    kind: str
    surface: str
    pieces: tuple[Piece, ...]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page says of one trial. `let_through` is JSON text, "" when nothing was."""

    outcome: str
    why: str
    let_through: str
    segments: tuple[ShownSegment, ...]
    report: Report
    milliseconds: tuple[tuple[str, float], ...]

    @property
    def total(self) -> float:
        return sum(each for _, each in self.milliseconds)


def as_shown(trial: Trial) -> Shown:
    verdict, report = trial.verdict, trial.report
    outcome, why = "passed", ""
    if isinstance(verdict, Blocked):
        outcome, why = "blocked", f"{verdict.detector}: {verdict.category} at {verdict.pointer or 'the message'}"
    elif isinstance(verdict, Rewritten):
        outcome = "rewritten"
    text = "" if trial.value is None else json.dumps(trial.value, indent=2, ensure_ascii=False)
    return Shown(
        outcome=outcome, why=visible(why), let_through=visible(text)[:_LONGEST],
        segments=tuple(_show(segment, report.findings) for segment in trial.segments), report=report,
        milliseconds=tuple(sorted(report.milliseconds.items(), key=lambda item: -item[1])),
    )  # fmt: skip


def _show(segment: Segment, findings: Sequence[Finding]) -> ShownSegment:
    own = [each for each in findings if (each.pointer, each.is_key) == (segment.pointer, segment.is_key)]
    text = segment.text[:_LONGEST]
    place = f"{segment.pointer} (name)" if segment.is_key else segment.pointer
    return ShownSegment(visible(place), segment.kind, segment.surface, pieces(text, own), len(text) < len(segment.text))


def pieces(text: str, findings: Sequence[Finding]) -> tuple[Piece, ...]:
    """The text in order, cut wherever a finding begins or ends; together they are the text."""
    bounds = {0, len(text)}
    for each in findings:
        bounds |= {min(each.start, len(text)), min(each.end, len(text))}
    cuts = sorted(bounds)
    found = []
    for start, end in pairwise(cuts):
        about = {f"{each.detector}: {each.category}" for each in findings if each.start <= start and end <= each.end}
        found.append(Piece(visible(text[start:end]), ", ".join(sorted(about))))
    return tuple(found)
