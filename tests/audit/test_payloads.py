"""Who reads payloads, where they open, that they are stored with their events, and how people are erased."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit import erasure, payloads, signing, storage
from audit.carried import Carrying
from audit.entry import Entry, new_id, now
from audit.lease import LATE, Lease
from audit.models import Event, Payload, SubjectKey
from audit.payloads import Absent, Erased, Opened, key_of_subject, open_payload, seal
from audit.recorder import recorder
from audit.verify import verify
from gateway_site.lib.secrets import Unsealable
from guardrails.engine.findings import Action
from guardrails.engine.rules import Policy, Rule
from guardrails.vault import MemoryVault
from projects import services, versions
from projects.models import Project, User
from projects.permissions import Role
from projects.scoping import unscoped
from proxy import naming
from proxy import payloads as call_payloads
from proxy.errors import Refusal
from proxy.guards import Guards
from proxy.inspection import owner_of
from proxy.snapshot import Snapshot
from proxy.stages import record as record_stage
from servers import declared
from tests.audit.payload import call_of
from tests.audit.sealing import execute, seal_all
from tests.cast import Cast

pytestmark = pytest.mark.django_db(transaction=True)
CANARY = "canary-7f3a"
ROOT = Path(__file__).resolve().parents[2]


def store(project: Project, user: User, text: str = CANARY) -> Event:
    """What a call of the user leaves behind."""
    return call_of(project, user, text)


@pytest.mark.claim("audit.payload-readers")
def test_who_may_read_the_log_reads_payloads_and_is_named_in_it(cast: Cast) -> None:
    event = store(cast.acme, cast.bob)
    for reader in (cast.ada, cast.carla):
        opened = open_payload(event=event, reader=reader)
        assert isinstance(opened, Opened)
        assert (opened.level, opened.content) == ("full", {"params": {"text": CANARY}})
        line = Event.objects.filter(kind="audit.payload_read").latest("ord")
        assert (line.actor_kind, line.actor_id, line.actor) == ("user", str(reader.pk), reader.email)
        assert (line.project_ref, line.subject) == (cast.acme.pk, str(event.id))
    assert CANARY not in repr(list(Event.objects.values()))
    assert CANARY not in repr(opened)


@pytest.mark.claim("audit.payload-readers")
def test_nobody_else_reads_them_neither_members_nor_outsiders_nor_operators(cast: Cast) -> None:
    event = store(cast.acme, cast.bob)
    operator = User.objects.create_superuser("operator@gateway.test")
    for reader in (cast.bob, cast.mallory, operator):
        with pytest.raises(PermissionDenied):
            open_payload(event=event, reader=reader)
    assert not Event.objects.filter(kind="audit.payload_read").exists()
    # One who audits the project is a member of it like others.
    services.set_member(project=cast.acme, user=operator, role=Role.AUDITOR)
    assert isinstance(open_payload(event=event, reader=operator), Opened)
    cast.ada.is_active = False
    with pytest.raises(PermissionDenied):
        open_payload(event=event, reader=cast.ada)


@pytest.mark.claim("audit.payload-readers")
def test_what_cannot_be_put_on_record_is_not_shown(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    event = store(cast.acme, cast.bob)

    def fail(*_: Any, **__: Any) -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(payloads, "record", fail)
    with pytest.raises(DatabaseError):
        open_payload(event=event, reader=cast.ada)


@pytest.mark.claim("audit.payload-bound")
def test_a_payload_opens_in_its_own_place_only(cast: Cast, settings: Any) -> None:
    services.set_member(project=cast.globex, user=cast.ada, role=Role.OWNER)
    ours, theirs = store(cast.acme, cast.bob), store(cast.globex, cast.mallory, "secret of globex")
    with_none = Event.objects.filter(kind="project.created", project_ref=cast.acme.pk).get()
    assert isinstance(open_payload(event=with_none, reader=cast.ada), Absent)
    # An event that names the payload of another project, or of another event.
    for stolen in (theirs.payload_ref, store(cast.acme, cast.bob, "another").payload_ref):
        ours.payload_ref = stolen
        assert isinstance(open_payload(event=ours, reader=cast.ada), Absent)
    # A payload that was moved to where its row says it belongs does not open there.
    own = store(cast.acme, cast.bob)
    key = Payload.objects.get(event_id=own.id).subject_key
    Payload.objects.filter(event_id=theirs.id).update(project_ref=cast.acme.pk, event_id=own.id, subject_key=key)
    own.payload_ref = theirs.payload_ref
    assert isinstance(open_payload(event=own, reader=cast.ada), Absent)
    kept = store(cast.globex, cast.ada)
    # A wrapped key does not open for somebody else.
    keys = {key.subject: key for key in SubjectKey.objects.all()}
    SubjectKey.objects.filter(pk=keys[str(cast.bob.pk)].pk).update(wrapped=keys[str(cast.mallory.pk)].wrapped)
    with pytest.raises(Unsealable):
        key_of_subject(cast.acme.pk, cast.bob.pk, cast.bob.email)
    # Nor anything without the ring.
    assert isinstance(open_payload(event=kept, reader=cast.ada), Opened)
    settings.KEYRING = replace(settings.KEYRING, sealing={"s9": bytes(32)})
    assert isinstance(open_payload(event=kept, reader=cast.ada), Absent)


@pytest.mark.claim("audit.payload-with-event")
def test_an_event_and_its_payload_are_committed_together_or_not_at_all(cast: Cast) -> None:
    lease = Lease()
    writer = lease.take()
    key = key_of_subject(cast.acme.pk, cast.ada.pk, cast.ada.email)
    made = [Entry(id=new_id(), at=now(), kind="mcp.call.intent", call_id=new_id(), project_ref=cast.acme.pk)
            for _ in range(3)]  # fmt: skip
    first, second, third = (seal(each, key, "full", b"{}") for each in made)
    storage.commit([first, made[1]._replace(id=new_id())], writer)
    assert Payload.objects.get().event_id == first.id
    clash = Carrying(*second)
    clash.payload = second.payload._replace(id=first.payload.id)
    with pytest.raises(DatabaseError):
        storage.commit([clash], writer)
    assert not Event.objects.filter(id=second.id).exists()
    with pytest.raises(storage.Fenced):
        storage.commit([third], new_id())
    assert Payload.objects.count() == 1
    # Under another kind it is the same payload.
    late = third._replace(kind=LATE)
    assert (late.kind, late.payload, late.payload_ref) == (LATE, third.payload, third.payload.id)
    lease.give_back()


def dump() -> str:
    """All that the tables hold, as somebody who has the database reads it."""
    tables = connection.introspection.table_names()
    quote = connection.ops.quote_name
    return repr([[bytes(each) if isinstance(each, memoryview) else each for each in row]
                 for table in tables for row in execute(f"SELECT * FROM {quote(table)}")])  # fmt: skip


@pytest.mark.claim("audit.erasure")
@pytest.mark.parametrize("named", ["email", "id", "gone"])
def test_an_erased_person_is_gone_from_the_database_and_the_proof_stays(cast: Cast, named: str) -> None:
    ours, others = [store(cast.acme, cast.bob) for _ in range(3)], store(cast.acme, cast.ada, "ada's")
    services.set_member(project=cast.globex, user=cast.bob, role=Role.MEMBER)
    elsewhere = store(cast.globex, cast.bob, "elsewhere")
    seal_all()
    key = SubjectKey.objects.get(project_ref=cast.acme.pk, subject=str(cast.bob.pk))
    wrapped = bytes(key.wrapped or b"").decode()
    assert wrapped in dump()
    subject = {"email": "Bob@acme.test", "id": str(cast.bob.pk), "gone": "bob@acme.test"}[named]
    if named == "gone":
        with unscoped("a user is of no project"):
            cast.bob.delete()
    assert erasure.erase_subject(project_ref=cast.acme.pk, subject=subject) == erasure.Erasure(1, 3)
    assert wrapped not in dump()
    for event in ours:
        found = open_payload(event=event, reader=cast.ada)
        assert isinstance(found, Erased)
        assert found.at is not None
        assert bytes(Payload.objects.get(event_id=event.id).ciphertext) == b""
    assert isinstance(open_payload(event=others, reader=cast.ada), Opened)
    assert isinstance(open_payload(event=elsewhere, reader=cast.mallory), Opened)
    event = Event.objects.get(kind="audit.erased")
    assert (event.project, event.detail) == ("acme", {"keys": 1, "payloads": 3})
    assert "bob" not in event.subject
    seal_all()
    assert verify(signing.public_keys(), patience=0.0).is_intact
    # Workers hear of it, and what the person does later has another key.
    [mark] = [each for each in versions.standing(cast.acme.pk).cleared if each.startswith("person:")]
    user_id = int(mark.partition(":")[2])
    assert bytes(key_of_subject(cast.acme.pk, user_id, "bob@acme.test").secret) != b""
    assert SubjectKey.objects.filter(project_ref=cast.acme.pk, subject=str(user_id)).count() == 2
    assert erasure.erase_subject(project_ref=cast.acme.pk, subject=str(user_id)).payloads == 0


def a_call(level: str, key: Any = None) -> Any:
    """As much of one as its payloads are made of."""
    state = SimpleNamespace(guards=Guards(), payload_keys=SimpleNamespace(of=key))
    return SimpleNamespace(
        state=state, principal=SimpleNamespace(project_id=1), upstream=SimpleNamespace(slug="docs"),
        snapshot=SimpleNamespace(payloads=level), message={"params": {"text": CANARY}}, bytes_in=40,
    )  # fmt: skip


@pytest.mark.claim("audit.payload-levels")
@pytest.mark.asyncio
async def test_what_could_not_be_looked_at_is_not_kept_and_the_event_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = Rule(id="x", detector="no-such-detector", directions=frozenset({"input"}), action=Action.REDACT)
    monkeypatch.setattr(call_payloads, "_LOCAL", Policy(rules=(rule,)))
    entry = Entry(id=new_id(), at=now(), kind="mcp.call.intent", detail={"a": 1})
    kept = await call_payloads.with_sent(a_call("redacted"), entry)
    assert kept.payload_ref is None
    assert kept.detail == {"a": 1, "payload": {"omitted": "not_redacted", "cause": "unknown detector"}}


@pytest.mark.claim("audit.payload-with-event")
@pytest.mark.asyncio
async def test_who_leaves_while_the_answer_is_sealed_has_an_outcome_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queued: list[Entry] = []
    monkeypatch.setattr(recorder, "write_behind", queued.append)
    asked, never = asyncio.Event(), asyncio.Event()

    async def key(_: Any) -> None:
        asked.set()
        await never.wait()

    entry = Entry(id=new_id(), at=now(), kind="mcp.call.outcome")
    answer = {"result": {"text": CANARY}}
    task = asyncio.create_task(call_payloads.with_answered(a_call("full", key), entry, answer, b"{}"))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [(each.id, each.payload_ref, each.detail) for each in queued] == [
        (entry.id, None, {"payload": {"omitted": "unsealed"}})
    ]


@pytest.mark.claim("audit.payload-with-event")
@pytest.mark.asyncio
async def test_an_answer_that_cannot_be_sealed_is_on_record_and_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    committed: list[Entry] = []
    entry = Entry(id=new_id(), at=now(), kind="mcp.call.outcome")

    async def commit(each: Entry, otherwise: str) -> None:
        assert otherwise == record_stage.WITHHELD
        committed.append(each)

    async def nothing(_: Any) -> None:
        return

    async def no_key(_: Any) -> None:
        raise call_payloads.Unsealed("gone")

    monkeypatch.setattr(record_stage, "_commit", commit)
    monkeypatch.setattr(naming, "look_up", nothing)
    monkeypatch.setattr(record_stage._Outcome, "_entry", lambda *_, **__: entry)
    outcome = record_stage._Outcome(a_call("full", no_key))
    with pytest.raises(Refusal) as refused:
        await outcome._write(answer=({"result": {"text": CANARY}}, b"{}"))
    assert refused.value.kind == record_stage.WITHHELD
    assert [(each.id, each.payload_ref, each.detail) for each in committed] == [
        (entry.id, None, {"payload": {"omitted": "unsealed"}})
    ]


@pytest.mark.claim("audit.erasure")
@pytest.mark.asyncio
@pytest.mark.parametrize("session", ["sealed-session", ""])
async def test_tokens_of_an_erased_person_stand_for_nothing_any_more(session: str) -> None:
    """In both eras: those of a session, and those of a key."""
    vault = MemoryVault(settings.KEYRING)

    def call(user_id: int, cleared: dict[str, int]) -> Any:
        snapshot: Any = SimpleNamespace(cleared=cleared)
        snapshot.erasures_of = partial(Snapshot.erasures_of, snapshot)
        key = SimpleNamespace(user_id=user_id, key_id=f"key-{user_id}")
        sealed = session and f"{session}-{user_id}"
        return SimpleNamespace(
            sealed_session=sealed, snapshot=snapshot, principal=SimpleNamespace(project_id=1, key=key)
        )

    tokens = {each: await vault.issue(owner_of(call(each, {})), [("EMAIL", "jane@acme.test")], server="5")
              for each in (1, 2)}  # fmt: skip
    erased = {"person:1": 9, "tools": 3}
    assert await vault.resolve(owner_of(call(1, {})), tokens[1], server="5") == {tokens[1][0]: "jane@acme.test"}
    assert await vault.resolve(owner_of(call(1, erased)), tokens[1], server="5") == {}
    assert await vault.resolve(owner_of(call(2, erased)), tokens[2], server="5") == {tokens[2][0]: "jane@acme.test"}


@pytest.mark.claim("audit.erasure")
def test_a_person_whom_the_project_does_not_know_cannot_be_erased_there(cast: Cast) -> None:
    store(cast.globex, cast.mallory)
    for subject in ("mallory@globex.test", str(cast.mallory.pk), "nobody@acme.test", "9" * 30, ""):
        with pytest.raises(ValidationError, match="knows no such person"):
            erasure.erase_subject(project_ref=cast.acme.pk, subject=subject)
    assert not Event.objects.filter(kind="audit.erased").exists()
    # Who is a member and has left nothing can be, since tokens may stand for something of theirs.
    assert erasure.erase_subject(project_ref=cast.acme.pk, subject="carla@acme.test") == erasure.Erasure(0, 0)


@pytest.mark.claim("audit.erasure")
def test_the_command_and_the_page_erase(cast: Cast, capsys: pytest.CaptureFixture[str]) -> None:
    operator = User.objects.create_superuser("operator@gateway.test")
    store(cast.acme, cast.bob)
    call_command("audit", "erase", "--project", "acme", "--subject", "bob@acme.test")
    assert capsys.readouterr().out == "1 keys destroyed, 1 payloads emptied\n"
    with pytest.raises(CommandError, match="knows no such person"):
        call_command("audit", "erase", "--project", "acme", "--subject", "eve@acme.test")
    kept = store(cast.acme, cast.ada)
    key = SubjectKey.objects.get(subject=str(cast.ada.pk))
    pages, address = Client(), "/admin/audit/subjectkey/"
    assert pages.get(address).status_code == 302
    pages.force_login(cast.ada)
    assert pages.get(address).status_code in (302, 403)
    pages.force_login(operator)
    listed = pages.get(address).content.decode()
    assert "ada@acme.test" in listed
    assert CANARY not in listed
    asked = {"action": "erase_people", ACTION_CHECKBOX_NAME: [key.pk]}
    assert b"never be read again" in pages.post(address, asked).content
    assert isinstance(open_payload(event=kept, reader=cast.ada), Opened)
    assert pages.post(address, {**asked, "confirmed": "yes"}).status_code == 302
    assert isinstance(open_payload(event=kept, reader=cast.ada), Erased)
    event = Event.objects.filter(kind="audit.erased").latest("ord")
    assert (event.actor_kind, event.actor) == ("user", "operator@gateway.test")


@pytest.mark.claim("audit.payload-levels")
def test_the_level_is_declared_and_seen_in_the_pages_and_a_change_is_an_event(cast: Cast) -> None:
    def apply(audit: str) -> None:
        declared.apply(declared.read(f"version: 1\nprojects: [{{slug: acme{audit}}}]"))
        cast.acme.refresh_from_db()

    assert (cast.acme.payloads, cast.acme.keep_months) == ("metadata", 0)
    apply(", audit: {payloads: redacted, keep_months: 12}")
    assert (cast.acme.payloads, cast.acme.keep_months) == ("redacted", 12)
    event = Event.objects.filter(kind="project.changed").latest("ord")
    assert event.detail["before"] == {"payloads": "metadata", "keep_months": 0}
    assert event.detail["after"] == {"payloads": "redacted", "keep_months": 12}
    # What the file does not mention stays.
    apply("")
    apply(", audit: {keep_months: 3}")
    assert (cast.acme.payloads, cast.acme.keep_months) == ("redacted", 3)
    for wrong in ("{payloads: everything}", "{keep_months: -1}", "{keep_weeks: 1}"):
        with pytest.raises(declared.DeclarationError, match="audit"):
            apply(f", audit: {wrong}")
    pages = Client()
    pages.force_login(User.objects.create_superuser("operator@gateway.test"))
    form = {"slug": "acme", "name": "", "enabled": "on", "payloads": "full", "keep_months": "0"}
    assert pages.post(f"/admin/projects/project/{cast.acme.pk}/change/", form).status_code == 302
    cast.acme.refresh_from_db()
    assert (cast.acme.payloads, cast.acme.keep_months) == ("full", 0)
    event = Event.objects.filter(kind="project.changed").latest("ord")
    assert (event.detail["before"]["payloads"], event.detail["after"]["payloads"]) == ("redacted", "full")


@pytest.mark.claim("audit.payload-levels")
def test_events_without_payloads_cost_no_statement_more(cast: Cast) -> None:
    lease = Lease()
    writer = lease.take()
    batch = [Entry(id=new_id(), at=now(), kind="mcp.call.intent", call_id=new_id()) for _ in range(5)]
    with CaptureQueriesContext(connection) as asked:
        storage.commit(batch, writer)
    assert not [each for each in asked if "audit_payload" in each["sql"]]
    lease.give_back()


ERASE_IN_A_FILE = """
import os, sys
from pathlib import Path
import django
django.setup()
from django.core.management import call_command
from django.db import connection, transaction
from audit import erasure
from audit.models import SubjectKey
from projects.models import User
from tests.audit.test_payloads import store
from tests.cast import two_tenants

call_command("migrate", verbosity=0)
cast = two_tenants()
for _ in range(30):
    store(cast.acme, cast.bob)
wrapped = bytes(SubjectKey.objects.get().wrapped)
files = lambda: b"".join(each.read_bytes() for each in Path(os.environ["GATEWAY_HOME"]).glob("gateway.sqlite3*"))
print(wrapped in files())
erasure.erase_subject(project_ref=cast.acme.pk, subject=cast.bob.email)
print(wrapped in files())
# As the pages do, whose actions are transactions.
store(cast.acme, cast.bob)
wrapped = bytes(SubjectKey.objects.get(wrapped__isnull=False).wrapped)
print(wrapped in files())
with transaction.atomic():
    erasure.erase_subject(project_ref=cast.acme.pk, subject=cast.bob.email)
print(wrapped in files())
"""


@pytest.mark.claim("audit.erasure")
def test_a_destroyed_key_is_in_no_page_of_an_sqlite_file(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "GATEWAY_HOME": str(tmp_path), "GATEWAY_LOG_LEVEL": "ERROR",
                   "DJANGO_SETTINGS_MODULE": "gateway_site.settings"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", ERASE_IN_A_FILE], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["True", "False"] * 2, done.stderr[-2000:]
