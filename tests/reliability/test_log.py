"""Gateways and sealers are killed under load: every call is in the log, each intent is closed once, the proof holds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import psutil
import psycopg
import pytest

from tests.conformance.gateway import Gateway
from tests.databases import ROOT, unchecked
from tests.reliability.client import Load, call_first, call_once, keep_calling
from tests.reliability.postgresql import PostgreSQL
from tests.reliability.test_faults import (
    answered,
    config,
    digest,
    intents,
    named,
    project_id,
    tree,
    wait_until,
    web_workers,
)
from tests.reliability.upstreams import RecordingUpstream

# Of everything together; the tests of one part each have fewer.
ALL_ROUNDS, ROUNDS = 20, 4


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(jitter=0.02) as running:
        yield running


def ask(database: str, question: str) -> Any:
    with psycopg.connect(database) as connection:
        row = connection.execute(question).fetchone()
        return row[0] if row else None


OPEN = (
    "SELECT count(*) FROM audit_event AS i WHERE kind = 'mcp.call.intent' AND NOT EXISTS"
    " (SELECT FROM audit_event WHERE call_id = i.call_id AND kind = 'mcp.call.outcome')"
)
CLOSED_TWICE = (
    "SELECT count(*) FROM (SELECT call_id FROM audit_event WHERE kind = 'mcp.call.outcome'"
    " GROUP BY call_id HAVING count(*) > 1) AS twice"
)
INTERRUPTED = "SELECT count(*) FROM audit_event WHERE decision = 'interrupted'"
SEALED = "SELECT count(*) FROM audit_seal"
UNSEALED = "SELECT (SELECT count(*) FROM audit_event) - (SELECT count(*) FROM audit_seal)"


def verification(gateway: Gateway) -> dict[str, Any]:
    done = subprocess.run(
        unchecked("audit", "verify", "--json"),
        cwd=ROOT, env=gateway._environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    report: dict[str, Any] = orjson.loads(done.stdout)
    assert (done.returncode, report["result"]) == (0, "intact"), report
    return report


@pytest.mark.asyncio
@pytest.mark.claim("audit.interrupted")
@pytest.mark.claim("audit.running")
@pytest.mark.claim("audit.sealed-once")
async def test_killed_gateways_leave_no_call_open_and_no_hole_in_the_proof(
    tmp_path: Path, upstream: RecordingUpstream, database: str
) -> None:
    """Both web workers have the upkeep in them, and a call that hangs lives in one of them all the time."""
    environment = {"DATABASE_URL": database, "GATEWAY_KEY_RATE": "0", "GATEWAY_KEY_CONCURRENCY": "200"}
    reached = len(upstream.nonces)
    with Gateway(tmp_path, config(upstream.url), "uvicorn", 2, environment) as gateway:
        url, key = gateway.url("acme", "http"), gateway.key("acme", "load")
        load, stop = Load(), asyncio.Event()
        clients = [asyncio.create_task(keep_calling(url, key, load, stop)) for _ in range(16)]
        for turn in range(3 * ROUNDS):
            if turn >= ROUNDS and ask(database, INTERRUPTED):
                break
            # Otherwise each worker was killed just when it had nothing open, which shows nothing: more of them are.
            target = len(load.answered) + 60
            await wait_until(lambda target=target: len(load.answered) >= target, 60)
            # Of two that share a socket one may have no client at all.
            max(web_workers(gateway), key=lambda worker: len(worker.net_connections())).kill()
            await wait_until(lambda: len(web_workers(gateway)) == 2, 60)
        stop.set()
        async with asyncio.timeout(60):
            await asyncio.gather(*clients)
        await wait_until(lambda: ask(database, OPEN) == 0, 60)
        await wait_until(lambda: ask(database, UNSEALED) == 0, 60)
        assert ask(database, CLOSED_TWICE) == 0
        assert ask(database, INTERRUPTED) >= 1, "no call was cut off, so nothing was tested"
        recorded, tenant = intents(database), project_id(database, "acme")
        nonces = upstream.nonces[reached:]
        assert [nonce for nonce in nonces if digest(gateway, tenant, nonce) not in recorded] == []
        assert verification(gateway)["pending"] == 0


@pytest.mark.asyncio
@pytest.mark.claim("audit.running")
@pytest.mark.claim("audit.keys")
async def test_a_call_that_runs_while_others_are_closed_ends_by_itself(
    tmp_path: Path, upstream: RecordingUpstream, database: str
) -> None:
    environment = {"DATABASE_URL": database}
    with Gateway(tmp_path, config(upstream.url), "uvicorn", 1, environment) as gateway:
        key = gateway.key("acme", "load")
        assert await asyncio.to_thread(keys_of, gateway) == orjson.loads(gateway.manage("audit", "keys", "--public"))
        await call_first(gateway.url("acme", "other"), key, "echo")
        # Its server never answers, and it has longer than two turns of whoever looks for interrupted calls.
        hanging = asyncio.create_task(call_once(gateway.url("acme", "other"), key, "hang"))
        await wait_until(lambda: ask(database, OPEN) == 1)
        for _ in range(3):
            await asyncio.to_thread(recover, gateway)
            assert ask(database, INTERRUPTED) == 0
        status, message, _ = await hanging
        assert (status, message["error"]["code"]) == (504, -31002)
        assert (ask(database, OPEN), ask(database, CLOSED_TWICE), ask(database, INTERRUPTED)) == (0, 0, 0)


def keys_of(gateway: Gateway) -> Any:
    """As somebody gets them who has no account."""
    address = f"http://127.0.0.1:{gateway.port}/.well-known/gateway-audit-keys.json"
    with urllib.request.urlopen(address, timeout=10) as answer:
        return orjson.loads(answer.read())


def recover(gateway: Gateway) -> None:
    code = "import django; django.setup(); from audit.recovery import close_interrupted; print(close_interrupted())"
    environment = {**gateway._environment(), "DJANGO_SETTINGS_MODULE": "gateway_site.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "0\n", done.stderr


@pytest.mark.asyncio
@pytest.mark.claim("audit.kills")
@pytest.mark.claim("audit.interrupted")
@pytest.mark.claim("audit.sealed-once")
@pytest.mark.claim("faults.acknowledged")
async def test_twenty_rounds_of_killing_everything_leave_nothing_out_of_the_log(
    tmp_path: Path, upstream: RecordingUpstream, broker: str
) -> None:
    """In each round a web process, the sealer, a worker and the clock; in some all of it, in one the database too."""
    reached, load, stop = len(upstream.nonces), Load(), asyncio.Event()
    with PostgreSQL() as server:
        environment = {"DATABASE_URL": server.url, "REDIS_URL": broker, "GATEWAY_KEY_RATE": "0"}
        with Gateway(tmp_path, config(upstream.url), "uvicorn", 2, environment) as gateway:
            url, key = gateway.url("acme", "http"), gateway.key("acme", "load")
            clients = [asyncio.create_task(keep_calling(url, key, load, stop)) for _ in range(8)]
            for number in range(ALL_ROUNDS):
                sealed, target = ask(server.url, SEALED), len(load.answered) + 20
                await wait_until(lambda target=target: len(load.answered) >= target, 120)
                await wait_until(lambda sealed=sealed: ask(server.url, SEALED) > sealed and all(parts(gateway)), 120)
                for part in parts(gateway):
                    part[number % len(part)].kill()
                if number % 6 == 5:
                    await asyncio.to_thread(kill_and_start, gateway)
                if number == ALL_ROUNDS // 2:
                    await asyncio.to_thread(server.stop_at_once)
                    await asyncio.to_thread(server.start)
            stop.set()
            async with asyncio.timeout(60):
                await asyncio.gather(*clients)
            await wait_until(lambda: ask(server.url, OPEN) == 0, 120)
            await wait_until(lambda: ask(server.url, UNSEALED) == 0, 120)
            assert ask(server.url, CLOSED_TWICE) == 0
            assert (load.mixed, load.broken >= ALL_ROUNDS // 2) == (0, True), "nothing was cut off"
            recorded, tenant = intents(server.url), project_id(server.url, "acme")
            made, closed = upstream.nonces[reached:], await asyncio.to_thread(answered, server.url)
            assert len(made) >= 20 * ALL_ROUNDS
            assert [nonce for nonce in made if digest(gateway, tenant, nonce) not in recorded] == []
            assert [nonce for nonce in load.answered if digest(gateway, tenant, nonce) not in closed] == []
            assert verification(gateway)["pending"] == 0


def parts(gateway: Gateway) -> list[list[psutil.Process]]:
    """The processes of each kind."""
    kinds = ("-Q audit", "-Q celery", "gateway_site beat")
    return [web_workers(gateway), *(named(gateway, words) for words in kinds)]


def kill_and_start(gateway: Gateway) -> None:
    """All processes of the gateway at the same moment, and then all of it again."""
    processes = tree(gateway)
    assert gateway.process is not None
    gateway.process.kill()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    gateway.process.wait(10)
    psutil.wait_procs(processes, timeout=10)
    for process in processes:
        # What one of them started at that moment.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    gateway.start()


SEALING = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "gateway_site.settings"
import django
django.setup()
import threading
from audit import work
work.SEAL_SECONDS = 0.0
print("sealing", flush=True)
work.run(threading.Event())
"""
INSERT = (
    "INSERT INTO audit_event (id, at, kind, project_ref, project, actor_kind, actor_id, actor, request_id, trace_id,"
    " session, server, method, subject, decision, reason, params_digest, result_digest, payload_digest, detail)"
    " SELECT gen_random_uuid(), now(), 'x', number %% 5, '', '', '', '', '', '', '', '', '', %s, '', '', '', '', '',"
    " '{}' FROM generate_series(1, 20) AS number"
)


