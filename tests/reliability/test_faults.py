"""Processes are killed and servers misbehave: nothing hangs, nothing is mixed up, no call goes unrecorded."""

from __future__ import annotations

import asyncio
import hmac
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import psutil
import psycopg
import pytest

from gateway_site.lib.secrets import load_or_create
from gateway_site.supervisor import Part, Supervisor
from tests.conformance.gateway import Gateway
from tests.databases import own_database, own_redis
from tests.reliability import upstreams
from tests.reliability.client import Load, call_first, call_once, keep_calling, params
from tests.reliability.upstreams import RecordingUpstream

CHILD = str(Path(upstreams.__file__).resolve())


def config(url: str) -> dict[str, Any]:
    template = {"slug": "child", "executable": sys.executable, "args": [CHILD]}
    servers = [
        {"slug": "http", "url": url, "timeout_seconds": 10},
        {"slug": "stdio", "transport": "stdio", "template": "child", "timeout_seconds": 2},
        {"slug": "other", "transport": "stdio", "template": "child", "timeout_seconds": 10},
        {"slug": "silent", "transport": "stdio", "template": "child", "timeout_seconds": 2},
    ]
    projects = [
        {
            "slug": slug,
            "members": [{"email": f"owner@{slug}.test", "role": "owner"}],
            "servers": servers,
            "keys": [{"user": f"owner@{slug}.test", "label": "load"}],
        }
        for slug in ("acme", "globex")
    ]
    return {"version": 1, "command_templates": [template], "projects": projects}


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(jitter=0.01) as running:
        yield running


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with own_database() as url:
        yield url


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: RecordingUpstream, database: str) -> Iterator[Gateway]:
    environment = {"DATABASE_URL": database, "GATEWAY_KEY_RATE": "0", "GATEWAY_KEY_CONCURRENCY": "200"}
    home = tmp_path_factory.mktemp("faults")
    with Gateway(home, config(upstream.url), "uvicorn", 2, environment) as running:
        yield running


def tree(gateway: Gateway) -> list[psutil.Process]:
    assert gateway.process is not None
    return psutil.Process(gateway.process.pid).children(recursive=True)


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def web_workers(gateway: Gateway) -> list[psutil.Process]:
    return [p for p in tree(gateway) if "spawn_main" in command_line(p)]


def named(gateway: Gateway, words: str) -> list[psutil.Process]:
    return [process for process in tree(gateway) if words in command_line(process)]


def intents(database: str) -> set[str]:
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT params_digest FROM audit_event WHERE kind = 'mcp.call.intent' AND method = 'tools/call'"
        )
        return {row[0] for row in rows}


def answered(database: str) -> set[str]:
    """Digests of the parameters of calls that the log says to have ended well."""
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT i.params_digest FROM audit_event i JOIN audit_event o USING (call_id) "
            "WHERE i.kind = 'mcp.call.intent' AND o.kind = 'mcp.call.outcome' AND o.decision = 'ok'"
        )
        return {row[0] for row in rows}


def digest(gateway: Gateway, project_id: int, nonce: str) -> str:
    key = load_or_create(gateway.home / "keys" / "keyring.json").project_digest_key(project_id)
    data = orjson.dumps(params("echo", nonce), option=orjson.OPT_SORT_KEYS)
    return hmac.digest(key, data, "sha256").hex()


