"""What a detector saw, and the three ways a scan can end. None of it holds the text that was seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Action(StrEnum):
    """What is done about a finding."""

    BLOCK = "block"
    REDACT = "redact"
    TOKENISE = "tokenise"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Finding:
    """`score` is 0 to 1. `start` and `end` count characters of the segment's own text, whatever view showed it.

    `how` names the view ("" for the text as it stands, else "base64", "invisible", ...). `rule`, `action` and
    `digests` are set by the engine, never by a detector.
    """

    detector: str
    category: str
    score: float
    pointer: str
    start: int
    end: int
    is_key: bool = False
    how: str = ""
    rule: str = ""
    action: Action = Action.FLAG
    # Keyed digests of the matched text and of its place, by which a false positive is recognised again.
    digests: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Failure:
    """A guardrail that could not answer, and what follows from that: "block" or "flag"."""

    rule: str
    detector: str
    cause: str
    on_error: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much was looked at: characters seen and characters there were. They differ only over the size limit."""

    seen: int = 0
    total: int = 0

    @property
    def is_whole(self) -> bool:
        return self.seen >= self.total


@dataclass(frozen=True, slots=True)
class Report:
    """What every verdict carries: findings, failures, coverage, and the milliseconds of each rule."""

    findings: tuple[Finding, ...] = ()
    failures: tuple[Failure, ...] = ()
    coverage: Coverage = Coverage()
    milliseconds: dict[str, float] = field(default_factory=dict)
    policy: str = ""
    policy_version: int = 0


@dataclass(frozen=True, slots=True)
class Passed:
    """Let through as it is."""

    report: Report


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Let through with this JSON value instead."""

    report: Report
    value: Any


@dataclass(frozen=True, slots=True)
class Blocked:
    """Not let through. `category` and `pointer` say what kind of thing was found and where."""

    report: Report
    detector: str
    category: str
    pointer: str


Verdict = Passed | Rewritten | Blocked
