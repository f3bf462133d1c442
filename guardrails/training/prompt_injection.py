"""Makes weights/prompt_injection.npz: a linear model of what injections and jailbreaks read like.

    python -m guardrails.training.prompt_injection --data DIR [--leave-out]

DIR holds `prompt_injection`, `benign_tool_traffic`, `benign_long20k`, `topic`, `relevancy`, `hallucination` and
`toxicity`, each a `.dev.jsonl.gz` (corpus.py says which fields). Nothing is trained on rows whose may_train is false.
Prints what models find in rows that they were not trained on: harmless packages and attack kinds are left out together,
and with `--leave-out` whole sources. Then fits everything, and sets 0.5 where one harmless tool result in two hundred
of those left out was found.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import numpy as np

from guardrails.engine.ngrams import WEIGHTS, LinearModel
from guardrails.training.corpus import Row, part_of, read
from guardrails.training.linear import Doubles, Orders, calibrate, fit, logits, threshold_at
from guardrails.training.synthetic import draw_attacks, draw_harmless, insert

FOLDS = 3
ORDERS = Orders(words=(1, 2), characters=(3, 5))
BITS, WINDOW, STRIDE = 18, 250, 170
DOUBT = 0.3
DRAWN_ATTACKS, DRAWN_HARMLESS = 10_000, 9_000
# However many rows a source has, it weighs as this many; and no row weighs more than so much.
ROWS_OF_A_SOURCE, MOST_OF_A_ROW = 400, 1.5
PROSE = {"topic": 1_500, "relevancy": 1_500, "hallucination": 1_500, "toxicity": 1_500}
AT_HALF, AT_NINE_TENTHS = 0.005, 0.0005
# Shorter than this an attack is put into tool results, too.
SHORT = 500


@dataclass(slots=True)
class Data:
    """Labelled rows, among them some for evaluation only; harmless tool results; and prose that may be trained on."""

    rows: list[Row] = field(default_factory=list)
    tools: list[Row] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Set:
    """What a model is fitted to."""

    texts: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def add(self, texts: Sequence[str], label: int, weight: float) -> None:
        self.texts += texts
        self.labels += [label] * len(texts)
        self.weights += [weight] * len(texts)


def gather(directory: Path) -> Data:
    def of(name: str) -> Path:
        return directory / f"{name}.dev.jsonl.gz"

    data = Data(rows=list(read(of("prompt_injection"), to_evaluate=True)))
    data.tools = [row for name in ("benign_tool_traffic", "benign_long20k") for row in read(of(name))]
    for name, count in PROSE.items():
        rows = [row for row in read(of(name)) if name != "toxicity" or row.label == 0]
        texts = sorted({text for row in rows for text in (row.text, row.context) if text.strip()})
        Random(4).shuffle(texts)
        data.prose += texts[:count]
    Random(5).shuffle(data.prose)
    return data


def family(row: Row) -> str:
    """The collection that a row comes from: AgentDojo-banking and AgentDojo-slack are one."""
    return row.source.replace("/", "-").replace("(", "-").split("-")[0]


def fold_of(row: Row) -> int:
    """Rows that share an attack, or were cut from one package, are left out together."""
    kind = row.kind.rpartition(":")[0] if row.kind.count(":") > 1 else row.kind
    shared = f"{row.source}:{kind}" if ":" in row.kind and row.source.startswith(("BIPIA", "spikee")) else row.text
    return part_of(row.package or shared, FOLDS)


def assemble(data: Data, keep: Callable[[Row], bool]) -> Set:
    """Rows that are kept and may be trained on, attacks put into harmless texts, and our own phrases."""
    made = Set()
    rows = [row for row in data.rows if row.may_train and keep(row)]
    # Contexts of attacks come without them, too, and count more: they are few, and must not look like their attacks.
    contexts = [row.text for row in rows if row.label == 0 and _is_placed(row)]
    tools = [row.text for row in data.tools if keep(row)]
    hosts = tools + contexts
    attacks: dict[str, list[str]] = {}
    for row in rows:
        if row.label == 1:
            attacks.setdefault(family(row), []).append(row.text)
    for texts in attacks.values():
        made.add(texts, 1, min(MOST_OF_A_ROW, ROWS_OF_A_SOURCE / len(texts)))
    made.add([row.text for row in rows if row.label == 0 and not _is_placed(row)], 0, 3.0)
    made.add(contexts, 0, 4.0)
    made.add(tools, 0, 1.0)
    made.add(data.prose, 0, 1.2)
    places = hosts + data.prose[len(data.prose) // 4 :]
    drawn = draw_attacks(DRAWN_ATTACKS)
    half = len(drawn) // 2
    made.add(drawn[:half], 1, 0.7)
    made.add(insert(drawn[half:], places, seed=11), 1, 0.7)
    short = [row.text for row in rows if row.label == 1 and len(row.text) < SHORT and not _is_placed(row)]
    made.add(insert(short, places, seed=12), 1, 0.7)
    harmless = draw_harmless(DRAWN_HARMLESS)
    half = len(harmless) // 2
    made.add(harmless[:half], 0, 2.0)
    made.add(insert(harmless[half:], hosts, seed=13), 0, 1.0)
    # What matters must be what was put in, not that something was.
    made.add(insert(data.prose[:1_500], hosts, seed=14), 0, 0.7)
    return made


def _is_placed(row: Row) -> bool:
    """Whether an attack stands inside a tool result already."""
    return row.kind.startswith(("indirect", "tool-result"))


def train(made: Set) -> LinearModel:
    return fit(
        made.texts,
        made.labels,
        orders=ORDERS,
        bits=BITS,
        window=WINDOW,
        stride=STRIDE,
        weights=made.weights,
        doubt=DOUBT,
    )


@dataclass(slots=True)
class Scores:
    """Logits of rows by models that were not trained on them, by source."""

    attacks: dict[str, list[float]] = field(default_factory=dict)
    harmless: dict[str, list[float]] = field(default_factory=dict)
    tools: dict[str, list[float]] = field(default_factory=dict)

    def note(self, model: LinearModel, rows: Iterable[Row], kind: Mapping[str, list[float]]) -> None:
        rows = list(rows)
        for row, logit in zip(rows, logits(model, [row.text for row in rows]), strict=True):
            kind.setdefault(row.source, []).append(float(logit))  # type: ignore[attr-defined]  # a dict of ours


def _is_kept(is_out: Callable[[Row], bool], row: Row) -> bool:
    return not is_out(row)


def score_left_out(data: Data, left_out: Sequence[Callable[[Row], bool]]) -> Scores:
    """One model for each predicate, which is true for the rows that it is not trained on and that it scores."""
    scores = Scores()
    for is_out in left_out:
        model = train(assemble(data, partial(_is_kept, is_out)))
        out = [row for row in data.rows if is_out(row)]
        scores.note(model, (row for row in out if row.label == 1), scores.attacks)
        scores.note(model, (row for row in out if row.label == 0), scores.harmless)
        scores.note(model, (row for row in data.tools if is_out(row)), scores.tools)
        drawn = [Row(text, 0, "own look-alikes") for text in draw_harmless(300, seed=99)]
        scores.note(model, drawn, scores.harmless)
    return scores


def all_of(by_source: Mapping[str, Sequence[float]], most: int = 10**9) -> Doubles:
    return np.array([logit for logits in by_source.values() for logit in logits[:most]])


def report(title: str, scores: Scores) -> None:
    chunks = all_of({source: found for source, found in scores.tools.items() if not source.startswith("long")})
    print(f"{title}: {len(chunks)} harmless tool results left out")
    for rate in (0.005, 0.01, 0.02):
        at = threshold_at(chunks, rate)
        print(f"  at {rate:.1%} of them: recall {(all_of(scores.attacks, 400) >= at).mean():.3f}"
              f" (at most 400 rows a source)")  # fmt: skip
    at = threshold_at(chunks, 0.01)
    for name, by_source in (("recall", scores.attacks), ("found", scores.harmless), ("found", scores.tools)):
        for source, found in sorted(by_source.items()):
            print(f"    {name} {(np.array(found) >= at).mean():.3f} of {len(found):5d}  {source}")


def in_folds(data: Data) -> Scores:
    return score_left_out(data, [partial(_is_in_fold, fold) for fold in range(FOLDS)])


def _is_in_fold(fold: int, row: Row) -> bool:
    return fold_of(row) == fold


def without_families(data: Data) -> Scores:
    """Sources are spread over the folds, so that each is scored by a model that knows none of it."""
    families = sorted({family(row) for row in data.rows if row.label == 1 and row.may_train})

    def is_in(fold: int, row: Row) -> bool:
        if row.package or not row.may_train or family(row) not in families:
            return fold_of(row) == fold
        return families.index(family(row)) % FOLDS == fold

    return score_left_out(data, [partial(is_in, fold) for fold in range(FOLDS)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--leave-out", action="store_true", help="also leave whole sources out, which doubles the time")
    parser.add_argument("--out", type=Path, default=WEIGHTS / "prompt_injection.npz")
    arguments = parser.parse_args()
    data = gather(arguments.data)
    if arguments.leave_out:
        report("Sources left out", without_families(data))
    scores = in_folds(data)
    report("Attack kinds and packages left out", scores)
    chunks = all_of({source: found for source, found in scores.tools.items() if not source.startswith("long")})
    half = threshold_at(chunks, AT_HALF)
    found = all_of(scores.attacks)
    # Half of what is found at all gets 0.9, so that a policy can choose between much and certain.
    sure = max(threshold_at(chunks, AT_NINE_TENTHS), float(np.quantile(found[found >= half], 0.4)))
    model = calibrate(train(assemble(data, lambda row: True)), half, sure)
    model.save(arguments.out)
    print(f"0.5 at logit {half:.2f}, 0.9 at {sure:.2f}; {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
