"""Wrong passwords and codes: counted by account and address, told apart from nothing, and forgotten in time."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from audit.models import Event
from projects import services
from projects.models import TotpDevice, User
from tests.admin.conftest import PASSWORD, everything_stored
from tests.admin.signing import INDEX, LOGIN, code_of, give_code, give_password
from tests.signing_in import factor_of, password_only, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.claim("signin.lock-out")]
HERE, THERE = {"REMOTE_ADDR": "192.0.2.1"}, {"REMOTE_ADDR": "198.51.100.7"}


@pytest.fixture
def audited(db: None) -> User:
    """May enter with a password alone, so that it is plain when the password is taken."""
    user = User.objects.create_user("carla@acme.test", PASSWORD)
    services.set_member(project=services.create_project(slug="acme"), user=user, role="auditor")
    return user


def guess(times: int, email: str = "carla@acme.test", password: str = "wrong", **extra: Any) -> list[bytes]:
    bodies = []
    for _ in range(times):
        response = Client().post(LOGIN, {"username": email, "password": password}, **extra)
        assert response.status_code == 200
        bodies.append(_without_token(response.content))
    return bodies


def _without_token(body: bytes) -> bytes:
    return re.sub(rb'name="csrfmiddlewaretoken" value="[^"]+"', b"", body)


def is_let_in(**extra: str) -> bool:
    client = Client()
    give_password(client, "carla@acme.test", **extra)
    return client.get(INDEX).status_code == 200


def test_the_fifth_wrong_password_closes_the_account_for_that_address_only(audited: User) -> None:
    guess(4, **HERE)
    assert is_let_in(**HERE)
    guess(5, **HERE)
    assert not is_let_in(**HERE)
    assert is_let_in(**THERE)


def test_locked_looks_like_wrong_and_like_unknown(audited: User) -> None:
    wrong = guess(7, **HERE)
    right_but_locked = guess(1, password=PASSWORD, **HERE)
    assert len(set(wrong + right_but_locked)) == 1
    assert guess(7, "nobody@acme.test", **HERE)[0].replace(b"nobody@", b"carla@") == wrong[0]


def test_it_ends_after_a_quarter_of_an_hour_also_when_guesses_go_on(audited: User) -> None:
    guess(5, **HERE)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=14))
    guess(3, **HERE)
    assert not is_let_in(**HERE)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert is_let_in(**HERE)


def test_another_browser_or_spelling_is_the_same_account(audited: User) -> None:
    for number in range(5):
        guess(1, "Carla@ACME.test" if number % 2 else "carla@acme.test", HTTP_USER_AGENT=f"browser {number}", **HERE)
    assert not is_let_in(**HERE)


def test_a_forwarded_address_counts_where_the_proxy_is_trusted_and_nowhere_else(
    audited: User, settings: Any
) -> None:
    for number in range(5):
        guess(1, HTTP_X_FORWARDED_FOR=f"203.0.113.{number}", **HERE)
    assert not is_let_in(**HERE), "anybody can claim to come from elsewhere"
    settings.TRUSTED_PROXIES = ["192.0.2.0/24"]
    assert is_let_in(HTTP_X_FORWARDED_FOR="203.0.113.9", **HERE)
    guess(5, HTTP_X_FORWARDED_FOR="203.0.113.9", **HERE)
    assert not is_let_in(HTTP_X_FORWARDED_FOR="203.0.113.9", **HERE)
    assert is_let_in(HTTP_X_FORWARDED_FOR="203.0.113.10", **HERE)


def test_addresses_of_one_ipv6_network_are_one(audited: User) -> None:
    for number in range(5):
        guess(1, REMOTE_ADDR=f"2001:db8:1:2::{number + 1:x}")
    assert not is_let_in(REMOTE_ADDR="2001:db8:1:2::ff")
    assert is_let_in(REMOTE_ADDR="2001:db8:1:3::1")


def test_wrong_codes_count_too_and_a_password_in_between_forgets_none(operator: User) -> None:
    device = factor_of(operator)
    for _ in range(5):
        TotpDevice.objects.update(throttling_failure_count=0)
        client = Client()
        give_password(client, operator.email, **HERE)
        assert give_code(client, "000000", **HERE).status_code == 422
    TotpDevice.objects.update(throttling_failure_count=0)
    client = password_only(Client(), operator)
    assert give_code(client, code_of(device.secret), **HERE).status_code == 422
    assert Event.objects.filter(kind="auth.second_factor_failed", decision="refused").count() == 5
    assert give_code(client, code_of(device.secret), **THERE).status_code == 302


def test_what_was_wrong_is_forgotten_once_everything_was_right(operator: User) -> None:
    device = factor_of(operator)
    guess(4, operator.email, **HERE)
    client = Client()
    give_password(client, operator.email, **HERE)
    assert give_code(client, code_of(device.secret), **HERE).status_code == 302
    assert not AccessAttempt.objects.exists()


def test_the_old_password_of_a_change_is_guessed_no_more_often_than_at_the_sign_in(audited: User) -> None:
    client = Client()
    signed_in(client, audited)
    new = {"new_password1": "another passphrase", "new_password2": "another passphrase"}
    for _ in range(5):
        assert client.post("/admin/account/password/", {**new, "old_password": "wrong"}).status_code == 422
    assert client.post("/admin/account/password/", {**new, "old_password": PASSWORD}).status_code == 422
    assert Event.objects.filter(kind="auth.sign_in_failed", subject=audited.email).exists()
    assert "another passphrase" not in everything_stored()


def test_operators_unlock_in_the_pages_and_by_a_command(audited: User, pages: Client) -> None:
    guess(5, **HERE)
    pages.post("/admin/projects/user/", {"action": "unlock", "_selected_action": audited.pk})
    assert is_let_in(**HERE)
    guess(5, **HERE)
    call_command("person", "unlock", audited.email, stdout=StringIO())
    assert is_let_in(**HERE)
    assert Event.objects.filter(kind="user.unlocked", subject=audited.email).count() == 2


def test_neither_passwords_nor_codes_nor_what_is_no_address_is_kept(operator: User) -> None:
    factor_of(operator)
    Client().post(LOGIN, {"username": "canary-in-the-wrong-field", "password": "canary-password"})
    client = password_only(Client(), operator)
    give_code(client, "canary-code")
    assert AccessAttempt.objects.count() == 2
    assert "canary" not in everything_stored()
    assert Event.objects.filter(kind="auth.sign_in_failed", detail__address="127.0.0.1").exists()
