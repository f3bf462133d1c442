"""The measures: counts at a threshold, the curve as a whole, and recall at a price of false alarms."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Spans = Sequence[tuple[int, int, str]]
# How much of a span must be covered for it to count as found.
COVERED = 0.6


@dataclass(frozen=True, slots=True)
class Scored:
    """One row with what a detector made of it. `label` is true for what is to be found."""

    score: float
    label: bool
    source: str = ""
    milliseconds: float = 0.0
    kind: str = ""


def measure(rows: Sequence[Scored], threshold: float) -> dict[str, Any]:
    """All measures of a set of rows, as they are printed. A measure that the rows cannot give is None.

    `recall_at_1pct_fpr`, and the same by kind, read their own threshold from all rows that are not to be found; the
    other counts use `threshold`, at which a score counts as a finding.
    """
    hits = sum(row.score >= threshold for row in rows if row.label)
    alarms = sum(row.score >= threshold for row in rows if not row.label)
    positives = sum(row.label for row in rows)
    negatives = len(rows) - positives
    precision, recall = ratio(hits, hits + alarms), ratio(hits, positives)
    return {
        "n": len(rows),
        "positives": positives,
        "threshold": threshold,
        "precision": precision,
        "recall": recall,
        "f1": f1(precision, recall),
        "auroc": auroc(rows),
        "recall_at_1pct_fpr": recall_at_fpr(rows, 0.01),
        "fpr": ratio(alarms, negatives),
        "fpr_by_source": _shares(rows, False, threshold, "source"),
        "recall_by_source": _shares(rows, True, threshold, "source"),
        "recall_by_kind": _shares(rows, True, threshold, "kind"),
        "recall_by_kind_at_1pct_fpr": _shares_at_fpr(rows, 0.01),
        "latency_ms": {"p50": quantile(_times(rows), 0.5), "p99": quantile(_times(rows), 0.99)},
    }


def ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def f1(precision: float | None, recall: float | None) -> float | None:
    """The harmonic mean. None when either is undefined, 0 when both are 0."""
    if precision is None or recall is None:
        return None
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def auroc(rows: Sequence[Scored]) -> float | None:
    """How often a row to be found scores higher than one that is not; ties count half (Mann and Whitney, 1947)."""
    positives = sum(row.label for row in rows)
    negatives = len(rows) - positives
    if not positives or not negatives:
        return None
    ordered = sorted(rows, key=lambda row: row.score)
    rank_sum, start = 0.0, 0
    while start < len(ordered):
        end = start
        while end < len(ordered) and ordered[end].score == ordered[start].score:
            end += 1
        rank_sum += (start + end + 1) / 2 * sum(row.label for row in ordered[start:end])
        start = end
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def recall_at_fpr(rows: Sequence[Scored], most: float) -> float | None:
    """The share found when at most `most` of the rows that are not to be found may score as high or higher."""
    found, limit = [row.score for row in rows if row.label], _limit(rows, most)
    if not found or limit is None:
        return None
    return sum(score > limit for score in found) / len(found)


def _limit(rows: Sequence[Scored], most: float) -> float | None:
    """The highest score that must not count: what lies above it raises no more than the alarms that are allowed."""
    other = sorted((row.score for row in rows if not row.label), reverse=True)
    if not other:
        return None
    allowed = int(most * len(other) + 1e-9)
    return other[allowed] if allowed < len(other) else float("-inf")


def _shares_at_fpr(rows: Sequence[Scored], most: float) -> dict[str, float] | None:
    limit = _limit(rows, most)
    return None if limit is None else _shares(rows, True, math.nextafter(limit, math.inf), "kind")


def quantile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile: the smallest value that at least `share` of all do not exceed."""
    if not values:
        return None
    ordered = sorted(values)
    rank = max(1, -int(-share * len(ordered) // 1))
    return ordered[min(rank, len(ordered)) - 1]


def _times(rows: Sequence[Scored]) -> list[float]:
    return [row.milliseconds for row in rows]


def _shares(rows: Sequence[Scored], label: bool, threshold: float, by: str) -> dict[str, float]:
    """The share that counts as a finding, of the rows with this label, by their source or kind."""
    found: dict[str, list[bool]] = {}
    for row in rows:
        if row.label is label:
            found.setdefault(getattr(row, by), []).append(row.score >= threshold)
    return {name: sum(each) / len(each) for name, each in sorted(found.items())}


# --- spans ----------------------------------------------------------------------------------------------


class SpanTally:
    """Spans that should be found and that were, over many texts, by the name of their type.

    A span counts as found, whatever it was taken for, when COVERED of it is; what was found counts as right when it
    covers that much of a span, or lies in spans that far. `known` are the types that can be found: others are told by
    type, and left out of the sums.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._known = frozenset(known)
        self._gold: dict[str, list[bool]] = {}
        self._found: dict[str, list[bool]] = {}

    def add(self, gold: Spans, found: Spans) -> None:
        for start, end, kind in gold:
            covered = _overlap(start, end, found) >= COVERED * (end - start)
            self._gold.setdefault(kind, []).append(covered)
        for start, end, kind in found:
            inside = _overlap(start, end, gold) >= COVERED * (end - start)
            whole = any(_overlap(*span[:2], [(start, end, "")]) >= COVERED * (span[1] - span[0]) for span in gold)
            self._found.setdefault(kind, []).append(inside or whole)

    def measures(self, types: Iterable[str] | None = None) -> dict[str, Any]:
        """Of all known types, or of these."""
        chosen = self._known if types is None else frozenset(types)
        gold = [each for kind, all_of in self._gold.items() if kind in chosen for each in all_of]
        found = [each for kind, all_of in self._found.items() if kind in chosen for each in all_of]
        precision, recall = ratio(sum(found), len(found)), ratio(sum(gold), len(gold))
        return {"spans": len(gold), "findings": len(found), "precision": precision, "recall": recall,
                "f1": f1(precision, recall)}  # fmt: skip

    def by_type(self) -> dict[str, Mapping[str, Any]]:
        return {kind: self.measures([kind]) for kind in sorted(self._gold.keys() | self._found.keys())}


def _overlap(start: int, end: int, spans: Spans) -> int:
    """How many of the characters [start, end) lie in any of the spans."""
    inside = sorted((max(start, first), min(end, last)) for first, last, *_ in spans if first < end and last > start)
    covered, reached = 0, start
    for first, last in inside:
        covered += max(0, last - max(first, reached))
        reached = max(reached, last)
    return covered