def project_id(database: str, slug: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT id FROM projects_project WHERE slug = %s", [slug]).fetchone()
        assert row is not None
        return int(row[0])


async def wait_until(condition: Any, seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.asyncio
@pytest.mark.claim("faults.worker-killed")
async def test_a_killed_worker_leaves_no_unrecorded_call_and_no_hanging_client(
    gateway: Gateway, upstream: RecordingUpstream, database: str
) -> None:
    url, key = gateway.url("acme", "http"), gateway.key("acme", "load")
    await call_first(url, key, "echo")
    load, stop = Load(), asyncio.Event()
    clients = [asyncio.create_task(keep_calling(url, key, load, stop)) for _ in range(16)]
    for _ in range(3):
        target = len(load.answered) + 100
        await wait_until(lambda target=target: len(load.answered) >= target)
        web_workers(gateway)[0].kill()
        await wait_until(lambda: len(web_workers(gateway)) == 2)
    stop.set()
    async with asyncio.timeout(30):
        await asyncio.gather(*clients)
    assert load.mixed == 0
    assert load.broken >= 1, "no connection was cut, so nothing was tested"
    recorded, tenant = intents(database), project_id(database, "acme")
    reached = list(upstream.nonces)
    assert len(reached) >= 300
    assert [nonce for nonce in reached if digest(gateway, tenant, nonce) not in recorded] == []
    assert (await call_once(url, key, "echo"))[0] == 200


@pytest.mark.asyncio
@pytest.mark.claim("faults.acknowledged")
async def test_every_answer_that_a_client_got_has_its_outcome_in_the_log(gateway: Gateway, database: str) -> None:
    url, key = gateway.url("acme", "http"), gateway.key("acme", "load")
    load, stop = Load(), asyncio.Event()
    clients = [asyncio.create_task(keep_calling(url, key, load, stop)) for _ in range(8)]
    await wait_until(lambda: len(load.answered) >= 100)
    web_workers(gateway)[0].kill()
    await wait_until(lambda: len(load.answered) >= 300)
    stop.set()
    async with asyncio.timeout(30):
        await asyncio.gather(*clients)
    tenant = project_id(database, "acme")
    closed = answered(database)
    assert [nonce for nonce in load.answered if digest(gateway, tenant, nonce) not in closed] == []


@pytest.mark.asyncio
@pytest.mark.claim("faults.runner-killed")
async def test_after_the_runner_was_killed_the_next_call_works(gateway: Gateway) -> None:
    url, key = gateway.url("acme", "stdio"), gateway.key("acme", "load")
    await call_first(url, key, "echo")
    children = named(gateway, CHILD)
    assert children
    runner = named(gateway, "manage.py runner")[0]
    runner.kill()
    # Until then its socket may take a call, which is lost with it.
    await asyncio.to_thread(runner.wait, 30)
    # The children end with their runner.
    await wait_until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))
    url = gateway.url("acme", "other")
    status, message, nonce = await call_once(url, key, "echo")
    assert status == 200
    assert message["result"]["content"][0]["text"] == nonce


@pytest.mark.asyncio
@pytest.mark.claim("faults.child-killed")
async def test_after_a_child_was_killed_the_next_call_works(gateway: Gateway) -> None:
    url, key = gateway.url("acme", "other"), gateway.key("acme", "load")
    first = int((await call_first(url, key, "pid"))["result"]["content"][0]["text"])
    os.kill(first, signal.SIGKILL)
    await wait_until(lambda: not psutil.pid_exists(first))
    status, message, _ = await call_once(url, key, "pid")
    assert status == 200
    assert int(message["result"]["content"][0]["text"]) != first


@pytest.mark.asyncio
@pytest.mark.claim("faults.child-killed")
async def test_a_child_that_dies_in_a_call_fails_that_call_only(gateway: Gateway) -> None:
    url, key = gateway.url("acme", "other"), gateway.key("acme", "load")
    status, message, _ = await call_once(url, key, "die")
    assert (status, message["error"]["code"]) == (502, -31001)
    assert (await call_once(url, key, "echo"))[0] == 200


@pytest.mark.asyncio
@pytest.mark.claim("faults.child-silent")
async def test_a_call_that_is_never_answered_costs_only_itself(gateway: Gateway) -> None:
    key = gateway.key("acme", "load")
    # A server of its own, since the tests before have killed the others' runner and children.
    await call_first(gateway.url("acme", "silent"), key, "echo")
    hanging = asyncio.create_task(call_once(gateway.url("acme", "silent"), key, "hang"))
    answered = 0
    while not hanging.done():
        for server in ("silent", "http"):
            status, message, _ = await call_once(gateway.url("acme", server), key, "echo")
            assert status == 200, (server, message)
            answered += 1
    status, message, _ = await hanging
    assert (status, message["error"]["code"]) == (504, -31002)
    assert answered >= 4


@pytest.mark.asyncio
@pytest.mark.claim("faults.no-mix-ups")
async def test_ten_thousand_calls_with_the_same_id_get_their_own_answers(gateway: Gateway) -> None:
    key, load, stop = gateway.key("acme", "load"), Load(), asyncio.Event()
    url = gateway.url("acme", "http")
    async with asyncio.timeout(240):
        await asyncio.gather(*(keep_calling(url, key, load, stop, limit=157) for _ in range(64)))
    assert load.mixed == 0
    assert load.refused == []
    assert len(load.answered) >= 10_000


