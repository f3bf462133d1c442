"""What the engine makes of detectors and services that find, break, hang or are not there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest

from guardrails.engine import detector as registry
from guardrails.engine.detector import Context, MessageDetector, Outbound, Provider, ProviderError, Target, TextDetector
from guardrails.engine.findings import Action, Blocked, Finding, Passed, Rewritten, Verdict
from guardrails.engine.lent import Services, VaultUnavailable
from guardrails.engine.rules import Mode, Policy, Rule
from guardrails.engine.scan import inspect

claim = pytest.mark.claim
WORD = "zugzwang"
ANY = frozenset({"input", "output", "definition"})


class Finds(TextDetector):
    name, label, version, categories = "finds", "finds a word", "1", ("WORD",)
    scanned: ClassVar[list[str]] = []

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._score = float(config.get("score", 0.9))

    def scan(self, target: Target) -> Sequence[Finding]:
        segment = target.segment
        self.scanned.append(segment.text)
        at = segment.text.find(WORD)
        if at < 0:
            return ()
        return (Finding(self.name, "WORD", self._score, segment.pointer, at, at + len(WORD), segment.is_key),)


class Breaks(TextDetector):
    name, label, version, categories = "breaks", "breaks", "1", ()

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Takes anything."""

    def scan(self, target: Target) -> Sequence[Finding]:
        raise RuntimeError("canary of the text")


class Dawdles(MessageDetector):
    name, label, version, categories = "dawdles", "dawdles", "1", ()

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Takes anything."""

    def judge(self, targets: Sequence[Target], context: Context) -> Sequence[Finding]:
        time.sleep(0.3)
        return ()


class Asks(Provider):
    name, label, version, categories = "asks", "asks", "1", ("TOLD",)
    asked: ClassVar[list[str]] = []

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._mode = config.get("mode", "ok")

    async def ask(
        self, targets: Sequence[Target], context: Context, outbound: Outbound, seconds: float
    ) -> Sequence[Finding]:
        self.asked.append(self._mode)
        if self._mode == "fails":
            raise ProviderError("status 500")
        if self._mode == "hangs":
            await asyncio.sleep(30)
        if self._mode == "raises":
            raise ValueError("canary of the answer")
        return ()


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside those that come with the gateway."""
    registry.detectors.names()
    monkeypatch.setattr(
        registry.detectors, "_classes",
        {**registry.detectors._classes, **{cls.name: cls for cls in (Finds, Breaks, Dawdles, Asks)}},
    )  # fmt: skip
    Finds.scanned.clear()
    Asks.asked.clear()


def rule(detector: str, action: Action = Action.BLOCK, **more: Any) -> Rule:
    return Rule(id=more.pop("id", f"rule-{detector}"), detector=detector, directions=more.pop("directions", ANY),
                action=action, **more)  # fmt: skip


def call(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "act", "arguments": arguments}}


class NoWayOut:
    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float, limit: int) -> Any:
        raise AssertionError("no provider here asks anybody")


def judge(
    arguments: Mapping[str, Any], *rules: Rule, services: Services | None = None, direction: str = "input",
    size: int = 0, **policy: Any,
) -> Verdict:  # fmt: skip
    context = Context(direction=direction, project=1, server="docs", tool="act", method="tools/call")
    lent = services or Services(outbound=NoWayOut())
    whole = Policy(name="p", version=3, rules=rules, **policy)
    return asyncio.run(inspect(call(arguments), whole, context, lent, size=size))


@claim("guard.fail-closed")
@pytest.mark.parametrize("detector", ["breaks", "no_such_detector"])
@pytest.mark.parametrize("on_error", [Action.BLOCK, Action.FLAG])
def test_a_detector_that_cannot_answer_counts_as_its_rule_says(detector: str, on_error: Action) -> None:
    verdict = judge({"a": "text"}, rule(detector, Action.FLAG, on_error=on_error))
    assert isinstance(verdict, Blocked if on_error is Action.BLOCK else Passed)
    [failure] = verdict.report.failures
    assert (failure.detector, failure.on_error) == (detector, on_error.value)
    assert "canary" not in failure.cause


