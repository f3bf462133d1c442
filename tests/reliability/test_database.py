"""The database goes away and comes back: calls are refused at once, none is made unrecorded, no restart is needed."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import services
from tests.conformance.gateway import Gateway
from tests.conformance.processes import free_port
from tests.reliability.client import call_once
from tests.reliability.test_faults import config
from tests.reliability.upstreams import RecordingUpstream


class PostgreSQL:
    """A server of this test's own, which may be stopped."""

    def __init__(self) -> None:
        folder = services._postgresql_folder()
        if folder is None:
            pytest.skip("no PostgreSQL programs on this machine: the server in use cannot be stopped")
        self.folder, self.port = folder, free_port()
        self.data = tempfile.mkdtemp(prefix="mcpgw-pg-")
        self.user = None
        if os.geteuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            self.user = "postgres" if "postgres" in names else "nobody"
            shutil.chown(self.data, self.user)
        subprocess.run(
            [f"{folder}/initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync"],
            user=self.user, check=True, stdout=subprocess.DEVNULL, cwd=self.data,
        )  # fmt: skip

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [f"{self.folder}/postgres", "-D", self.data, "-p", str(self.port), "-k", self.data,
             "-c", "listen_addresses=127.0.0.1"],
            user=self.user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.data,
        )  # fmt: skip
        deadline = time.monotonic() + 20
        while not self._answers():
            assert time.monotonic() < deadline and self.process.poll() is None
            time.sleep(0.05)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop_at_once(self) -> None:
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(10)


@pytest.fixture
def server() -> Iterator[PostgreSQL]:
    running = PostgreSQL()
    running.start()
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.stop_at_once()
        shutil.rmtree(running.data, ignore_errors=True)


@pytest.mark.claim("faults.database-down")
def test_without_the_database_calls_are_refused_at_once_and_with_it_they_go_on(
    tmp_path: Path, server: PostgreSQL
) -> None:
    with (
        RecordingUpstream() as upstream,
        Gateway(tmp_path, config(upstream.url), "uvicorn", 1, {"DATABASE_URL": server.url}) as gateway,
    ):
        url, key = gateway.url("acme", "http"), gateway.key("acme", "load")
        assert asyncio.run(call_once(url, key, "echo"))[0] == 200
        server.stop_at_once()
        made = len(upstream.nonces)
        for _ in range(3):
            started = time.monotonic()
            status, message, _ = asyncio.run(call_once(url, key, "echo"))
            assert (status, message["error"]["code"]) == (503, -31006)
            assert time.monotonic() - started < 4
        assert len(upstream.nonces) == made
        server.start()
        deadline = time.monotonic() + 15
        while asyncio.run(call_once(url, key, "echo"))[0] != 200:
            assert time.monotonic() < deadline, "the gateway did not recover"
        assert len(upstream.nonces) == made + 1
