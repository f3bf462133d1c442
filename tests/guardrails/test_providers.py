"""Every provider against a local service: the same failures, the same bounds, the same silence about what was sent."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pytest_django import Settings

from guardrails.asking.service import decode
from guardrails.engine.detector import ConfigError, Context, Provider, ProviderError, Target, providers
from guardrails.engine.findings import Action, Blocked, Finding, Passed
from guardrails.engine.lent import Services
from guardrails.engine.rules import Policy, Rule
from guardrails.engine.scan import inspect
from guardrails.engine.segments import Surface
from guardrails.outbound import Connections
from guardrails.specs import Spec
from guardrails.validation import check_spec
from tests.guardrails.provider_stand_in import (
    ANSWER_CANARY,
    BAD,
    INPUT,
    KEY,
    OUTPUT,
    WAYS,
    StandIn,
    text_target,
)

claim = pytest.mark.claim
SECRET = f"{KEY}-of-the-webhook"
HERE = "http://127.0.0.1:1"


def enkrypt(url: str, *checks: str) -> dict[str, Any]:
    return {"api_key": KEY, "base_url": url, "guardrail": "ours", "checks": list(checks) or ["detect"]}


def judge(url: str, *checks: str) -> dict[str, Any]:
    asked = list(checks) or ["policy"]
    return {"api_key": KEY, "base_url": f"{url}/v1", "model": "judge", "checks": asked, "policy": "Be kind."}


# By name: a provider, how it is set up, the direction in which it is asked, and whether it has a check of that name.
CASES: dict[str, tuple[str, Any, Context]] = {
    "enkrypt detect": ("enkrypt", enkrypt, INPUT),
    "enkrypt detect output": ("enkrypt", enkrypt, OUTPUT),
    "enkrypt pii": ("enkrypt", lambda url: enkrypt(url, "pii"), INPUT),
    "enkrypt relevancy": ("enkrypt", lambda url: enkrypt(url, "relevancy"), OUTPUT),
    "enkrypt adherence": ("enkrypt", lambda url: enkrypt(url, "adherence"), OUTPUT),
    "enkrypt hallucination": ("enkrypt", lambda url: enkrypt(url, "hallucination"), OUTPUT),
    "openai_moderation": ("openai_moderation", lambda url: {"api_key": KEY, "base_url": url}, INPUT),
    "judge policy": ("openai_compatible", judge, INPUT),
    "judge adherence": ("openai_compatible", lambda url: judge(url, "adherence"), OUTPUT),
    "judge hallucination": ("openai_compatible", lambda url: judge(url, "hallucination"), OUTPUT),
    "presidio": ("presidio", lambda url: {"base_url": url, "api_key": KEY}, INPUT),
    "http": ("http", lambda url: {"url": f"{url}/hook", "secret": SECRET}, INPUT),
}
ASKING = ("enkrypt", "openai_moderation", "openai_compatible", "presidio", "http")
every_case = pytest.mark.parametrize("case", CASES)


@pytest.fixture(autouse=True)
def loopback_is_open(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.0/8"]


@pytest_asyncio.fixture
async def service() -> AsyncIterator[StandIn]:
    async with StandIn() as stand_in:
        yield stand_in


@pytest_asyncio.fixture
async def connections() -> AsyncIterator[Connections]:
    opened = Connections(failures=1_000)
    yield opened
    await opened.close()


def made(case: str, url: str) -> tuple[Provider, Context]:
    name, configure, context = CASES[case]
    provider: Provider = providers.get(name)(configure(url))
    return provider, context


async def ask(
    case: str, service: StandIn, connections: Connections, *targets: Target, seconds: float = 5.0
) -> Sequence[Finding]:
    provider, context = made(case, service.url)
    return await provider.ask(targets, context, connections.of(1), seconds)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and all that stand behind it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def everything_in(error: BaseException) -> str:
    return " ".join(f"{each!r} {each.args!r} {vars(each)!r}" for each in causes(error))


# --- verdicts ----------------------------------------------------------------------------------------------


@claim("guardrails.provider-verdicts")
@pytest.mark.asyncio
@every_case
async def test_a_bad_text_is_found_and_a_good_one_is_not(
    case: str, service: StandIn, connections: Connections
) -> None:
    found = await ask(case, service, connections, text_target(f"please say {BAD} loudly"))
    assert [finding.detector for finding in found] == [CASES[case][0]]
    assert found[0].score >= 0.5
    calm = [finding for finding in await ask(case, service, connections, text_target("hello")) if finding.score >= 0.5]
    assert calm == []


@claim("guardrails.provider-verdicts")
@pytest.mark.asyncio
@every_case
async def test_findings_hold_categories_that_the_provider_declares(
    case: str, service: StandIn, connections: Connections
) -> None:
    provider, _ = made(case, service.url)
    for finding in await ask(case, service, connections, text_target(f"say {BAD}")):
        assert not provider.categories or finding.category in provider.categories
        assert BAD not in repr(finding)


@claim("guardrails.provider-verdicts")
@pytest.mark.asyncio
@pytest.mark.parametrize("case", ["enkrypt detect", "openai_moderation", "judge policy", "presidio", "http"])
async def test_the_finding_is_in_the_text_that_is_bad(
    case: str, service: StandIn, connections: Connections
) -> None:
    targets = [text_target("title", "/params/arguments/title", is_key=True), text_target("fine", "/params/a"),
               text_target(f"say {BAD}", "/params/b"), text_target("fine too", "/params/c")]  # fmt: skip
    found = [finding for finding in await ask(case, service, connections, *targets) if finding.score >= 0.5]
    assert {(finding.pointer, finding.is_key) for finding in found} == {("/params/b", False)}
    for finding in found:
        assert 0 <= finding.start < finding.end <= len(f"say {BAD}")


@claim("guardrails.provider-verdicts")
@pytest.mark.asyncio
@every_case
async def test_nothing_to_look_at_is_nothing_to_ask(case: str, service: StandIn, connections: Connections) -> None:
    assert list(await ask(case, service, connections)) == []
    assert service.received == []


# --- failures ----------------------------------------------------------------------------------------------


@claim("guardrails.provider-fails-closed")
@claim("guardrails.provider-privacy")
@pytest.mark.asyncio
@every_case
@pytest.mark.parametrize("way", WAYS)
async def test_every_way_to_fail_is_an_error_in_time_that_tells_nothing(
    case: str, way: str, service: StandIn, connections: Connections
) -> None:
    service.way = way
    # Its own 0.3 s, and none of the deadlines that the library would have.
    async with asyncio.timeout(20):
        with pytest.raises(ProviderError) as caught:
            await ask(case, service, connections, text_target(f"say {BAD} to ada"), seconds=0.3)
    assert 0 < len(str(caught.value)) <= 64
    told = everything_in(caught.value)
    for hidden in (BAD, "to ada", KEY, ANSWER_CANARY, "zugzwang"):
        assert hidden not in told


_NUMBERS_THAT_ARE_NONE: tuple[Any, ...] = ("0", None, [], {}, -0.1, 1.1, True)
_SUMMARY = {"injection_attack": 0}


def _verdict(content: str | None, **choice: Any) -> Any:
    message = {"role": "assistant", "content": content, **choice.pop("message", {})}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop", **choice}]}


# By case: answers of the right content type that are not as documented, none of which may pass for "nothing found".
MALFORMED: Mapping[str, list[Any]] = {
    "enkrypt detect": [
        {}, [], {"summary": {}}, {"summary": []}, {"summary": None}, {"summary": "safe"}, {"details": {}},
        {"summary": {"something": 1}}, {"summary": {"injection_attack": "0"}}, {"summary": {"injection_attack": None}},
        {"summary": {"injection_attack": -1}}, {"summary": {"injection_attack": {}}}, {"summary": {"toxicity": [1]}},
        {"summary": {"injection_attack": [None]}}, {"summary": _SUMMARY, "error": "no such guardrail"},
        {"summary": _SUMMARY, "details": []}, [{"summary": _SUMMARY}], {"message": "unauthorized"},
        {"status": "success"}, {"Summary": _SUMMARY},
    ],
    "enkrypt pii": [
        {}, [], {"text": None}, {"text": 1, "key": "k"}, {"key": "k"}, {"text": "changed", "key": "k"},
        {"text": "<PERSON_0>", "key": ""}, {"text": "<PERSON_0>"}, {"text": "hello", "error": "quota"},
        {"text": "hell", "key": "k"},
    ],
    "enkrypt relevancy": [
        {}, [], {"summary": {}}, {"summary": []}, {"summary": {"adherence_score": 1}}, {"details": {"score": 1}},
        {"score": 1, "error": "quota"},
        *({"summary": {"relevancy_score": each}} for each in _NUMBERS_THAT_ARE_NONE),
        *({"score": each} for each in _NUMBERS_THAT_ARE_NONE),
    ],
    "enkrypt adherence": [
        {}, {"summary": {"relevancy_score": 1}}, {"score": "1"}, {"summary": {"adherence_score": None}},
    ],
    "enkrypt hallucination": [
        {}, {"summary": {}}, {"summary": {"is_hallucination": None}}, {"summary": {"is_hallucination": "0"}},
        {"summary": {"is_hallucination": 2}}, {"has_hallucination": "no"}, {"has_hallucination": 0.0},
        {"has_hallucination": []}, {"has_hallucination": False, "confidence": "high"},
        {"has_hallucination": False, "error": "quota"},
    ],
    "openai_moderation": [
        {}, [], {"results": None}, {"results": []}, {"results": {}}, {"results": [{}]}, {"results": [None]},
        {"results": [{"flagged": False}]}, {"results": [{"flagged": False, "categories": {}, "category_scores": {}}]},
        {"results": [{"flagged": False, "categories": {"hate": False}, "category_scores": {"hate": 0.1}}]},
    ],
    "judge policy": [
        {}, [], {"choices": []}, {"choices": None}, {"choices": [{}]}, {"choices": [None]}, _verdict(None),
        _verdict(""),
        _verdict("safe"), _verdict("{}"), _verdict("[]"), _verdict("0.1"), _verdict('{"probability": 0}'),
        _verdict('{"texts": []}'), _verdict('{"probability": 0, "texts": [], "reason": ""}'),
        _verdict('```json\n{"probability": 0, "texts": []}\n```'), _verdict('{"probability": 0, "texts": [2]}'),
        _verdict('{"probability": 0, "texts": [0]}'), _verdict('{"probability": 0, "texts": ["1"]}'),
        _verdict('{"probability": 0, "texts": [true]}'), _verdict('{"probability": 0, "texts": [1, 1]}'),
        _verdict('{"probability": 0.9, "probability": 0, "texts": []}'),
        *(_verdict(json.dumps({"probability": each, "texts": []})) for each in _NUMBERS_THAT_ARE_NONE),
        _verdict('{"probability": 0, "texts": []}', finish_reason="length"),
        _verdict('{"probability": 0, "texts": []}', finish_reason="content_filter"),
        _verdict('{"probability": 0, "texts": []}', finish_reason=None),
        _verdict('{"probability": 0, "texts": []}', message={"refusal": "I cannot"}),
        _verdict('{"probability": 0, "texts": []}' + " " * 20_000),
    ],
    "presidio": [
        {}, {"results": []}, [None], [[]], [{}], [{"entity_type": "PERSON"}],
        *([{"entity_type": "PERSON", "start": start, "end": end, "score": 0.5}] for start, end in
          [(None, 1), (0, None), (0, 0), (2, 1), (-1, 2), (0, 6), (0, "5"), (0.0, 5.0), (False, True)]),
        *([{"entity_type": "PERSON", "start": 0, "end": 5, "score": each}] for each in _NUMBERS_THAT_ARE_NONE),
        *([{"entity_type": each, "start": 0, "end": 5, "score": 0.5}]
          for each in (None, "", "person", "A B", "A" * 65)),
    ],
    "http": [
        {}, [], {"version": 1}, {"findings": []}, {"version": 2, "findings": []}, {"version": True, "findings": []},
        {"version": "1", "findings": []}, {"version": 1, "findings": {}}, {"version": 1, "findings": None},
        *({"version": 1, "findings": [each]} for each in [
            None, {}, {"category": "LEAK"}, {"score": 1}, {"category": "leak", "score": 1},
            {"category": "LEAK", "score": 2}, {"category": "LEAK", "score": 1, "text": 1},
            {"category": "LEAK", "score": 1, "text": -1}, {"category": "LEAK", "score": 1, "text": "0"},
            {"category": "LEAK", "score": 1, "text": True}, {"category": "LEAK", "score": 1, "text": 0, "start": 1},
            {"category": "LEAK", "score": 1, "text": 0, "start": 3, "end": 2},
            {"category": "LEAK", "score": 1, "text": 0, "start": 0, "end": 6},
        ]),
        {"version": 1, "findings": [{"category": "LEAK", "score": 1}] * 1_001},
    ],
}  # fmt: skip


@claim("guardrails.provider-fails-closed")
@pytest.mark.asyncio
@pytest.mark.parametrize("case", MALFORMED)
async def test_an_answer_that_is_not_as_documented_is_an_error(
    case: str, service: StandIn, connections: Connections
) -> None:
    for number, answer in enumerate(MALFORMED[case]):
        service.answer = lambda _, answer=answer: answer
        try:
            found = await ask(case, service, connections, text_target("hello"))
        except ProviderError:
            continue
        pytest.fail(f"answer {number} was believed: {answer!r:.80} gave {found!r:.80}")


@claim("guardrails.provider-fails-closed")
@pytest.mark.parametrize(
    "body",
    [b'{"a": NaN}', b"Infinity", b"-Infinity", b'{"a": 1, "a": 2}', b"[" * 99_999, b"1" * 9_999, b"\xff", b"1 1"],
)
def test_what_parsers_read_differently_is_not_read(body: bytes) -> None:
    with pytest.raises(ProviderError):
        decode(body)


def test_every_case_has_its_malformed_answers() -> None:
    with_own = {"enkrypt detect output", "judge adherence", "judge hallucination"}
    assert set(CASES) - with_own == set(MALFORMED)
    assert {name for name, _, _ in CASES.values()} == set(ASKING)
    assert set(providers.names()) >= {*ASKING, "keyword"}


@claim("guardrails.provider-fails-closed")
@pytest.mark.asyncio
@pytest.mark.parametrize("name", ASKING)
@pytest.mark.parametrize("way", ["500", "401", "garbage", "hang", "reset", "good-500"])
async def test_the_engine_blocks_unless_the_row_says_flag(name: str, way: str, service: StandIn) -> None:
    case = next(case for case in CASES if CASES[case][0] == name)
    service.way = way
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
               "params": {"name": "add", "arguments": {"note": "a harmless text"}}}  # fmt: skip
    connections = Connections()
    for on_error, verdict_type in ((Action.BLOCK, Blocked), (Action.FLAG, Passed)):
        rule = Rule("asked", name, frozenset({"input"}), Action.BLOCK, config=CASES[case][1](service.url),
                    on_error=on_error, timeout=0.3)  # fmt: skip
        services = Services(outbound=connections.of(1))
        verdict = await inspect(message, Policy("p", rules=(rule,)), INPUT, services)
        assert isinstance(verdict, verdict_type)
        [failure] = verdict.report.failures
        assert (failure.detector, failure.on_error) == (name, on_error.value)
        assert failure.cause
    await connections.close()


# --- requests ----------------------------------------------------------------------------------------------

OWN_HEADERS = {
    "enkrypt": {"apikey", "x-enkrypt-source-name", "x-enkrypt-source-event", "x-enkrypt-guardrail", "x-enkrypt-mode"},
    "openai_moderation": {"authorization"},
    "openai_compatible": {"authorization"},
    "presidio": {"authorization"},
    "http": {"x-guardrail-timestamp", "x-guardrail-signature"},
}


@claim("guardrails.provider-requests")
@pytest.mark.asyncio
@every_case
async def test_only_the_provider_s_own_headers_leave(case: str, service: StandIn, connections: Connections) -> None:
    await ask(case, service, connections, text_target(f"say {BAD}"))
    name = CASES[case][0]
    assert service.received
    for received in service.received:
        assert received.method == "POST"
        common = {"host", "content-type", "accept", "content-length"}
        assert set(received.headers) - common <= OWN_HEADERS[name]
        assert received.headers["content-type"] == received.headers["accept"] == "application/json"
        key = received.headers.get("apikey") or received.headers.get("authorization")
        assert key in ((None,) if name == "http" else (KEY, f"Bearer {KEY}"))
        assert KEY.encode() not in received.body
        assert KEY not in received.path


@claim("guardrails.provider-requests")
@pytest.mark.asyncio
@every_case
async def test_texts_of_every_script_and_none_arrive_as_they_are(
    case: str, service: StandIn, connections: Connections
) -> None:
    text = 'Grüße, "日本", \U0001f600\n\t\\ \x00 </script> half \ud800 end'
    await ask(case, service, connections, text_target(text))
    assert any(text.replace("\ud800", "?") in each for each in strings_in(service.received[0].json))


def strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings_in(each)


# --- bounds ------------------------------------------------------------------------------------------------


@claim("guardrails.provider-bounds")
@pytest.mark.asyncio
@every_case
async def test_more_text_than_may_be_asked_about_is_refused_and_not_cut(
    case: str, service: StandIn, connections: Connections
) -> None:
    with pytest.raises(ProviderError, match="more text"):
        await ask(case, service, connections, text_target("word " * 41_000))
    with pytest.raises(ProviderError, match="more text"):
        await ask(case, service, connections, *[text_target("a", f"/params/{n}") for n in range(10_001)])
    assert service.received == []


@claim("guardrails.provider-bounds")
@pytest.mark.asyncio
@every_case
async def test_the_end_of_a_long_text_is_looked_at_too(
    case: str, service: StandIn, connections: Connections
) -> None:
    long = "word " * 18_000
    found = await ask(case, service, connections, text_target(f"{long}{BAD}"), seconds=20.0)
    assert [finding.detector for finding in found if finding.score >= 0.5]
    for received in service.received:
        assert len(received.body) < 150_000


@claim("guardrails.provider-bounds")
@pytest.mark.asyncio
@every_case
@pytest.mark.parametrize("cut", [8_000, 10_000, 20_000])
async def test_what_stands_across_a_cut_is_found(
    case: str, cut: int, service: StandIn, connections: Connections
) -> None:
    before = "x" * (cut - 10) + " "
    found = await ask(case, service, connections, text_target(f"{before}{BAD} {before}"), seconds=20.0)
    assert [finding.detector for finding in found if finding.score >= 0.5]


@claim("guardrails.provider-bounds")
@pytest.mark.asyncio
@every_case
async def test_many_small_texts_need_few_requests(case: str, service: StandIn, connections: Connections) -> None:
    targets = [text_target(f"text number {number}", f"/params/{number}") for number in range(200)]
    await ask(case, service, connections, *targets)
    assert len(service.received) <= 7


@claim("guardrails.provider-connections")
@pytest.mark.asyncio
@pytest.mark.parametrize("case", ["enkrypt detect", "openai_moderation", "judge policy", "presidio", "http"])
async def test_fifty_asks_use_few_connections(case: str, service: StandIn, connections: Connections) -> None:
    provider, context = made(case, service.url)
    targets = [text_target("hello")]
    await asyncio.gather(*(provider.ask(targets, context, connections.of(1), 10.0) for _ in range(50)))
    assert len(service.received) == 50
    assert service.connections <= 20


@claim("guardrails.provider-fails-closed")
@pytest.mark.asyncio
async def test_several_requests_have_one_deadline(service: StandIn, connections: Connections) -> None:
    service.way = "hang"
    targets = [text_target("word " * 4_000, f"/params/{number}") for number in range(10)]
    began = time.monotonic()
    with pytest.raises(ProviderError, match="timeout"):
        await ask("openai_moderation", service, connections, *targets, seconds=1.0)
    assert time.monotonic() - began < 5.0, "ten of their own would take ten seconds"


# --- configuration -----------------------------------------------------------------------------------------

WRONG: list[tuple[str, dict[str, Any]]] = [
    ("enkrypt", {"api_key": KEY}),
    ("enkrypt", {**enkrypt(HERE), "api_key": ""}),
    ("enkrypt", {**enkrypt(HERE), "api_key": f"{KEY}\r\nX-Evil: 1"}),
    ("enkrypt", {**enkrypt(HERE), "guardrail": "ours\r\nX-Evil: 1"}),
    ("enkrypt", {**enkrypt(HERE), "checks": ["detection"]}),
    ("enkrypt", {**enkrypt(HERE), "block": ["pi"]}),
    ("enkrypt", {**enkrypt(HERE), "relevancy_threshold": 2}),
    ("enkrypt", {**enkrypt(HERE), "base_url": "ftp://example.com"}),
    ("enkrypt", {**enkrypt(HERE), "base_url": f"https://user:{KEY}@example.com"}),
    ("enkrypt", {**enkrypt(HERE), "base_url": "https://example.com/?key=1"}),
    ("enkrypt", {**enkrypt(HERE), "base_url": "https://exa mple.com:99999/"}),
    ("openai_moderation", {}),
    ("openai_moderation", {"api_key": KEY, "thresholds": {"violence": "high"}}),
    ("openai_moderation", {"api_key": KEY, "thresholds": {"rudeness": 0.5}}),
    ("openai_moderation", {"api_key": KEY, "thresholds": {"violence": float("nan")}}),
    ("openai_moderation", {"api_key": KEY, "check": ["rudeness"]}),
    ("openai_compatible", {"model": "judge"}),
    ("openai_compatible", {"policy": "Be kind."}),
    ("openai_compatible", {**judge(HERE), "max_tokens": 0}),
    ("presidio", {}),
    ("presidio", {"base_url": HERE, "language": "en; drop"}),
    ("presidio", {"base_url": HERE, "entities": "PERSON"}),
    ("http", {"url": HERE}),
    ("http", {"url": HERE, "secret": "short"}),
    ("http", {"url": "", "secret": SECRET}),
    ("keyword", {}),
    ("keyword", {"blocked_keywords": [" "]}),
]


@pytest.mark.parametrize(("name", "config"), WRONG)
def test_a_wrong_configuration_is_refused_without_repeating_it(name: str, config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        providers.get(name)(config)
    assert KEY not in str(caught.value)
    assert re.split("[.:]", str(caught.value))[0] in {parameter.name for parameter in providers.get(name).parameters}


@every_case
def test_the_declared_parameters_are_those_that_are_read(case: str) -> None:
    name, configure, context = CASES[case]
    config = configure("https://example.com")
    check_spec(Spec(detector=name, directions=(context.direction,), action="block", config=config))
    secret = {parameter.name for parameter in providers.get(name).parameters if parameter.secret}
    assert secret == {"secret" if name == "http" else "api_key"}
    assert {parameter.name for parameter in providers.get(name).parameters} >= set(config)


# --- keyword, which asks nobody ----------------------------------------------------------------------------


@claim("guardrails.provider-verdicts")
@pytest.mark.asyncio
@pytest.mark.parametrize("filler", ["", "word " * 20_000])
async def test_keywords_are_found_inside_words_in_any_case_without_a_network(filler: str) -> None:
    provider = providers.get("keyword")({"blocked_keywords": ["Silver Phoenix", "acme"]})
    targets = [
        text_target(f"{filler}the SILVER  phoenix of xAcmeCorp"),
        text_target("acme_id", "/params/arguments/acme_id", is_key=True, surface=Surface.ARGUMENTS),
        text_target("nothing", "/params/c"),
    ]
    at = len(filler)
    found = await provider.ask(targets, INPUT, None, 1.0)
    assert [(each.detector, each.category, each.pointer, each.start - at * (not each.is_key)) for each in found] == [
        ("keyword", "KEYWORD", "/params/arguments/note", 4),
        ("keyword", "KEYWORD", "/params/arguments/note", 24),
        ("keyword", "KEYWORD", "/params/arguments/acme_id", 0),
    ]
    strict = providers.get("keyword")({"blocked_keywords": ["acme"], "case_sensitive": True})
    assert [finding.is_key for finding in await strict.ask(targets, INPUT, None, 1.0)] == [True]


# --- providers of others -----------------------------------------------------------------------------------

ACME = '''
from guardrails.engine.detector import Parameter, Provider, providers
from guardrails.engine.findings import Finding


@providers.add
class Acme(Provider):
    name = "acme"
    label = "Acme"
    version = "1"
    categories = ("ACME",)
    parameters = (Parameter("api_key", "string", "Key.", required=True, secret=True),)

    def __init__(self, config):
        self.key = config["api_key"]

    async def ask(self, targets, context, outbound, seconds):
        return [Finding(self.name, "ACME", 1.0, each.segment.pointer, 0, 1) for each in targets]
'''
USE = """
import asyncio, sys
from guardrails.engine.detector import find, providers
from guardrails.engine.findings import Action, Blocked
from guardrails.engine.rules import Policy, Rule
from guardrails.engine.lent import Services
from guardrails.engine.scan import inspect
from guardrails.engine.detector import Context

