"""Group commit: what a resolved future promises, and what happens when the store says no."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections, transaction

from audit import storage
from audit.carried import SealedPayload, carrying
from audit.entry import Entry, new_id, now
from audit.models import Event, Payload
from audit.recorder import COMMIT_SECONDS, AuditUnavailable, Recorder, record

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.stop()


def entry(subject: str = "echo", kind: str = "mcp.call.intent", **fields: Any) -> Entry:
    return Entry(id=new_id(), at=now(), kind=kind, subject=subject, **fields)


def seen(subject: str | None = None) -> int:
    """How many rows another connection sees."""

    def look() -> int:
        try:
            events = Event.objects.all()
            return (events if subject is None else events.filter(subject=subject)).count()
        finally:
            connection.close()

    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(look()))
    thread.start()
    thread.join(10)
    return found[0]


def commits() -> float:
    return sum(sample.value for metric in COMMIT_SECONDS.collect() for sample in metric.samples
               if sample.name.endswith("_count"))  # fmt: skip


@pytest.mark.claim("audit.committed-first")
def test_when_the_future_resolves_the_row_is_there_for_everyone(recorder: Recorder) -> None:
    async def write() -> int:
        async with asyncio.timeout(10):
            await recorder.write(entry("first"))
        return await asyncio.to_thread(seen, "first")

    assert asyncio.run(write()) == 1


@pytest.mark.claim("audit.group-commit")
def test_many_events_share_few_commits_and_each_is_there_when_its_future_resolves(recorder: Recorder) -> None:
    async def one(number: int) -> None:
        await recorder.write(entry(f"event-{number}"))
        assert await asyncio.to_thread(seen, f"event-{number}") == 1

    async def write() -> float:
        await recorder.write(entry("start"))
        before = commits()
        async with asyncio.timeout(30):
            await asyncio.gather(*(recorder.write(entry("many")) for _ in range(400)))
            after = commits()
            await asyncio.gather(*(one(number) for number in range(10)))
        return after - before

    assert asyncio.run(write()) < 40
    assert seen("many") == 400


@pytest.mark.claim("audit.group-commit")
def test_events_are_stored_in_the_order_in_which_they_came(recorder: Recorder) -> None:
    async def write() -> None:
        async with asyncio.timeout(10):
            await asyncio.gather(*(recorder.write(entry(f"{number:03}")) for number in range(100)))

    asyncio.run(write())
    assert list(Event.objects.order_by("ord").values_list("subject", flat=True)) == [f"{n:03}" for n in range(100)]


@pytest.mark.claim("audit.intent-outcome")
def test_a_calls_two_lines_share_its_call_id(recorder: Recorder) -> None:
    call_id = uuid.uuid4()

    async def write() -> None:
        async with asyncio.timeout(10):
            await recorder.write(entry(call_id=call_id))
            await recorder.write(entry(kind="mcp.call.outcome", call_id=call_id, decision="ok"))

    asyncio.run(write())
    lines = Event.objects.filter(call_id=call_id).order_by("ord").values_list("kind", "decision")
    assert list(lines) == [("mcp.call.intent", ""), ("mcp.call.outcome", "ok")]


@pytest.mark.claim("audit.survives-cancellation")
def test_an_event_is_kept_when_its_writer_is_cancelled(recorder: Recorder) -> None:
    async def write() -> None:
        task = asyncio.ensure_future(_await(recorder.write(entry("cancelled"))))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            await recorder.write(entry("after"))

    asyncio.run(write())
    assert seen("cancelled") == 1


async def _await(future: asyncio.Future[None]) -> None:
    await future


@pytest.mark.claim("audit.fails-closed")
@pytest.mark.claim("audit.payload-with-event")
def test_payloads_that_wait_are_bounded_and_an_outcome_is_kept_without_its_own(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.recorder._MAX_PAYLOAD_BYTES", 100)
    store, hangs = storage.commit, threading.Event()

    def commit_later(batch: Any, writer: uuid.UUID) -> None:
        hangs.wait(10)
        store(batch, writer)

    monkeypatch.setattr(storage, "commit", commit_later)

    def sealed(kind: str) -> Entry:
        made = entry(kind, kind=kind, call_id=uuid.uuid4())
        return carrying(made, SealedPayload(new_id(), 1, 1, made.id, made.at, "full", 2, b"n" * 12, b"c" * 60))

    async def write() -> None:
        waiting = recorder.write(sealed("mcp.call.intent"))
        for kind in ("mcp.call.intent", "mcp.call.outcome"):
            with pytest.raises(AuditUnavailable):
                recorder.write(sealed(kind))
        hangs.set()
        async with asyncio.timeout(10):
            await waiting
            # What is stored waits no more.
            await recorder.write(sealed("mcp.call.intent"))

    asyncio.run(write())
    assert Payload.objects.count() == seen("mcp.call.intent") == 2
    outcome = Event.objects.get(kind="mcp.call.outcome")
    assert (outcome.payload_ref, outcome.detail) == (None, {"payload": {"omitted": "too_much_waits"}})


class Away:
    """The table is gone for a while."""

    def __enter__(self) -> None:
        self._rename("audit_event", "audit_event_away")

    def __exit__(self, *_: object) -> None:
        self._rename("audit_event_away", "audit_event")

    def _rename(self, old: str, new: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f'ALTER TABLE "{old}" RENAME TO "{new}"')


@pytest.mark.claim("audit.fails-closed")
def test_a_store_that_fails_is_said_to_the_waiting_call_and_its_intent_is_dropped(recorder: Recorder) -> None:
    async def write(subject: str) -> None:
        async with asyncio.timeout(10):
            await recorder.write(entry(subject))

    with Away(), pytest.raises(AuditUnavailable):
        asyncio.run(write("while away"))
    asyncio.run(write("back"))
    assert seen("while away") == 0
    assert seen("back") == 1


@pytest.mark.claim("audit.outcomes-are-kept")
def test_an_outcome_and_a_refusal_are_tried_until_the_store_is_back(recorder: Recorder) -> None:
    async def fail() -> None:
        recorder.write_behind(entry("refused", kind="mcp.refused"))
        async with asyncio.timeout(10):
            await recorder.write(entry("outcome", kind="mcp.call.outcome"))

    async def write() -> None:
        async with asyncio.timeout(10):
            await recorder.write(entry("back"))

    with Away(), pytest.raises(AuditUnavailable):
        asyncio.run(fail())
    asyncio.run(write())
    assert seen("outcome") == seen("refused") == 1
    assert list(Event.objects.order_by("ord").values_list("subject", flat=True))[-1] == "back"


@pytest.mark.claim("audit.fails-closed")
def test_when_too_much_is_waiting_nothing_more_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.recorder._MAX_WAITING", 3)
    full = Recorder()
    monkeypatch.setattr(full, "_start", lambda: None)

    async def write() -> None:
        for _ in range(3):
            full.write_behind(entry())
        with pytest.raises(AuditUnavailable):
            full.write(entry())

    asyncio.run(write())


@pytest.mark.claim("audit.one-bad-event")
@pytest.mark.parametrize("subject", ["a\0b", "lone \ud800 surrogate", "x" * 100_000, "é" * 600])
def test_no_text_of_a_caller_can_stop_the_log(recorder: Recorder, subject: str) -> None:
    async def write() -> None:
        async with asyncio.timeout(10):
            await asyncio.gather(
                recorder.write(entry("before")),
                recorder.write(entry(subject, detail={"note": subject, subject[:9]: [subject], "\\u0000": "x"})),
                recorder.write(entry("after")),
            )

    asyncio.run(write())
    assert seen() == 3
    row = Event.objects.exclude(subject__in=["before", "after"]).get()
    assert row.subject == subject.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:512]
    assert row.detail["\\u0000"] == "x"


@pytest.mark.claim("audit.one-bad-event")
def test_an_event_that_can_never_be_stored_is_refused_alone(recorder: Recorder) -> None:
    async def write() -> Any:
        first = entry("first")
        async with asyncio.timeout(10):
            await recorder.write(first)
            return await asyncio.gather(
                recorder.write(entry("before")),
                recorder.write(first._replace(kind="mcp.call.outcome")),
                recorder.write(entry("too large", bytes_in=2**70)),
                recorder.write(entry("after")),
                return_exceptions=True,
            )

    results = asyncio.run(write())
    assert [type(result) for result in results] == [type(None), AuditUnavailable, AuditUnavailable, type(None)]
    assert seen("before") == seen("after") == 1
    assert seen() == 3


@pytest.mark.claim("audit.stop")
def test_stopping_commits_what_waits_and_a_later_event_starts_again() -> None:
    recorder = Recorder()
    for _ in range(50):
        recorder.write_behind(entry("waiting"))
    recorder.stop()
    assert seen("waiting") == 50
    recorder.write_behind(entry("later"))
    recorder.stop()
    assert seen("later") == 1
    assert "audit-writer" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.claim("audit.in-transaction")
def test_an_act_and_its_line_are_committed_together_or_not_at_all() -> None:
    with transaction.atomic():
        record("server.changed", subject="kept")
    with transaction.atomic():
        record("server.changed", subject="undone")
        transaction.set_rollback(True)
    assert list(Event.objects.values_list("subject", flat=True)) == ["kept"]


SQLITE = """
import asyncio, json, os, sqlite3, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "gateway_site.settings"
import django
django.setup()
from django.core.management import call_command
from django.db import connection, transaction
from audit import storage
from audit.carried import SealedPayload, carrying
from audit.entry import Entry, new_id, now
from audit.models import Event, Payload
from audit.recorder import AuditUnavailable, Recorder, record
call_command("migrate", verbosity=0)
path = str(connection.settings_dict["NAME"])
def seen(where="1"):
    with sqlite3.connect(path) as other:
        return other.execute(f"SELECT count(*) FROM audit_event WHERE {where}").fetchone()[0]
