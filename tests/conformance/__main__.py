"""`python -m tests.conformance`: the conformance suite, directly and through the gateway, check by check."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.conformance.combinations import COMBINATIONS, Combination, missing_of, run_direct, run_through
from tests.conformance.processes import running_fixture
from tests.conformance.suite import REQUIREMENT_SETS, Run, table, totals


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--combination", choices=[*COMBINATIONS, "all"], default="all")
    parser.add_argument("--set", choices=REQUIREMENT_SETS, help="one requirement set only")
    parser.add_argument("--full", action="store_true", help="print every check, not only those that differ")
    parser.add_argument("--direct-only", action="store_true", help="run the suite against the fixture only")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep results and logs here")
    options = parser.parse_args()
    sets = (options.set,) if options.set else REQUIREMENT_SETS
    chosen = list(COMBINATIONS) if options.combination == "all" else [options.combination]
    with tempfile.TemporaryDirectory(prefix="conformance-") as scratch:
        directory = options.keep or Path(scratch)
        directory.mkdir(parents=True, exist_ok=True)
        with running_fixture(directory) as url:
            direct = run_direct(url, directory, sets)
            report_direct(direct, options.full or options.direct_only)
            if options.direct_only:
                return 0
            failures = 0
            for name in chosen:
                combination = COMBINATIONS[name]
                through = run_through(combination, url, directory, sets)
                failures += report(combination, direct, through, options.full)
    print("every check that passes directly passes through the gateway" if not failures else "FAILED")
    return 1 if failures else 0


def report_direct(direct: dict[str, Run], full: bool) -> None:
    for requirement_set, run in direct.items():
        passed, failed = totals(run)
        print(f"direct, {requirement_set}: {passed} passed, {failed} failed", flush=True)
        if full:
            print("\n".join(table(run, run, full=True)))


def report(combination: Combination, direct: dict[str, Run], through: dict[str, Run], full: bool) -> int:
    count = 0
    for requirement_set, run in through.items():
        missing = missing_of(combination, direct[requirement_set], run)
        count += len(missing)
        passed, failed = totals(run)
        print(
            f"{combination.name}, {requirement_set}: {passed} passed, {failed} failed, "
            f"{len(missing)} missing (columns: direct, through)"
        )
        print("\n".join(table(direct[requirement_set], run, full)), flush=True)
        for each in missing:
            print(f"  MISSING {each.key.scenario}: {each.key.check}", flush=True)
    return count


if __name__ == "__main__":
    sys.exit(main())
