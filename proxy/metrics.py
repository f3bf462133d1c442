"""The data path's own metrics. Labels come from closed sets: no tenant, tool or person is in them."""

from __future__ import annotations

from functools import cache

from prometheus_client import Counter, Histogram

from guardrails.engine.detector import find
from guardrails.engine.findings import Report

CALLS = Counter("mcpgw_calls_total", "Calls by method and HTTP status.", ["method", "era", "status"])
REFUSALS = Counter("mcpgw_refusals_total", "Calls refused or failed, by code and fault.", ["code", "fault"])
SECONDS = Histogram(
    "mcpgw_call_seconds", "Time from request to the end of the answer.", ["method"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)  # fmt: skip

FINDINGS = Counter(
    "mcpgw_guardrail_findings_total", "What guardrails found.", ["direction", "detector", "category", "action"]
)
FAILURES = Counter("mcpgw_guardrail_failures_total", "Guardrails that could not answer.", ["detector", "on_error"])
BLOCKED = Counter("mcpgw_guardrail_blocked_total", "Messages that guardrails stopped.", ["direction"])
SCANNED = Counter("mcpgw_guardrail_characters_total", "Characters that guardrails looked at.", ["direction"])
SCAN_SECONDS = Histogram(
    "mcpgw_guardrail_seconds", "Time that the guardrails took for one message.", ["direction"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)  # fmt: skip

# Looked up for every call, from sets that are closed.
calls_of, seconds_of = cache(CALLS.labels), cache(SECONDS.labels)

_METHODS = frozenset(
    {
        "initialize", "ping", "server/discover", "subscriptions/listen", "logging/setLevel", "completion/complete",
        "tools/list", "tools/call", "prompts/list", "prompts/get", "resources/list", "resources/read",
        "resources/templates/list", "resources/subscribe", "resources/unsubscribe", "tasks/get", "tasks/result",
        "tasks/list", "tasks/cancel", "tasks/update", "notifications/initialized", "notifications/cancelled",
        "notifications/progress", "notifications/roots/list_changed", "response", "GET", "DELETE",
    }
)  # fmt: skip


def method_label(method: str) -> str:
    """The method, or "other" for one that no revision knows, so that clients cannot make new series."""
    return method if method in _METHODS else "other"


def count_report(direction: str, report: Report, *, blocked: bool) -> None:
    """Categories of services are their own words, so that only those of our detectors are labels."""
    for finding in report.findings:
        category = finding.category if _is_known(finding.detector, finding.category) else "other"
        FINDINGS.labels(direction, finding.detector, category, finding.action.value).inc()
    for failure in report.failures:
        FAILURES.labels(failure.detector, failure.on_error).inc()
    if blocked:
        BLOCKED.labels(direction).inc()
    SCANNED.labels(direction).inc(report.coverage.seen)
    SCAN_SECONDS.labels(direction).observe(sum(report.milliseconds.values()) / 1000)


@cache
def _is_known(detector: str, category: str) -> bool:
    try:
        return category in find(detector).categories
    except KeyError:
        return False
