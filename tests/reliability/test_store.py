"""The store of the log is away, hangs or is full: nothing is done that cannot be recorded, and no restart is needed."""

from __future__ import annotations

import contextlib
import dataclasses
import hmac
import http.client
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import psutil
import psycopg
import pytest

from gateway_site.lib.secrets import load_or_create
from tests.conformance.gateway import Gateway
from tests.databases import ROOT, unchecked
from tests.e2e.client import HANDSHAKE, META, Client, Reply, Stream
from tests.e2e.upstream import Seen, Upstream, running
from tests.reliability.disks import empty, fill, limit_growth, size_of, small_disk
from tests.reliability.postgresql import PostgreSQL
from tests.waiting import wait_until

SECONDS = 2.0
REFUSED = (503, -31006)
# A full disk has room here and there: it counts as full once so many calls in a row were refused.
IN_A_ROW = {"full": 6, "growing no more": 6}
TOOLS_CHANGED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
OPEN = (
    "SELECT count(*) FROM audit_event AS i WHERE kind = 'mcp.call.intent' AND NOT EXISTS"
    " (SELECT 1 FROM audit_event WHERE call_id = i.call_id AND kind = 'mcp.call.outcome')"
)
CLOSED_TWICE = (
    "SELECT count(*) FROM (SELECT call_id FROM audit_event WHERE kind = 'mcp.call.outcome'"
    " GROUP BY call_id HAVING count(*) > 1) AS twice"
)
UNSEALED = "SELECT (SELECT count(*) FROM audit_event) - (SELECT count(*) FROM audit_seal)"