@pytest.mark.asyncio
@pytest.mark.claim("faults.no-mix-ups")
async def test_two_tenants_have_processes_of_their_own_for_the_same_template(gateway: Gateway) -> None:
    pids = set()
    for project in ("acme", "globex"):
        message = await call_first(gateway.url(project, "other"), gateway.key(project, "load"), "pid")
        pids.add(message["result"]["content"][0]["text"])
    assert len(pids) == 2


@pytest.mark.claim("supervisor.ends")
@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_everything_ends_within_five_seconds(
    tmp_path: Path, upstream: RecordingUpstream, server: Any, number: signal.Signals
) -> None:
    # A machine that was busy with other tests once gets a second chance.
    assert any(ends_in_time(Gateway(tmp_path / attempt, config(upstream.url), server, 1), number) for attempt in "ab")


def ends_in_time(gateway: Gateway, number: signal.Signals) -> bool:
    with gateway:
        assert gateway.process is not None
        asyncio.run(call_first(gateway.url("acme", "other"), gateway.key("acme", "load"), "echo"))
        processes = tree(gateway)
        assert any(CHILD in command_line(process) for process in processes)
        gateway.process.send_signal(number)
        _, alive = psutil.wait_procs([psutil.Process(gateway.process.pid), *processes], timeout=5)
        return alive == []


@pytest.mark.claim("supervisor.ends")
@pytest.mark.parametrize("killed", ["supervisor", "supervisor and parts"])
def test_a_killed_supervisor_leaves_nothing_behind(
    tmp_path: Path, upstream: RecordingUpstream, killed: str
) -> None:
    with (
        own_database() as url, own_redis() as redis, socket.create_server(("127.0.0.1", 0)) as mute,
        Gateway(tmp_path, with_mute_server(config(upstream.url), mute), "uvicorn", 2,
                {"DATABASE_URL": url, "REDIS_URL": redis}) as gateway,
    ):  # fmt: skip
        assert gateway.process is not None
        asyncio.run(call_first(gateway.url("acme", "other"), gateway.key("acme", "load"), "echo"))
        # A worker asks it for its tools, and waits for the answer.
        mute.settimeout(60)
        asking, _ = mute.accept()
        processes, parts = tree(gateway), psutil.Process(gateway.process.pid).children()
        assert len(processes) > len(parts) > 3
        # Nobody sees the others go.
        gateway.process.send_signal(signal.SIGSTOP)
        for part in parts if killed == "supervisor and parts" else ():
            part.kill()
        gateway.process.kill()
        _, alive = psutil.wait_procs(processes, timeout=10)
        asking.close()
        assert [command_line(each) for each in alive] == []


def with_mute_server(settings: dict[str, Any], listener: socket.socket) -> dict[str, Any]:
    """With a server that takes connections and never says a word."""
    mute = {"slug": "mute", "url": f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", "timeout_seconds": 60}
    first, *others = settings["projects"]
    return {**settings, "projects": [{**first, "servers": [*first["servers"], mute]}, *others]}


PART = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.asyncio
@pytest.mark.claim("supervisor.ends")
async def test_what_a_killed_part_had_started_ends_before_the_part_is_started_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    supervisor = Supervisor([Part("worker", [sys.executable, "-c", PART])], 2.0, log)
    running = asyncio.create_task(supervisor.run())
    try:
        await wait_until(lambda: log.exists() and log.read_text().count("\n") == 1)
        child = psutil.Process(int(log.read_text()))
        os.kill(child.ppid(), signal.SIGKILL)
        await wait_until(lambda: log.read_text().count("\n") == 2)
        assert not child.is_running() or child.status() == "zombie"
    finally:
        supervisor.stop()
        await running


@pytest.mark.asyncio
@pytest.mark.claim("supervisor.ends")
async def test_what_a_part_had_started_that_is_killed_as_all_ends_ends_too(tmp_path: Path) -> None:
    log = tmp_path / "log"
    supervisor = Supervisor([Part("worker", [sys.executable, "-c", PART])], 2.0, log)
    running = asyncio.create_task(supervisor.run())
    await wait_until(lambda: log.exists() and log.read_text().count("\n") == 1)
    child, part = psutil.Process(int(log.read_text())), supervisor._processes["worker"]
    part.kill()
    async with asyncio.timeout(10):
        while part.returncode is None:
            await asyncio.sleep(0)
    # Nobody has come to it by now.
    supervisor.stop()
    await running
    _, alive = psutil.wait_procs([child], timeout=5)
    assert alive == []