def entry(subject, **fields):
    return Entry(id=new_id(), at=now(), kind=fields.pop("kind", "mcp.call.intent"), subject=subject, **fields)
recorder, found = Recorder(), {}
async def write():
    async with asyncio.timeout(20):
        await recorder.write(entry("first", call_id=new_id(), detail={"a": 1}))
        found["first"] = seen("subject = 'first'")
        await asyncio.gather(*(recorder.write(entry("many")) for _ in range(300)))
        found["many"] = seen("subject = 'many'")
        connection.cursor().execute("ALTER TABLE audit_event RENAME TO away")
        for kind in ("mcp.call.intent", "mcp.call.outcome"):
            try:
                await recorder.write(entry("failed", kind=kind))
            except AuditUnavailable:
                found[kind] = "refused"
        connection.cursor().execute("ALTER TABLE away RENAME TO audit_event")
        await recorder.write(entry("back"))
        found["kept"] = seen("subject = 'failed'")
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
asyncio.run(write())
recorder.stop()
with transaction.atomic():
    record("server.changed", subject="undone")
    transaction.set_rollback(True)
found["undone"] = seen("subject = 'undone'")
row = Event.objects.get(subject="first")
found["row"] = [row.detail, row.call_id is not None, str(row.at.tzinfo)]
print(json.dumps(found))
"""


@pytest.mark.claim("audit.sqlite")
def test_the_same_holds_on_sqlite(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "GATEWAY_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", SQLITE], capture_output=True, text=True, timeout=60, env=environment,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == {
        "first": 1, "many": 300, "mcp.call.intent": "refused", "mcp.call.outcome": "refused", "kept": 1, "undone": 0,
        "row": [{"a": 1}, True, "UTC"],
    }  # fmt: skip


def teardown_module() -> None:
    connections.close_all()
