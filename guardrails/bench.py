"""One text through one policy, on the spot: what an administrator tries before servers and clients do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway_site.lib.jsontext import decode
from gateway_site.lib.waiting import wait_for
from guardrails.engine import scan
from guardrails.engine.detector import Context
from guardrails.engine.findings import Blocked, Report, Rewritten, Verdict
from guardrails.engine.lent import Services
from guardrails.engine.rules import Policy
from guardrails.engine.segments import Segment
from guardrails.engine.surfaces import segments_of

_METHODS = {"input": "tools/call", "output": "tools/call", "definition": "tools/list"}


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a text. `value` is what would have been let through; None when nothing would."""

    verdict: Verdict
    segments: tuple[Segment, ...]
    value: Any

    @property
    def report(self) -> Report:
        return self.verdict.report


def try_text(policy: Policy, text: str, direction: str, services: Services | None = None) -> Trial:
    """`direction` is input, output or definition. A text that is a JSON object or list is taken as such.

    Without `services` nothing is asked outside: providers count as not answering.
    """
    message = _message(text, direction)
    method = _METHODS[direction]
    reading = segments_of(message, direction=direction, method=method, modern=False)
    verdict = wait_for(
        scan.inspect, message, policy, Context(direction=direction, tool="bench", method=method),
        services or Services(),
    )  # fmt: skip
    return Trial(verdict, tuple(reading.segments), _let_through(verdict, message))


def _message(text: str, direction: str) -> dict[str, Any]:
    value = _value(text)
    if direction == "input":
        arguments = value if isinstance(value, dict) else {"text": value}
        return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "bench", "arguments": arguments}}
    if direction == "definition":
        tool = value if isinstance(value, dict) else {"name": "bench", "description": text, "inputSchema": {}}
        return {"jsonrpc": "2.0", "id": 1, "result": {"tools": [tool]}}
    content = {"content": [{"type": "text", "text": text}]}
    if not isinstance(value, str):
        content = {"content": [], "structuredContent": value}
    return {"jsonrpc": "2.0", "id": 1, "result": content}


def _value(text: str) -> Any:
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return decode(text)
    except ValueError:
        return text


def _let_through(verdict: Verdict, message: Mapping[str, Any]) -> Any:
    if isinstance(verdict, Blocked):
        return None
    return verdict.value if isinstance(verdict, Rewritten) else message
