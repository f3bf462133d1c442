"""What is kept of people's calls, by REST: who reads it, how it is erased, and how long a log is kept."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from audit.entry import now
from audit.models import Event
from projects import services
from projects.models import User
from projects.permissions import Role
from tests.audit.payload import call_of
from tests.audit.sealing import seal_all, tenant, write
from tests.rest.callers import Caller, Stage, token_of

pytestmark = [pytest.mark.claim("rest.administration"), pytest.mark.django_db(transaction=True)]
CANARY = "canary-of-a-payload"


def reads(email: str = "") -> list[tuple[str, str]]:
    rows = Event.objects.filter(kind="audit.payload_read", **({"actor": email} if email else {}))
    return list(rows.order_by("ord").values_list("actor_kind", "subject"))


@pytest.mark.claim("audit.payload-readers")
def test_who_may_read_the_log_reads_what_a_call_sent_and_is_named_in_it(rest: Stage) -> None:
    event = call_of(rest.cast.acme, rest.cast.bob, CANARY)
    answer = rest.auditor.get(f"/projects/acme/events/{event.id}/payload")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    shown = answer.json()
    assert (shown["state"], shown["level"], shown["content"]) == ("kept", "full", {"params": {"text": CANARY}})
    assert reads(rest.auditor.email) == [("token", str(event.id))]
    without = Event.objects.filter(project_ref=rest.cast.acme.pk, kind="project.created").get()
    shown = rest.owner.get(f"/projects/acme/events/{without.id}/payload").json()
    assert (shown["state"], shown["reason"], shown["content"]) == ("absent", "none was kept", None)
    assert CANARY not in repr(list(Event.objects.values()))


@pytest.mark.claim("audit.payload-readers")
def test_nobody_else_reads_it_neither_members_nor_outsiders_nor_operators(rest: Stage) -> None:
    event = call_of(rest.cast.acme, rest.cast.bob, CANARY)
    address = f"/projects/acme/events/{event.id}/payload"
    answers = {role: rest.callers[role].get(address) for role in ("member", "operator", "outsider")}
    assert {role: answer.status_code for role, answer in answers.items()} == {
        "member": 403, "operator": 403, "outsider": 404
    }  # fmt: skip
    # An operator's token for the one project is the operator's too.
    operator = User.objects.get(email=rest.operator.email)
    narrow = Caller(token_of(operator, rest.cast.acme), operator.email)
    assert narrow.get(f"/projects/acme/events/{event.id}").status_code == 200
    assert narrow.get(address).status_code == 403
    # A foreign event under one's own project is as one that there never was.
    own, random = (
        rest.outsider.get(f"/projects/globex/events/{name}/payload") for name in (event.id, uuid.uuid4())
    )
    assert (own.status_code, own.content) == (404, random.content)
    assert reads() == []
    services.set_member(project=rest.cast.acme, user=operator, role=Role.AUDITOR)
    assert rest.operator.get(address).json()["state"] == "kept"
    assert reads(operator.email) == [("token", str(event.id))]


@pytest.mark.claim("audit.erasure")
def test_an_operator_erases_a_person_and_nobody_reads_their_payloads_again(rest: Stage) -> None:
    event = call_of(rest.cast.acme, rest.cast.bob, CANARY)
    elsewhere = call_of(rest.cast.globex, rest.cast.mallory, CANARY)
    address = "/projects/acme/erasures"
    for role in ("owner", "admin", "auditor", "member"):
        assert rest.callers[role].post(address, {"subject": rest.cast.bob.email}).status_code == 403
    unknown = [rest.operator.post(address, {"subject": who}) for who in (rest.cast.mallory.email, "nobody@x.test")]
    assert [each.status_code for each in unknown] == [422, 422]
    assert unknown[0].content == unknown[1].content
    assert rest.operator.post(address, {"subject": "BOB@acme.test"}).json() == {"keys": 1, "payloads": 1}
    assert rest.operator.post(address, {"subject": str(rest.cast.bob.pk)}).json() == {"keys": 0, "payloads": 0}
    shown = rest.auditor.get(f"/projects/acme/events/{event.id}/payload").json()
    assert (shown["state"], shown["content"]) == ("erased", None)
    assert rest.outsider.get(f"/projects/globex/events/{elsewhere.id}/payload").json()["state"] == "kept"
    line = Event.objects.filter(kind="audit.erased").first()
    assert line is not None
    assert (line.subject, line.actor_kind) == (f"user:{rest.cast.bob.pk}", "token")


def test_a_log_says_what_of_it_would_be_dropped_and_drops_nothing(rest: Stage) -> None:
    old = tenant(77, "old", datetime(2026, 5, 1, tzinfo=UTC))
    for month in (3, 4):
        write(5, project_ref=old.pk, project="old", at=datetime(2026, month, 4, 5, 6, 7, tzinfo=UTC))
    seal_all()
    count = Event.objects.filter(project_ref=old.pk).count()
    assert rest.operator.get("/projects/old/retention").json() == {
        "keep_months": old.keep_months,
        "would_drop": {"events": 10, "first_seq": 1, "last_seq": 10, "before": "2026-05-01T00:00:00+00:00"},
    }  # fmt: skip
    assert Event.objects.filter(project_ref=old.pk).count() == count
    assert old.keep_months == (now().year - 2026) * 12 + now().month - 5
    assert rest.auditor.get("/projects/acme/retention").json() == {"keep_months": 0, "would_drop": None}
    assert rest.member.get("/projects/acme/retention").status_code == 403
    assert rest.outsider.get("/projects/acme/retention").status_code == 404
