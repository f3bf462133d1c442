"""Fits a LinearModel by logistic regression over n-grams that are scaled by how much they tell the classes apart.

The scaling is that of Wang and Manning, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification"
(2012): each n-gram counts by the logarithm of the ratio of its shares in the two classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from guardrails.engine.ngrams import Features, LinearModel, buckets

Doubles = npt.NDArray[np.float64]
WINDOW = 400
STRIDE = 200


@dataclass(frozen=True, slots=True)
class Row:
    """A text, whether it is what the model looks for, and the collection that it is from.

    All rows of one origin and label together weigh `mass`, however many they are.
    """

    text: str
    is_positive: bool
    origin: str
    mass: float = 1.0


def fold_of(text: str, folds: int = 4) -> int:
    """Which part a text belongs to; the same text always to the same."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:4], "big") % folds


def cut(text: str) -> list[str]:
    """The windows of a text, as a model will see it."""
    return [text[begin : begin + WINDOW] for begin in range(0, max(1, len(text) - WINDOW + STRIDE), STRIDE)]


def empty_model(bits: int, word_orders: tuple[int, ...], character_orders: tuple[int, ...]) -> LinearModel:
    weights = np.zeros(1 << bits, dtype=np.float32)
    return LinearModel(weights, 0.0, 1.0, word_orders, character_orders, WINDOW, STRIDE)


def matrix(texts: Sequence[str], model: LinearModel) -> Any:
    """One row a text: counts by bucket over the root of the number of n-grams, as LinearModel scores."""
    columns, values, ends = [], [], [0]
    for text in texts:
        found, counts = np.unique(buckets(model, Features(text)).astype(np.int64), return_counts=True)
        columns.append(found)
        values.append(counts / np.sqrt(max(1, counts.sum())))
        ends.append(ends[-1] + len(found))
    shape = (len(texts), len(model.weights))
    return sparse.csr_matrix((np.concatenate(values), np.concatenate(columns), ends), shape=shape)


def fit(rows: Sequence[Row], shape: LinearModel, strength: float = 10.0) -> LinearModel:
    """A model of the shape's orders and size. Positives are seen from their beginning, negatives whole."""
    rows = [replace(row, text=part) for row in rows
            for part in (cut(row.text)[:1] if row.is_positive else cut(row.text))]  # fmt: skip
    labels = np.array([row.is_positive for row in rows])
    weights = _weigh(rows)
    counts = matrix([row.text for row in rows], shape)
    ratio = _log_ratio(counts, labels, weights)
    solver = LogisticRegression(C=strength, max_iter=100, tol=1e-3)
    solver.fit(counts @ sparse.diags(ratio), labels, sample_weight=weights)
    return replace(shape, weights=(solver.coef_[0] * ratio).astype(np.float32), bias=float(solver.intercept_[0]))


def _weigh(rows: Sequence[Row]) -> Doubles:
    sizes: dict[tuple[str, bool], int] = {}
    for row in rows:
        sizes[row.origin, row.is_positive] = sizes.get((row.origin, row.is_positive), 0) + 1
    weights = np.array([row.mass / sizes[row.origin, row.is_positive] for row in rows])
    found: Doubles = weights * len(rows) / weights.sum()
    return found


def _log_ratio(counts: Any, labels: npt.NDArray[np.bool_], weights: Doubles) -> Doubles:
    shares = []
    for label in (True, False):
        total = np.asarray(counts[labels == label].T @ weights[labels == label]).ravel() + weights.mean() / 2
        shares.append(total / total.sum())
    found: Doubles = np.log(shares[0] / shares[1])
    return found


def logits(model: LinearModel, texts: Sequence[str]) -> Doubles:
    """The highest window's score of each text, before the sigmoid."""
    scores = np.array([model.score(Features(text)) for text in texts], dtype=np.float64)
    scores = np.clip(scores, 1e-9, 1 - 1e-9)
    return np.log(scores / (1 - scores))


def move(model: LinearModel, by: float) -> LinearModel:
    """The model with its 0.5 moved: what had the logit `by` now has 0."""
    return replace(model, bias=model.bias - by)


def auroc(labels: Sequence[int] | npt.NDArray[Any], scores: Doubles) -> float:
    """Area under the ROC curve by ranks, ties counting half."""
    labels = np.asarray(labels).astype(bool)
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    positives, negatives = labels.sum(), (~labels).sum()
    if not positives or not negatives:
        return float("nan")
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))
