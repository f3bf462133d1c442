"""Relevancy, adherence and grounding: what an answer is held against."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.detectors.adherence import Adherence, adherence
from guardrails.detectors.hallucination import Hallucination, grounding
from guardrails.detectors.relevancy import Relevancy, relevancy
from guardrails.engine.detector import Context
from guardrails.engine.segments import Kind
from guardrails.language.grounding import Grounds
from tests.guardrails.texts import target

pytestmark = pytest.mark.claim("guardrails.grounding")

SOURCE = (
    "The bridge over the Weser was opened on 4 May 1931 by the mayor, Anna Petersen. It is 312 metres long and carries "
    "two tram lines. Repairs after the flood of 1962 cost three million marks. Since 2005 it has been a monument."
)


def test_what_stands_in_the_context_is_grounded() -> None:
    assert grounding("The bridge is 312 metres long and carries two tram lines.", SOURCE) > 0.8
    assert grounding("The mayor, Anna Petersen, opened the bridge over the Weser on 4 May 1931.", SOURCE) > 0.8


@pytest.mark.parametrize("sentence", SOURCE.split(". "))
def test_every_sentence_of_the_context_is_grounded(sentence: str) -> None:
    assert grounding(sentence, SOURCE) > 0.95


def test_words_from_all_over_the_context_are_worth_less_than_a_sentence_of_it() -> None:
    spread = "The mayor carries a monument of three million tram lines since the flood of Petersen."
    assert grounding(spread, SOURCE) < grounding("It carries two tram lines and is 312 metres long.", SOURCE)


def test_parts_of_a_text_score_as_they_do_alone() -> None:
    parts = ["The bridge is 312 metres long.", "Tickets cost 9 euros.", "It is so.", "Anna Petersen was the mayor."]
    text = " ".join(parts)
    spans = [(text.index(part), text.index(part) + len(part)) for part in parts]
    grounds = Grounds(SOURCE)
    assert grounds.bear_each(text, spans).tolist() == pytest.approx([grounds.bear(part) for part in parts])


def test_what_does_not_is_not() -> None:
    assert grounding("Tickets for the aquarium are sold out until Christmas.", SOURCE) < 0.2


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("The bridge is 312 metres long.", "The bridge is 512 metres long."),
        ("Repairs after the flood cost 3 million marks.", "Repairs after the flood cost 9 million marks."),
        ("It was opened by the mayor, Anna Petersen.", "It was opened by the mayor, Klaus Hansen."),
        ("Since 2005 it has been a monument.", "Since 2005 it has been a supermarket."),
    ],
)
def test_a_wrong_number_name_or_word_lowers_the_score(right: str, wrong: str) -> None:
    assert grounding(wrong, SOURCE) < grounding(right, SOURCE)


def test_without_context_or_content_nothing_can_be_said() -> None:
    assert grounding("Anything at all.", "") == 1.0
    assert grounding("It is so.", SOURCE) == 1.0
    assert adherence("Anything at all.", "") == 1.0


def test_the_ungrounded_sentence_is_told_by_its_place() -> None:
    wrong = "Tickets for the aquarium are sold out until Christmas."
    text = f"The bridge is 312 metres long and carries two tram lines. {wrong} Since 2005 it has been a monument."
    found = Hallucination({}).judge([target(text, pointer="/r")], Context("output", grounds=SOURCE))
    worst = max(found, key=lambda finding: finding.score)
    assert text[worst.start : worst.end] == wrong
    assert (worst.category, worst.pointer) == ("UNGROUNDED", "/r")
    assert worst.score >= 0.5
    assert all(finding.score < 0.5 for finding in found if finding is not worst)


def test_no_sentence_of_very_many_is_left_out() -> None:
    text = "Cats eat figs. " * 2_000
    found = Hallucination({}).judge([target(text)], Context("output", grounds=SOURCE))
    assert len(found) <= 501
    assert found[0].start == 0 and found[-1].end >= len(text) - 1


def test_without_grounds_nothing_is_judged() -> None:
    assert not Hallucination({}).judge([target("Cats eat figs.")], Context("output"))
    assert not Adherence({}).judge([target("Cats eat figs.")], Context("output"))
    assert not Adherence({}).judge([target("c4f5", kind=Kind.ID)], Context("output", grounds=SOURCE))


def test_adherence_is_that_of_the_whole_answer() -> None:
    good = "The bridge is 312 metres long and carries two tram lines."
    bad = "Tickets for the aquarium are sold out until Christmas this year."
    context = Context("output", grounds=SOURCE)

    def score(*texts: str) -> float:
        (found,) = Adherence({}).judge([target(text) for text in texts], context)
        assert found.category == "NOT_ADHERENT"
        return found.score

    assert score(good) < 0.2
    assert score(bad) > 0.8
    assert score(good) < score(good, bad) < score(bad)
    assert adherence(bad, SOURCE) < 0.2 < 0.8 < adherence(good, SOURCE)


@pytest.mark.claim("guardrails.relevancy")
@pytest.mark.parametrize(
    ("question", "answer", "other"),
    [
        (
            "What is the weather in Lisbon tomorrow?",
            "Tomorrow Lisbon will be sunny, with weather from the south and 24 degrees.",
            "The invoice was paid on 3 March by bank transfer; the receipt is attached.",
        ),
        (
            "get_recipe: a soup with tomatoes and basil",
            "For the tomato soup, fry the onions, add tomatoes and basil and let the soup simmer for 20 minutes.",
            "The train to Hamburg leaves at 9:40 from platform 7.",
        ),
        (
            "List the open issues about the parser of the project",
            "Open issues: #12 parser fails on empty input; #31 parser is slow for long lines.",
            "Penguins lay one or two eggs and keep them warm in turns.",
        ),
    ],
)
def test_an_answer_to_another_question_is_irrelevant(question: str, answer: str, other: str) -> None:
    assert relevancy(question, answer) >= 0.5 > relevancy(question, other)
    context = Context("output", question=question)
    (found,) = Relevancy({}).judge([target("note", is_key=True), target(other, pointer="/o")], context)
    assert (found.category, found.pointer) == ("IRRELEVANT", "/o")
    assert found.score == pytest.approx(1 - relevancy(question, other), abs=1e-3)


@pytest.mark.claim("guardrails.relevancy")
def test_without_question_or_answer_nothing_is_judged() -> None:
    assert not Relevancy({}).judge([target("anything")], Context("output"))
    assert not Relevancy({}).judge([], Context("output", question="what?"))
    assert relevancy("", "anything") == 1.0


@given(st.text(max_size=300), st.text(max_size=300))
def test_scores_are_between_nothing_and_one(left: str, right: str) -> None:
    for score in (grounding(left, right), relevancy(left, right), adherence(left, right)):
        assert 0.0 <= score <= 1.0
