"""Keywords and patterns: what is matched, where, and which configurations are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.detectors.keywords import Keywords
from guardrails.detectors.patterns import Patterns
from guardrails.engine.detector import ConfigError
from guardrails.engine.findings import Finding
from guardrails.language.spans import MOST
from tests.growth import Work, assert_in_proportion
from tests.guardrails.texts import target

pytestmark = pytest.mark.claim("guardrails.keywords")


def places(found: list[Finding], text: str) -> list[str]:
    return [text[finding.start : finding.end] for finding in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see project titan now", ["project titan"]),
        ("PROJECT\n\t TITAN", ["PROJECT\n\t TITAN"]),
        ("titanic", []),
        ("acme, Acme; (ACME)", ["acme", "Acme", "ACME"]),
        ("acme_corp and acmes", []),
        ("这是机密文件", ["机密"]),
        ("İİ acme İ", ["acme"]),
        ("", []),
    ],
)
def test_words_are_found_whole_with_their_places(text: str, expected: list[str]) -> None:
    detector = Keywords({"words": ["Project  Titan", "acme", "机密"]})
    assert places(list(detector.scan(target(text))), text) == expected


def test_the_same_letter_in_another_form_of_unicode_is_the_same_letter() -> None:
    detector = Keywords({"words": ["ａｃｍｅ"]})
    assert len(detector.scan(target("we buy from acme"))) == 1


def test_case_and_parts_of_words_matter_when_asked_for() -> None:
    exact = Keywords({"words": ["Acme"], "case_sensitive": True})
    assert not exact.scan(target("acme"))
    assert exact.scan(target("Acme"))
    inside = Keywords({"words": ["acme"], "whole_words": False})
    assert inside.scan(target("superacmes"))


def test_a_finding_says_where_and_what_kind() -> None:
    (found,) = Keywords({"words": ["acme"]}).scan(target("acme", pointer="/a/b", is_key=True))
    assert (found.detector, found.category, found.pointer, found.is_key, found.score) == (
        "keywords", "KEYWORD", "/a/b", True, 1.0,
    )  # fmt: skip


def test_thousands_of_hits_are_covered_to_the_end_by_few_findings() -> None:
    text = "acme " * 5_000
    found = Keywords({"words": ["acme"]}).scan(target(text))
    assert len(found) <= MOST
    assert found[-1].end == len(text)
    covered = [False] * len(text)
    for finding in found:
        covered[finding.start : finding.end] = [True] * (finding.end - finding.start)
    assert all(covered[index] for index in range(len(text)) if text[index] != " ")


@given(st.text(max_size=200), st.text(alphabet="abc é", min_size=1, max_size=8).filter(str.strip))
def test_what_is_found_is_the_word(text: str, word: str) -> None:
    detector = Keywords({"words": [word], "whole_words": False})
    whole = f"{text} {word} {text}"
    found = [finding for finding in detector.scan(target(whole)) if not finding.how]
    assert found
    for finding in found:
        assert 0 <= finding.start < finding.end <= len(whole)


@pytest.mark.claim("guardrails.language-config")
@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({}, "words"),
        ({"words": []}, "words"),
        ({"words": "acme"}, "words"),
        ({"words": ["ok", " "]}, "entry 2"),
        ({"words": [3]}, "words"),
        ({"words": ["x" * 501]}, "entry 1"),
        ({"words": ["a"], "case_sensitive": "yes"}, "case_sensitive"),
    ],
)
def test_wrong_lists_are_refused(config: dict[str, object], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Keywords(config)


@pytest.mark.claim("guardrails.patterns")
def test_patterns_are_found_with_their_places() -> None:
    text = "see ABC-1234 and Secret sauce \ud800 wörld ABC-9999"
    detector = Patterns({"patterns": [r"\bABC-\d{4}\b", r"(?i)secret\s+\w+"]})
    assert places(list(detector.scan(target(text))), text) == ["ABC-1234", "Secret sauce", "ABC-9999"]


@pytest.mark.claim("guardrails.patterns")
def test_case_does_not_matter_when_asked_for() -> None:
    assert Patterns({"patterns": ["titan"], "case_sensitive": False}).scan(target("TITAN"))
    assert not Patterns({"patterns": ["titan"]}).scan(target("TITAN"))


@pytest.mark.claim("guardrails.patterns")
@pytest.mark.parametrize(
    "pattern",
    ["(?=a)", "(?<!a)b", r"(a)\1", "a*", "(", "(x{1000}){1000}", "(((a{100}){10}){10}){10}", "x" * 1_001, "a|"],
)
def test_what_is_no_good_pattern_is_refused_with_its_index(pattern: str) -> None:
    with pytest.raises(ConfigError, match="patterns: entry 2"):
        Patterns({"patterns": ["fine", pattern]})


@pytest.mark.claim("guardrails.patterns")
def test_a_refusal_of_a_pattern_is_one_line_without_the_pattern() -> None:
    with pytest.raises(ConfigError) as caught:
        Patterns({"patterns": ["(?=hunter2)"]})
    assert "hunter2" not in str(caught.value)


@pytest.mark.claim("guardrails.patterns")
@pytest.mark.parametrize("pattern", [r"(a|a)*b", r"(a+)+$x", r"(.*)(.*)(.*)(.*)x{3}y", r"[ab]*a[ab]{300}c"])
def test_any_pattern_takes_time_in_proportion(pattern: str) -> None:
    detector = Patterns({"patterns": [pattern]})

    def scanning(size: int) -> Work:
        text = target("ab" * size)
        text.views  # noqa: B018  made beforehand, so that the matching alone is timed
        return lambda: detector.scan(text)

    # With what would double for each character this is over, too; with what would go with a power of them it shows.
    assert_in_proportion(scanning, 2)
    assert_in_proportion(scanning, 1_250)


@pytest.mark.claim("guardrails.patterns")
def test_too_many_patterns_are_refused() -> None:
    with pytest.raises(ConfigError, match="100"):
        Patterns({"patterns": ["a"] * 101})