@dataclass
class Place:
    """A gateway, the upstream behind it, and what can be done to its store."""

    gateway: Gateway
    upstream: Upstream
    ask: Callable[[str], list[tuple[Any, ...]]]
    faults: Mapping[str, Callable[[], contextlib.AbstractContextManager[None]]]

    def client(self, path: str) -> Client:
        return Client(self.gateway, f"/mcp/{path}", self.gateway.key("acme", "laptop"))

    def patient_client(self, path: str) -> Client:
        """Waits longer than a store takes to fill, also on a busy machine."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=120)
        return dataclasses.replace(self.client(path), connection=connection)

    def count(self, question: str) -> int:
        return int(self.ask(question)[0][0])

    def pids(self) -> set[int]:
        return {process.pid for process in self.processes()}

    def processes(self) -> list[psutil.Process]:
        assert self.gateway.process is not None
        main = psutil.Process(self.gateway.process.pid)
        return [main, *main.children(recursive=True)]


def declarations(upstream: Upstream) -> dict[str, Any]:
    ada = "ada@acme.test"
    project = {
        "slug": "acme",
        "members": [{"email": ada, "role": "owner"}],
        "servers": [{"slug": "docs", "url": upstream.url("docs")}],
        "keys": [{"user": ada, "label": "laptop"}],
    }
    return {"version": 1, "projects": [project]}


@contextmanager
def on_postgresql(folder: Path) -> Iterator[Place]:
    with PostgreSQL() as server, running() as upstream, small_disk(Path(f"{server.data}-disk"), 64) as disk:
        url = server.url_of("postgres") if disk is None else server.database_on(disk, "small")

        def ask(question: str) -> list[tuple[Any, ...]]:
            with psycopg.connect(url) as connection:
                return connection.execute(question).fetchall()

        @contextmanager
        def stopped() -> Iterator[None]:
            server.stop_at_once()
            try:
                yield
            finally:
                server.start()

        @contextmanager
        def frozen() -> Iterator[None]:
            server.freeze()
            try:
                yield
            finally:
                server.thaw()

        faults = {"stopped": stopped, "frozen": frozen, "full": lambda: full(disk)}
        environment = {"DATABASE_URL": url, "GATEWAY_KEY_RATE": "0"}
        with Gateway(folder / "home", declarations(upstream), environment=environment) as gateway:
            yield Place(gateway, upstream, ask, faults)


@contextmanager
def on_sqlite(folder: Path) -> Iterator[Place]:
    with running() as upstream, small_disk(folder / "home", 64) as disk:
        # All that the gateway writes is on that disk, its own output too.
        home = folder / "home"
        file = home / "gateway.sqlite3"

        def ask(question: str) -> list[tuple[Any, ...]]:
            with contextlib.closing(sqlite3.connect(file, timeout=20)) as connection:
                return connection.execute(question).fetchall()

        @contextmanager
        def locked() -> Iterator[None]:
            with contextlib.closing(sqlite3.connect(file, timeout=20, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                yield
                connection.execute("ROLLBACK")

        @contextmanager
        def growing_no_more() -> Iterator[None]:
            limit_growth(place.processes(), size_of(home / "gateway.sqlite3-wal"))
            try:
                yield
            finally:
                limit_growth(place.processes(), None)

        faults = {"locked": locked, "full": lambda: full(disk), "growing no more": growing_no_more}
        with Gateway(home, declarations(upstream), environment={"GATEWAY_KEY_RATE": "0"}) as gateway:
            place = Place(gateway, upstream, ask, faults)
            yield place


@contextmanager
def full(disk: Path | None) -> Iterator[None]:
    """There is not one byte left on it (ENOSPC)."""
    if disk is None:
        pytest.skip("this user may not mount a small disk")
    fill(disk)
    try:
        yield
    finally:
        empty(disk)


STORES = {"postgresql": on_postgresql, "sqlite": on_sqlite}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Place]]:
    """One gateway for each store, which goes through all of its faults without a restart."""
    with ExitStack() as stack:
        made: dict[str, Place] = {}

        def place(store: str) -> Place:
            if store not in made:
                made[store] = stack.enter_context(STORES[store](tmp_path_factory.mktemp(store)))
                wait_until(lambda: not made[store].ask("SELECT 1 FROM servers_server WHERE discovered_at IS NULL"))
            return made[store]

        yield place


@dataclass
class Held:
    """Calls that have reached the upstream, which answers them when the test lets it."""

    place: Place
    texts: set[str]
    open: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Held:
        self.place.upstream.before_answer = self._hold
        return self

    def __exit__(self, *_: object) -> None:
        self.open.set()
        self.place.upstream.before_answer = None

    def _hold(self, seen: Seen) -> None:
        if seen.text in self.texts:
            assert self.open.wait(120)


def timed(act: Callable[[], Reply]) -> tuple[Reply, float]:
    started = time.monotonic()
    reply = act()
    return reply, time.monotonic() - started


def code_of(reply: Reply) -> tuple[int, Any]:
    return reply.status, reply.message.get("error", {}).get("code")


def ways(place: Place, name: str) -> dict[str, Callable[[], Reply]]:
    """A call in either era, at the server and at the address of all of them, and what is no call of a tool."""
    server, every = place.client("acme/docs"), place.client("acme")
    sessions = {client.path: client.open() for client in (server, every)}

    def arguments(way: str, tool: str) -> dict[str, Any]:
        return {"name": tool, "arguments": {"text": f"{name}: {way}"}}

    def legacy(client: Client, way: str, tool: str) -> Callable[[], Reply]:
        return lambda: client.legacy("tools/call", arguments(way, tool), session=sessions[client.path])

    return {
        "modern": lambda: server.modern("tools/call", arguments("modern", "echo")),
        "modern stream": lambda: server.modern("tools/call", arguments("modern stream", "stream")),
        "modern of all": lambda: every.modern("tools/call", arguments("modern of all", "docs__echo")),
        "legacy": legacy(server, "legacy", "echo"),
        "legacy of all": legacy(every, "legacy of all", "docs__echo"),
        "list": lambda: server.modern("tools/list"),
        "list of all": lambda: every.modern("tools/list"),
        "handshake": lambda: server.legacy("initialize", HANDSHAKE),
        "handshake of all": lambda: every.legacy("initialize", HANDSHAKE),
    }


# By engine, and what is done to it. Both "full" are a file system without a free byte, so that writes fail with
# ENOSPC; "growing no more" is a limit of the processes (EFBIG), which needs no rights.
FAULTS = [
    ("postgresql", "stopped"), ("postgresql", "frozen"), ("postgresql", "full"),
    ("sqlite", "locked"), ("sqlite", "full"), ("sqlite", "growing no more"),
]  # fmt: skip


@pytest.mark.claim("faults.database-down")
@pytest.mark.claim("store.refuses")
@pytest.mark.claim("store.full")
@pytest.mark.claim("store.answers-withheld")
@pytest.mark.claim("store.recovers")
@pytest.mark.parametrize(("store", "fault"), FAULTS)
def test_without_its_store_the_gateway_does_nothing_and_with_it_all_goes_on(
    places: Callable[[str], Place], store: str, fault: str
) -> None:
    place, name = places(store), f"{store} {fault}"
    acts, before = ways(place, name), place.pids()
    for way, act in acts.items():
        assert act().status == 200, way
    session = place.client("acme/docs").open()
    # There is nothing to hear while the store is being filled, which takes as long as it finds room.
    streams = [place.patient_client("acme/docs").listen(), place.patient_client("acme/docs").get_stream(session)]
    for stream in streams:
        stream.wait_for_bytes(b": open" if stream is streams[1] else b"acknowledged")
    held = [f"{name}: held {tool}" for tool in ("echo", "stream")]
    with ThreadPoolExecutor(len(acts)) as pool, Held(place, set(held)) as holding, closing(streams):
        calls = {
            text: pool.submit(place.patient_client("acme/docs").call, text, text.rsplit(" ", 1)[1]) for text in held
        }
        place.upstream.wait_for(lambda: all(place.upstream.saw(text) for text in held))
        with place.faults[fault]():
            until_refused(place, f"{name}: trying", IN_A_ROW.get(fault, 1))
            all_are_refused(place, pool, acts)
            answers_are_withheld(holding, calls)
            assert_open(streams)
        wait_until(lambda: place.client("acme/docs").call(f"{name}: again").status == 200)
        all_go_on(place, name, acts)
        hear_of_changes(place, streams)
    assert place.pids() == before
    the_log_is_whole(place, name, held)


def until_refused(place: Place, name: str, in_a_row: int) -> None:
    """Until nothing more finds room. A call that finds it is made and recorded like any other."""
    refused = number = 0
    client, deadline = place.client("acme/docs"), time.monotonic() + 60
    while refused < in_a_row:
        assert time.monotonic() < deadline, "the store still takes events"
        number += 1
        reply, seconds = timed(partial(client.call, f"{name} {number}"))
        if reply.status == 200 and "error" not in reply.message:
            refused = 0
            continue
        assert code_of(reply) == REFUSED, reply.body
        assert seconds < SECONDS, seconds
        refused += 1


def all_are_refused(place: Place, pool: ThreadPoolExecutor, acts: dict[str, Callable[[], Reply]]) -> None:
    """At the same time, each within its two seconds, and nothing at all arrives at the upstream."""
    seen = len(place.upstream.seen)
    replies = {way: pool.submit(timed, act) for way, act in acts.items()}
    for way, future in replies.items():
        reply, seconds = future.result(60)
        assert code_of(reply) == REFUSED, (way, reply.body)
        assert reply.headers["retry-after"] == "2", way
        assert seconds < SECONDS, (way, seconds)
    assert [each.message.get("method") for each in place.upstream.seen[seen:]] == []


def answers_are_withheld(holding: Held, calls: dict[str, Future[Reply]]) -> None:
    """What was under way when the store went: it has been made, and nobody hears the answer."""
    assert {text: call.result() for text, call in calls.items() if call.done()} == {}
    holding.open.set()
    released = time.monotonic()
    for text, call in calls.items():
        reply = call.result(30)
        assert time.monotonic() - released < SECONDS, text
        error = reply.message["error"]
        assert (error["code"], "not made" in error["message"]) == (REFUSED[1], False), (text, reply.body)
        assert text.encode() not in reply.body
        # It may not be tried again blindly, and a stream has begun with what the server said before.
        assert "retry-after" not in reply.headers
        assert reply.status == (200 if text.endswith("stream") else REFUSED[0])


def all_go_on(place: Place, name: str, acts: dict[str, Callable[[], Reply]]) -> None:
    """Each call is made once, in the sessions that were there before."""
    for way, act in acts.items():
        seen = len(place.upstream.saw(f"{name}: {way}"))
        reply = act()
        assert reply.status == 200 and "error" not in reply.message, (way, reply.body)
        if "content" in reply.message["result"]:
            assert len(place.upstream.saw(f"{name}: {way}")) == seen + 1, way


@contextmanager
def closing(streams: list[Stream]) -> Iterator[None]:
    try:
        yield
    finally:
        for stream in streams:
            stream.close()


def assert_open(streams: list[Stream]) -> None:
    assert [stream.ended_at for stream in streams] == [None] * len(streams)


def hear_of_changes(place: Place, streams: list[Stream]) -> None:
    assert_open(streams)
    place.upstream.push(TOOLS_CHANGED)
    for stream in streams:
        stream.wait_for_bytes(b"list_changed", 10)


def the_log_is_whole(place: Place, name: str, held: list[str]) -> None:
    """Each call is closed once, none was made without its intent, and the proof holds."""
    wait_until(lambda: place.count(OPEN) == 0)
    assert place.count(CLOSED_TWICE) == 0
    project = place.ask("SELECT id FROM projects_project")[0][0]
    key = load_or_create(place.gateway.home / "keys" / "keyring.json").project_digest_key(project)
    intents = {
        row[0] for row in place.ask("SELECT params_digest FROM audit_event WHERE kind = 'mcp.call.intent'")
    }
    made = [seen for seen in list(place.upstream.seen) if seen.text.startswith(f"{name}: ")]
    missing = [seen.text for seen in made if "all" not in seen.text and digest(key, seen) not in intents]
    assert (missing, len(made) > len(held)) == ([], True)
    outcomes = place.ask("SELECT params_digest FROM audit_event WHERE kind = 'mcp.call.intent' AND call_id IN"
                         " (SELECT call_id FROM audit_event WHERE kind = 'mcp.call.outcome' AND decision = 'ok')")
    for text in held:
        [seen] = place.upstream.saw(text)
        assert (digest(key, seen),) in outcomes, text
    wait_until(lambda: place.count(UNSEALED) == 0)
    done = subprocess.run(
        unchecked("audit", "verify", "--json"), cwd=ROOT,
        env=place.gateway._environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, orjson.loads(done.stdout)["result"]) == (0, "intact"), done.stdout


def digest(key: bytes, seen: Seen) -> str:
    """Of the parameters as our client sent them."""
    params: dict[str, Any] = {"name": seen.message["params"]["name"], "arguments": {"text": seen.text}}
    if "_meta" in seen.message["params"]:
        params["_meta"] = META
    return hmac.digest(key, orjson.dumps(params, option=orjson.OPT_SORT_KEYS), "sha256").hex()
