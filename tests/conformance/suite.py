"""Runs the public conformance suite against one address and compares two runs, check by check."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.conformance.install import node, package

REQUIREMENT_SETS = ("2025-11-25", "2026-07-28")
RUN_TIMEOUT = 300.0
# From best to worst: a check that ran several times is as good as its worst run.
SEVERITY = ("SUCCESS", "INFO", "SKIPPED", "WARNING", "FAILURE")
RESULT_DIRECTORY = re.compile(r"^server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z$")


class CheckKey(NamedTuple):
    scenario: str
    check: str


@dataclass(frozen=True)
class Tally:
    """How one check went over all the times it ran in a scenario."""

    status: str
    passed: int
    ran: int
    reason: str = ""

    def __str__(self) -> str:
        return self.status if self.ran == 1 else f"{self.status} {self.passed}/{self.ran}"


Run = Mapping[CheckKey, Tally]
NOT_RUN = Tally("MISSING", 0, 0)


@dataclass(frozen=True)
class Missing:
    """A check that passes directly and does not pass through the gateway."""

    key: CheckKey
    direct: Tally
    through: Tally


def run_suite(url: str, requirement_set: str, out_dir: Path) -> dict[CheckKey, Tally]:
    """Run one requirement set against `url` and read the result of every check."""
    out_dir.mkdir(parents=True, exist_ok=True)
    program = package("@modelcontextprotocol/conformance", "dist", "index.js")
    result = subprocess.run(
        [node(), str(program), "server", "--url", url, "--requirements", requirement_set, "-o", str(out_dir)],
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT,
    )
    (out_dir / "suite.log").write_text(result.stdout + result.stderr)
    tallies = read_results(out_dir)
    # The suite ends with 1 when a check has failed, and says so in the results; anything else is a crash.
    if result.returncode not in (0, 1) or not tallies:
        raise RuntimeError(f"the suite ended with {result.returncode}:\n{result.stdout}\n{result.stderr}")
    return tallies


def read_results(out_dir: Path) -> dict[CheckKey, Tally]:
    found: dict[CheckKey, list[dict[str, str]]] = {}
    for file in sorted(out_dir.glob("*/checks.json")):
        match = RESULT_DIRECTORY.match(file.parent.name)
        if match is None:
            continue
        for check in json.loads(file.read_text()):
            found.setdefault(CheckKey(match["scenario"], check["id"]), []).append(check)
    return {key: tally(checks) for key, checks in found.items()}


def tally(checks: list[dict[str, str]]) -> Tally:
    worst = max(checks, key=lambda check: SEVERITY.index(check["status"]))
    passed = sum(check["status"] == "SUCCESS" for check in checks)
    return Tally(worst["status"], passed, len(checks), worst.get("errorMessage") or "")


def compare(direct: Run, through: Run) -> list[Missing]:
    """Every check that passes directly and not through the gateway, or there in fewer of its runs."""
    missing = []
    for key, tally_direct in direct.items():
        if tally_direct.status != "SUCCESS":
            continue
        tally_through = through.get(key, NOT_RUN)
        if tally_through.status == "SUCCESS" and tally_through.passed >= tally_direct.passed:
            continue
        missing.append(Missing(key, tally_direct, tally_through))
    return missing


def totals(run: Run) -> tuple[int, int]:
    """How many check runs passed and failed, counted as the suite counts them."""
    passed = sum(each.passed for each in run.values())
    failed = sum(each.ran - each.passed for each in run.values() if each.status == "FAILURE")
    return passed, failed


def failing_scenarios(run: Run) -> set[str]:
    return {key.scenario for key, each in run.items() if each.status == "FAILURE"}


def table(direct: Run, through: Run, full: bool = False) -> Iterator[str]:
    """Both runs side by side, grouped by scenario; only what differs, unless all of it is asked for."""
    keys = sorted(set(direct) | set(through))
    for scenario in dict.fromkeys(key.scenario for key in keys):
        of_scenario = [key for key in keys if key.scenario == scenario]
        rows = [row(key, direct, through) for key in of_scenario if full or differs(key, direct, through)]
        if rows:
            yield f"  {scenario} ({len(of_scenario)} checks)"
            yield from rows


def differs(key: CheckKey, direct: Run, through: Run) -> bool:
    first, second = direct.get(key, NOT_RUN), through.get(key, NOT_RUN)
    return first.status != second.status or ("SUCCESS" in (first.status, second.status) and first != second)


def row(key: CheckKey, direct: Run, through: Run) -> str:
    first, second = direct.get(key, NOT_RUN), through.get(key, NOT_RUN)
    reason = (second.reason or first.reason).replace("\n", " ")[:160]
    return f"    {key.check:<60} {first!s:<14} {second!s:<14} {reason}".rstrip()
