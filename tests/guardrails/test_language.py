"""Words, sentences and hashed words: splitting that loses nothing, in every script."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.language.sentences import readable, split_sentences
from guardrails.language.tokens import Tokens, among
from guardrails.language.words import content_stems, split_words, stem

pytestmark = pytest.mark.claim("guardrails.language")

ANY = st.text(st.characters(codec=None), max_size=200)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop, it's fine!", ["dont", "stop", "its", "fine"]),
        ("Ça coûte 3,5 € à Łódź", ["ça", "coûte", "3", "5", "à", "łódź"]),
        ("snake_case and kebab-case", ["snake", "case", "and", "kebab", "case"]),
        ("日本語 テスト", ["日本語", "テスト"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("\U0001f600 ok \U0001f600", ["ok"]),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words


def test_the_forms_of_a_word_share_a_stem() -> None:
    for forms in (("run", "runs", "running"), ("city", "cities"), ("box", "boxes"), ("make", "makes", "making"),
                  ("stop", "stopped", "stops")):  # fmt: skip
        assert len({stem(form) for form in forms}) == 1, forms
    assert stem("bus") == "bus" and stem("glass") == "glass" and stem("это") == "это"


def test_function_words_carry_no_content() -> None:
    assert content_stems("What is the capital of the country?") == ["capital", "country".replace("y", "i")]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Mr. Ott met Dr. Wu, e.g. on Jan. 3. Then he left.", ["Mr. Ott met Dr. Wu, e.g. on Jan. 3.", "Then he left."]),
        ("It costs 3.5 million. Fine", ["It costs 3.5 million.", "Fine"]),
        ("One\n\nTwo\n- three\n- four", ["One", "Two", "- three", "- four"]),
        ("これは一つ。これは二つ。", ["これは一つ。", "これは二つ。"]),
        ("  \n ", []),
        ("", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert [text[start:end] for start, end in split_sentences(text)] == sentences


@given(ANY)
def test_sentences_are_in_order_and_cover_the_text(text: str) -> None:
    spans = split_sentences(text)
    assert all(start < end for start, end in spans)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
    covered = "".join(text[start:end] for start, end in spans)
    assert "".join(covered.split()) == "".join(text.split())


@given(ANY)
def test_what_is_readable_is_as_long_as_the_text(text: str) -> None:
    assert len(readable(text)) == len(text)
    readable(text).encode()


@given(ANY)
def test_tokens_and_words_agree_on_letters(text: str) -> None:
    tokens = Tokens(text)
    assert len(tokens.starts) == len(tokens.ends) == len(tokens.stems)
    assert (tokens.starts < tokens.ends).all()
    assert "".join(split_words(text)) == "" or len(tokens)


def test_long_forms_of_a_word_are_one_token() -> None:
    stems = Tokens("national nationality NATIONALLY nation").stems
    assert len(np.unique(stems)) == 1


def test_membership_in_sorted_hashes() -> None:
    known = np.array([3, 7, 9], dtype=np.uint32)
    assert among(np.array([1, 3, 9, 10], dtype=np.uint32), known).tolist() == [False, True, True, False]
    assert among(np.array([1], dtype=np.uint32), known[:0]).tolist() == [False]
