"""Measures a whole policy: what it would have stopped or rewritten."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from guardrails.engine.detector import Context
from guardrails.engine.findings import Action, Verdict
from guardrails.engine.lent import Services
from guardrails.engine.rules import Mode, Policy
from guardrails.engine.scan import inspect
from guardrails.evaluation.metrics import measure
from guardrails.evaluation.rows import DataError, Row
from guardrails.evaluation.tasks import Ask, Opinion, Progress, is_argument, score

# Findings below a rule's own threshold are no findings, so that whatever is left counts.
ANY = 1e-9


def evaluate_policy(policy: Policy, rows: Iterable[Row], progress: Progress | None = None) -> dict[str, Any]:
    """A row's score is the highest of all findings whose action is more than to flag, and 0 without one.

    The mode does not count: `observe` is measured as if it were enforced. A guardrail that cannot answer scores 1
    where that would stop the message. Services are not asked. Raises DataError.
    """
    all_rows = list(rows)
    if not all_rows:
        raise DataError("there are no rows to measure")
    with asyncio.Runner() as runner:
        scored, _ = score(all_rows, ask_policy(policy, runner), _label, progress)
    return {"detector": policy.name, **measure(scored, ANY)}


def ask_policy(policy: Policy, runner: asyncio.Runner) -> Ask:
    enforced = replace(policy, mode=Mode.ENFORCE)

    def ask(row: Row) -> Opinion:
        message, context = _message(row)
        started = time.perf_counter()
        verdict = runner.run(inspect(message, enforced, context, Services()))
        milliseconds = (time.perf_counter() - started) * 1000
        return Opinion(_score(verdict), verdict.report.findings, milliseconds)

    return ask


def _score(verdict: Verdict) -> float:
    scores = [finding.score for finding in verdict.report.findings if finding.action is not Action.FLAG]
    stopped = any(failure.on_error == Action.BLOCK for failure in verdict.report.failures)
    return max([1.0] if stopped else [max(score, ANY) for score in scores], default=0.0)


def _message(row: Row) -> tuple[dict[str, Any], Context]:
    """The row as a call's argument or as its result."""
    if is_argument(row):
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                                   "params": {"name": "measured", "arguments": {"text": row.text}}}  # fmt: skip
        return message, Context(direction="input", tool="measured", method="tools/call")
    message = {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": row.text}]}}
    context = Context(
        direction="output", tool="measured", method="tools/call", question=row.context, grounds=row.context
    )
    return message, context


def _label(row: Row) -> bool:
    if isinstance(row.label, int):
        return bool(row.label)
    if row.spans is not None:
        return bool(row.spans)
    raise DataError(f"a row of {row.source or 'no source'} is not labelled 0 or 1")
