"""The ways through the gateway that the suite is run on: the upstream's transport and the web server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.conformance.gateway import Gateway
from tests.conformance.processes import fixture_command
from tests.conformance.shim import Shim
from tests.conformance.suite import Run, run_suite

PROJECT, LABEL, USER = "conformance", "suite", "suite@conformance.test"


@dataclass(frozen=True)
class Combination:
    transport: Literal["http", "stdio"]
    server: Literal["uvicorn", "daphne"]
    workers: int

    @property
    def name(self) -> str:
        return f"{self.transport}-{self.server}"


COMBINATIONS = {
    each.name: each
    for each in (
        Combination("http", "uvicorn", 2),
        Combination("http", "daphne", 1),
        Combination("stdio", "uvicorn", 2),
        Combination("stdio", "daphne", 1),
    )
}


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
    with (
        Gateway(home, declarations(fixture_url), combination.server, combination.workers) as gateway,
        Shim(gateway.url(PROJECT, combination.transport), gateway.key(PROJECT, LABEL)) as shim,
    ):
        return {each: run_suite(shim.url, each, here / each) for each in sets}
