"""The public conformance suite passes through the gateway wherever it passes directly."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.conformance.combinations import COMBINATIONS, missing_of, run_direct, run_through
from tests.conformance.processes import running_fixture
from tests.conformance.suite import REQUIREMENT_SETS, Run, failing_scenarios, totals

pytestmark = pytest.mark.claim("conformance.through")

# All run in `make conformance`; these have each transport, each web server and each address once.
CHOSEN = os.environ.get("CONFORMANCE_COMBINATIONS", "http-uvicorn,stdio-daphne,all-http-uvicorn").split(",")
DIRECT_RUNS = 3
# The suite gives a notification 0.5 to 1.5 s of wall-clock time. What a whole second run has none of, the tests that
# ran beside the first have taken; `make conformance`, with nothing beside it, gives each way one run.
THROUGH_RUNS = 2
BASELINE = {"2025-11-25": 84, "2026-07-28": 169}


@pytest.fixture(scope="module")
def fixture_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_fixture(tmp_path_factory.mktemp("fixture")) as url:
        yield url


@pytest.fixture(scope="module")
def direct(fixture_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    return {each: run_of_the_fixture(fixture_url, each, tmp_path_factory) for each in REQUIREMENT_SETS}


def run_of_the_fixture(url: str, requirement_set: str, directories: pytest.TempPathFactory) -> Run:
    """The run that others are held against. It is made again where it is short: on a busy machine the suite
    now and then gives up on the fixture, which has no gateway before it, and the comparison would ask less.
    """
    run: Run = {}
    for _ in range(DIRECT_RUNS):
        run = run_direct(url, directories.mktemp("direct"), [requirement_set])[requirement_set]
        if totals(run)[0] >= BASELINE[requirement_set]:
            break
    return run


@pytest.mark.parametrize("requirement_set", REQUIREMENT_SETS)
def test_the_fixture_passes_all_that_the_suite_asks_of_it(direct: dict[str, Run], requirement_set: str) -> None:
    run = direct[requirement_set]
    assert {name for name in failing_scenarios(run) if not name.startswith("tasks-")} == set()
    assert totals(run)[0] == BASELINE[requirement_set], {
        key: each for key, each in run.items() if each.status != "SUCCESS"
    }


@pytest.mark.parametrize("name", CHOSEN)
def test_every_check_that_passes_directly_passes_through_the_gateway(
    name: str, direct: dict[str, Run], fixture_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    combination = COMBINATIONS[name]
    missing: list[str] = []
    for _ in range(THROUGH_RUNS):
        # A short path of its own: the address of a unix socket below it has little more than a hundred bytes.
        through = run_through(combination, fixture_url, tmp_path_factory.mktemp("through"), REQUIREMENT_SETS)
        missing = [
            f"{requirement_set} {each.key.scenario}: {each.key.check}: "
            f"direct {each.direct}, through {each.through} {each.through.reason}"
            for requirement_set in REQUIREMENT_SETS
            for each in missing_of(combination, direct[requirement_set], through[requirement_set])
        ]
        if not missing:
            break
        print(*missing, sep="\n")
    assert missing == []
