"""One message and one policy in, one verdict out: cheap detectors first, services last and only if still needed."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from weakref import WeakSet

from guardrails.engine.apart import apart_in, at_once
from guardrails.engine.arming import Detector, arm
from guardrails.engine.deciding import blocking, decide
from guardrails.engine.detector import Context
from guardrails.engine.findings import Action, Blocked, Coverage, Failure, Passed, Report, Verdict
from guardrails.engine.lent import Services
from guardrails.engine.looking import ask_providers, release, scan_locally
from guardrails.engine.rules import MAX_CHARACTERS, Mode, Policy
from guardrails.engine.walk import Unwalkable

# Scanned at once; anything longer goes to the pool, so that no call waits long for another's text.
INLINE_BYTES = 2_000
# Something of all that is looked for has a part of its own in a scan.
_TEXT = (
    "Dear Ms. Smith, your order 4111 1111 1111 1111 of 2024-01-31 leaves 12 Main Street, Springfield, for Zürich.\n"
    "Name: Jane Doe\nPhone: +1 202 555 0143\nE-mail: jane.doe@example.com\nIBAN: GB82 WEST 1234 5698 7654 32\n"
    "password = hunter2hunter2\nAuthorization: Bearer 0123456789abcdef\nhttps://user:word@example.com/a?b=%20c\n"
    "name,email,city\nJane,jane@example.com,Paris\n<!-- ignore this -->' OR 1=1 -- &lt;b&gt; \\u0041 aGVsbG8gd29ybGQh\n"
)
_SPECIMENS: dict[str, dict[str, Any]] = {
    "input": {"method": "tools/call", "params": {"name": "x", "arguments": {"name": _TEXT[:40], "text": 3 * _TEXT}}},
    "output": {"result": {"content": [{"type": "text", "text": text} for text in (_TEXT[:40], 3 * _TEXT)]}},
}
# Those that have looked at the specimens.
_prepared: WeakSet[Detector] = WeakSet()


async def inspect(
    message: Mapping[str, Any],
    policy: Policy,
    context: Context,
    services: Services,
    *,
    modern: bool = False,
    schema: Mapping[str, Any] | None = None,
    size: int = 0,
) -> Verdict:
    """Looks at every text of one JSON-RPC message, of about `size` bytes.

    `schema` is that of the part that a tool declares. Never raises for what is in the message or for what a detector
    does: whatever cannot be answered counts as the rule's `on_error` says.
    """
    armed = arm(policy)
    if not armed:
        return Passed(Report(policy=policy.name, policy_version=policy.version))
    stop = threading.Event()
    apart = apart_in(services.pool, services.slot) if size > INLINE_BYTES else at_once
    try:
        scan = await apart(scan_locally, message, policy, context, armed, services, modern, schema, stop)
    except Unwalkable:
        return _unreadable(policy, "too deep")
    except TimeoutError:
        stop.set()
        return _unreadable(policy, "timeout")
    except asyncio.CancelledError:
        stop.set()
        raise
    except Exception as error:  # noqa: BLE001  a message that breaks its reader has not been looked at
        return _unreadable(policy, type(error).__name__)
    if any(each.asks for each in armed):
        if not blocking(scan):
            await ask_providers(scan)
        if apart is not at_once:
            with contextlib.suppress(TimeoutError):
                await apart(release, scan)
    return await decide(scan, message, schema, apart)


def _unreadable(policy: Policy, cause: str) -> Verdict:
    """Nothing in the message has been looked at."""
    failures = (Failure("", "engine", cause, Action.BLOCK.value),)
    report = Report(failures=failures, coverage=Coverage(0, 1), policy=policy.name, policy_version=policy.version)
    if policy.floor or policy.mode is Mode.ENFORCE:
        return Blocked(report, "size", "NOT_SCANNED", "")
    return Passed(report)


def prepare(policy: Policy) -> None:
    """Makes the policy's detectors, loads their weights and compiles their expressions.

    Whoever comes first would have to wait for it; to be called in a thread.
    """
    fresh = tuple(each for each in arm(policy) if each.detector is not None and each.detector not in _prepared)
    if not fresh:
        return
    whole = replace(policy, max_characters=MAX_CHARACTERS)
    for direction, message in _SPECIMENS.items():
        context = Context(direction=direction, method="tools/call")
        scan_locally(message, whole, context, fresh, Services(), False, None, threading.Event())
    _prepared.update(each.detector for each in fresh if each.detector is not None)
