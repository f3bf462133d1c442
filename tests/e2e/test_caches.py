"""What the gateway keeps: for how long, who is told so, how it is dropped, and how often a server is asked for it."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.conformance.gateway import Gateway
from tests.databases import own_database, own_redis
from tests.e2e.acts import Acts
from tests.e2e.client import Client, connections_to_every_worker
from tests.e2e.scene import Scene
from tests.e2e.upstream import Seen, Upstream, running
from tests.waiting import wait_until

TOKEN = "metrics-token-0123456789"
CALLS = 50
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}}
# Far above everything else that a test waits for.
TOOLS_SECONDS = 600
LIMIT = 1.0
LOADS = "mcpgw_snapshot_loads_total"
DROPPED = 'mcpgw_cache_evictions_total{cache="tools",reason="cleared"}'


def declarations(upstream: Upstream) -> dict[str, Any]:
    def project(slug: str) -> dict[str, Any]:
        return {
            "slug": slug,
            "members": [{"email": f"doomed@{slug}.test"}, {"email": f"owner@{slug}.test", "role": "owner"}],
            "servers": [{"slug": server, "url": upstream.url(f"{slug}/{server}")} for server in ("docs", "other")],
            "keys": [{"user": f"doomed@{slug}.test", "label": "doomed"}],
        }

    return {"version": 1, "projects": [project("acme"), project("globex")]}


@pytest.fixture(scope="module", params=["uvicorn", "daphne", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    home = tmp_path_factory.mktemp(request.param)
    if request.param == "postgresql":
        with own_database() as database, own_redis() as redis:
            yield from made("uvicorn", 2, home, database, {"DATABASE_URL": database, "REDIS_URL": redis})
        return
    yield from made(request.param, 1, home, f"sqlite:///{home / 'gateway.sqlite3'}", {})


def made(
    server: Literal["uvicorn", "daphne"], workers: int, home: Path, database: str, environment: dict[str, str]
) -> Iterator[Scene]:
    settings = {
        "GATEWAY_KEY_RATE": "0", "GATEWAY_LOG_LEVEL": "WARNING", "GATEWAY_METRICS_TOKEN": TOKEN,
        "GATEWAY_CACHE_TOOLS_SECONDS": str(TOOLS_SECONDS), **environment,
    }  # fmt: skip
    with running() as upstream:
        upstream.ttl = 0
        with (
            Gateway(home, declarations(upstream), server, workers, settings) as gateway,
            Acts(gateway) as acts,
        ):
            made = Scene(gateway, upstream, acts, database)
            # Once all are in the catalogue, whatever asks for a list is what a test has brought about.
            wait_until(lambda: not made.rows("SELECT 1 FROM servers_server WHERE discovered_at IS NULL"))
            yield made


def status(scene: Scene, project: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(scene.gateway.manage("cache", "status", "--project", project, "--json"))
    return dict(found[project])


def lists_of(scene: Scene, path: str) -> int:
    return sum(seen.path == path and seen.message.get("method") == "tools/list" for seen in list(scene.upstream.seen))


def every_worker(scene: Scene, path: str, **more: Any) -> list[Client]:
    [workers] = connections_to_every_worker(scene.gateway, scene.gateway.workers)
    return [scene.client(path, path.split("/")[0], "doomed", connection=worker, **more) for worker in workers]


def counted(scene: Scene, sample: str) -> float:
    request = urllib.request.Request(
        f"http://127.0.0.1:{scene.gateway.port}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        lines = response.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(sample))


@pytest.mark.claim("cache.single-flight")
@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_fifty_first_calls_at_the_same_time_ask_for_one_list(scene: Scene, era: str) -> None:
    """The server's answer to whoever asks first is held back until all fifty are in."""
    path = "/globex/docs" if era == "modern" else "/globex/other"
    client = scene.client(path.removeprefix("/"), "globex", "doomed")
    session = client.open()
    asked, may_answer = lists_of(scene, path), threading.Event()

    def hold(seen: Seen) -> None:
        if seen.path == path and seen.message.get("method") == "tools/list":
            assert may_answer.wait(20)

    def call(number: int) -> str:
        mine = scene.client(path.removeprefix("/"), "globex", "doomed")
        if era == "modern":
            return mine.call(f"first-{number}").text
        arguments = {"name": "echo", "arguments": {"text": f"first-{number}"}}
        return mine.legacy("tools/call", arguments, session=session).text

    before = intents(scene)
    scene.upstream.before_answer = hold
    try:
        with ThreadPoolExecutor(CALLS) as callers:
            answers = [callers.submit(call, number) for number in range(CALLS)]
            # An intent is committed just before the list is asked for.
            wait_until(lambda: intents(scene) >= before + CALLS)
            may_answer.set()
            assert [answer.result() for answer in answers] == [f"first-{number}" for number in range(CALLS)]
    finally:
        scene.upstream.before_answer = None
        may_answer.set()
    assert lists_of(scene, path) - asked <= scene.gateway.workers, "one for each worker"


def intents(scene: Scene) -> int:
    query = "SELECT COUNT(*) FROM audit_event WHERE kind = 'mcp.call.intent' AND method = 'tools/call'"
    return int(scene.rows(query)[0][0])


