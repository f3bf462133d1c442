"""The ways through the gateway that the suite is run on: the upstream's transport and the web server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.conformance.gateway import Gateway
from tests.conformance.processes import fixture_command
from tests.conformance.renaming import Renaming
from tests.conformance.shim import Shim
from tests.conformance.suite import CheckKey, Missing, Run, compare, run_suite

PROJECT, LABEL, USER = "conformance", "suite", "suite@conformance.test"


@dataclass(frozen=True)
class Combination:
    transport: Literal["http", "stdio"]
    server: Literal["uvicorn", "daphne"]
    workers: int
    # By the address of all servers, of a project that has only the fixture.
    of_all: bool = False

    @property
    def name(self) -> str:
        return f"{'all-' if self.of_all else ''}{self.transport}-{self.server}"


COMBINATIONS = {
    each.name: each
    for each in (
        Combination("http", "uvicorn", 2),
        Combination("http", "daphne", 1),
        Combination("stdio", "uvicorn", 2),
        Combination("stdio", "daphne", 1),
        # Without Redis a stream is taken up by the worker that had it.
        Combination("http", "uvicorn", 1, of_all=True),
        Combination("stdio", "daphne", 1, of_all=True),
    )
}


# What passes directly and is another thing at the address of all servers: its lists are JSON, which is as good.
OF_ONE_SERVER = {
    CheckKey("server-sse-multiple-streams", "server-sse-streams-functional"),
}


def missing_of(combination: Combination, direct: Run, through: Run) -> list[Missing]:
    """Every check that passes directly and should pass on this way, and does not."""
    found = compare(direct, through)
    return [each for each in found if not (combination.of_all and each.key in OF_ONE_SERVER)]


def declarations(fixture_url: str) -> dict[str, Any]:
    """One project that has the fixture twice: over HTTP and over stdio."""
    _, *arguments = fixture_command()
    return {
        "version": 1,
        "command_templates": [
            {"slug": "conformance-fixture", "executable": "{python}", "args": arguments, "params": {}}
        ],
        "projects": [
            {
                "slug": PROJECT,
                "members": [{"email": USER, "role": "owner"}],
                "servers": [
                    {"slug": "http", "transport": "http", "url": fixture_url},
                    {"slug": "stdio", "transport": "stdio", "template": "conformance-fixture", "params": {}},
                ],
                "keys": [{"user": USER, "label": LABEL, "servers": ["*"], "expires_in_days": 1}],
            }
        ],
    }


def run_direct(fixture_url: str, directory: Path, sets: Iterable[str]) -> dict[str, Run]:
    return {each: run_suite(fixture_url, each, directory / "direct" / each) for each in sets}


def run_through(
    combination: Combination, fixture_url: str, directory: Path, sets: Iterable[str]
) -> dict[str, Run]:
    """Run the suite through a gateway started for this combination."""
    here = directory / combination.name
    home = here / "home"
    config = declarations(fixture_url)
    if combination.of_all:
        [project] = config["projects"]
        project["servers"] = [each for each in project["servers"] if each["slug"] == combination.transport]
    with (
        Gateway(home, config, combination.server, combination.workers) as gateway,
        _shim(gateway, combination) as shim,
    ):
        return {each: run_suite(shim.url, each, here / each) for each in sets}


def _shim(gateway: Gateway, combination: Combination) -> Shim:
    url, key = gateway.url(PROJECT, combination.transport), gateway.key(PROJECT, LABEL)
    if not combination.of_all:
        return Shim(url, key)
    return Shim(url.rpartition("/")[0], key, renaming=Renaming(combination.transport))
