"""Passkeys, from what a browser sends: registration, signing in with one, and everything that is not quite one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, get_resolver, reverse
from django_otp_webauthn.models import WebAuthnAttestation, WebAuthnCredential, WebAuthnUserHandle

from audit.models import Event
from projects import services
from projects.models import Passkey, User
from projects.rest.meter import Meter
from projects.signin import factor_pages, passkeys
from tests.admin.authenticator import PRESENT, Authenticator, to_text
from tests.admin.conftest import PASSWORD
from tests.admin.signing import ASK, CODES, INDEX, prove, register, step, take_codes
from tests.signing_in import password_only, proof_is_old

pytestmark = [pytest.mark.django_db, pytest.mark.claim("signin.passkeys")]


def browser(**extra: Any) -> Client:
    return Client(headers={"host": "localhost"}, **extra)


@pytest.fixture
def key(operator: User) -> Authenticator:
    """The operator's passkey; recovery codes are kept."""
    client = password_only(browser(), operator)
    key = register(client)
    take_codes(client)
    assert client.get(INDEX).status_code == 200
    return key


def test_a_passkey_is_the_first_factor_of_who_has_none(operator: User) -> None:
    client = password_only(browser(), operator)
    assert "Add a passkey" in client.get("/admin/second-factor/set-up/").content.decode()
    options = step(client, "passkey_register_begin", {}).json()
    assert options["rp"]["id"] == "localhost"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert operator.email not in options["user"]["id"]
    answer = step(client, "passkey_register_finish", Authenticator().create(options))
    assert answer.json()["next"].startswith(CODES)
    assert Event.objects.get(kind="second_factor.added").detail["what"] == "passkey"


def test_it_signs_in_alone_with_nothing_said_before(operator: User, key: Authenticator) -> None:
    client = browser()
    assert "Sign in with a passkey" in client.get("/admin/login/").content.decode()
    answer = prove(client, key, "?next=/admin/projects/user/")
    assert answer.json() == {"next": "/admin/projects/user/"}
    assert client.get(INDEX).status_code == 200
    event = Event.objects.filter(kind="auth.signed_in").latest("ord")
    assert (event.subject, event.detail["by"], event.decision) == (operator.email, "passkey", "allowed")
    assert prove(browser(), key, "?next=https://evil.test/").json() == {"next": INDEX}


def test_it_is_a_second_factor_after_the_password_and_when_asked_again(operator: User, key: Authenticator) -> None:
    client = password_only(browser(), operator)
    assert "Use a passkey" in client.get(ASK).content.decode()
    assert prove(client, key).status_code == 200
    assert client.get(INDEX).status_code == 200
    proof_is_old(client)
    assert client.get("/admin/projects/apikey/add/").status_code == 302
    assert prove(client, key).status_code == 200
    assert client.get("/admin/projects/apikey/add/").status_code == 200
    assert Event.objects.filter(kind="auth.confirmed").count() == 1


def test_an_answer_counts_once_and_for_its_own_challenge(key: Authenticator) -> None:
    client = browser()
    options = step(client, "passkey_begin", {}).json()
    answer = key.get(options)
    assert step(browser(), "passkey_finish", answer).status_code == 422, "in another browser"
    assert step(client, "passkey_finish", answer).status_code == 200
    client.post("/admin/second-factor/leave/")
    assert step(client, "passkey_finish", answer).status_code == 422, "again"
    other = browser()
    step(other, "passkey_begin", {})
    assert step(other, "passkey_finish", answer).status_code == 422, "for an older challenge"
    wrong = browser()
    wrong_answer = key.get(step(wrong, "passkey_begin", {}).json())
    wrong_answer["response"]["signature"] = to_text(bytes(70))
    assert step(wrong, "passkey_finish", wrong_answer).status_code == 422
    right_too_late = key.get({"challenge": to_text(bytes(32))})
    assert step(wrong, "passkey_finish", right_too_late).status_code == 422, "one try for one challenge"


@pytest.mark.parametrize(
    "wrong",
    [{"origin": "https://evil.test"}, {"origin": "http://localhost:1234"}, {"origin": "https://localhost"},
     {"rp_id": "evil.test"}, {"flags": PRESENT}, {"flags": 0}, {"user_handle": bytes(64)}, {"user_handle": b""},
     {"counter": -1}, {"id": bytes(32)}],
    ids=str,
)  # fmt: skip
def test_what_is_not_quite_a_proof_is_none(key: Authenticator, wrong: dict[str, Any]) -> None:
    assert prove(browser(), key).status_code == 200
    before = Passkey.objects.values().get()
    for name, value in wrong.items():
        setattr(key, name, value)
    client = browser()
    answer = prove(client, key)
    assert answer.status_code == 422
    assert answer.json() == {"error": "That passkey is not known here."}
    assert client.get(INDEX).status_code == 302
    assert Passkey.objects.values().get() == before, "nothing is counted as a use"


