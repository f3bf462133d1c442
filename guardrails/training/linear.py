"""Fits linear models over hashed n-grams, from windows of texts, and sets where their score is 0.5.

A text labelled 1 is a bag of windows of which at least one shows it; which one is found by fitting, choosing the
highest window of each text, and fitting again (multiple-instance learning, as in Andrews et al., "Support Vector
Machines for Multiple-Instance Learning", 2002).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from guardrails.engine.ngrams import Features, LinearModel, buckets

Doubles = npt.NDArray[np.float64]
_LEAST = 1e-7


@dataclass(frozen=True, slots=True)
class Orders:
    """Which n-grams count: runs of so many words, and of so many characters."""

    words: tuple[int, ...] = (1, 2, 3)
    characters: tuple[int, ...] = ()


def fit(
    texts: Sequence[str],
    labels: Sequence[int],
    *,
    orders: Orders,
    bits: int,
    window: int,
    stride: int,
    weights: Sequence[float] | None = None,
    strength: float = 10.0,
    rounds: int = 1,
    distinct: bool = True,
    doubt: float = 0.0,
) -> LinearModel:
    """A model with 2**bits buckets, L2-regularised (`strength` is scikit-learn's C).

    `window` and `stride` are in characters, `weights` one for each text; `distinct` and `doubt` are as in LinearModel.
    After the first fit, `rounds` times only the highest window of each text labelled 1 is kept. Raises ValueError when
    only one label is there.
    """
    shape = LinearModel(
        np.zeros(1 << bits, dtype=np.float32),
        0.0,
        1.0,
        orders.words,
        orders.characters,
        window,
        stride,
        distinct,
        doubt,
    )
    owners = [index for index, text in enumerate(texts) for _ in cut(text, window, stride)]
    counts = matrix([part for text in texts for part in cut(text, window, stride)], shape)
    owner = np.array(owners)
    label = np.array(labels)[owner]
    weight = np.ones(len(owner)) if weights is None else np.array(weights, dtype=np.float64)[owner]
    # A long text counts as one, whatever the number of its windows; harmless ones count by their windows.
    sizes = np.bincount(owner, minlength=len(texts))[owner]
    first = np.where(label == 1, weight / sizes, weight)
    solver = _solve(counts, label, first, strength)
    for _ in range(rounds):
        kept = _highest_only(solver.decision_function(counts), owner, label)
        solver = _solve(counts[kept], label[kept], weight[kept], strength)
    return replace(shape, weights=solver.coef_[0].astype(np.float32), bias=float(solver.intercept_[0]))


def cut(text: str, window: int, stride: int) -> list[str]:
    """The windows of a text, where `LinearModel.windows` puts them."""
    return [text[begin : begin + window] for begin in range(0, max(1, len(text) - window + stride), stride)]


def matrix(texts: Sequence[str], shape: LinearModel) -> Any:
    """A sparse row for each text: counts by bucket over the root of the number of n-grams, as `shape` scores."""
    columns: list[npt.NDArray[np.int32]] = []
    values: list[npt.NDArray[np.float32]] = []
    ends = [0]
    for text in texts:
        found, counts = np.unique(buckets(shape, Features(text)), return_counts=True)
        amounts = np.ones(len(found)) if shape.distinct else counts
        columns.append(found.astype(np.int32))
        values.append((amounts / np.sqrt(max(1, amounts.sum()))).astype(np.float32))
        ends.append(ends[-1] + len(found))
    size = (len(texts), len(shape.weights))
    return sparse.csr_matrix((np.concatenate(values), np.concatenate(columns), np.array(ends)), shape=size)


def logits(model: LinearModel, texts: Sequence[str]) -> Doubles:
    """The highest window's score of each text, before the sigmoid; scores beyond single precision are cut off."""
    scores = np.array([model.score(Features(text)) for text in texts], dtype=np.float64)
    scores = np.clip(scores, _LEAST, 1 - _LEAST)
    return np.log(scores / (1 - scores))


def calibrate(model: LinearModel, half: float, nine_tenths: float) -> LinearModel:
    """The model with its scale moved and stretched: what had the logit `half` gets 0.5, `nine_tenths` gets 0.9.

    Raises ValueError unless the second is the higher.
    """
    if nine_tenths <= half:
        raise ValueError("0.9 must lie above 0.5")
    stretch = float(np.log(9)) / (nine_tenths - half)
    return replace(model, slope=model.slope * stretch, bias=(model.bias - half) * stretch, doubt=model.doubt * stretch)


def threshold_at(negatives: Doubles, rate: float) -> float:
    """The lowest threshold that at most this share of the negatives reaches."""
    ordered = np.sort(negatives)[::-1]
    allowed = int(len(ordered) * rate)
    return float(np.nextafter(ordered[allowed], np.inf)) if allowed < len(ordered) else float("-inf")


def _solve(counts: Any, labels: npt.NDArray[Any], weights: Doubles, strength: float) -> LogisticRegression:
    # Loose tolerances stop far from the optimum here, and give a much worse model.
    solver = LogisticRegression(C=strength, max_iter=150, tol=1e-4)
    solver.fit(counts, labels, sample_weight=weights)
    return solver


def _highest_only(scores: Doubles, owner: npt.NDArray[Any], label: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """All windows of texts labelled 0, and of each text labelled 1 the highest."""
    kept: npt.NDArray[np.bool_] = label == 0
    order = np.lexsort((-scores, owner))
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = owner[order][1:] != owner[order][:-1]
    kept[order[is_first]] = True
    return kept