@pytest.mark.claim("cache.cleared")
def test_cleared_tools_are_dropped_by_every_worker_within_a_second_and_read_again(scene: Scene) -> None:
    path = "/acme/docs"
    clients = every_worker(scene, "acme/docs")
    for client in clients:
        assert client.call("warm").text == "warm"
        assert client.call("kept").text == "kept"
    read, asked = discoveries(scene), by_callers(scene, path)
    strangers = every_worker(scene, "globex/docs")
    for stranger in strangers:
        stranger.call("warm")
    theirs = by_callers(scene, "/globex/docs")
    cleared = scene.acts.do("clear the tools of docs", "acme")
    for client in clients:
        while by_callers(scene, path) < asked + clients.index(client) + 1:
            assert client.call("after").text == "after"
            assert time.time() - cleared <= LIMIT, "a worker that has not heard of it answers from what it kept"
    wait_until(lambda: discoveries(scene) > read)
    for stranger in strangers:
        stranger.call("after")
    assert by_callers(scene, "/globex/docs") == theirs, "nobody else's was dropped"
    assert scene.rows("SELECT server FROM audit_event WHERE kind = 'cache.cleared' ORDER BY ord")[-1][0] == "docs"


def discoveries(scene: Scene) -> int:
    where = "kind = 'discovery.finished' AND project = 'acme' AND server = 'docs'"
    return int(scene.rows(f"SELECT COUNT(*) FROM audit_event WHERE {where}")[0][0])


def by_callers(scene: Scene, path: str) -> int:
    """Lists that were asked for in the pass-through: discovery asks for the others as well."""
    return sum(
        seen.path == path and seen.message.get("method") == "tools/list" and seen.connection in connections(scene)
        for seen in list(scene.upstream.seen)
    )


def connections(scene: Scene) -> set[int]:
    """Over which calls of clients came."""
    return {seen.connection for seen in list(scene.upstream.seen) if seen.message.get("method") == "tools/call"}


@pytest.mark.claim("cache.cleared")
def test_clearing_the_configuration_or_the_verdicts_changes_no_answer(scene: Scene) -> None:
    client = scene.client("acme/docs", "acme", "doomed")
    for kind in ("config", "verdicts", "all"):
        loads = counted(scene, LOADS)
        scene.acts.do(f"clear {kind}", "acme")
        wait_until(partial(has_risen, scene, LOADS, loads))
        assert client.call(kind).text == kind


def has_risen(scene: Scene, sample: str, before: float) -> bool:
    return counted(scene, sample) > before


@pytest.mark.claim("cache.status")
def test_the_status_tells_for_each_server_what_is_kept_and_until_when(scene: Scene) -> None:
    found = status(scene, "globex")
    assert found["tools_expire_after_hours"] == pytest.approx(TOOLS_SECONDS / 3600)
    assert found["config_expires_after_hours"] == 24
    assert found["cache_type"] == ("redis" if "REDIS_URL" in scene.gateway.environment else "memory")
    assert found["config_age_seconds"] >= 0
    docs = found["servers"]["docs"]
    assert (docs["tool_count"], docs["is_expired"], docs["needs_discovery"], docs["error"]) == (4, False, False, "")
    assert docs["read_at"] < docs["expires_at"]


@pytest.mark.claim("cache.shared")
def test_with_redis_a_list_that_one_worker_has_read_is_read_by_no_other(scene: Scene) -> None:
    path = "/globex/docs"
    scene.upstream.ttl = 60_000
    try:
        assert all(client.call("known").text == "known" for client in every_worker(scene, "globex/docs"))
        asked, dropped = by_callers(scene, path), counted(scene, DROPPED)
        scene.acts.do("clear the tools of docs", "globex")
        wait_until(lambda: counted(scene, DROPPED) >= dropped + scene.gateway.workers)
        assert all(client.call("again").text == "again" for client in every_worker(scene, "globex/docs"))
        is_shared = "REDIS_URL" in scene.gateway.environment
        assert by_callers(scene, path) - asked == (1 if is_shared else scene.gateway.workers)
    finally:
        scene.upstream.ttl = 0


@pytest.mark.claim("cache.lifetimes")
def test_a_list_is_kept_no_longer_than_its_server_says(scene: Scene) -> None:
    path, client = "/acme/other", scene.client("acme/other", "acme", "doomed", connection=one(scene))
    scene.upstream.ttl = 1000
    try:
        scene.acts.do("clear the tools of other", "acme")
        asked = by_callers(scene, path)
        wait_until(lambda: client.call("again").text and by_callers(scene, path) >= asked + 3)
    finally:
        scene.upstream.ttl = 0


def one(scene: Scene) -> Any:
    [workers] = connections_to_every_worker(scene.gateway, scene.gateway.workers)
    return workers[0]


@pytest.mark.claim("cache.lifetimes")
@pytest.mark.parametrize(("said", "told"), [(0, 0), (5, 5), (10**12, TOOLS_SECONDS * 1000), (-1, 0), ("x", 0)])
def test_clients_are_told_that_a_list_is_theirs_alone_and_no_longer_good_than_ours(
    scene: Scene, said: Any, told: int
) -> None:
    client = scene.client("acme/docs", "acme", "doomed")
    scene.upstream.ttl = said
    try:
        result = client.modern("tools/list").message["result"]
    finally:
        scene.upstream.ttl = 0
    assert (result["cacheScope"], result["ttlMs"]) == ("private", told)


@pytest.mark.claim("cache.keys")
def test_hits_misses_and_evictions_are_counted_by_cache_and_never_by_tenant(scene: Scene) -> None:
    client = scene.client("acme/docs", "acme", "doomed", connection=one(scene))
    client.call("warm")
    hits = counted(scene, 'mcpgw_cache_lookups_total{cache="tools",outcome="hit"}')
    client.call("hit")
    assert counted(scene, 'mcpgw_cache_lookups_total{cache="tools",outcome="hit"}') > hits
    for cache in ("tools", "config", "offers", "definitions"):
        assert counted(scene, f'mcpgw_cache_lookups_total{{cache="{cache}",outcome="miss"}}') > 0, cache
    assert counted(scene, 'mcpgw_cache_evictions_total{cache="tools",reason="cleared"}') > 0
