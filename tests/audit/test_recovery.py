"""Calls of a process that is gone are closed once, and those of one that lives are left alone."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from audit import lease as leases
from audit import recovery
from audit.entry import Entry, new_id, now
from audit.models import Event, Writer
from audit.recorder import AuditUnavailable, Recorder
from tests.databases import migrated_file, own_database
from tests.threads import at_one_time
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
ELSEWHERE = "another-machine 00000000-0000-0000-0000-000000000000 1"


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.stop()


def call(kind: str = "intent", call_id: uuid.UUID | None = None, **fields: Any) -> Entry:
    return Entry(
        id=new_id(), at=now(), kind=f"mcp.call.{kind}", call_id=call_id or new_id(), project_ref=1, project="acme",
        actor_kind="key", actor_id="k", actor="ada@acme.test", server="docs", method="tools/call", subject="echo",
        **fields,
    )  # fmt: skip


def commit(recorder: Recorder, *entries: Entry) -> list[Any]:
    async def write() -> list[Any]:
        async with asyncio.timeout(20):
            return await asyncio.gather(*map(recorder.write, entries), return_exceptions=True)

    return asyncio.run(write())


def outcomes(call_id: uuid.UUID | None) -> list[tuple[str, str]]:
    found = Event.objects.filter(call_id=call_id).exclude(kind="mcp.call.intent").order_by("ord")
    return list(found.values_list("kind", "decision"))


def pretend_elsewhere(silent: timedelta = timedelta(0), suspected: timedelta | None = None) -> None:
    """The writer runs on a machine that we cannot look at, and was heard of so long ago."""
    Writer.objects.update(
        place=ELSEWHERE, seen_at=Now() - silent, suspected_at=None if suspected is None else Now() - suspected
    )


SILENT, SUSPECTED = recovery.SILENT + timedelta(seconds=1), recovery.SUSPECTED + timedelta(seconds=1)
INTERRUPTED = [("mcp.call.outcome", "interrupted")]


@pytest.mark.claim("audit.running")
def test_the_open_calls_of_a_living_process_are_left_alone(recorder: Recorder) -> None:
    entry = call()
    commit(recorder, entry)
    assert recovery.close_interrupted() == 0
    assert outcomes(entry.call_id) == []
    pretend_elsewhere()
    assert recovery.close_interrupted() == 0
    # Silence alone is not enough: when the database was away, everybody was silent.
    pretend_elsewhere(SILENT)
    assert recovery.close_interrupted() == 0
    assert Writer.objects.get().suspected_at is not None
    assert outcomes(entry.call_id) == []


@pytest.mark.claim("audit.running")
def test_a_process_that_is_heard_of_again_is_suspected_no_more(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = call()
    commit(recorder, entry)
    pretend_elsewhere(SILENT, SUSPECTED)
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.0)
    commit(recorder, call())
    wait_until(lambda: Writer.objects.get().suspected_at is None)
    assert recovery.close_interrupted() == 0
    commit(recorder, call("outcome", entry.call_id, decision="ok"))
    assert outcomes(entry.call_id) == [("mcp.call.outcome", "ok")]


@pytest.mark.claim("audit.interrupted")
def test_the_open_calls_of_a_silent_process_are_closed_with_all_that_is_known_of_them(recorder: Recorder) -> None:
    done, open_call = call(), call(request_id="r", trace_id="t", server_ref=3, policy_version=4)
    commit(recorder, done, open_call)
    commit(recorder, call("outcome", done.call_id, decision="ok"))
    pretend_elsewhere(SILENT, SUSPECTED)
    assert recovery.close_interrupted() == 1
    assert outcomes(done.call_id) == [("mcp.call.outcome", "ok")]
    assert outcomes(open_call.call_id) == INTERRUPTED
    closed = Event.objects.get(call_id=open_call.call_id, kind="mcp.call.outcome")
    for name in recovery._COPIED:
        assert getattr(closed, name) == getattr(open_call, name), name
    assert closed.reason == "process_gone"
    assert not Writer.objects.exists()
    assert recovery.close_interrupted() == 0


@pytest.mark.claim("audit.interrupted")
def test_a_process_that_was_given_up_and_comes_back_ends_its_calls_no_second_time(recorder: Recorder) -> None:
    """What it says is kept beside it, and its caller hears that there is no answer."""
    before = call()
    commit(recorder, before)
    pretend_elsewhere(SILENT, SUSPECTED)
    assert recovery.close_interrupted() == 1
    after = call()
    results = commit(recorder, call("outcome", before.call_id, decision="ok"), after)
    assert [type(result) for result in results] == [AuditUnavailable, type(None)]
    assert outcomes(before.call_id) == [*INTERRUPTED, ("mcp.call.late_outcome", "ok")]
    commit(recorder, call("outcome", after.call_id, decision="ok"))
    assert outcomes(after.call_id) == [("mcp.call.outcome", "ok")]
    assert Writer.objects.count() == 1


@pytest.mark.claim("audit.interrupted")
def test_any_number_may_recover_at_one_time(recorder: Recorder) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("the suite's SQLite database is in memory and has one connection")
    entries = [call() for _ in range(50)]
    commit(recorder, *entries)
    pretend_elsewhere(SILENT, SUSPECTED)
    assert sorted(at_one_time(*[recovery.close_interrupted] * 8)) == [0] * 7 + [50]
    assert all(outcomes(each.call_id) == INTERRUPTED for each in entries)


@pytest.mark.claim("audit.interrupted")
def test_a_process_that_ended_in_order_leaves_nothing_and_one_with_open_calls_is_not_waited_for() -> None:
    quiet, busy, open_call = Recorder(), Recorder(), call()
    done = call()
    commit(quiet, done)
    commit(quiet, call("outcome", done.call_id, decision="ok"))
    quiet.stop()
    assert not Writer.objects.exists()
    commit(busy, open_call)
    busy.stop()
    Writer.objects.update(place=ELSEWHERE)
    assert recovery.close_interrupted() == 1
    assert outcomes(open_call.call_id) == INTERRUPTED


@pytest.mark.claim("audit.interrupted")
def test_another_process_with_the_same_number_is_not_taken_for_the_one_that_is_gone(recorder: Recorder) -> None:
    commit(recorder, call())
    assert recovery.close_interrupted() == 0
    Writer.objects.update(began=leases.began(os.getpid()) - 1)
    assert recovery.close_interrupted() == 1


@pytest.mark.claim("audit.interrupted")
def test_a_call_that_was_open_for_long_is_found_too(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.0)
    old = call()._replace(at=now() - timedelta(days=3))
    commit(recorder, old)
    for _ in range(3):
        done = call()
        commit(recorder, done)
        commit(recorder, call("outcome", done.call_id, decision="ok"))
    wait_until(lambda: Writer.objects.get().open_since == old.at)
    monkeypatch.setattr(leases, "BEAT_SECONDS", 1e9)
    commit(recorder, call("other"))
    pretend_elsewhere(SILENT, SUSPECTED)
    assert recovery.close_interrupted() == 1
    assert outcomes(old.call_id) == INTERRUPTED


DYING = """
import asyncio, os, signal, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "gateway_site.settings"
import django
django.setup()
from audit.recorder import recorder
from tests.audit.test_recovery import call
async def write():
    await asyncio.gather(*(recorder.write(call()) for _ in range(5)))
    print("committed", flush=True)
    if sys.argv[1] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.to_thread(sys.stdin.readline)
