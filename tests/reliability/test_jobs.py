"""Celery workers are killed or stopped in the middle of a discovery: it is finished all the same, once."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conformance.gateway import Gateway
from tests.conformance.processes import end_group, start
from tests.servers.lister import Lister, Message, introduced, tool
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
LISTED = {"modern_tool", "slow_tool"}


@dataclass
class Slow:
    """A server whose list comes when the test lets it come."""

    reached: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)

    def list_tools(self, _: Message) -> Message:
        self.reached.set()
        self.open.wait(60)
        return {"tools": [tool("modern_tool"), tool("slow_tool")]}


@dataclass
class Workers:
    """Celery worker processes with their own clock, on one database and broker."""

    gateway: Gateway
    home: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> subprocess.Popen[bytes]:
        name = f"worker-{len(self.running)}"
        command = ["-A", "gateway_site", "worker", "--beat", "-c", "1", "-l", "WARNING", "-n", f"{name}@%h",
                   "-s", str(self.home / name)]  # fmt: skip
        environment = {**self.gateway._environment(), "CELERY_SKIP_CHECKS": "1"}
        process = start([sys.executable, "-m", "celery", *command], self.home / "worker.log", environment, cwd=ROOT)
        self.running.append(process)
        return process

    def end(self) -> None:
        for process in self.running:
            end_group(process)
            process.wait(10)


@pytest.fixture
def slow() -> Iterator[tuple[Slow, str]]:
    script = Slow()
    with Lister() as lister:
        lister.modern = introduced("modern") | {"tools/list": script.list_tools}
        lister.legacy = None
        yield script, lister.url
        script.open.set()


@pytest.fixture
def workers(tmp_path: Path, database: str, broker: str, slow: tuple[Slow, str]) -> Iterator[Workers]:
    environment = {"DATABASE_URL": database, "REDIS_URL": broker}
    gateway = Gateway(tmp_path, {}, environment=environment)
    gateway.prepare()
    running = Workers(gateway, tmp_path)
    running.gateway.apply(
        {"version": 1, "projects": [{"slug": "acme", "servers": [{"slug": "slow", "url": slow[1]}]}]}
    )
    try:
        yield running
    finally:
        running.end()


def ask(database: str, sql: str) -> list[Any]:
    with psycopg.connect(database) as connection:
        return connection.execute(sql).fetchall()


def jobs(database: str) -> list[tuple[str, int]]:
    return ask(database, "SELECT state, attempts FROM projects_job ORDER BY id")


def events(database: str, kind: str) -> int:
    return len(ask(database, f"SELECT 1 FROM audit_event WHERE kind = '{kind}'"))


@pytest.mark.claim("jobs.killed")
def test_a_discovery_whose_worker_is_killed_is_finished_within_a_minute_and_once(
    workers: Workers, database: str, slow: tuple[Slow, str]
) -> None:
    server, _ = slow
    first = workers.start()
    assert server.reached.wait(60), (workers.home / "worker.log").read_text()
    assert jobs(database) == [("running", 1)]
    os.killpg(first.pid, signal.SIGKILL)
    killed_at = time.monotonic()
    server.open.set()
    workers.start()
    wait_until(lambda: jobs(database) == [("done", 2)], 60)
    assert time.monotonic() - killed_at < 60
    assert (events(database, "discovery.started"), events(database, "discovery.finished")) == (2, 1)
    assert {name for (name,) in ask(database, "SELECT name FROM servers_tool")} == LISTED


@pytest.mark.claim("jobs.killed")
@pytest.mark.claim("jobs.lease")
def test_a_worker_that_wakes_up_after_its_lease_ran_out_writes_nothing(
    workers: Workers, database: str, slow: tuple[Slow, str]
) -> None:
    server, _ = slow
    first = workers.start()
    assert server.reached.wait(60), (workers.home / "worker.log").read_text()
    os.killpg(first.pid, signal.SIGSTOP)
    server.open.set()
    workers.start()
    wait_until(lambda: jobs(database) == [("done", 2)], 60)
    digests = ask(database, "SELECT name, digest, last_seen_at FROM servers_tool ORDER BY name")
    os.killpg(first.pid, signal.SIGCONT)
    wait_until(lambda: "lease lost" in (workers.home / "worker.log").read_text(), 30)
    assert jobs(database) == [("done", 2)]
    assert events(database, "discovery.finished") == 1
    assert ask(database, "SELECT name, digest, last_seen_at FROM servers_tool ORDER BY name") == digests


@pytest.mark.claim("discovery.when")
@pytest.mark.claim("discovery.both-eras")
def test_a_gateway_on_its_own_reads_http_and_stdio_servers_as_soon_as_they_are_declared(tmp_path: Path) -> None:
    template = {"slug": "time", "executable": "{python}", "args": ["-m", "mcp_server_time"]}
    with Lister() as lister:
        servers = [
            {"slug": "lists", "url": lister.url},
            {"slug": "clock", "transport": "stdio", "template": "time"},
            {"slug": "gone", "url": "http://127.0.0.1:9/mcp"},
        ]
        config = {
            "version": 1, "command_templates": [template], "projects": [{"slug": "acme", "servers": servers}]
        }  # fmt: skip
        # Two web processes, each with a worker and a clock of its own, on one file.
        with Gateway(tmp_path, config, workers=2) as gateway:
            wait_until(lambda: len(_read(gateway)) == 2, 60)
            found = _read(gateway)
            assert len(lister.asked("initialize")) == len(lister.asked("server/discover")) == 1
            assert found["lists"] == {("modern_tool", True, False), ("legacy_tool", False, True)}
            assert {name for name, modern, legacy in found["clock"] if modern and legacy} >= {"get_current_time"}
            with pytest.raises(RuntimeError, match="1 of 1 servers could not be read"):
                gateway.manage("discover", "--server", "gone", "--wait")
            assert "legacy 1, modern 1" in gateway.manage("discover", "--server", "lists", "--wait")


def _read(gateway: Gateway) -> dict[str, set[tuple[str, bool, bool]]]:
    """By server, the names that its lists were seen to hold, and whether in each era."""
    with contextlib.closing(sqlite3.connect(gateway.home / "gateway.sqlite3", timeout=20)) as connection:
        rows = connection.execute(
            "SELECT s.slug, t.name, t.modern_digest != '', t.legacy_digest != '' "
            "FROM servers_tool t JOIN servers_server s ON s.id = t.server_id WHERE s.discovered_at IS NOT NULL"
        ).fetchall()
    found: dict[str, set[tuple[str, bool, bool]]] = {}
    for slug, name, modern, legacy in rows:
        found.setdefault(slug, set()).add((name, bool(modern), bool(legacy)))
    return found