rule = Rule("r", "acme", frozenset({"input"}), Action.BLOCK, config={"api_key": "k"})
message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "t", "arguments": {"a": "text"}}}
verdict = asyncio.run(inspect(message, Policy("p", rules=(rule,)), Context("input"), Services(outbound=object())))
assert isinstance(verdict, Blocked) and verdict.category == "ACME", verdict
assert "enkrypt" in providers.names()
print(find("acme").label)
"""


@claim("guardrails.provider-plugins")
def test_an_installed_package_brings_a_provider_without_any_other_edit(tmp_path: Path) -> None:
    (tmp_path / "acme_guard.py").write_text(ACME)
    info = tmp_path / "acme_guard-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-guard\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mcp_gateway.guardrail_providers]\nacme = acme_guard\n")
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{tmp_path}"}
    done = subprocess.run(
        [sys.executable, "-c", USE], cwd=root, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip() == "Acme", done.stderr[-2_000:]


@claim("guardrails.provider-plugins")
def test_a_provider_knows_no_django_and_no_http_client() -> None:
    """Told by a new process, since this one has both."""
    use = (
        "import sys\nfrom guardrails.engine.detector import providers\nproviders.names()\n"
        "print([name for name in ('django', 'aiohttp', 'httpx', 'requests') if name in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", use], cwd=root, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr[-2_000:]
