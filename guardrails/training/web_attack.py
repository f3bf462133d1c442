"""Makes weights/web_attack.npz: a linear model that tells values that carry an attack from values that carry none.

    python -m guardrails.training.web_attack DATA [--check]

DATA is a directory with `web_attack_args`, `benign_tool_traffic`, `topic` and `relevancy`, each a `.dev.jsonl.gz` with
the fields text, label, source and may_train. Rows whose may_train is false are not read. With --check a quarter of the
rows, whole groups of near-duplicates, is kept out of the fit and scored; without it all rows are fitted and the weights
written. Needs numpy alone.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import re2

from guardrails.attacks import url
from guardrails.engine.ngrams import WEIGHTS, Features, LinearModel, buckets
from guardrails.training.values import cut_pieces, draw_values

Doubles = npt.NDArray[np.float64]
BITS = 16
CHARACTERS = (1, 2, 3, 4)
WORDS = (1, 2)
WINDOW, STRIDE = 256, 128
SEED = 20260101
DRAWN = 20_000
# Rows of one family and label together weigh as much, however many they are.
MASSES = {"sqli": 3.0, "xss": 2.0, "cmdi": 2.0, "path-traversal": 2.0, "ssrf": 1.0, "nosqli": 0.5}
HARMLESS = {"norm": 2.0, "norm-libinjection-fp": 0.7, "tools": 4.0, "drawn": 3.0, "prose": 2.0}
STRENGTH = 3e-6
# How much a row counts whose label the structure of the text does not bear out.
DOUBTED = 0.1
# On this share of harmless values of every collection, at most, the score passes 0.5.
TOLERATED = 0.002
_NUMBERS = re2.compile(r"\d+|0x[0-9a-f]+")
_RANDOM = re2.compile(r"\b[a-z]{4}\b")


@dataclass(frozen=True, slots=True)
class Row:
    text: str
    is_attack: bool
    family: str


def read_rows(data: Path) -> list[Row]:
    chance = random.Random(SEED)
    rows = [Row(row["text"], bool(row["label"]), "tools" if row["source"] == "agent-args" else row["sub"])
            for row in _read(data / "web_attack_args.dev.jsonl.gz")]  # fmt: skip
    for row in _read(data / "benign_tool_traffic.dev.jsonl.gz"):
        rows += [Row(piece, False, "tools") for piece in cut_pieces(row["text"], chance)]
    for name in ("topic", "relevancy"):
        found = [row["text"] for row in _read(data / f"{name}.dev.jsonl.gz")]
        rows += [Row(text[:400], False, "prose") for text in chance.sample(found, min(3_000, len(found)))]
    rows += [Row(text, False, "drawn") for text in draw_values(DRAWN, SEED)]
    return list(dict.fromkeys(rows))


def _read(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row.get("may_train") and row["text"]:
                yield row


def group_of(row: Row, groups: int = 4) -> int:
    """Texts that differ in numbers and random words only are in one group."""
    plain = row.text.lower().encode("utf-8", "replace").decode()
    plain = _RANDOM.sub("w", _NUMBERS.sub("0", plain)) if row.is_attack else plain
    return int.from_bytes(hashlib.sha256(plain.encode()).digest()[:4], "big") % groups


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows in compressed form: the columns and values of all rows, one after the other, and where each begins."""

    columns: npt.NDArray[np.int64]
    values: Doubles
    begins: npt.NDArray[np.int64]

    def times(self, weights: Doubles) -> Doubles:
        products: Doubles = self.values * weights[self.columns]
        return np.add.reduceat(products, self.begins)

    def transposed_times(self, errors: Doubles, size: int) -> Doubles:
        lengths = np.diff(np.append(self.begins, len(self.columns)))
        sums: Doubles = np.bincount(self.columns, self.values * np.repeat(errors, lengths), size).astype(np.float64)
        return sums


def make_matrix(texts: Sequence[str], shape: LinearModel) -> Matrix:
    columns, values, begins, at = [], [], [], 0
    for text in texts:
        found, counts = np.unique(buckets(shape, Features(text)).astype(np.int64), return_counts=True)
        columns.append(found)
        values.append(counts / np.sqrt(counts.sum()))
        begins.append(at)
        at += len(found)
    return Matrix(np.concatenate(columns), np.concatenate(values), np.array(begins, dtype=np.int64))


