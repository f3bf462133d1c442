"""How the models of language are fitted: the sentences that are made, and the numbers that come of them."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from guardrails.engine.ngrams import WEIGHTS, Features, load
from guardrails.language.lexicon import load_lexicon
from guardrails.training import sentences, slants

pytestmark = pytest.mark.claim("guardrails.language-training")


def test_the_same_seed_draws_the_same_sentences() -> None:
    assert sentences.draw_harmless(50) == sentences.draw_harmless(50)
    assert sentences.draw_harmless(50, seed=1) != sentences.draw_harmless(50, seed=2)
    assert slants.draw(50) == slants.draw(50)


@pytest.mark.parametrize("category", sorted(sentences.HARMFUL))
def test_sentences_are_whole_and_different(category: str) -> None:
    drawn = sentences.draw_harmful(category, 300)
    assert len(drawn) == len(set(drawn)) >= 300
    assert not any("{" in sentence or "}" in sentence for sentence in drawn)


def test_slanted_and_plain_sentences_are_whole_and_apart() -> None:
    slanted, plain = slants.draw(500)
    assert not set(slanted) & set(plain)
    assert not any("{" in sentence or "}" in sentence for sentence in slanted + plain)


def test_no_group_is_named_more_often_in_harm_than_without() -> None:
    harm = Counter[str]()
    peace = Counter[str]()
    for plural, _ in sentences.GROUPS:
        harm[plural] = sum(plural.lower() in sentence.lower() for sentence in sentences.draw_harmful("HATE", 1_500))
        peace[plural] = sum(plural.lower() in sentence.lower() for sentence in sentences.draw_harmless(4_000))
    assert all(peace[plural] > 0 for plural in harm)
    # By lot, so only about equal.
    assert max(harm[plural] / peace[plural] for plural in harm) < 10 * min(
        (harm[plural] + 1) / peace[plural] for plural in harm
    )


def test_names_and_groups_are_taken_out_of_collected_texts() -> None:
    neutral = sentences.neutralise("Trump and Obama hate Muslims, says the GOP", random.Random(1))
    assert "Trump" not in neutral and "Obama" not in neutral and "GOP" not in neutral
    assert "hate" in neutral and "says" in neutral


def test_a_model_is_fitted_saved_and_read_back(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="fitting needs requirements/train.txt")
    from guardrails.training import nbsvm

    bad, good = ["you are awful and bad"] * 20, ["the sun is warm and bright"] * 20
    rows = [nbsvm.Row(text, True, "x") for text in bad] + [nbsvm.Row(text, False, "x") for text in good]
    model = nbsvm.fit(rows, nbsvm.empty_model(10, (1, 2), (4,)))
    assert model.score(Features("how awful and bad")) > 0.5 > model.score(Features("how warm and bright"))
    model.save(tmp_path / "model.npz")
    assert np.load(tmp_path / "model.npz", allow_pickle=False)["weights"].dtype == np.float16


def test_the_area_under_the_curve_counts_ties_half() -> None:
    pytest.importorskip("sklearn", reason="fitting needs requirements/train.txt")
    from guardrails.training.nbsvm import auroc

    assert auroc([0, 0, 1, 1], np.array([1.0, 2.0, 3.0, 4.0])) == 1.0
    assert auroc([1, 0], np.array([1.0, 1.0])) == 0.5
    assert auroc([1, 0, 1, 0], np.array([1.0, 2.0, 3.0, 4.0])) == 0.25


@pytest.mark.parametrize("name", ["toxicity", "toxicity_hate", "toxicity_sexual", "bias"])
def test_weights_are_small_finite_and_no_pickles(name: str) -> None:
    assert (WEIGHTS / f"{name}.npz").stat().st_size < 600_000
    model = load(name)
    assert np.isfinite(model.weights).all() and np.isfinite([model.bias, model.slope]).all()


def test_the_lexicon_is_sorted_and_finite() -> None:
    lexicon = load_lexicon()
    assert (np.diff(lexicon.hashes.astype(np.int64)) > 0).all()
    assert np.isfinite(lexicon.vectors).all() and np.isfinite(lexicon.relevancy).all()
    assert (WEIGHTS / "language.npz").stat().st_size < 1_000_000
