"""The table that is published: every detector and the default policy, by the data of one directory."""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from guardrails.evaluation.metrics import quantile
from guardrails.evaluation.policies import ask_policy, evaluate_policy
from guardrails.evaluation.rows import DataError, Row, read
from guardrails.evaluation.tasks import Progress, evaluate, stable_order
from guardrails.presets import DEFAULT, PRESETS

_BENIGN = "benign_tool_traffic"
# What is measured by which files: the beginnings of their names.
_PLAN: Mapping[str, tuple[str, ...]] = {
    "prompt_injection": ("prompt_injection", _BENIGN),
    "web_attack": ("web_attack",),
    "pii": ("pii", _BENIGN),
    "secrets": ("secrets", "pii", _BENIGN),
    "toxicity": ("toxicity", _BENIGN),
    "bias": ("bias",),
    "topic": ("topic",),
    "relevancy": ("relevancy",),
    "grounding": ("hallucination", "grounding"),
}
_LONG = "benign_long20k"
_SIZES = {"1 kB": 1_000, "20 kB": 20_000}
_TIMED = 200
_COLUMNS = ("precision", "recall", "f1", "auroc", "recall_at_1pct_fpr", "fpr")


def make_table(data: str | Path, *, limit: int = 0, progress: Progress | None = None) -> dict[str, Any]:
    """`limit` is the most rows of one source and label, 0 for all. What has no data is left out. Raises DataError."""
    files = sorted(path for path in _list(Path(data)) if ".jsonl" in path.suffixes)
    measured = {}
    for name, beginnings in _PLAN.items():
        chosen = [path for path in files if path.name.startswith(beginnings)]
        if any(not path.name.startswith(_BENIGN) for path in chosen):
            measured[name] = evaluate(name, _some(list(read(chosen)), limit), progress)
    benign = [path for path in files if path.name.startswith(_BENIGN)]
    if benign:
        measured[f"policy {DEFAULT}"] = evaluate_policy(PRESETS[DEFAULT], _some(list(read(benign)), limit), progress)
    if not measured:
        raise DataError(f"{data} holds no labelled data; its files begin with {', '.join(_PLAN)}")
    return {
        "data": {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in files},
        "limit": limit,
        "commit": _commit(),
        "machine": _machine(),
        "measured": measured,
        "speed": _speed(files),
    }


def as_text(table: Mapping[str, Any]) -> str:
    """Markdown."""
    lines = [
        f"Commit {table['commit']}; {table['machine']}.",
        f"Data (SHA-256): {', '.join(f'{name} {digest}' for name, digest in table['data'].items())}"
        + (f"; at most {table['limit']} rows of a source and label." if table["limit"] else "."),
        "",
        "| measured | rows | to find | precision | recall | F1 | AUROC | recall at 1 % FPR | FPR | p50 ms | p99 ms |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, result in table["measured"].items():
        figures = [_figure(result[column]) for column in _COLUMNS]
        times = [_figure(result["latency_ms"][share], 2) for share in ("p50", "p99")]
        lines.append(f"| {' | '.join([name, str(result['n']), str(result['positives']), *figures, *times])} |")
    if "web_attack" in table["measured"]:
        lines += ["", *_kind_lines("web_attack", table["measured"]["web_attack"])]
    for name in ("pii", "secrets"):
        if name in table["measured"]:
            lines += ["", *_span_lines(name, table["measured"][name])]
    lines += ["", f"| {DEFAULT}, CPU ms | texts | p50 | p99 |", "|---|---|---|---|"]
    lines += [
        f"| {size} | {each['texts']} | {_figure(each['p50'], 2)} | {_figure(each['p99'], 2)} |"
        for size, each in table["speed"].items()
    ]
    return "\n".join(lines)


def _kind_lines(name: str, result: Mapping[str, Any]) -> list[str]:
    lines = [f"| {name}, by kind | recall | recall at 1 % FPR |", "|---|---|---|"]
    at_price = result["recall_by_kind_at_1pct_fpr"] or {}
    return lines + [
        f"| {kind} | {_figure(recall)} | {_figure(at_price.get(kind))} |"
        for kind, recall in result["recall_by_kind"].items()
    ]


def _span_lines(name: str, result: Mapping[str, Any]) -> list[str]:
    lines = [f"| {name}, by span | spans | findings | precision | recall |", "|---|---|---|---|---|"]
    rows = {"all": result["spans"], "structured": result["spans_structured"], **result["by_type"]}
    for kind, each in rows.items():
        counts = [str(each["spans"]), str(each["findings"]), _figure(each["precision"]), _figure(each["recall"])]
        lines.append(f"| {' | '.join([kind, *counts])} |")
    clean = _figure(result["findings_per_1000_clean"], 1)
    return [*lines, "", f"{name}: {clean} findings on 1,000 harmless texts."]


def _figure(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _list(directory: Path) -> list[Path]:
    try:
        return [path for path in directory.iterdir() if path.is_file()]
    except OSError as error:
        raise DataError(f"{directory} cannot be read: {error.strerror}") from error


def _some(rows: list[Row], limit: int) -> list[Row]:
    """The same rows whatever the order of the files."""
    if not limit:
        return rows
    found: dict[tuple[str, Any], list[Row]] = {}
    for row in sorted(rows, key=lambda row: stable_order(row.text)):
        found.setdefault((row.source, row.label), []).append(row)
    return [row for each in found.values() for row in each[:limit]]


def _speed(files: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """CPU time of the default policy on harmless results of about one size."""
    rows = list(read([path for path in files if path.name.startswith((_BENIGN, _LONG))]))
    found = {}
    with asyncio.Runner() as runner:
        ask = ask_policy(PRESETS[DEFAULT], runner)
        for label, size in _SIZES.items():
            long_enough = [row for row in rows if len(row.text) >= size * 0.9]
            long_enough.sort(key=lambda row: stable_order(row.text))
            texts = [replace(row, text=row.text[:size]) for row in long_enough]
            times = []
            for row in texts[:1] + texts[:_TIMED]:
                started = time.process_time()
                ask(row)
                times.append((time.process_time() - started) * 1000)
            # The first one only warms up.
            times = times[1:]
            found[label] = {"texts": len(times), "p50": quantile(times, 0.5), "p99": quantile(times, 0.99)}
    return found


def _machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"


def _commit() -> str:
    """The commit that is checked out, read without git; "unknown" outside a checkout."""
    root = Path(__file__).resolve().parents[2] / ".git"
    try:
        head = (root / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head[:12]
        name = head.removeprefix("ref: ")
        loose = root / name
        if loose.exists():
            return loose.read_text().strip()[:12]
        packed = (line.split() for line in (root / "packed-refs").read_text().splitlines())
        return next((words[0][:12] for words in packed if words[-1] == name), "unknown")
    except OSError:
        return "unknown"
