"""How each detector is asked for its opinion of labelled rows, and what its answers are measured by."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guardrails.engine.detector import Context, MessageDetector, Target, TextDetector, find
from guardrails.engine.findings import Finding
from guardrails.engine.kinds import kind_of
from guardrails.engine.segments import Segment, Surface
from guardrails.evaluation.metrics import Scored, SpanTally, measure
from guardrails.evaluation.rows import DataError, Row
from guardrails.evaluation.types import STRUCTURED, label_of, label_of_finding

THRESHOLD = 0.5
_BY_SPAN = ("pii", "secrets")
Progress = Callable[[int, int], None]
# What a row says of itself when it is an argument rather than a result.
_ARGUMENT_SUBS = ("sqli", "xss", "cmdi", "path-traversal", "ssrf", "nosql", "norm")


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a detector makes of one row. `milliseconds` are those of the detector and of reading the text for it."""

    score: float
    findings: tuple[Finding, ...]
    milliseconds: float


Ask = Callable[[Row], Opinion]


@dataclass(frozen=True, slots=True)
class Task:
    """A detector under the name that it is measured by. `asks` and `grounds` say what a row's context is to it.

    `is_inverse` is for a detector that finds what is missing: the rows to be found are then those where it is there.
    """

    detector: str
    asks: bool = False
    grounds: bool = False
    is_inverse: bool = False


TASKS: Mapping[str, Task] = {
    "prompt_injection": Task("prompt_injection"),
    "web_attack": Task("web_attack"),
    "pii": Task("pii"),
    "secrets": Task("secrets"),
    "toxicity": Task("toxicity"),
    "bias": Task("bias"),
    "topic": Task("topic"),
    "relevancy": Task("relevancy", asks=True, is_inverse=True),
    "grounding": Task("hallucination", grounds=True),
}


def evaluate(name: str, rows: Iterable[Row], progress: Progress | None = None) -> dict[str, Any]:
    """The measures of one of TASKS. Raises DataError for rows that it cannot be measured by."""
    task, all_rows = TASKS[name], list(rows)
    if not all_rows:
        raise DataError("there are no rows to measure")
    if name == "topic":
        from guardrails.evaluation.topics import evaluate_topics

        return {"detector": name, **evaluate_topics(all_rows, progress)}
    ask = asker(task, on_arguments=name == "web_attack")
    scored, opinions = score(all_rows, ask, _labeller(name), progress)
    result = {"detector": name, **measure(scored, THRESHOLD)}
    if name in _BY_SPAN:
        result |= _measure_spans(name, all_rows, opinions)
    return result


def asker(task: Task, config: Mapping[str, Any] | None = None, *, on_arguments: bool = False) -> Ask:
    """Asks the task's detector, made once."""
    detector = find(task.detector)(dict(config or {}))

    def ask(row: Row) -> Opinion:
        segment = segment_of(row, on_arguments)
        direction = "input" if segment.surface is Surface.ARGUMENTS else "output"
        context = Context(
            direction=direction, question=row.context if task.asks else "", grounds=row.context if task.grounds else ""
        )
        started = time.perf_counter()
        target = Target(segment)
        found: Sequence[Finding] = ()
        if isinstance(detector, TextDetector):
            found = detector.scan(target)
        elif isinstance(detector, MessageDetector):
            found = detector.judge([target], context)
        milliseconds = (time.perf_counter() - started) * 1000
        highest = max((finding.score for finding in found), default=0.0)
        return Opinion(1.0 - highest if task.is_inverse else highest, tuple(found), milliseconds)

    return ask


def segment_of(row: Row, on_arguments: bool = False) -> Segment:
    """A direct prompt and an attack on an application come as arguments, everything else in results."""
    surface = Surface.ARGUMENTS if on_arguments or is_argument(row) else Surface.CONTENT
    pointer = "/params/arguments/text" if surface is Surface.ARGUMENTS else "/result/content/0/text"
    return Segment(pointer=pointer, text=row.text, kind=kind_of(row.text), surface=surface, key="text")


def is_argument(row: Row) -> bool:
    return row.kind.split(":", 1)[0] == "direct" or row.sub.startswith(_ARGUMENT_SUBS)


def score(
    rows: Sequence[Row], ask: Ask, label: Callable[[Row], bool], progress: Progress | None = None
) -> tuple[list[Scored], list[Opinion]]:
    """The opinions, in the order of the rows."""
    # The first answer pays for what is loaded once.
    ask(rows[0])
    scored, opinions = [], []
    for number, row in enumerate(rows, 1):
        opinion = ask(row)
        opinions.append(opinion)
        scored.append(Scored(opinion.score, label(row), row.source, opinion.milliseconds, row.sub or row.kind))
        if progress is not None and (number % 100 == 0 or number == len(rows)):
            progress(number, len(rows))
    return scored, opinions


def _known(name: str) -> frozenset[str]:
    """The labels of spans that a detector can find."""
    return frozenset(label_of_finding(name, category) for category in find(TASKS[name].detector).categories)


def _labeller(name: str) -> Callable[[Row], bool]:
    """Whether a row is to be found. Where a row has spans, those count that the detector can find."""
    known = _known(name) if name in _BY_SPAN else frozenset()

    def label(row: Row) -> bool:
        if name in _BY_SPAN and row.spans is not None:
            return any(label_of(kind) in known for _, _, kind in row.spans)
        if not isinstance(row.label, int):
            raise DataError(f"a row of {row.source or 'no source'} is not labelled 0 or 1")
        return bool(row.label)

    return label


def _measure_spans(name: str, rows: Sequence[Row], opinions: Sequence[Opinion]) -> dict[str, Any]:
    """By span and type, and what is found where nothing is, by type."""
    known = _known(name)
    tally = SpanTally(known)
    clean = findings = 0
    alarms: dict[str, int] = {}
    for row, opinion in zip(rows, opinions, strict=True):
        sure = [each for each in opinion.findings if each.score >= THRESHOLD]
        named = [(each.start, each.end, label_of_finding(name, each.category)) for each in sure]
        if row.spans is not None:
            tally.add([(start, end, label_of(kind)) for start, end, kind in row.spans], named)
        elif not row.label:
            clean += 1
            findings += len(named)
            for kind in {kind for _, _, kind in named}:
                alarms[kind] = alarms.get(kind, 0) + 1
    return {
        "spans": tally.measures(),
        "spans_structured": tally.measures(known.intersection(STRUCTURED)),
        "by_type": tally.by_type(),
        "fpr_by_type": {kind: count / clean for kind, count in sorted(alarms.items())},
        "findings_per_1000_clean": findings * 1000 / clean if clean else None,
    }


def stable_order(text: str) -> str:
    """A key to choose rows by that no order of files changes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