def test_five_minutes_are_all_that_there_is_for_an_answer(
    operator: User, key: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wait, status in ((299, 200), (301, 422), (-1, 422)):
        client = browser()
        answer = key.get(step(client, "passkey_begin", {}).json())
        now = time.time()
        with monkeypatch.context() as patch:
            patch.setattr(passkeys, "time", SimpleNamespace(time=lambda now=now, wait=wait: now + wait))
            assert step(client, "passkey_finish", answer).status_code == status, wait
    fresh = password_only(browser(), User.objects.create_superuser("fresh@gateway.test"))
    made = Authenticator().create(step(fresh, "passkey_register_begin", {}).json())
    now = time.time()
    monkeypatch.setattr(passkeys, "time", SimpleNamespace(time=lambda: now + 301))
    assert step(fresh, "passkey_register_finish", made).json() == {"error": "That took too long: try again."}


def test_a_challenge_to_register_is_none_to_prove(operator: User, key: Authenticator) -> None:
    client = password_only(browser(), User.objects.create_superuser("fresh@gateway.test"))
    options = step(client, "passkey_register_begin", {}).json()
    assert step(client, "passkey_finish", key.get(options)).json() == {"error": "That took too long: try again."}


def test_a_passkey_that_does_not_count_proves_nothing(operator: User, key: Authenticator) -> None:
    Passkey.objects.update(confirmed=False)
    assert prove(browser(), key).status_code == 422


def test_what_is_stored_is_the_passkey_and_no_word_of_what_made_it(operator: User) -> None:
    client = password_only(browser(), operator)
    key = Authenticator()
    made = key.create(step(client, "passkey_register_begin", {}).json())
    made["response"]["transports"] = ["usb", "usb", "carrier pigeon", "\x00", {}, "internal"]
    assert step(client, "passkey_register_finish", made).status_code == 200
    row = Passkey.objects.get()
    assert (row.transports, row.rp_id, bytes(row.credential_id)) == (["usb", "internal"], "localhost", key.id)
    assert row.credential_id_sha256 == hashlib.sha256(key.id).hexdigest()
    assert WebAuthnUserHandle.objects.get(user=operator).handle == key.user_handle
    assert not WebAuthnCredential.objects.exists() and not WebAuthnAttestation.objects.exists()


def test_the_page_that_deletes_a_person_says_no_handle_and_deletes_it(pages: Client) -> None:
    person = User.objects.create_superuser("leaving@gateway.test")
    theirs = register(password_only(browser(), person))
    page = pages.get(f"/admin/projects/user/{person.pk}/delete/").content.decode()
    assert "Passkeys: 1" in page and theirs.user_handle.hex() not in page
    assert pages.post(f"/admin/projects/user/{person.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not WebAuthnUserHandle.objects.filter(user_id=person.pk).exists()


def test_a_count_of_32_bits_is_held(operator: User, key: Authenticator) -> None:
    key.counter = 2**32 - 2
    assert prove(browser(), key).status_code == 200
    assert Passkey.objects.get().sign_count == 2**32 - 1


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
def test_of_two_proofs_at_one_time_the_second_is_held_against_the_count_of_the_first(key: Authenticator) -> None:
    with CaptureQueriesContext(connection) as asked:
        assert prove(browser(), key).status_code == 200
    assert any('FOR UPDATE OF "projects_passkey"' in each["sql"] for each in asked.captured_queries)


def test_the_librarys_own_pages_are_at_no_address() -> None:
    with pytest.raises(NoReverseMatch):
        reverse("otp_webauthn:credential-authentication-begin")
    assert "django_otp_webauthn.views" not in {view.__module__ for view in _views(get_resolver().url_patterns)}


def _views(patterns: Any) -> Iterator[Any]:
    for each in patterns:
        if hasattr(each, "url_patterns"):
            yield from _views(each.url_patterns)
        else:
            yield each.callback


@pytest.mark.parametrize(
    "wrong",
    [{"origin": "https://evil.test"}, {"flags": PRESENT}, {"flags": 0}],
    ids=str,
)
def test_what_is_not_quite_a_new_passkey_is_none(operator: User, wrong: dict[str, Any]) -> None:
    client = password_only(browser(), operator)
    options = step(client, "passkey_register_begin", {}).json()
    answer = step(client, "passkey_register_finish", Authenticator(**wrong).create(options))
    assert answer.status_code == 422
    assert not Passkey.objects.exists()


@pytest.mark.parametrize(
    "content",
    [None, [], "x", 7, {}, {"id": 7}, {"response": []}, {"id": "x", "rawId": "x", "type": "public-key", "response": {}},
     {"id": "AA", "rawId": "AA", "type": "public-key",
      "response": {"clientDataJSON": "e30", "attestationObject": "_w", "authenticatorData": "_w", "signature": "_w"}},
     {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": {}}}}}}}}}}],
    ids=str,
)  # fmt: skip
def test_nonsense_is_refused_with_a_reason(operator: User, key: Authenticator, content: Any) -> None:
    client = password_only(browser(), operator)
    for begin, finish in (("passkey_begin", "passkey_finish"),):
        step(client, begin, {})
        answer = step(client, finish, content)
        assert answer.status_code == 422
        assert answer.json()["error"]
    assert client.get(INDEX).status_code == 302
    fresh = password_only(browser(), User.objects.create_superuser("fresh@gateway.test"))
    step(fresh, "passkey_register_begin", {})
    answer = step(fresh, "passkey_register_finish", content)
    assert answer.status_code == 422
    assert client.post("/admin/passkey/proof/", b"\xff{", content_type="application/json").status_code == 422


def test_another_persons_passkey_is_no_second_factor(operator: User, key: Authenticator) -> None:
    mallory = User.objects.create_superuser("mallory@gateway.test", PASSWORD)
    client = password_only(browser(), mallory)
    register(client)
    client = password_only(browser(), mallory)
    assert prove(client, key).status_code == 422
    assert client.get(INDEX).status_code == 302


def test_a_password_alone_adds_no_passkey_to_who_has_one(operator: User, key: Authenticator) -> None:
    client = password_only(browser(), operator)
    for name in ("passkey_register_begin", "passkey_register_finish"):
        assert step(client, name, {}).json()["next"].startswith(ASK)
    assert Passkey.objects.count() == 1


def test_one_passkey_has_one_person(operator: User, key: Authenticator) -> None:
    client = password_only(browser(), User.objects.create_superuser("second@gateway.test"))
    options = step(client, "passkey_register_begin", {}).json()
    answer = step(client, "passkey_register_finish", key.create(options))
    assert (answer.status_code, answer.json()) == (422, {"error": "This passkey is known already."})


def test_it_opens_nothing_at_another_host_name(operator: User, key: Authenticator, settings: Any) -> None:
    settings.HTTPS = True
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "gateway.example.com"]
    key.origin, key.rp_id = "https://gateway.example.com", "gateway.example.com"
    client = Client(headers={"host": "gateway.example.com"})
    assert prove(client, key).status_code == 422
    half = password_only(Client(headers={"host": "gateway.example.com"}), operator)
    assert step(half, "passkey_begin", {}).json()["allowCredentials"] == []


def test_who_is_switched_off_or_may_see_nothing_is_not_let_in(operator: User, key: Authenticator) -> None:
    User.objects.filter(pk=operator.pk).update(is_active=False)
    assert prove(browser(), key).json() == {"error": "That passkey is not known here."}
    User.objects.filter(pk=operator.pk).update(is_active=True, is_superuser=False, is_staff=False)
    assert prove(browser(), key).status_code == 422
    project = services.create_project(slug="acme")
    services.set_member(project=project, user=operator, role="auditor")
    assert prove(browser(), key).status_code == 200


@pytest.mark.parametrize(
    ("host", "https", "says"),
    [("localhost", False, ""), ("localhost:8000", False, ""), ("127.0.0.1:8000", False, "http://localhost:8000"),
     ("[::1]:8000", False, "http://localhost:8000"), ("192.0.2.1", True, "number of an address"),
     ("gateway.example.com", False, "HTTPS"), ("gateway.example.com", True, "")],
)  # fmt: skip
def test_a_page_says_why_there_are_no_passkeys(
    client: Client, rf: Any, settings: Any, operator: User, host: str, https: bool, says: str
) -> None:
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "192.0.2.1", "gateway.example.com", "[::1]"]
    settings.HTTPS = https
    assert (passkeys.why_not(rf.get("/", headers={"host": host})) == "") == (says == "")
    page = client.get("/admin/login/", headers={"host": host}).content.decode()
    assert says in page
    assert ("data-passkey" in page) == (says == "")
    if says:
        assert client.post("/admin/passkey/", headers={"host": host}).status_code == 422


def test_one_network_begins_only_so_many_in_a_minute(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each makes a session; who has one address of IPv6 has all of its network."""
    monkeypatch.setattr(factor_pages, "_proofs", Meter())
    monkeypatch.setattr("projects.rest.meter.time", SimpleNamespace(time=lambda: 1_000_000.0))

    def begin(address: str) -> int:
        answer = browser(REMOTE_ADDR=address).post("/admin/passkey/", "{}", content_type="application/json")
        return int(answer.status_code)

    assert {begin(f"2001:db8::{number:x}") for number in range(60)} == {200}
    assert begin("2001:db8::ffff") == 429
    assert begin("2001:db8:1::1") == 200


def test_the_scripts_requests_need_the_pages_own_token(operator: User) -> None:
    client = Client(enforce_csrf_checks=True, headers={"host": "localhost"})
    password_only(client, operator)
    for name in ("passkey_begin", "passkey_finish", "passkey_register_begin", "passkey_register_finish"):
        assert step(client, name, {}).status_code == 403