asyncio.run(write())
"""
RECOVER = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "gateway_site.settings"
import django
django.setup()
from audit.recovery import close_interrupted
print(close_interrupted())
"""


@pytest.mark.claim("audit.interrupted")
@pytest.mark.claim("audit.running")
@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_a_killed_process_is_noticed_at_once_where_it_ran(tmp_path: Path, database: str) -> None:
    root = Path(__file__).resolve().parents[2]
    environment = {"PATH": "/usr/bin:/bin", "GATEWAY_HOME": str(tmp_path), "GATEWAY_LOG_LEVEL": "ERROR"}

    def python(code: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments], env=environment, cwd=root, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def run() -> None:
        alive, dead = python(DYING, "live"), python(DYING, "die")
        try:
            for process in (alive, dead):
                assert process.stdout is not None
                assert process.stdout.readline() == "committed\n"
            dead.wait(20)
            # Nobody has waited for it before: a process that is only left to be counted is gone too.
            assert python(RECOVER).communicate(timeout=60)[0] == "5\n"
            assert python(RECOVER).communicate(timeout=60)[0] == "0\n"
        finally:
            alive.communicate("end\n", timeout=20)

    if database == "sqlite":
        shutil.copyfile(migrated_file(), tmp_path / "gateway.sqlite3")
        run()
        return
    with own_database() as url:
        environment["DATABASE_URL"] = url
        run()
