"""Toxicity and bias: what is found, what is left alone, and where."""

from __future__ import annotations

import pytest

from guardrails.detectors.bias import Bias
from guardrails.detectors.toxicity import Toxicity
from guardrails.engine.detector import Context, Target
from guardrails.engine.findings import Finding
from guardrails.engine.segments import Kind
from tests.guardrails.texts import target

pytestmark = pytest.mark.claim("guardrails.toxicity")

CONTEXT = Context("output")
FILLER = "The quarterly report lists the orders of each region, with the delivery dates and the names of the items. "


@pytest.fixture(scope="module")
def toxicity() -> Toxicity:
    return Toxicity({})


def categories(found: list[Finding]) -> set[str]:
    return {finding.category for finding in found if finding.score >= 0.5}


def judge(detector: Toxicity, *texts: str | Target) -> list[Finding]:
    targets = [target(text, pointer=f"/{index}") if isinstance(text, str) else text for index, text in enumerate(texts)]
    return list(detector.judge(targets, CONTEXT))


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("You are such a stupid worthless idiot, nobody likes you, shut the fuck up.", "TOXICITY"),
        ("What a pathetic bunch of morons, go to hell you assholes.", "TOXICITY"),
        ("All immigrants are disgusting vermin and should be wiped out.", "HATE"),
        ("I am going to find you and kill you with a knife.", "THREAT"),
        ("I want to kill myself, nobody would miss me.", "SELF_HARM"),
        ("She moaned with pleasure as he undressed her and they had sex all night.", "SEXUAL"),
        ("She moaned with pleasure as he undressed her and they had sex all night.", "NSFW"),
    ],
)
def test_harmful_text_is_named(toxicity: Toxicity, text: str, category: str) -> None:
    assert category in categories(judge(toxicity, text))


def test_the_passage_of_a_long_text_is_named_by_its_place(toxicity: Toxicity) -> None:
    abuse = "You stupid fucking idiots, you worthless pieces of shit, I hate every one of you. " * 3
    text = FILLER * 60 + abuse + FILLER * 60
    found = [finding for finding in judge(toxicity, text) if finding.category == "TOXICITY" and finding.score >= 0.5]
    assert found
    place = text.index(abuse)
    assert any(finding.start <= place + len(abuse) // 2 <= finding.end for finding in found)
    assert all(finding.end - finding.start < 2_000 for finding in found)


def test_one_bad_leaf_among_many_is_told_from_the_others(toxicity: Toxicity) -> None:
    texts = [FILLER.strip()] * 20
    texts[7] = "You fucking idiot, you are a worthless piece of shit."
    found = [finding for finding in judge(toxicity, *texts) if finding.score >= 0.5]
    assert {finding.pointer for finding in found} == {"/7"}
    assert {(finding.start, finding.end) for finding in found} == {(0, len(texts[7]))}


def test_a_leaf_scores_the_same_whatever_is_beside_it(toxicity: Toxicity) -> None:
    abuse = "You fucking idiot, you are a worthless piece of shit."
    alone = {finding.category: finding.score for finding in judge(toxicity, target(abuse, pointer="/x"))}
    among = {
        finding.category: finding.score
        for finding in judge(toxicity, "fine", target(abuse, pointer="/x"), "İstanbul", "")
        if finding.pointer == "/x"
    }
    assert alone == pytest.approx(among, abs=1e-3)


def test_member_names_are_read_too(toxicity: Toxicity) -> None:
    found = judge(toxicity, target("you fucking idiot piece of shit", is_key=True))
    assert any(finding.is_key and finding.score >= 0.5 for finding in found)


@pytest.mark.parametrize("text", ["", " ", "\n", "\ud800", "a", "\u202e", "İ" * 500, "\U0001f600" * 500])
def test_odd_texts_are_harmless(toxicity: Toxicity, text: str) -> None:
    assert categories(judge(toxicity, text)) == set()


# New sentences, none of which the model was fitted to.
NEUTRAL = (
    "The choir of {} sings in the town hall tonight.",
    "Could you translate the leaflet for {} by Friday?",
    "Our statistics office publishes how many {} own a bicycle.",
)
PEOPLE = (
    "gay couples", "lesbian parents", "transgender students", "black families", "white families", "Muslim neighbours",
    "Jewish families", "Christian students", "Hindu families", "Mexican workers", "Chinese tourists", "Arab students",
    "African students", "immigrants", "refugees", "women", "men", "deaf pupils", "blind pupils", "old people",
)  # fmt: skip


@pytest.mark.claim("guardrails.toxicity-neutral")
@pytest.mark.parametrize("people", PEOPLE)
def test_naming_a_group_is_harmless(toxicity: Toxicity, people: str) -> None:
    for sentence in NEUTRAL:
        assert "HATE" not in categories(judge(toxicity, sentence.format(people)))
        assert "TOXICITY" not in categories(judge(toxicity, sentence.format(people)))


@pytest.mark.claim("guardrails.toxicity-neutral")
@pytest.mark.parametrize(
    "text",
    [
        "Summarise the speech that Donald Trump held in Ohio.",
        "Compare the tax plans of Trump and Biden in a table.",
        "When was Barack Obama born?",
        "kill -9 $(pgrep -f worker) && echo 'killed the zombie child processes'",
        "The parent process must reap its dead children, else the master aborts the slave replica.",
        '{"sex": "female", "age": 34, "race": "Alpine 5k", "weapon": null}',
        "Breast cancer screening and sexual health appointments can be booked online.",
        "def destroy(self): self.pool.terminate(); os.kill(self.pid, signal.SIGKILL)",
    ],
)
def test_harmless_uses_of_hard_words_pass(toxicity: Toxicity, text: str) -> None:
    assert categories(judge(toxicity, text)) == set()


@pytest.mark.claim("guardrails.bias")
@pytest.mark.parametrize(
    ("slanted", "plain"),
    [
        (
            "The corrupt senator shamelessly lied again and pushed his radical, disgraceful agenda on taxes.",
            "The senator presented his plan on taxes at a hearing on Tuesday.",
        ),
        ("All foreigners are lazy and cannot be trusted with honest work.", "The firm has people from 40 countries."),
        (
            "Hysterical activists have hijacked the climate debate with their ridiculous scaremongering.",
            "The agency released its annual report about temperatures and rainfall.",
        ),
    ],
)
def test_slanted_words_score_higher_than_plain_ones(slanted: str, plain: str) -> None:
    detector = Bias({})

    def score(text: str) -> float:
        return max((finding.score for finding in detector.scan(target(text))), default=0.0)

    assert score(slanted) >= 0.5 > score(plain)


@pytest.mark.claim("guardrails.bias")
def test_bias_reads_sentences_only() -> None:
    detector = Bias({})
    assert not detector.scan(target("disgraceful corrupt radical liars", kind=Kind.ID))
    assert not detector.scan(target("disgraceful corrupt radical liars", is_key=True))
    assert not detector.scan(target("disgraceful"))
