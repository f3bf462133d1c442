"""Makes weights/toxicity*.npz: one model that finds harmful text, and one for each kind, which names it.

    python -m guardrails.training.toxicity DATA

DATA is a directory with `toxicity`, `benign_tool_traffic`, `benign_long20k`, `relevancy`, `topic` and
`prompt_injection`, each a `.dev.jsonl.gz` with the fields text, label, source and may_train. Rows whose may_train is
false are not read. Prints the figures of a four-fold cross-validation, then fits all rows.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from guardrails.engine.ngrams import WEIGHTS, Features, LinearModel
from guardrails.language.sentences import split_sentences
from guardrails.training.nbsvm import Row, auroc, empty_model, fit, fold_of, logits, move
from guardrails.training.sentences import draw_harmful, draw_harmless, neutralise

# What the labels of the OpenAI moderation set (Markov et al., 2022) mean here.
MODERATION = {
    "HATE": {"H", "H2"},
    "HARASSMENT": {"HR"},
    "THREAT": {"H2"},
    "VIOLENCE": {"V", "V2"},
    "SEXUAL": {"S", "S3"},
    "SELF_HARM": {"SH"},
}
# Collections whose harmful texts may be of the kind without being labelled so; they say nothing about it.
UNTOLD = {
    "HATE": {"civil", "surge"},
    "HARASSMENT": {"civil", "surge", "davidson"},
    "THREAT": {"civil", "surge"},
    "VIOLENCE": {"civil", "surge"},
    "SEXUAL": {"davidson", "surge"},
    "SELF_HARM": set[str](),
}
# How much the harmful and the harmless rows of a collection weigh together.
MASSES = {
    "davidson": (1.5, 3.0), "civil": (3.0, 0.5), "surge": (2.0, 2.0), "moderation": (3.0, 3.0), "ours": (2.0, 4.0),
    "tools": (0.0, 5.0), "answers": (0.0, 2.0), "requests": (0.0, 2.0),
    "prompts": (0.0, 1.0),
}  # fmt: skip
# On this share of harmless comments, many of them borderline, the score passes 0.5.
TOLERATED = 0.06
TOLERATED_BY_KIND = 0.01
# Under this score a sentence of a harmful comment counts as harmless.
MILD = 0.3
# The share of harmful comments whose names stay.
WITH_NAMES = 0.2
FOLDS = 4


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    is_harmful: bool
    origin: str
    kinds: frozenset[str] = frozenset()


def read(path: Path) -> Iterator[Mapping[str, Any]]:
    """Rows that may be trained on."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["may_train"]:
                yield row


def gather(data: Path) -> list[Text]:
    found: list[Text] = []
    for row in read(data / "toxicity.dev.jsonl.gz"):
        found.append(_text_of(row))
    for name, origin in (("benign_tool_traffic", "tools"), ("benign_long20k", "tools"), ("relevancy", "answers")):
        for row in read(data / f"{name}.dev.jsonl.gz"):
            found += [Text(text, False, origin) for text in (row["text"], row.get("context", "")) if text.strip()]
    found += [Text(row["text"], False, "requests") for row in read(data / "topic.dev.jsonl.gz")][::3]
    found += [
        Text(row["text"], False, "prompts") for row in read(data / "prompt_injection.dev.jsonl.gz") if not row["label"]
    ]
    return found


def _text_of(row: Mapping[str, Any]) -> Text:
    labels = set((row.get("sub") or "").split(","))
    kinds = {kind for kind, codes in MODERATION.items() if labels & codes} | ({"HATE"} if "hate" in labels else set())
    source = row["source"]
    origin = next(
        name for start, name in (("davidson", "davidson"), ("openai", "moderation"), ("surge", "surge"),
                                 ("toxic-spans", "civil"))
        if source.startswith(start)
    )  # fmt: skip
    return Text(row["text"], row["label"] == 1, origin, frozenset(kinds))


def ours() -> list[Text]:
    found = [
        Text(sentence, True, "ours", frozenset({kind}))
        for kind in MODERATION for sentence in draw_harmful(kind, 500)
    ]  # fmt: skip
    return found + [Text(sentence, False, "ours") for sentence in draw_harmless(6000)]


def rows_for_all(texts: Sequence[Text]) -> list[Row]:
    return [Row(text.text, text.is_harmful, text.origin, MASSES[text.origin][not text.is_harmful]) for text in texts]


