"""Forwarders by REST: the operator's, with secrets that go in and never out."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from audit import forwarders
from audit.models import DeadLetter, Event, Forwarder
from projects.models import StoredAnswer, User
from projects.permissions import AUDIT_EXPORT, GATEWAY_READ, GATEWAY_WRITE
from projects.scoping import unscoped
from tests.audit.receivers import hook
from tests.rest.callers import Caller, Stage, token_of
from tests.rest.filling import fill

pytestmark = [pytest.mark.claim("rest.administration"), pytest.mark.django_db(transaction=True)]
BASE = "/projects/acme/forwarders"
CANARY = "canary-authorization"
SIEM = {"name": "siem", "kind": "webhook", "address": "https://siem.example.com/in", "authorization": CANARY}


def kind_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:mcpgw:problem:")


@pytest.mark.claim("rest.secrets")
def test_a_forwarder_is_made_with_a_key_that_is_shown_once_and_nothing_else_shows_a_secret(rest: Stage) -> None:
    answer = rest.operator.post(BASE, SIEM, Idempotency_Key="one")
    made = answer.json()
    key = made.pop("signing_key")
    assert (answer.status_code, answer.headers["Location"]) == (201, f"/api/v1{BASE}/{made['id']}")
    assert (made["has_authorization"], made["has_signing_key"], made["format"]) == (True, True, "jsonl")
    again = rest.operator.post(BASE, SIEM, Idempotency_Key="one")
    assert (kind_of(again), again.json()["shown_once"]) == ((409, "secret-shown-once"), made["id"])
    assert StoredAnswer.objects.get().sealed == ""
    assert rest.operator.get(f"{BASE}/{made['id']}").json() == made
    assert rest.operator.get(BASE).json()["items"] == [made]
    with unscoped("the test looks"):
        assert Forwarder.objects.get().secrets == {"signing_key": key, "authorization": CANARY}
    shown = repr([rest.operator.get(each).content for each in (BASE, f"{BASE}/{made['id']}", "/events?limit=200")])
    assert CANARY not in shown + answer.content.decode()
    assert key not in shown
    line = Event.objects.get(kind="audit.forwarder_created")
    assert (line.actor_kind, line.actor, line.project_ref) == ("token", rest.operator.email, rest.cast.acme.pk)


@pytest.mark.claim("rest.preconditions")
def test_it_is_changed_by_who_has_seen_it_and_moves_without_its_authorization(rest: Stage) -> None:
    made = rest.operator.post(BASE, SIEM)
    address, key = f"{BASE}/{made.json()['id']}", made.json()["signing_key"]
    tag = rest.operator.get(address).headers["ETag"]
    assert made.headers["ETag"] == tag
    assert kind_of(rest.operator.patch(address, {"enabled": False})) == (428, "precondition-required")
    changed = rest.operator.patch(address, {"enabled": False}, If_Match=tag)
    assert (changed.status_code, changed.json()["enabled"], changed.json()["signing_key"]) == (200, False, "")
    assert kind_of(rest.operator.patch(address, {"name": "x"}, If_Match=tag)) == (412, "precondition-failed")
    assert kind_of(rest.operator.delete(address, If_Match=tag)) == (412, "precondition-failed")
    moved = rest.operator.patch(address, {"address": "https://other.example.com/"}, If_Match="*")
    assert (kind_of(moved), moved.json()["errors"][0]["at"]) == ((422, "refused-by-rule"), "/authorization")
    moved = rest.operator.patch(
        address, {"address": "https://other.example.com/", "authorization": "", "new_signing_key": True}, If_Match="*"
    )
    assert (moved.json()["has_authorization"], moved.json()["signing_key"] not in ("", key)) == (False, True)
    assert rest.operator.patch(address, {}, If_Match="*").json()["signing_key"] == ""
    assert rest.operator.delete(address, If_Match=rest.operator.get(address).headers["ETag"]).status_code == 204
    assert rest.operator.get(address).status_code == 404


@pytest.mark.claim("rest.problems")
def test_what_cannot_be_is_refused_with_its_place(rest: Stage) -> None:
    rest.operator.post(BASE, SIEM)
    wrong = {
        "name": "siem", "kind": "pigeon", "format": "x", "address": "https://169.254.169.254/", "ca_bundle": "none"
    }  # fmt: skip
    for place, value in wrong.items():
        answer = rest.operator.post(BASE, {**SIEM, "name": "other", place: value})
        assert (kind_of(answer), answer.json()["errors"][0]["at"]) == ((422, "refused-by-rule"), f"/{place}")
        assert CANARY not in answer.content.decode()


def test_a_test_line_goes_to_the_receiver_and_says_what_became_of_it(rest: Stage, settings: Any) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1"]
    with hook() as receiver:
        receiver.script = [200, 403]
        made = rest.operator.post(BASE, {**SIEM, "address": receiver.url}).json()
        address = f"{BASE}/{made['id']}/test"
        assert rest.operator.post(address).json() == {"taken": True, "text": "taken"}
        refused = rest.operator.post(address).json()
        assert (refused["taken"], receiver.url in refused["text"]) == (False, False)
        assert [request.headers["authorization"] for request in receiver.requests] == [CANARY, CANARY]
    assert Event.objects.filter(kind="audit.forwarder_tested").count() == 2


def test_dead_letters_are_listed_and_sent_again_all_or_some(rest: Stage) -> None:
    names, foreign = fill(rest.cast.acme), fill(rest.cast.globex)
    base = f"{BASE}/{names['forwarder']}"
    with unscoped("the test makes another"):
        state = forwarders.state_of(Forwarder.objects.get(uid=names["forwarder"]))
    for first in (5, 9):
        DeadLetter.objects.create(
            state=state, project_ref=rest.cast.acme.pk, first=first, last=first + 1, reason="refused", at=timezone.now()
        )  # fmt: skip
    listed = rest.operator.get(f"{base}/dead-letters?limit=2").json()
    rest_of = rest.operator.get(f"{base}/dead-letters?limit=2&cursor={listed['next_cursor']}").json()
    letters = [*listed["items"], *rest_of["items"]]
    assert [(each["first_seq"], each["last_seq"], each["is_wanted"]) for each in letters] == [
        (1, 2, False), (5, 6, False), (9, 10, False)
    ]  # fmt: skip
    others = rest.operator.get(f"/projects/globex/forwarders/{foreign['forwarder']}/dead-letters").json()["items"]
    nobodys = rest.operator.post(f"{base}/resend", {"only": ["nobody-s"]})
    assert rest.operator.post(f"{base}/resend", {"only": [others[0]["id"]]}).content == nobodys.content
    assert kind_of(nobodys) == (422, "refused-by-rule")
    assert rest.operator.post(f"{base}/resend", {"only": [letters[1]["id"]]}).json() == {"dead_letters": 1}
    assert rest.operator.post(f"{base}/resend", {}).json() == {"dead_letters": 2}
    assert DeadLetter.objects.filter(project_ref=rest.cast.globex.pk, is_wanted=True).count() == 0


@pytest.mark.claim("rest.actions")
def test_forwarders_are_the_operators_as_in_the_browser(rest: Stage) -> None:
    name = fill(rest.cast.acme)["forwarder"]
    for role in ("owner", "admin", "member", "auditor"):
        caller = rest.callers[role]
        assert kind_of(caller.get(BASE)) == (403, "forbidden")
        assert kind_of(caller.post(BASE, SIEM)) == (403, "forbidden")
        assert kind_of(caller.delete(f"{BASE}/{name}", If_Match="*")) == (403, "forbidden")
    operator = User.objects.get(email=rest.operator.email)
    narrow = Caller(token_of(operator, None, actions=[GATEWAY_READ, GATEWAY_WRITE]), operator.email)
    for refused in (narrow.post(BASE, SIEM), narrow.patch(f"{BASE}/{name}", {"enabled": False}, If_Match="*")):
        assert (kind_of(refused), refused.json()["action"]) == ((403, "forbidden"), AUDIT_EXPORT)
    for address in (BASE, f"{BASE}/{name}", f"{BASE}/{name}/dead-letters"):
        assert rest.outsider.get(address).content == rest.outsider.get("/projects/nobody-s/forwarders").content
