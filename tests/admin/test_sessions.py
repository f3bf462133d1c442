"""Sessions: what is stored of them, who sees them, and what ends them."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from audit.models import Event
from projects.models import Session, User
from projects.signin import sessions
from projects.tasks import prune_sessions
from tests.admin.conftest import PASSWORD, everything_stored
from tests.admin.signing import INDEX, give_password
from tests.signing_in import proof_is_old, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.claim("signin.sessions")]
ACCOUNT, END = "/admin/account/", "/admin/account/sign-out/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def browser(user: User) -> Client:
    client = Client()
    signed_in(client, user)
    return client


def is_in(client: Client) -> bool:
    return client.get(INDEX).status_code == 200


def digest(client: Client) -> str:
    return sessions.digest_of(client.cookies["sessionid"].value)


def test_what_is_stored_opens_nothing(operator: User) -> None:
    client = browser(operator)
    key = client.cookies["sessionid"].value
    assert key not in everything_stored()
    row = Session.objects.get()
    assert row.session_key != key
    thief = Client()
    thief.cookies["sessionid"] = row.session_key
    assert not is_in(thief)
    assert is_in(client)


def test_the_list_says_which_browsers_where_and_since_when(operator: User) -> None:
    client = Client(headers={"user-agent": FIREFOX}, REMOTE_ADDR="192.0.2.9")
    give_password(client, operator.email)
    row = Session.objects.get(user=operator)
    assert (row.browser, row.address) == ("Firefox on Linux", "192.0.2.9")
    signed_in(client, operator)
    other = browser(operator)
    page = client.get(ACCOUNT).content.decode()
    assert page.count("this one") == 1
    assert page.count('name="session"') == 2
    assert "Sign out everywhere else" in page
    assert digest(other) in page


def test_when_it_was_last_seen_is_noted_at_most_once_a_minute(operator: User) -> None:
    client = browser(operator)
    longer_ago = timezone.now() - timedelta(minutes=5)
    Session.objects.update(seen_at=longer_ago)
    assert is_in(client)
    seen = Session.objects.get().seen_at
    assert seen > longer_ago
    assert is_in(client)
    assert Session.objects.get().seen_at == seen


def test_one_or_all_others_are_ended_by_their_person_and_nobody_else(operator: User) -> None:
    mallory = User.objects.create_superuser("mallory@gateway.test", PASSWORD)
    mine, lost, third, theirs = browser(operator), browser(operator), browser(operator), browser(mallory)
    mine.post(END, {"session": digest(lost)})
    assert [is_in(each) for each in (mine, lost, third, theirs)] == [True, False, True, True]
    mine.post(END, {"session": digest(theirs)})
    mine.post(END, {"session": "nonsense\x00"})
    assert is_in(theirs)
    mine.post(END)
    assert [is_in(each) for each in (mine, third, theirs)] == [True, False, True]
    events = [(row.subject, row.actor, row.detail["count"]) for row in Event.objects.filter(kind="session.ended")]
    assert events == [(operator.email, operator.email, 1)] * 2


def test_one_may_end_the_session_that_one_is_in(operator: User) -> None:
    client = browser(operator)
    client.post(END, {"session": digest(client)})
    assert not is_in(client)


def test_a_new_password_ends_all_others(operator: User) -> None:
    mine, other = browser(operator), browser(operator)
    fields = {"old_password": PASSWORD, "new_password1": "another passphrase", "new_password2": "another passphrase"}
    proof_is_old(mine)
    assert mine.post("/admin/account/password/", fields)["Location"].startswith("/admin/second-factor/")
    signed_in(mine, operator)
    assert mine.post("/admin/account/password/", {**fields, "old_password": "wrong"}).status_code == 422
    assert mine.post("/admin/account/password/", fields)["Location"] == ACCOUNT
    assert is_in(mine)
    assert not is_in(other)
    assert Session.objects.filter(user=operator).count() == 1
    assert Event.objects.filter(kind="user.password_changed", subject=operator.email).exists()
    assert "another passphrase" not in everything_stored()
    assert mine.get("/admin/password_change/")["Location"] == "/admin/account/password/"


def test_operators_end_the_sessions_of_anybody_in_the_pages_and_by_commands(pages: Client) -> None:
    person = User.objects.create_superuser("second@gateway.test", PASSWORD)
    client = browser(person)
    shown = StringIO()
    call_command("person", "sessions", person.email, "--json", stdout=shown)
    assert '"browser"' in shown.getvalue()
    pages.post("/admin/projects/user/", {"action": "end_sessions", "_selected_action": person.pk})
    assert not is_in(client)
    client = browser(person)
    call_command("person", "sign-out", person.email, stdout=StringIO())
    assert not is_in(client)
    assert is_in(pages)
    actors = Event.objects.filter(kind="session.ended", subject=person.email).values_list("actor_kind", flat=True)
    assert sorted(actors) == ["command", "user"]


def test_a_password_that_an_operator_sets_ends_the_persons_sessions(pages: Client) -> None:
    person = User.objects.create_superuser("second@gateway.test", PASSWORD)
    client = browser(person)
    fields = {"usable_password": "true", "password1": "another passphrase", "password2": "another passphrase"}
    pages.post(f"/admin/projects/user/{person.pk}/password/", {**fields, "set-password": "x"})
    assert not is_in(client)
    assert not Session.objects.filter(user=person).exists()


def test_what_has_expired_opens_nothing_and_goes(operator: User) -> None:
    client = browser(operator)
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert not is_in(client)
    Session.objects.create(session_key="0" * 64, session_data="", expire_date=timezone.now() + timedelta(hours=1))
    assert prune_sessions() >= 1
    assert Session.objects.filter(expire_date__lt=timezone.now()).count() == 0
    assert Session.objects.filter(session_key="0" * 64).exists()


def test_a_session_from_before_a_sign_in_has_another_key_after_it(operator: User) -> None:
    client = Client(headers={"host": "localhost"})
    client.post("/admin/passkey/")
    planted = client.cookies["sessionid"].value
    give_password(client, operator.email)
    assert client.cookies["sessionid"].value != planted
    assert not Session.objects.filter(session_key=sessions.digest_of(planted)).exists()
    assert Session.objects.get().expire_date > timezone.now() + timedelta(hours=7)
