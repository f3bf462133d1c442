"""Makes weights/language.npz: how rare words are, vectors of words, and the weights of relevancy.

    python -m guardrails.training.topic DATA

DATA is a directory with `relevancy`, `topic`, `toxicity` and `benign_tool_traffic`, each a `.dev.jsonl.gz`. Rows whose
may_train is false are not read. Vectors of requests come from CLINC150 (Larson et al., 2019, CC BY 3.0). Prints
figures of a part that was held back, then uses all rows.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import LogisticRegression

from guardrails.engine.ngrams import WEIGHTS, Features
from guardrails.language.lexicon import GRAM_BITS, Lexicon
from guardrails.language.similarity import compare
from guardrails.language.similarity import read as read_text
from guardrails.language.tokens import Hashes, Tokens
from guardrails.training.nbsvm import auroc, fold_of
from guardrails.training.toxicity import read

# Of prose and of short requests; apart, because either would crowd the other out.
DIMENSIONS = 48
REQUESTS_COUNT_FOR = 0.7
# A word in fewer texts has no vector.
LEAST_TEXTS = 3
# So many requests of one intent are one text, so that their words meet.
TOGETHER = 10
FEATURES = 8
# On this share of fitting answers the score of irrelevance passes 0.5.
TOLERATED = 0.05

Row = Mapping[str, Any]


def content(text: str) -> Hashes:
    tokens = Tokens(text)
    return tokens.stems[tokens.is_content]


def prose_of(relevancy: Sequence[Row], data: Path) -> list[str]:
    found = [f"{row['context']} {row['text']}" for row in relevancy if row["label"] == 1]
    found += [
        row["text"] for row in read(data / "benign_tool_traffic.dev.jsonl.gz")
        if row["source"] in ("readme", "system-doc")
    ]  # fmt: skip
    return found + [
        row["text"] for row in read(data / "toxicity.dev.jsonl.gz") if row["source"].startswith(("surge", "openai"))
    ]


def requests_of(topics: Sequence[Row]) -> list[str]:
    intents: dict[str, list[str]] = defaultdict(list)
    for row in topics:
        intents[row["label"]].append(row["text"])
    draw = random.Random(1)
    found = []
    for _, texts in sorted(intents.items()):
        draw.shuffle(texts)
        found += [" ".join(texts[begin : begin + TOGETHER]) for begin in range(0, len(texts), TOGETHER)]
    return found


def make_lexicon(prose: Sequence[str], requests: Sequence[str]) -> Lexicon:
    """Without the weights of relevancy."""
    texts = [content(text) for text in (*prose, *requests)]
    hashes, counts = np.unique(np.concatenate([np.unique(stems) for stems in texts]), return_counts=True)
    hashes, counts = hashes[counts >= LEAST_TEXTS], counts[counts >= LEAST_TEXTS]
    rarities = np.log((len(texts) + 1) / (counts + 0.5))
    table = _count(texts, hashes, rarities)
    vectors = np.hstack([
        _analyse(table[: len(prose)]),
        REQUESTS_COUNT_FOR * _analyse(table[len(prose) :]),
    ])  # fmt: skip
    grams = np.zeros(1 << GRAM_BITS)
    for text in (*prose, *requests):
        hashes4 = Features(text).characters(4)
        if hashes4 is not None:
            grams[np.unique(hashes4 >> np.uint32(32 - GRAM_BITS))] += 1
    return Lexicon(
        hashes=hashes, rarities=rarities, vectors=vectors.astype(np.float32),
        unseen=float(np.log((len(texts) + 1) * 2)),
        gram_rarities=np.log((len(texts) + 1) / (grams + 0.5)), relevancy=np.zeros(FEATURES + 1),
    )  # fmt: skip


def _count(texts: Sequence[Hashes], hashes: Hashes, rarities: npt.NDArray[np.float64]) -> Any:
    columns, values, ends = [], [], [0]
    for stems in texts:
        words, counts = np.unique(stems, return_counts=True)
        rows = np.minimum(np.searchsorted(hashes, words), len(hashes) - 1)
        known = hashes[rows] == words
        weights = (1 + np.log(counts[known])) * rarities[rows[known]]
        columns.append(rows[known])
        values.append(weights / max(float(np.linalg.norm(weights)), 1e-9))
        ends.append(ends[-1] + int(known.sum()))
    return sparse.csr_matrix((np.concatenate(values), np.concatenate(columns), ends), shape=(len(texts), len(hashes)))


def _analyse(table: Any) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = TruncatedSVD(DIMENSIONS, random_state=0).fit(table).components_.T
    return found


def features_of(rows: Sequence[Row], lexicon: Lexicon) -> npt.NDArray[np.float64]:
    return np.array([compare(read_text(row["context"], lexicon), read_text(row["text"], lexicon)) for row in rows])


def fit_relevancy(rows: Sequence[Row], lexicon: Lexicon) -> Lexicon:
    table, labels = features_of(rows, lexicon), [row["label"] for row in rows]
    center, spread = table.mean(axis=0), table.std(axis=0)
    solver = LogisticRegression().fit((table - center) / spread, labels)
    weights = solver.coef_[0] / spread
    return replace(lexicon, relevancy=np.concatenate(([solver.intercept_[0] - weights @ center], weights)))


def score(rows: Sequence[Row], lexicon: Lexicon) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = lexicon.relevancy[0] + features_of(rows, lexicon) @ lexicon.relevancy[1:]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    relevancy = list(read(data / "relevancy.dev.jsonl.gz"))
    requests = requests_of(list(read(data / "topic.dev.jsonl.gz")))

    seen = [row for row in relevancy if fold_of(row["context"])]
    held = [row for row in relevancy if not fold_of(row["context"])]
    lexicon = fit_relevancy(seen, make_lexicon(prose_of(seen, data), requests))
    scores = score(held, lexicon)
    labels = np.array([row["label"] for row in held])
    by = -float(np.quantile(scores[labels == 1], TOLERATED))
    print(f"relevancy: AUROC {auroc(labels, scores):.3f} of {len(held)}, at 0.5 found"
          f" {(scores[labels == 0] + by < 0).mean():.3f} of the irrelevant,"
          f" {(scores[labels == 1] + by < 0).mean():.3f} of the relevant")  # fmt: skip

    lexicon = fit_relevancy(relevancy, make_lexicon(prose_of(relevancy, data), requests))
    lexicon.relevancy[0] += by
    lexicon.save(WEIGHTS / "language.npz")
    print(f"{len(lexicon.hashes)} words")


if __name__ == "__main__":
    main()
