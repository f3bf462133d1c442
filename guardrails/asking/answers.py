"""Takes an answer apart: what is not as documented is an error and never a verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import re2

from guardrails.engine.detector import ProviderError
from guardrails.engine.findings import Finding
from guardrails.engine.segments import Segment

_CATEGORY = re2.compile(r"[A-Z][A-Z0-9_]{0,63}")


def as_object(value: Any, what: str) -> dict[str, Any]:
    """`what` names the part of the answer in the error."""
    if not isinstance(value, dict):
        raise ProviderError(f"answer: {what} is not an object")
    return value


def as_list(value: Any, what: str, *, length: int | None = None, most: int = 10_000) -> list[Any]:
    if not isinstance(value, list):
        raise ProviderError(f"answer: {what} is not a list")
    if len(value) > most or (length is not None and len(value) != length):
        raise ProviderError(f"answer: {what} has another length")
    return value


def as_share(value: Any, what: str) -> float:
    """A number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ProviderError(f"answer: {what} is not a number from 0 to 1")
    return float(value)


def as_category(value: Any, what: str) -> str:
    """A name in capitals, digits and underscores, at most 64 characters."""
    if not isinstance(value, str) or _CATEGORY.fullmatch(value) is None:
        raise ProviderError(f"answer: {what} is not a name in capitals")
    return value


def as_span(start: Any, end: Any, length: int, what: str) -> tuple[int, int]:
    """Characters of a text of this length."""
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= length:
        raise ProviderError(f"answer: {what} is not a place in the text")
    return start, end


def as_hit(score: float) -> float:
    """The score of what the service, or a threshold of its own, calls a hit: never below one half."""
    return min(1.0, max(0.5, score)) if math.isfinite(score) else 1.0


def found_in(
    detector: str, category: str, score: float, places: Iterable[tuple[Segment, int, int]]
) -> list[Finding]:
    return [
        Finding(detector, category, score, segment.pointer, start, end, segment.is_key)
        for segment, start, end in places
    ]


def found_in_message(detector: str, category: str, score: float) -> Finding:
    """A verdict on the message as a whole."""
    return Finding(detector, category, score, "", 0, 0)
