"""Admin tokens: what they open, for how long, and to whom."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.utils import timezone

from audit.models import Event
from projects import keys, services, tokens
from projects.models import AdminToken, User
from projects.permissions import AUDIT_EXPORT, AUDIT_READ, CONFIG_READ, CONFIG_WRITE, Role
from tests.rest.callers import Caller, Stage, token_of

pytestmark = pytest.mark.claim("rest.tokens")
SHAPE = re.compile(r"mga_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}")


def issue(rest: Stage, **more: Any) -> Caller:
    text = token_of(more.pop("user", rest.cast.ada), more.pop("project", rest.cast.acme), **more)
    return Caller(text, "")


def test_a_token_has_the_form_of_a_key_and_only_its_digest_is_stored(rest: Stage) -> None:
    text = token_of(rest.cast.ada, rest.cast.acme)
    assert SHAPE.fullmatch(text)
    row = AdminToken.objects.get(token_id=text[4:14])
    assert text[15:] not in repr(row.__dict__)
    assert keys.key_id_of(text) is None
    assert keys.key_id_of(text, keys.ADMIN_TOKEN) == text[4:14]


@pytest.mark.claim("rest.two-kinds")
def test_every_bad_credential_gets_the_same_answer(rest: Stage) -> None:
    good = rest.owner.token
    expired = issue(rest).token
    AdminToken.objects.filter(token_id=expired[4:14]).update(expires_at=timezone.now() - timedelta(seconds=1))
    revoked = issue(rest).token
    tokens.revoke_token(token=AdminToken.objects.get(token_id=revoked[4:14]))
    elsewhere = issue(rest, networks=["192.0.2.0/24"]).token
    _, key = rest.cast.key()
    bad = ["", "x", good[:-1], good[:-1] + ("a" if good[-1] != "a" else "b"), keys.generate(keys.ADMIN_TOKEN).text,
           key, expired, revoked, elsewhere]  # fmt: skip
    answers = [Caller(each, "").get("/token") for each in bad]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}
    reasons = [event.detail["reason"] for event in Event.objects.filter(kind="rest.refused").order_by("ord")]
    assert reasons == [*["malformed"] * 4, "unknown_key", "malformed", "expired", "revoked", "address"]
    assert not [each for each in bad[4:] if any(each in repr(event.__dict__) for event in Event.objects.all())]


def test_a_token_opens_what_the_role_may_do_by_now(rest: Stage) -> None:
    assert rest.owner.get("/projects/acme/keys").status_code == 200
    services.set_member(project=rest.cast.acme, user=rest.cast.bob, role=Role.OWNER)
    services.set_member(project=rest.cast.acme, user=rest.cast.ada, role=Role.AUDITOR)
    assert rest.owner.get("/projects/acme/keys").status_code == 403
    assert rest.owner.get("/token").json()["actions"] == ["audit.export", "audit.read"]
    services.remove_member(membership=rest.cast.membership(rest.cast.ada))
    assert rest.owner.get("/token").status_code == 401
    services.set_member(project=rest.cast.acme, user=rest.cast.ada, role=Role.OWNER)
    assert rest.owner.get("/token").status_code == 401, "who leaves and comes back has no token of before"


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_superuser": False}])
def test_an_operators_token_ends_with_the_operator(rest: Stage, change: dict[str, bool]) -> None:
    assert rest.operator.get("/users").status_code == 200
    User.objects.filter(email=rest.operator.email).update(**change)
    assert rest.operator.get("/users").status_code == 401


def test_a_token_may_do_less_than_its_user(rest: Stage) -> None:
    reader = issue(rest, actions=[CONFIG_READ])
    assert reader.get("/projects/acme/servers").status_code == 200
    assert reader.get("/projects/acme/events/0").json()["action"] == AUDIT_READ
    answer = reader.post("/projects/acme/servers", {"slug": "docs", "url": "http://127.0.0.1:9/mcp"})
    assert (answer.status_code, answer.json()["action"]) == (403, CONFIG_WRITE)


def test_a_token_that_may_not_take_the_log_away_has_nobody_bring_it(rest: Stage) -> None:
    address = "/projects/acme/export-schedules"
    body = {"form": "jsonl", "destination": "s3", "endpoint": "https://s3.example.com", "bucket": "logs",
            "key_id": "AKIA", "secret": "secret"}  # fmt: skip
    writer = issue(rest, actions=[CONFIG_WRITE])
    whole = issue(rest, actions=[CONFIG_WRITE, AUDIT_EXPORT])
    made = whole.post(address, body)
    assert made.status_code == 201
    own = f"{address}/{made.json()['id']}"
    moved = {"endpoint": "https://elsewhere.example.com", "secret": "another"}
    for refused in (writer.post(address, body), writer.patch(own, moved)):
        assert (refused.status_code, refused.json()["action"]) == (403, AUDIT_EXPORT)
    assert whole.get(own).json()["endpoint"] == body["endpoint"]
    assert writer.delete(own).status_code == 204, "it may be stopped"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"actions": [CONFIG_WRITE]}, "actions"),
        ({"actions": []}, "actions"),
        ({"actions": ["gateway.write"]}, "actions"),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "expires_at"),
        ({"expires_at": timezone.now() + timedelta(days=400)}, "expires_at"),
        ({"networks": ["nowhere"]}, "networks"),
        ({"label": ""}, "label"),
    ],
)
def test_a_token_that_may_not_be_is_not_made(rest: Stage, fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError) as refused:
        token_of(rest.cast.bob, rest.cast.acme, **fields)
    assert named in refused.value.message_dict


@pytest.mark.parametrize("who", ["nobody's project", "no operator"])
def test_nobody_gets_a_token_for_what_is_not_theirs(rest: Stage, who: str) -> None:
    with pytest.raises(ValidationError):
        token_of(rest.cast.mallory, rest.cast.acme if who == "nobody's project" else None)


def test_using_a_token_is_noted_once_a_minute(rest: Stage) -> None:
    row = AdminToken.objects.filter(token_id=rest.owner.token[4:14])
    assert row.get().last_used_at is None
    rest.owner.get("/token")
    first = row.get().last_used_at
    rest.owner.get("/token")
    assert first is not None
    assert row.get().last_used_at == first


def test_the_command_issues_lists_and_revokes(rest: Stage) -> None:
    def manage(*arguments: str) -> str:
        out = io.StringIO()
        call_command("token", *arguments, stdout=out, stderr=io.StringIO())
        return out.getvalue()

    text = manage("issue", "--user", "ada@acme.test", "--project", "acme", "--label", "robot", "--action", CONFIG_READ)
    caller = Caller(text.strip(), "")
    assert caller.get("/token").json()["actions"] == [CONFIG_READ]
    assert "robot" in manage("list", "--project", "acme")
    assert text.strip() not in manage("list")
    manage("revoke", text[:14], "--yes")
    assert caller.get("/token").status_code == 401
    operators = json.loads(manage("issue", "--user", rest.operator.email, "--label", "all", "--json"))
    assert Caller(operators["token"], "").get("/users").status_code == 200
    kinds = list(Event.objects.filter(kind__startswith="token.", actor_kind="command").values_list("kind", flat=True))
    assert kinds == ["token.issued", "token.revoked", "token.issued"]
    for wrong in (["issue", "--user", "nobody@acme.test", "--label", "x"], ["revoke", "mga_0123456789"],
                  ["issue", "--user", "ada@acme.test", "--label", "x", "--project", "none"]):  # fmt: skip
        with pytest.raises(CommandError) as caught:
            manage(*wrong)
        assert caught.value.returncode == 3


def test_what_is_done_by_a_token_is_on_record_under_its_id(rest: Stage) -> None:
    rest.owner.post("/projects/acme/keys", {"label": "laptop"})
    event = Event.objects.filter(kind="key.issued").get()
    assert (event.actor_kind, event.actor_id, event.actor) == ("token", rest.owner.token[4:14], "ada@acme.test")
