"""Asks a detector of texts and of messages, as the engine does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from guardrails.engine.detector import Context, MessageDetector, Target, TextDetector
from guardrails.engine.findings import Finding
from guardrails.engine.segments import Kind, Segment, Surface
from guardrails.engine.walk import walk

THRESHOLD = 0.5


def scan(detector: Any, text: str, key: str = "") -> list[Finding]:
    """What is found in one text, from the usual threshold on."""
    segment = Segment(f"/{key or 'text'}", text, Kind.PROSE, Surface.CONTENT, key)
    return _sure(ask(detector, [Target(segment)]))


def scan_value(detector: Any, value: Any) -> list[Finding]:
    """What is found in a JSON value, leaf by leaf."""
    return _sure(ask(detector, [Target(segment) for segment in walk(value, surface=Surface.STRUCTURED)]))


def ask(detector: Any, targets: Sequence[Target]) -> list[Finding]:
    if isinstance(detector, TextDetector):
        return [finding for target in targets for finding in detector.scan(target)]
    assert isinstance(detector, MessageDetector)
    return list(detector.judge(targets, Context("output")))


def found(detector: Any, text: str, key: str = "") -> dict[str, list[str]]:
    """What is found in one text, by category."""
    values: dict[str, list[str]] = {}
    for finding in scan(detector, text, key):
        values.setdefault(finding.category, []).append(text[finding.start : finding.end])
    return values


def covers(findings: Sequence[Finding], category: str, start: int, end: int) -> bool:
    """Whether findings of the category cover three fifths of [start, end)."""
    covered = sum(
        max(0, min(end, finding.end) - max(start, finding.start))
        for finding in findings
        if finding.category == category
    )
    return covered >= 0.6 * (end - start)


def _sure(findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.score >= THRESHOLD]
