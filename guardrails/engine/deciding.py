"""What becomes of a message by what was found in it: it passes, is rewritten, or is blocked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from guardrails.engine.apart import Apart, at_once
from guardrails.engine.findings import (
    Action,
    Blocked,
    Coverage,
    Failure,
    Finding,
    Passed,
    Report,
    Rewritten,
    Verdict,
)
from guardrails.engine.lent import VaultUnavailable
from guardrails.engine.looking import Scan
from guardrails.engine.pointers import Masking
from guardrails.engine.redact import Unredactable, redact, text_of
from guardrails.engine.turns import give_way
from guardrails.tokens import find_tokens, is_token

# More findings than these are made ready for the report in the pool.
_FEW_FINDINGS = 50


def _enforced(scan: Scan) -> frozenset[str]:
    return frozenset(armed.rule.id for armed in scan.armed if armed.enforced)


def blocking(scan: Scan) -> tuple[str, str, str] | None:
    """Detector, category and pointer of the first reason to stop the message, in the order of the rules."""
    enforced = _enforced(scan)
    if scan.seen < scan.reading.characters and scan.policy.over_limit is not Action.FLAG:
        if any(armed.enforced for armed in scan.armed):
            return "size", "NOT_SCANNED", ""
    for failure in scan.failures:
        if failure.rule in enforced and failure.on_error == Action.BLOCK:
            return failure.detector, "UNAVAILABLE", ""
    for finding in scan.findings:
        if finding.rule in enforced and finding.action is Action.BLOCK:
            return finding.detector, finding.category, finding.pointer
    return None


async def decide(
    scan: Scan, message: Mapping[str, Any], schema: Mapping[str, Any] | None, apart: Apart
) -> Verdict:
    """The verdict, with the message rewritten where a rule says so. Raises nothing for what is in the message."""
    masking = Masking(())
    shown: tuple[Finding, ...] = ()
    try:
        masking, shown, stopped, to_change = await (apart if len(scan.findings) > _FEW_FINDINGS else at_once)(
            _go_through, scan
        )
        if stopped is not None:
            detector, category, pointer = stopped
            return Blocked(_report(scan, shown), detector, category, masking.mask(pointer))
        if scan.services.tokens is not None and to_change:
            to_change = await apart(_outside_tokens, message, to_change)
        if not to_change:
            return Passed(_report(scan, shown))
        tokens = await _issue_tokens(scan, message, to_change, apart)
        value = await apart(
            redact, message, to_change,
            lambda finding, _: tokens.get(_place(finding)) or scan.services.mark(finding.category), schema,
        )
    except Unredactable as error:
        return Blocked(_report(scan, shown), "redaction", "NOT_REDACTABLE", masking.mask(error.pointer))
    except TimeoutError:
        return Blocked(_report(scan, shown), "redaction", "UNAVAILABLE", "")
    except VaultUnavailable:
        rule = next(finding for finding in to_change if finding.action is Action.TOKENISE)
        scan.failures.append(Failure(rule.rule, "tokens", "vault", Action.BLOCK.value))
        return Blocked(_report(scan, shown), "tokens", "UNAVAILABLE", "")
    return Rewritten(_report(scan, shown), value)


def _go_through(
    scan: Scan,
) -> tuple[Masking, tuple[Finding, ...], tuple[str, str, str] | None, list[Finding]]:
    """The findings as they may be told of, the reason to stop the message, and what is to be changed in it."""
    masking, enforced = Masking(scan.findings), _enforced(scan)
    shown, to_change = [], []
    for finding in scan.findings:
        shown.append(replace(finding, pointer=masking.mask(finding.pointer)))
        if finding.rule in enforced and finding.action in (Action.REDACT, Action.TOKENISE):
            to_change.append(finding)
        give_way()
    return masking, tuple(shown), blocking(scan), to_change


def _outside_tokens(message: Mapping[str, Any], findings: Sequence[Finding]) -> list[Finding]:
    """What stands for a value must not get another token, or be cut in two."""
    places: dict[tuple[str, bool], list[tuple[int, int]]] = {}
    kept = []
    for finding in findings:
        place = finding.pointer, finding.is_key
        if place not in places:
            text = text_of(message, *place)
            places[place] = [(start, end) for start, end, _ in find_tokens(text) if is_token(text[start:end])]
        give_way()
        if not any(start <= finding.start and finding.end <= end for start, end in places[place]):
            kept.append(finding)
    return kept


def _place(finding: Finding) -> tuple[str, bool, int, int]:
    return finding.pointer, finding.is_key, finding.start, finding.end


async def _issue_tokens(
    scan: Scan, message: Mapping[str, Any], findings: Sequence[Finding], apart: Apart
) -> dict[tuple[str, bool, int, int], str]:
    """Tokens by place. A finding in a decoded view, or without a vault, is redacted for good."""
    if scan.services.tokens is None:
        return {}
    places, values = await apart(_values, message, findings)
    if not values:
        return {}
    issued = await scan.services.tokens.issue(values)
    tokens: dict[tuple[str, bool, int, int], str] = await apart(_by_place, places, issued)
    return tokens


def _values(
    message: Mapping[str, Any], findings: Sequence[Finding]
) -> tuple[list[tuple[str, bool, int, int]], list[tuple[str, str]]]:
    """Of each finding that gets a token its place, and its category and text."""
    texts: dict[tuple[str, bool], str] = {}
    places, values = [], []
    for finding in findings:
        give_way()
        if finding.action is not Action.TOKENISE or finding.how:
            continue
        place = finding.pointer, finding.is_key
        if place not in texts:
            texts[place] = text_of(message, *place)
        places.append(_place(finding))
        values.append((finding.category, texts[place][finding.start : finding.end]))
    return places, values


def _by_place(
    places: Sequence[tuple[str, bool, int, int]], tokens: Sequence[str]
) -> dict[tuple[str, bool, int, int], str]:
    found = {}
    for place, token in zip(places, tokens, strict=True):
        found[place] = token
        give_way()
    return found


def _report(scan: Scan, shown: tuple[Finding, ...]) -> Report:
    return Report(
        findings=shown,
        failures=tuple(scan.failures),
        coverage=Coverage(scan.seen, scan.reading.characters),
        milliseconds=scan.milliseconds,
        policy=scan.policy.name,
        policy_version=scan.policy.version,
    )