def rows_for(kind: str, texts: Sequence[Text]) -> list[Row]:
    """All but those whose collection does not tell; what is harmful in another way counts as not of this kind."""
    found = []
    for text in texts:
        is_positive = kind in text.kinds
        if is_positive or not (text.is_harmful and text.origin in UNTOLD[kind]):
            mass = 2.0 if is_positive else 1.0
            found.append(Row(text.text, is_positive, text.origin, mass))
    return found


def make_all(texts: Sequence[Text]) -> LinearModel:
    """In two steps, because the civil comments are harmful all, and speak much of politics, which is not.

    A model without them finds the sentences in them that are mild; these teach that what such comments are about is
    harmless.
    """
    shape = empty_model(17, (1,), (5,))
    texts = hide_names(texts)
    first = fit(rows_for_all([text for text in texts if text.origin != "civil"]), shape)
    mild = [part for text in texts if text.origin == "civil" for part in mild_parts(text, first)]
    return fit(rows_for_all([*texts, *mild]), shape)


def hide_names(texts: Sequence[Text]) -> list[Text]:
    """Most harmful comments without the names of whom they hit; some stay, for a name with abuse around it counts."""
    draw = random.Random(4)
    return [
        replace(text, text=neutralise(text.text, draw))
        if text.is_harmful and text.origin != "ours" and draw.random() > WITH_NAMES else text
        for text in texts
    ]  # fmt: skip


def mild_parts(comment: Text, model: LinearModel) -> list[Text]:
    """The sentences of a harmful comment that a model calls harmless, but for the worst."""
    sentences = [comment.text[start:end] for start, end in split_sentences(comment.text)]
    scores = [model.score(Features(sentence)) for sentence in sentences]
    worst = max(scores, default=0.0)
    return [
        Text(sentence, False, "civil")
        for sentence, score in zip(sentences, scores, strict=True)
        if score < min(MILD, worst) and len(sentence) > 20
    ]


def make_kind(kind: str, texts: Sequence[Text]) -> LinearModel:
    return fit(rows_for(kind, hide_names(texts)), empty_model(15, (1, 2), ()))


def cross_validate(make: Callable[[Sequence[Text]], LinearModel], texts: Sequence[Text]) -> Any:
    """The logit of each text from a model that did not see it."""
    folds = np.array([fold_of(text.text, FOLDS) for text in texts])
    found = np.zeros(len(texts))
    for fold in range(FOLDS):
        model = make([text for text, of in zip(texts, folds, strict=True) if of != fold] + ours())
        places = np.flatnonzero(folds == fold)
        found[places] = logits(model, [texts[int(place)].text for place in places])
    return found


def share(logits: Any, which: Any) -> str:
    """How many of these pass 0.5."""
    return f"{(logits[which] > 0).mean():.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    texts = gather(parser.parse_args().data)
    harmful = np.array([text.is_harmful for text in texts])
    origin = np.array([text.origin for text in texts])
    comments = ~harmful & np.isin(origin, ["surge", "moderation", "davidson"])

    scores = cross_validate(make_all, texts)
    at = float(np.quantile(scores[comments], 1 - TOLERATED))
    scores -= at
    for name in ("surge", "moderation", "davidson"):
        of = origin == name
        print(f"{name}: AUROC {auroc(harmful[of], scores[of]):.3f}, at 0.5 recall {share(scores, of & harmful)},"
              f" false positives {share(scores, of & ~harmful)}")  # fmt: skip
    print(f"civil: recall {share(scores, origin == 'civil')}")
    for name in ("tools", "answers", "requests", "prompts"):
        print(f"{name}: false positives {share(scores, origin == name)}")
    everything = [*texts, *ours()]
    move(make_all(everything), at).save(WEIGHTS / "toxicity.npz")

    for kind in MODERATION:
        of_kind = np.array([kind in text.kinds for text in texts])
        scores = cross_validate(partial(make_kind, kind), texts)
        at = float(np.quantile(scores[comments], 1 - TOLERATED_BY_KIND))
        scores -= at
        of = origin == "moderation"
        print(f"{kind}: AUROC in moderation {auroc(of_kind[of], scores[of]):.3f} of {of_kind[of].sum()}, recall"
              f" {share(scores, of & of_kind)}, in other harmful texts {share(scores, of & harmful & ~of_kind)}")
        move(make_kind(kind, everything), at).save(WEIGHTS / f"toxicity_{kind.lower()}.npz")


if __name__ == "__main__":
    main()
