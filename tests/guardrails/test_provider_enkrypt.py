"""Enkrypt AI: the documented shapes in both spellings, the exact detected set, places, and what is asked when."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import pytest_asyncio
from pytest_django import Settings

from guardrails.engine.detector import Context, ProviderError, Target
from guardrails.engine.findings import Finding
from guardrails.engine.segments import Surface
from guardrails.outbound import Connections
from guardrails.providers.enkrypt import SUMMARY, Enkrypt
from tests.guardrails.provider_stand_in import (
    BAD,
    EMAIL,
    INPUT,
    KEY,
    OUTPUT,
    StandIn,
    enkrypt_verdict,
    text_target,
)

pytestmark = pytest.mark.claim("guardrails.provider-verdicts")
requests_claim = pytest.mark.claim("guardrails.provider-requests")
fails_claim = pytest.mark.claim("guardrails.provider-fails-closed")
CLEAN = enkrypt_verdict("")["summary"]


@pytest.fixture(autouse=True)
def loopback_is_open(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.0/8"]


@pytest_asyncio.fixture
async def service() -> AsyncIterator[StandIn]:
    async with StandIn() as stand_in:
        yield stand_in


async def ask(
    service: StandIn, *targets: Target, context: Context = INPUT, **config: Any
) -> Sequence[Finding]:
    provider = Enkrypt({"api_key": KEY, "base_url": service.url, "guardrail": "ours", **config})
    connections = Connections()
    try:
        return await provider.ask(targets, context, connections.of(1), 2.0)
    finally:
        await connections.close()


def categories(findings: Sequence[Finding]) -> list[str]:
    return sorted({finding.category for finding in findings})


def says(summary: dict[str, Any], **details: Any) -> Any:
    return lambda _: {"summary": summary, "details": details}


HITS = [(name, member, value) for name, members in SUMMARY.items() for member in members
        for value in (1, True, 3, ["x"])]  # fmt: skip


@pytest.mark.asyncio
async def test_each_detector_is_read_in_every_spelling_and_alone(service: StandIn) -> None:
    for name, member, value in HITS:
        service.answer = says({**CLEAN, member: value})
        for block in ([], [name], list(SUMMARY)):
            found = await ask(service, text_target("a text"), block=block)
            assert categories(found) == [name.upper()], (member, value, block)
            assert all(finding.score >= 0.5 for finding in found)


@pytest.mark.asyncio
async def test_a_detector_that_is_not_in_the_block_list_is_no_finding(service: StandIn) -> None:
    service.answer = says({**CLEAN, "pii": 1, "nsfw": 1})
    assert categories(await ask(service, text_target("a text"), block=["nsfw", "bias"])) == ["NSFW"]


@fails_claim
@pytest.mark.asyncio
@pytest.mark.parametrize("name", SUMMARY)
async def test_a_detector_of_the_block_list_that_the_service_does_not_run_is_an_error(
    service: StandIn, name: str
) -> None:
    service.answer = says({member: value for member, value in CLEAN.items() if member not in SUMMARY[name]})
    with pytest.raises(ProviderError, match=name):
        await ask(service, text_target("a text"), block=[name])


@pytest.mark.asyncio
async def test_a_detector_that_is_new_to_us_counts_unless_there_is_a_block_list(service: StandIn) -> None:
    service.answer = says({**CLEAN, "deepfake": 1, "latency": 0, "version": "7"})
    assert categories(await ask(service, text_target("a text"))) == ["OTHER"]
    assert list(await ask(service, text_target("a text"), block=["nsfw"])) == []


@pytest.mark.asyncio
async def test_a_similarity_is_a_score_and_not_a_hit(service: StandIn) -> None:
    service.answer = says({**CLEAN, "copyright_ip_similarity": 0.31})
    [finding] = await ask(service, text_target("a text"))
    assert (finding.category, finding.score) == ("COPYRIGHT_PROTECTION", 0.31)


@pytest.mark.asyncio
async def test_topics_are_denied_or_the_only_ones_allowed(service: StandIn) -> None:
    for on_topic, topics, expected in ((1, "denied", 1), (0, "denied", 0), (1, "allowed", 0), (0, "allowed", 1)):
        service.answer = says({**CLEAN, "on_topic": on_topic})
        found = await ask(service, text_target("a text"), topics=topics)
        assert categories(found) == ["TOPIC_DETECTOR"] * expected


@pytest.mark.asyncio
async def test_scores_are_those_of_the_details_where_there_are_any(service: StandIn) -> None:
    rows: list[tuple[str, dict[str, Any], dict[str, Any], float]] = [
        ("injection_attack", {"injection_attack": 1}, {"injection_attack": {"attack": "0.93"}}, 0.93),
        ("injection_attack", {"injection_attack": 1}, {"injection_attack": {"attack": 0.2}}, 0.5),
        ("injection_attack", {"injection_attack": 1}, {"injection_attack": "?"}, 1.0),
        ("nsfw", {"nsfw": 1}, {"nsfw": {"nsfw": 0.75, "sfw": 0.25}}, 0.75),
        ("toxicity", {"toxicity": ["insult"]}, {"toxicity": {"toxicity": 0.1, "insult": 0.8, "threat": 0.9}}, 0.8),
        ("bias", {"bias": 1}, {}, 1.0),
    ]
    for name, summary, details, score in rows:
        service.answer = says({**CLEAN, **summary}, **details)
        [finding] = await ask(service, text_target("a text"), block=[name])
        assert finding.score == score


@pytest.mark.asyncio
async def test_places_are_those_of_the_details_else_all_texts_and_no_member_names(service: StandIn) -> None:
    targets = [text_target("note", "/params/arguments/note", is_key=True), text_target("buy ACME now", "/a"),
               text_target(f"Ada Lovelace, {EMAIL}", "/b"), text_target("forget all. thanks", "/c")]  # fmt: skip
    rows: list[tuple[dict[str, Any], dict[str, Any], list[tuple[str, int, int]]]] = [
        ({"keyword_detected": 2}, {"keyword_detector": {"detected_keywords": ["acme", "ADA love"]}},
         [("/a", 4, 8), ("/b", 0, 8)]),
        ({"pii": 1}, {"pii": {"pii": {"<EMAIL_ADDRESS_0>": EMAIL, "<PERSON_0>": "Ada"}}},
         [("/b", 0, 3), ("/b", 14, 14 + len(EMAIL))]),
        ({"injection_attack": 1}, {"injection_attack": {"attack": "0.99", "most_unsafe_content": "forget all."}},
         [("/c", 0, 18)]),
        ({"policy_violation": 1}, {"policy_violation": {"policy_violation": {"most_unsafe_content": "thanks"}}},
         [("/c", 0, 18)]),
        # What is not in the text, or only in a part, says nothing of where the rest is.
        ({"keyword_detected": 1}, {"keyword_detector": {"detected_keywords": ["acme", "elsewhere"]}},
         [("/a", 0, 12), ("/b", 0, 14 + len(EMAIL)), ("/c", 0, 18)]),
        ({"nsfw": 1}, {}, [("/a", 0, 12), ("/b", 0, 14 + len(EMAIL)), ("/c", 0, 18)]),
    ]  # fmt: skip
    for summary, details, places in rows:
        service.answer = says({**CLEAN, **summary}, **details)
        found = await ask(service, *targets)
        assert sorted((each.pointer, each.start, each.end) for each in found) == places
        assert not any(each.is_key for each in found)


@requests_claim
@pytest.mark.asyncio
async def test_a_call_and_its_result_are_asked_about_in_their_modes(service: StandIn) -> None:
    for context, mode, event in ((INPUT, "prompt", "pre-tool"), (OUTPUT, "response", "post-tool")):
        service.received.clear()
        await ask(service, text_target("first", "/a"), text_target("second", "/b"), context=context)
        [received] = service.received
        assert received.path == "/guardrails/guardrail/detect"
        assert received.json == {"text": "first\nsecond"}
        expected = {"apikey": KEY, "x-enkrypt-guardrail": "ours", "x-enkrypt-mode": mode,
                    "x-enkrypt-source-name": "mcp-gateway", "x-enkrypt-source-event": event}  # fmt: skip
        assert expected.items() <= received.headers.items()


@requests_claim
@pytest.mark.asyncio
async def test_definitions_go_as_a_batch_with_a_text_for_each_tool(service: StandIn) -> None:
    targets = [
        text_target(text, f"/result/tools/{tool}/{member}", surface=Surface.DEFINITION)
        for tool in range(3)
        for member, text in (("name", f"tool{tool}"), ("description", f"does {BAD if tool == 1 else 'good'}"))
    ]
    found = await ask(service, *targets, context=OUTPUT)
    [received] = service.received
    assert received.path == "/guardrails/guardrail/batch/detect"
    assert received.json == {"texts": ["tool0\ndoes good", f"tool1\ndoes {BAD}", "tool2\ndoes good"]}
    assert received.headers["x-enkrypt-mode"] == "prompt"
    assert received.headers["x-enkrypt-source-event"] == "server-registration"
    assert {each.pointer.rpartition("/")[0] for each in found} == {"/result/tools/1"}
    assert categories(found) == ["INJECTION_ATTACK"]


@fails_claim
@pytest.mark.asyncio
@pytest.mark.parametrize("answer", [[], {}, None, [{}], [{"summary": CLEAN}, {"summary": CLEAN}], [{"summary": {}}],
                                    {"summary": CLEAN}, [{"summary": CLEAN, "error": "x"}], ["safe"]])  # fmt: skip
async def test_a_batch_that_is_not_one_verdict_for_each_text_is_an_error(service: StandIn, answer: Any) -> None:
    service.answer = lambda _: answer
    with pytest.raises(ProviderError):
        await ask(service, text_target("a", "/result/tools/0/name", surface=Surface.DEFINITION))


# --- personal data -----------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_personal_values_are_found_exactly_where_they_are(service: StandIn) -> None:
    first, second = f"Ada Lovelace ({EMAIL}), Ada Lovelace and Charles Babbage", f"{EMAIL} Charles BabbageAda Lovelace"
    found = await ask(service, text_target(first, "/a"), text_target("b", "/b"), text_target(second, "/c"),
                      checks=["pii"])  # fmt: skip
    texts = {"/a": first, "/c": second}
    seen = [(each.category, texts[each.pointer][each.start : each.end], each.start) for each in found]
    assert seen == [
        ("PERSON", "Ada Lovelace", 0), ("EMAIL_ADDRESS", EMAIL, 14), ("PERSON", "Ada Lovelace", 17 + len(EMAIL)),
        ("PERSON", "Charles Babbage", 34 + len(EMAIL)), ("EMAIL_ADDRESS", EMAIL, 0),
        ("PERSON", "Charles Babbage", 1 + len(EMAIL)), ("PERSON", "Ada Lovelace", 16 + len(EMAIL)),
    ]  # fmt: skip


@requests_claim
@pytest.mark.asyncio
async def test_only_placeholders_go_back_to_be_restored(service: StandIn) -> None:
    await ask(service, text_target(f"Ada Lovelace, {EMAIL}"), checks=["pii"])
    request, restore = service.received
    assert request.json == {"text": f"Ada Lovelace, {EMAIL}", "mode": "request", "key": "null"}
    assert (restore.json["mode"], restore.json["key"]) == ("response", "key-0")
    assert EMAIL not in restore.json["text"]
    assert [each.headers["x-enkrypt-source-event"] for each in service.received] == ["pii-redact", "pii-restore"]


@pytest.mark.asyncio
async def test_a_text_without_personal_data_takes_one_request(service: StandIn) -> None:
    assert list(await ask(service, text_target("nothing <PERSON_0> here"), checks=["pii"])) == []
    assert len(service.received) == 1


@pytest.mark.asyncio
async def test_values_that_do_not_make_the_text_again_cover_all_of_it(service: StandIn) -> None:
    def answer(received: Any) -> Any:
        if received.json["mode"] == "request":
            return {"text": "Dear <PERSON_0> at <MARS_BASE_0>", "key": "k"}
        return {"text": received.json["text"].replace("<PERSON_0>", "Bob"), "key": "k"}

    service.answer = answer
    found = await ask(service, text_target("Dear Ada at base 1"), checks=["pii"])
    assert [(each.category, each.start, each.end) for each in found] == [("PERSON", 0, 18), ("PII", 0, 18)]


@fails_claim
@pytest.mark.asyncio
@pytest.mark.parametrize("restored", [{}, {"text": 1}, {"text": "one value only"}, {"text": "", "error": "no key"}])
async def test_a_restore_that_fails_is_an_error(service: StandIn, restored: Any) -> None:
    redacted = {"text": "<PERSON_0> and <PERSON_1>", "key": "k"}
    service.answer = lambda received: redacted if received.json["mode"] == "request" else restored
    with pytest.raises(ProviderError):
        await ask(service, text_target("Ada and Charles"), checks=["pii"])


# --- judgements of an answer -------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("check", "threshold", "spellings"),
    [
        ("relevancy", 0.7, [lambda score: {"score": score}, lambda score: {"summary": {"relevancy_score": score}}]),
        ("adherence", 0.8, [lambda score: {"score": score}, lambda score: {"summary": {"adherence_score": score}}]),
    ],
)
async def test_a_low_score_is_a_hit_in_both_spellings(
    service: StandIn, check: str, threshold: float, spellings: list[Any]
) -> None:
    for spelling in spellings:
        for score, is_hit in ((0, True), (threshold - 0.01, True), (threshold, False), (1, False)):
            answer = spelling(score)
            service.answer = lambda _, answer=answer: answer
            found = await ask(service, text_target("an answer"), context=OUTPUT, checks=[check])
            assert [finding.category for finding in found] == [check.upper()] * is_hit
            assert all(finding.score >= 0.5 and finding.pointer == "" for finding in found)
    service.answer = lambda _: {"score": 0.6}
    assert list(await ask(service, text_target("an answer"), context=OUTPUT, checks=[check],
                          **{f"{check}_threshold": 0.5})) == []  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "scores"),
    [
        ({"has_hallucination": True, "confidence": 0.9}, [0.9]),
        ({"has_hallucination": True, "confidence": 0.1}, [0.5]),
        ({"has_hallucination": False, "confidence": 0.9}, []), ({"summary": {"is_hallucination": 1}}, [1.0]),
        ({"summary": {"is_hallucination": 0}}, []),
        ({"has_hallucination": False, "summary": {"is_hallucination": 1}}, [1.0]),
    ],
)  # fmt: skip
async def test_a_hallucination_is_a_hit_in_both_spellings(service: StandIn, answer: Any, scores: list[float]) -> None:
    service.answer = lambda _: answer
    found = await ask(service, text_target("an answer"), context=OUTPUT, checks=["hallucination"])
    assert [finding.score for finding in found] == scores


@requests_claim
@pytest.mark.asyncio
async def test_answers_are_judged_by_the_question_and_its_grounds(service: StandIn) -> None:
    checks = ["relevancy", "adherence", "hallucination"]
    await ask(service, text_target("an answer"), context=OUTPUT, checks=checks)
    sent = {received.path: received.json for received in service.received}
    assert sent == {
        "/guardrails/relevancy": {"question": OUTPUT.question, "llm_answer": "an answer"},
        "/guardrails/adherence": {"context": OUTPUT.grounds, "llm_answer": "an answer"},
        "/guardrails/hallucination": {
            "request_text": OUTPUT.question, "response_text": "an answer", "context": OUTPUT.grounds,
        },
    }  # fmt: skip
    service.received.clear()
    assert list(await ask(service, text_target("a question"), context=INPUT, checks=checks)) == []
    assert service.received == []


@pytest.mark.asyncio
async def test_all_checks_are_asked_side_by_side(service: StandIn) -> None:
    checks = ["detect", "pii", "relevancy", "adherence", "hallucination"]
    found = await ask(service, text_target(f"say {BAD}"), context=OUTPUT, checks=checks)
    assert categories(found) == ["ADHERENCE", "HALLUCINATION", "INJECTION_ATTACK", "PERSON", "RELEVANCY"]
    assert len(service.received) == 6
