"""One gateway with every published server behind it, shared by all tests of this folder."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conformance.gateway import Gateway
from tests.peers.peers import (
    LABEL,
    PROJECT,
    Directly,
    Reach,
    ThroughConnect,
    ThroughGateway,
    declarations,
    published_servers,
    wants_directly,
)

GREETING = "Hello from a file.\n"


@pytest.fixture(scope="package")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the file server shows."""
    path = tmp_path_factory.mktemp("files").resolve()
    (path / "greeting.txt").write_text(GREETING)
    return path


@pytest.fixture(scope="package")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one commit."""
    path = tmp_path_factory.mktemp("repository").resolve()
    (path / "README").write_text("A repository.\n")
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@peers.test"]
    for arguments in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "README"],
        [*identity, "commit", "--quiet", "-m", "First commit"],
    ):
        subprocess.run(["git", *arguments], cwd=path, check=True, timeout=30)
    return path


@pytest.fixture(scope="package")
def shared_reach(directory: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reach]:
    """Through the gateway; with PEERS_DIRECTLY=1 without it."""
    servers = published_servers(directory, repository)
    if wants_directly():
        yield Directly(servers)
        return
    with Gateway(tmp_path_factory.mktemp("gateway"), declarations(servers)) as gateway:
        _read_all(gateway)
        yield ThroughGateway(gateway)


@pytest.fixture
def reach(shared_reach: Reach) -> Reach:
    return shared_reach


def over(way: str, reach: Reach, directory: Path) -> Reach:
    """The same gateway over "http", or over "connect", the command that speaks HTTP for others."""
    if way == "http":
        return reach
    if not isinstance(reach, ThroughGateway):
        pytest.skip("needs the gateway")
    key_file = directory / "key"
    key_file.touch(mode=0o600)
    key_file.write_text(f"{reach.gateway.key(PROJECT, LABEL)}\n")
    return ThroughConnect(reach.gateway, key_file)


def _read_all(gateway: Gateway) -> None:
    """On a machine that has never started them, the servers take longer than anybody waits for one."""
    for _ in range(4):
        with suppress(RuntimeError, subprocess.TimeoutExpired):
            gateway.manage("discover", "--project", PROJECT, "--wait")
            return


@pytest.fixture
def through_gateway(reach: Reach) -> ThroughGateway:
    if not isinstance(reach, ThroughGateway):
        pytest.skip("needs the gateway")
    return reach
