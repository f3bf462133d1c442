"""Which tests stay together, and which come first, when `make test` runs the suite in two processes."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

# Units of what shares gateways or is measured by a clock, the long ones first: the clock looks at "scenes" while the
# other process is at what it does not look at, and short files at the end leave no process alone for long.
UNITS: dict[str, Sequence[str]] = {
    "scenes": ("tests/e2e/",),
    "conformance": ("tests/conformance/",),
    "browser": ("tests/browser/",),
    "bad input": ("tests/proxy/test_bad_input.py",),
    "runner": ("tests/servers/runner/",),
    "audit": ("tests/audit/",),
    "peers": ("tests/peers/",),
    "guard": ("tests/guardrails/test_guard", "tests/guardrails/test_naming.py"),
    "attack servers": ("tests/guardrails/test_attack_servers.py",),
    "kills": ("tests/reliability/test_log.py",),
    "faults": ("tests/reliability/test_faults.py",),
    "store": ("tests/reliability/test_store.py",),
    "jobs": ("tests/reliability/test_jobs.py",),
}


def unit_of(nodeid: str) -> str:
    """The name of the unit; a file that is in none is one."""
    for name, places in UNITS.items():
        if nodeid.startswith(tuple(places)):
            return name
    return nodeid.split("::", 1)[0]


def in_order(items: list[pytest.Item]) -> None:
    order = {name: number for number, name in enumerate(UNITS)}
    items.sort(key=lambda item: order.get(unit_of(item.nodeid), len(order)))


def is_one_of_several() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ
