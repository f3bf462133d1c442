"""Calls several tools of one server, one after the other, and says of each what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings

from gateway_site.lib.jsontext import encode
from guardrails.engine.findings import Action, Finding
from guardrails.engine.rules import Policy
from proxy.aggregate.meta import inner
from proxy.aggregate.meta.inner import Outcome, Wanted
from proxy.aggregate.meta.listing import discover_one
from proxy.aggregate.table import visible
from proxy.errors import KINDS

if TYPE_CHECKING:
    from proxy.call import Call

# Under these a tool and its arguments may be given, the first that is not empty.
_NAMES = ("name", "tool_name", "tool", "function", "function_name", "function_id")
_ARGUMENTS = (
    "args", "arguments", "tool_arguments", "tool_input_arguments", "tool_args", "tool_input_args", "parameters",
    "input", "params",
)  # fmt: skip
_LONGEST = 500
# Detectors that weigh an answer against its question, each with a member of its own.
_WEIGHING = ("relevancy", "adherence", "hallucination")


class Unreadable(Exception):
    """The batch is not begun; the text says why."""


async def call_tools(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    """Raises Unreadable before anything is called, and Unknown for a server without calls."""
    server, asked = arguments["server_name"], arguments.get("tool_calls") or []
    if not asked:
        return await discover_one(call, server)
    batch = [_read(server, number, each) for number, each in enumerate(asked)]
    outcomes = await _run(call, batch)
    items = [_item(call, number, wanted, outcome) for number, (wanted, outcome) in enumerate(outcomes)]
    done = sum(item["status"] == "success" for item in items)
    return {
        "server_name": server,
        "status": "success" if done == len(batch) else "partial" if done else "error",
        "summary": {
            "total_calls": len(batch),
            "successful_calls": done,
            "blocked_calls": sum(item["status"].startswith("blocked") for item in items),
            "denied_calls": sum(item["status"] == "denied" for item in items),
            "failed_calls": sum(item["status"] == "error" for item in items),
        },
        "guardrails_applied": _applied(*_policies(call, server)),
        "results": items,
    }


def _read(server: str, number: int, each: dict[str, Any]) -> Wanted:
    name = next((each[member] for member in _NAMES if each.get(member)), None)
    given: Any = next((each[member] for member in _ARGUMENTS if each.get(member)), {})
    if not isinstance(name, str) or len(name) > _LONGEST:
        raise Unreadable(f"Invalid arguments: /tool_calls/{number} names no tool")
    if not isinstance(given, dict):
        raise Unreadable(f"Invalid arguments: the arguments of /tool_calls/{number} are no object")
    return Wanted(server, name, given)


async def _run(call: Call, batch: list[Wanted]) -> list[tuple[Wanted, Outcome]]:
    """Ends with the first that does not succeed, or whose answer is too large with those before it."""
    outcomes: list[tuple[Wanted, Outcome]] = []
    passage, left = call.aggregate, settings.MAX_RESPONSE_BYTES
    assert passage is not None and passage.run is not None  # noqa: S101  the endpoint of all servers sees to it
    for wanted in batch:
        outcome = await inner.run(call, passage, passage.run, wanted)
        left -= outcome.size
        if left < 0:
            kind = KINDS["response_too_large"]
            text = "The answers are too large together"
            outcome = Outcome("error", text, outcome.call, error={"code": kind.code, "message": text})
        outcomes.append((wanted, outcome))
        if outcome.status != "success":
            break
    return outcomes


def _item(call: Call, number: int, wanted: Wanted, outcome: Outcome) -> dict[str, Any]:
    item: dict[str, Any] = {
        "status": outcome.status,
        "message": outcome.message,
        "response": _texts(outcome.result),
        "event": str(outcome.call.call_id or ""),
        "enkrypt_mcp_data": {
            "call_index": number, "server_name": wanted.server, "tool_name": wanted.tool, "args": wanted.arguments
        },
        "enkrypt_policy_detections": _detections(outcome, *_policies(call, wanted.server)),
    }  # fmt: skip
    if outcome.result is not None:
        item["result"] = outcome.result
    else:
        item["error"] = outcome.error
    return item


def _texts(result: dict[str, Any] | None) -> str:
    """All texts of it, and what is structured where nothing is said in words."""
    if result is None:
        return ""
    blocks = result.get("content")
    blocks = blocks if isinstance(blocks, list) else []
    texts = [block.get("text") for block in blocks if isinstance(block, dict) and block.get("type") == "text"]
    if not texts and isinstance(result.get("structuredContent"), dict):
        return encode(result["structuredContent"]).decode()
    return "\n".join(text for text in texts if isinstance(text, str))


def _policies(call: Call, server: str) -> tuple[Policy, Policy]:
    """Of a server that the key has not, those of any."""
    snapshot = call.snapshot
    number = snapshot.upstreams[server].server_id if server in visible(call) else 0
    return snapshot.policies.policy_for(number, "input"), snapshot.policies.policy_for(number, "output")


def _applied(incoming: Policy, outgoing: Policy) -> dict[str, bool]:
    def has(policy: Policy, direction: str, *detectors: str) -> bool:
        rules = [rule for rule in (*policy.floor, *policy.rules) if direction in rule.directions]
        return any(not detectors or rule.detector in detectors for rule in rules)

    redacts = any(
        rule.detector == "pii" and rule.action in (Action.REDACT, Action.TOKENISE) and "input" in rule.directions
        for rule in (*incoming.floor, *incoming.rules)
    )
    return {
        "input_guardrails_enabled": has(incoming, "input"),
        "output_guardrails_enabled": has(outgoing, "output"),
        "pii_redaction_enabled": redacts,
        **{f"{detector}_check_enabled": has(outgoing, "output", detector) for detector in _WEIGHING},
    }


def _detections(outcome: Outcome, incoming: Policy, outgoing: Policy) -> dict[str, Any]:
    """What was found and where, by codes; never the text."""
    going, coming = _found(outcome, "input"), _found(outcome, "output")
    return {
        "input_guardrail_name": incoming.name,
        "input_guardrail_response": _response(going, outcome.status == "blocked_input"),
        "output_guardrail_name": outgoing.name,
        "output_guardrail_response": _response(coming, outcome.status == "blocked_output"),
        **{
            f"output_{detector}_response": {"violations": weighed} if (weighed := _of(coming, detector)) else {}
            for detector in _WEIGHING
        },
    }


def _found(outcome: Outcome, direction: str) -> list[dict[str, Any]]:
    reports = [report for where, _, report in outcome.call.reports if where == direction]
    failures = [
        {"type": "UNAVAILABLE", "detector": failure.detector, "action": failure.on_error}
        for report in reports for failure in report.failures
    ]  # fmt: skip
    return [*(_code(finding) for report in reports for finding in report.findings[:50]), *failures]


def _code(finding: Finding) -> dict[str, Any]:
    return {
        "type": finding.category, "detector": finding.detector, "action": finding.action.value,
        "pointer": finding.pointer, "score": round(finding.score, 3),
    }  # fmt: skip


def _of(found: list[dict[str, Any]], detector: str) -> list[dict[str, Any]]:
    return [each for each in found if each["detector"] == detector]


def _response(found: list[dict[str, Any]], is_blocked: bool) -> dict[str, Any]:
    return {"is_safe": not is_blocked, "violations": found} if found or is_blocked else {}
