"""What a person is told of a call that they made: each stage, what was found, what left, and what came back."""

from __future__ import annotations

from typing import Any

from guardrails.engine.findings import Action, Report
from guardrails.engine.pointers import Masking
from proxy.call import Call
from proxy.errors import KINDS
from proxy.playground.calling import Message, Played
from proxy.playground.watching import FAILED, PASSED, REWRITTEN, STOPPED, Seen

# What a stage does, said before and after the server is asked.
_DOES = {
    "record": ("Written down before it leaves", "Written down how it ended"),
    "authorize": ("May you use this tool?", ""),
    "limit": ("Within the limits?", ""),
    "answer": ("Led to its server", ""),
    "connect": ("Session with the server", ""),
    "conform": ("Do the arguments fit the schema?", ""),
    "guard": ("Guardrails on what goes in", "Guardrails on what comes back"),
    "review": ("", "Is what it lists approved?"),
    "forward": ("The server", ""),
}
_REWRITING = (Action.REDACT, Action.TOKENISE)
_MAX_FINDINGS = 200


def told(played: Played) -> dict[str, Any]:
    """JSON of texts, numbers and the answer; nothing that a blocked call would keep from its client."""
    call = played.call
    return {
        "outcome": _outcome(played),
        "text": _text(played),
        "event": str(call.call_id) if call is not None and call.call_id is not None else "",
        "server": call.upstream.slug if call is not None else "",
        "milliseconds": played.milliseconds,
        "stages": [row for seen in played.watched.stages for row in _rows(seen, call)] + _returning(played, call),
        "guardrails": [_report(direction, report) for direction, _, report in (call.reports if call else [])],
        "sent": (played.watched.sent or {}).get("arguments") if played.watched.sent is not None else None,
        "has_left": played.watched.sent is not None,
        "answer": _shown(played.answer),
        "redacted": _redacted(call),
    }


def _outcome(played: Played) -> str:
    """answered, tool_error, blocked, refused or failed."""
    if played.call is not None and played.call.blocked:
        return "blocked"
    result, error = played.answer.get("result"), played.answer.get("error")
    if isinstance(result, dict):
        return "tool_error" if result.get("isError") is True else "answered"
    code = error.get("code") if isinstance(error, dict) else None
    is_upstreams = any(kind.code == code and kind.fault == "upstream" for kind in KINDS.values())
    return "failed" if is_upstreams or played.watched.sent is not None else "refused"


def _text(played: Played) -> str:
    error = played.answer.get("error")
    if isinstance(error, dict):
        return str(error.get("message", ""))
    return ""


def _shown(answer: Message) -> Message:
    """Result or error, without the envelope."""
    if isinstance(answer.get("result"), dict):
        return {"result": answer["result"]}
    return {"error": answer.get("error")}


def _rows(seen: Seen, call: Call | None) -> list[dict[str, Any]]:
    """On the way in; what a stage has no word for is left out."""
    words = _DOES.get(seen.name, (seen.name, ""))[0]
    verdict, why = seen.verdict, seen.why
    if seen.name == "guard" and call is not None:
        verdict, why = _guarded(call, "input", seen)
    return [_row(seen.name, words, verdict, why, seen.before)] if words else []


def _returning(played: Played, call: Call | None) -> list[dict[str, Any]]:
    """On the way back: the innermost first."""
    rows = []
    for seen in reversed(played.watched.stages):
        words = _DOES.get(seen.name, ("", ""))[1]
        if not words or not seen.after or played.watched.sent is None:
            continue
        verdict, why = PASSED, ""
        if seen.name == "guard" and call is not None:
            verdict, why = _guarded(call, "output", seen)
        rows.append(_row(seen.name, words, verdict, why, seen.after))
    return rows


def _row(name: str, words: str, verdict: str, why: str, milliseconds: float) -> dict[str, Any]:
    return {"stage": name, "words": words, "verdict": verdict, "why": why, "milliseconds": milliseconds}


def _guarded(call: Call, direction: str, seen: Seen) -> tuple[str, str]:
    if call.blocked == f"blocked_{direction}":
        return STOPPED, "blocked by policy"
    if direction == "input" and seen.verdict in (STOPPED, FAILED):
        return seen.verdict, seen.why
    reports = [report for where, _, report in call.reports if where == direction]
    if any(finding.action in _REWRITING for report in reports for finding in report.findings):
        return REWRITTEN, "something was replaced"
    return PASSED, ""


def _report(direction: str, report: Report) -> dict[str, Any]:
    """Codes and places; never the text."""
    masking = Masking(report.findings)
    return {
        "direction": direction, "policy": f"{report.policy} {report.policy_version}".strip(),
        "findings": [
            {"detector": each.detector, "category": each.category, "score": round(each.score, 3),
             "pointer": masking.mask(each.pointer), "action": each.action.value, "rule": each.rule}
            for each in report.findings[:_MAX_FINDINGS]
        ],
        "failures": [{"detector": each.detector, "cause": each.cause, "action": each.on_error}
                     for each in report.failures],
        "rules": [{"rule": rule, "milliseconds": round(spent, 3)} for rule, spent in report.milliseconds.items()],
    }  # fmt: skip


def _redacted(call: Call | None) -> dict[str, list[str]]:
    """Where something was replaced, by direction, as pointers into what is shown."""
    found: dict[str, list[str]] = {"input": [], "output": []}
    for direction, _, report in call.reports if call is not None else []:
        if direction in found:
            found[direction] += [each.pointer for each in report.findings if each.action in _REWRITING]
    return {direction: list(dict.fromkeys(pointers))[:_MAX_FINDINGS] for direction, pointers in found.items()}
