"""Makes weights/bias.npz: slanted words and generalisations about groups.

    python -m guardrails.training.bias DATA

No collection of biased sentences may be trained on, so the model learns from sentences of our own
(guardrails/training/slants.py) and from abusive comments, which are slanted too, against harmless comments, answers,
requests and tool results. DATA is that of guardrails.training.toxicity; with `bias.dev.jsonl.gz` in it, which is only
measured on, the figures are printed.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from guardrails.engine.ngrams import WEIGHTS, LinearModel
from guardrails.training.nbsvm import Row, auroc, empty_model, fit, fold_of, logits, move
from guardrails.training.slants import draw
from guardrails.training.toxicity import Text, gather, share

# On this share of harmless comments the score passes 0.5.
TOLERATED = 0.05


def rows_of(texts: Sequence[Text]) -> list[Row]:
    slanted, plain = draw(4000)
    rows = [Row(text, True, "ours", 5.0) for text in slanted] + [Row(text, False, "ours", 4.0) for text in plain]
    for text in texts:
        if text.is_harmful and text.origin not in ("civil", "surge"):
            continue
        if not text.is_harmful and text.origin == "davidson":
            continue
        rows.append(Row(text.text, text.is_harmful, text.origin))
    return rows


def make(texts: Sequence[Text]) -> LinearModel:
    return fit(rows_of(texts), empty_model(16, (1,), (5,)), strength=1.0)


def measure(model: LinearModel, path: Path) -> None:
    """Prints the area under the ROC curve for each source with both labels."""
    found: dict[str, list[tuple[int, str]]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["label"] in (0, 1):
                found.setdefault(row["source"], []).append((row["label"], row["text"]))
    for source, rows in found.items():
        labels = np.array([label for label, _ in rows])
        scores = logits(model, [text for _, text in rows])
        print(f"{source}: AUROC {auroc(labels, scores):.3f} of {len(rows)}, at 0.5 recall"
              f" {share(scores, labels == 1)}, false positives {share(scores, labels == 0)}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    texts = gather(data)
    seen = make([text for text in texts if fold_of(text.text)])
    held = [text for text in texts if not fold_of(text.text) and not text.is_harmful]
    scores = logits(seen, [text.text for text in held])
    origin = np.array([text.origin for text in held])
    at = float(np.quantile(scores[np.isin(origin, ["surge", "moderation"])], 1 - TOLERATED))
    for name in sorted(set(origin)):
        print(f"{name}: false positives {(scores[origin == name] > at).mean():.4f}")
    model = move(make(texts), at)
    if (data / "bias.dev.jsonl.gz").exists():
        measure(model, data / "bias.dev.jsonl.gz")
    model.save(WEIGHTS / "bias.npz")


if __name__ == "__main__":
    main()