@claim("guard.fail-closed")
@pytest.mark.parametrize("mode", ["fails", "hangs", "raises"])
@pytest.mark.parametrize("on_error", [Action.BLOCK, Action.FLAG])
def test_a_service_that_does_not_answer_counts_as_its_rule_says(mode: str, on_error: Action) -> None:
    verdict = judge({"a": "text"}, rule("asks", on_error=on_error, config={"mode": mode}, timeout=0.1))
    assert isinstance(verdict, Blocked if on_error is Action.BLOCK else Passed)
    assert [failure.detector for failure in verdict.report.failures] == ["asks"]
    assert "canary" not in verdict.report.failures[0].cause


@claim("guard.fail-closed")
@pytest.mark.parametrize("size", [0, 10_000])
def test_a_detector_that_takes_too_long_is_not_relied_on(size: int) -> None:
    with ThreadPoolExecutor(1) as pool:
        services = Services(pool=pool, outbound=NoWayOut())
        verdict = judge({"a": "x"}, rule("dawdles", timeout=0.05), services=services, size=size)
    assert isinstance(verdict, Blocked) and verdict.category == "UNAVAILABLE"
    assert verdict.report.failures[0].cause == "timeout"


@claim("guard.fail-closed")
def test_observing_passes_even_what_cannot_be_checked_and_the_floor_does_not() -> None:
    assert isinstance(judge({"a": WORD}, rule("breaks"), rule("finds"), mode=Mode.OBSERVE), Passed)
    floored = judge({"a": WORD}, mode=Mode.OBSERVE, floor=(rule("finds", id="floor.finds"),))
    assert isinstance(floored, Blocked) and floored.category == "WORD"


@claim("guard.blocked-not-sent")
def test_what_is_blocked_here_is_not_sent_to_a_service() -> None:
    verdict = judge({"a": WORD}, rule("asks"), rule("finds"))
    assert isinstance(verdict, Blocked) and Asks.asked == []
    assert isinstance(judge({"a": "fine"}, rule("asks"), rule("finds")), Passed)
    assert Asks.asked == ["ok"]


@claim("guard.every-surface")
def test_a_text_over_the_limit_is_refused_or_its_coverage_says_so() -> None:
    arguments = {"a": "x" * 900, "b": "y" * 900 + WORD}
    blocked = judge(arguments, rule("finds"), max_characters=1_000)
    assert isinstance(blocked, Blocked) and blocked.category == "NOT_SCANNED"
    passed = judge(arguments, rule("finds"), max_characters=1_000, over_limit=Action.FLAG)
    assert isinstance(passed, Passed) and not passed.report.coverage.is_whole
    assert passed.report.coverage.seen == 1_000 < passed.report.coverage.total


@claim("guard.redaction")
def test_findings_below_the_threshold_or_of_other_categories_change_nothing() -> None:
    assert judge({"a": WORD}, rule("finds", Action.REDACT, threshold=0.95)).report.findings == ()
    assert judge({"a": WORD}, rule("finds", Action.REDACT, categories=frozenset({"OTHER"}))).report.findings == ()
    verdict = judge({"a": f"x {WORD} y"}, rule("finds", Action.REDACT))
    assert isinstance(verdict, Rewritten)
    assert verdict.value["params"]["arguments"] == {"a": "x <WORD> y"}


@claim("guard.per-project")
def test_a_rule_looks_in_its_own_direction_only() -> None:
    only_output = rule("finds", directions=frozenset({"output"}))
    assert isinstance(judge({"a": WORD}, only_output), Passed)
    assert isinstance(judge({"a": WORD}, only_output, direction="output"), Blocked)


class _NoVault:
    async def issue(self, values: Sequence[tuple[str, str]]) -> list[str]:
        raise VaultUnavailable


@claim("guard.fail-closed")
def test_without_a_vault_to_keep_the_value_a_token_is_not_given() -> None:
    verdict = judge({"a": WORD}, rule("finds", Action.TOKENISE), services=Services(tokens=_NoVault()))
    assert isinstance(verdict, Blocked)


@claim("guard.answer")
def test_a_false_positive_that_is_known_is_not_found_again() -> None:
    services = Services(is_exempt=lambda finding, text: text[finding.start : finding.end] == WORD)
    assert isinstance(judge({"a": WORD}, rule("finds"), services=services), Passed)


@claim("guard.observe")
def test_a_policy_without_rules_looks_at_nothing() -> None:
    verdict = judge({"a": WORD})
    assert isinstance(verdict, Passed) and Finds.scanned == []
