"""The data path's own metrics. Labels come from closed sets: no tenant, tool or person is in them."""

from __future__ import annotations

from functools import cache

from prometheus_client import Counter, Histogram

CALLS = Counter("mcpgw_calls_total", "Calls by method and HTTP status.", ["method", "era", "status"])
REFUSALS = Counter("mcpgw_refusals_total", "Calls refused or failed, by code and fault.", ["code", "fault"])
SECONDS = Histogram(
    "mcpgw_call_seconds", "Time from request to the end of the answer.", ["method"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
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