class Writing:
    """Threads that write in transactions of their own, through everything that happens to the database."""

    def __init__(self, url: str, count: int = 4) -> None:
        self.acknowledged: list[str] = []
        self._url, self._stop = url, threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]

    def __enter__(self) -> Writing:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self, number: int) -> None:
        turn = 0
        while not self._stop.is_set():
            try:
                with psycopg.connect(self._url, connect_timeout=5) as connection:
                    while not self._stop.is_set():
                        turn += 1
                        name = f"{number}-{turn}"
                        connection.execute(INSERT, [name])
                        connection.commit()
                        self.acknowledged.append(name)
                        # Not faster than this machine can seal beside everything else.
                        self._stop.wait(0.05)
            except psycopg.Error:
                self._stop.wait(0.1)


@pytest.mark.claim("audit.sealed-once")
@pytest.mark.claim("faults.acknowledged")
def test_sealers_and_the_database_are_killed_and_nothing_acknowledged_is_missing(tmp_path: Path) -> None:
    server = PostgreSQL()
    environment = {
        "PATH": "/usr/bin:/bin", "GATEWAY_HOME": str(tmp_path), "DATABASE_URL": server.url,
        "GATEWAY_LOG_LEVEL": "ERROR", "DJANGO_SETTINGS_MODULE": "gateway_site.settings",
    }  # fmt: skip

    def manage(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            unchecked(*arguments), env=environment, cwd=ROOT, capture_output=True,
            text=True, timeout=180,
        )  # fmt: skip

    def start_sealer(stack: ExitStack) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", SEALING], env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        stack.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == "sealing\n"
        return process

    with ExitStack() as stack:
        stack.enter_context(server)
        running = [start_sealer(stack) for _ in range(2)]
        with Writing(server.url) as writing:
            for number in range(ROUNDS):
                await_count(server.url, "audit_seal", 300)
                running[number % 2].kill()
                running[number % 2] = start_sealer(stack)
                if number == ROUNDS // 2:
                    server.stop_at_once()
                    server.start()
        deadline = time.monotonic() + 60
        while ask(server.url, UNSEALED):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        stored = ask(server.url, "SELECT array_agg(DISTINCT subject) FROM audit_event")
        assert len(writing.acknowledged) >= 50
        assert set(writing.acknowledged) - set(stored) == set()
        done = manage("audit", "verify", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        assert orjson.loads(done.stdout)["events"] == ask(server.url, "SELECT count(*) FROM audit_event")


def await_count(database: str, table: str, more: int) -> None:
    target, deadline = ask(database, f"SELECT count(*) FROM {table}") + more, time.monotonic() + 60
    while ask(database, f"SELECT count(*) FROM {table}") < target:
        assert time.monotonic() < deadline
        time.sleep(0.05)
