"""Measures the topic detector by few examples: twelve of each topic are its configuration, the rest is scored.

Of each topic of the data the TWELVE rows that come first by the SHA-256 of their text are its examples; topics with
fewer than twice as many rows are left out. As a project has some topics and not hundreds, TEN at a time, in the order
of the SHA-256 of their names, are what a detector denies. It scores the other rows of its topics, which are to be
found, and all rows labelled `oos` (out of scope), which are not; the figures are those of all these scores together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from guardrails.evaluation.metrics import Scored, measure
from guardrails.evaluation.rows import DataError, Row
from guardrails.evaluation.tasks import TASKS, THRESHOLD, Progress, asker, score, stable_order

TWELVE = 12
TEN = 10
OUT_OF_SCOPE = "oos"


def evaluate_topics(rows: Sequence[Row], progress: Progress | None = None) -> dict[str, Any]:
    """Raises DataError for data without topics or without rows that are out of scope."""
    examples, rest = split(rows)
    if not examples:
        raise DataError(f"no topic has {2 * TWELVE} rows")
    if not any(row.label == OUT_OF_SCOPE for row in rest):
        raise DataError(f"no row is labelled {OUT_OF_SCOPE}")
    scored: list[Scored] = []
    groups = groups_of(examples)
    for group in groups:
        ask = asker(TASKS["topic"], {"denied": {topic: examples[topic] for topic in group}})
        own = [row for row in rest if row.label in group or row.label == OUT_OF_SCOPE]
        scored += score(own, ask, lambda row: row.label != OUT_OF_SCOPE, progress)[0]
    return {"topics": len(examples), "groups": len(groups), **measure(scored, THRESHOLD)}


def split(rows: Sequence[Row]) -> tuple[dict[str, list[str]], list[Row]]:
    """The examples by topic, and the rows to be scored."""
    by_topic: dict[str, list[Row]] = {}
    for row in rows:
        if not isinstance(row.label, str):
            raise DataError("a row's label is not the name of a topic")
        by_topic.setdefault(row.label, []).append(row)
    rest = by_topic.pop(OUT_OF_SCOPE, [])
    examples: dict[str, list[str]] = {}
    for topic, members in sorted(by_topic.items()):
        if len(members) >= 2 * TWELVE:
            members.sort(key=lambda row: stable_order(row.text))
            examples[topic] = [row.text for row in members[:TWELVE]]
            rest += members[TWELVE:]
    return examples, rest


def groups_of(topics: Iterable[str]) -> list[list[str]]:
    """TEN in each, the last with what is left."""
    ordered = sorted(topics, key=stable_order)
    return [ordered[start : start + TEN] for start in range(0, len(ordered), TEN)]