def fit(rows: Sequence[Row]) -> LinearModel:
    """Logistic regression with a quadratic penalty, by L-BFGS."""
    shape = LinearModel(np.zeros(1 << BITS, dtype=np.float32), 0.0, 1.0, WORDS, CHARACTERS, WINDOW, STRIDE)
    matrix = make_matrix([row.text[:WINDOW] for row in rows], shape)
    labels = np.array([1.0 if row.is_attack else -1.0 for row in rows])
    sizes = Counter((row.is_attack, row.family) for row in rows)
    masses = {key: (MASSES if key[0] else HARMLESS).get(key[1], 1.0) for key in sizes}
    importance = np.array([masses[row.is_attack, row.family] / sizes[row.is_attack, row.family] for row in rows])
    importance *= np.array([DOUBTED if _is_doubtful(row) else 1.0 for row in rows])
    importance /= importance.sum()
    size = 1 << BITS

    def loss(point: Doubles) -> tuple[float, Doubles]:
        weights, bias = point[:size], point[size]
        margin = labels * (matrix.times(weights) + bias)
        value = float(importance @ np.logaddexp(0.0, -margin)) + STRENGTH / 2 * float(weights @ weights)
        errors = -labels * importance / (1.0 + np.exp(np.clip(margin, -40, 40)))
        slope = np.append(matrix.transposed_times(errors, size) + STRENGTH * weights, errors.sum())
        return value, slope

    point = minimise(loss, np.zeros(size + 1))
    return replace(shape, weights=point[:size].astype(np.float16).astype(np.float32), bias=float(point[size]))


def _is_doubtful(row: Row) -> bool:
    """Some addresses of the list are the pages that its authors read, and not what they would send."""
    return row.is_attack and row.family == "ssrf" and url.judge(row.text) is None


def minimise(loss: Any, point: Doubles, steps: int = 120, memory: int = 10) -> Doubles:
    """L-BFGS (Nocedal 1980) with halving of the step until the loss falls enough."""
    value, slope = loss(point)
    moves: list[tuple[Doubles, Doubles]] = []
    for _ in range(steps):
        direction = -_scaled(slope, moves)
        length, reached = 1.0, float(direction @ slope)
        for _ in range(20):
            new_point = point + length * direction
            new_value, new_slope = loss(new_point)
            if new_value <= value + 1e-4 * length * reached:
                break
            length /= 2
        moves = [*moves[-memory + 1 :], (new_point - point, new_slope - slope)]
        is_done = value - new_value < 1e-7
        point, value, slope = new_point, new_value, new_slope
        if is_done:
            break
    return point


def _scaled(slope: Doubles, moves: Sequence[tuple[Doubles, Doubles]]) -> Doubles:
    """The inverse of the curvature, as the last moves tell it, times the slope."""
    result, shares = slope.copy(), []
    for moved, changed in reversed(moves):
        share = float(moved @ result) / float(changed @ moved)
        shares.append(share)
        result -= share * changed
    if moves:
        moved, changed = moves[-1]
        result *= float(moved @ changed) / float(changed @ changed)
    for (moved, changed), share in zip(moves, reversed(shares), strict=True):
        result += moved * (share - float(changed @ result) / float(changed @ moved))
    return result


def logits_of(model: LinearModel, texts: Sequence[str]) -> Doubles:
    scores = np.clip(np.array([model.score(Features(text)) for text in texts], dtype=np.float64), 1e-9, 1 - 1e-9)
    return np.log(scores / (1 - scores))


def calibrate(model: LinearModel, rows: Sequence[Row]) -> LinearModel:
    """The model with its bias moved so that of no harmless collection more than TOLERATED passes 0.5."""
    bars = []
    for family in {row.family for row in rows if not row.is_attack} - {"norm-libinjection-fp"}:
        found = np.sort(logits_of(model, [row.text for row in rows if not row.is_attack and row.family == family]))
        bars.append(float(found[-1 - int(len(found) * TOLERATED)]))
    return replace(model, bias=model.bias - max(bars))


def report(model: LinearModel, rows: Sequence[Row]) -> None:
    for key in sorted({(row.is_attack, row.family) for row in rows}):
        found = logits_of(model, [row.text for row in rows if (row.is_attack, row.family) == key])
        print(f"{'attack' if key[0] else 'harmless':9}{key[1]:22}{len(found):6} over 0.5: {np.mean(found > 0):.4f}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("data", type=Path)
    arguments.add_argument("--check", action="store_true")
    given = arguments.parse_args()
    rows = read_rows(given.data)
    kept = [row for row in rows if group_of(row) != 0]
    checked = [row for row in rows if group_of(row) == 0]
    model = fit(kept)
    moved = calibrate(model, checked)
    report(moved, checked)
    if not given.check:
        whole = fit(rows)
        # The fitted rows cannot tell where the threshold belongs; those that were kept out could.
        replace(whole, bias=whole.bias + moved.bias - model.bias).save(WEIGHTS / "web_attack.npz")


if __name__ == "__main__":
    main()
