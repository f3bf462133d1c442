"""Second factors in the browser: who needs one, how it is set up and asked for, and what a code is good for."""

from __future__ import annotations

import re
from base64 import b32decode
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import Event
from gateway_site.lib.secrets import Unsealable
from projects import services
from projects.models import RecoveryCode, TotpDevice, User
from projects.permissions import Role
from projects.signin import factors, verification
from tests.admin.conftest import PASSWORD, everything_stored
from tests.admin.signing import (
    ASK,
    CODES,
    INDEX,
    SET_UP,
    code_of,
    codes_on,
    enrolled,
    give_code,
    give_password,
    set_up_app,
    take_codes,
)
from tests.cast import Cast
from tests.signing_in import factor_of, password_only, proof_is_old, secret_on, signed_in

pytestmark = pytest.mark.django_db
set_up = pytest.mark.claim("signin.set-up")
codes = pytest.mark.claim("signin.codes")
sealed = pytest.mark.claim("signin.secrets")


@set_up
def test_an_operator_without_one_sets_an_app_up_keeps_codes_and_is_in(client: Client, operator: User) -> None:
    page = give_password(client, operator.email)
    assert page.redirect_chain[-1][0].startswith(SET_UP)
    assert "<svg" in page.content.decode()
    assert client.get(INDEX).status_code == 302

    set_up_app(client, operator)
    assert client.get(INDEX).status_code == 302, "the codes come first"
    assert client.get(INDEX, follow=True).redirect_chain[-1][0].startswith(CODES)
    shown = client.post(CODES, {"act": "make"})
    assert "no-store" in shown["Cache-Control"]
    made = codes_on(shown.content.decode())
    assert len(set(made)) == 10
    assert client.get(INDEX).status_code == 302, "not before the person says that they are kept"
    assert client.post(CODES, {"act": "keep", "next": INDEX})["Location"] == INDEX
    assert client.get(INDEX).status_code == 200
    assert not codes_on(client.get(CODES).content.decode()), "shown once"
    kinds = [row.kind for row in Event.objects.filter(subject=operator.email).order_by("ord")]
    assert kinds == ["auth.password_accepted", "second_factor.added", "auth.signed_in", "recovery_codes.made"]


@set_up
@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
def test_owners_and_admins_must_have_one_whatever_else_they_are(cast: Cast, role: Role) -> None:
    services.set_member(project=cast.globex, user=cast.carla, role=role)
    client = Client()
    assert give_password(client, cast.carla.email).redirect_chain[-1][0].startswith(SET_UP)
    assert client.get(INDEX).status_code == 302


@set_up
def test_an_auditor_may_have_one_and_is_asked_for_it_from_then_on(cast: Cast) -> None:
    client = Client()
    assert give_password(client, cast.carla.email).redirect_chain[-1][0] == INDEX
    assert client.get(INDEX).status_code == 200
    assert "you need none" in client.get("/admin/account/").content.decode()
    device = set_up_app(client, cast.carla)
    take_codes(client)
    assert client.get(INDEX).status_code == 200

    again = Client()
    assert give_password(again, cast.carla.email).redirect_chain[-1][0].startswith(ASK)
    assert again.get(INDEX).status_code == 302
    assert give_code(again, code_of(device.secret, 1)).status_code == 302
    assert again.get(INDEX).status_code == 200


@set_up
def test_who_becomes_an_owner_is_asked_at_once(cast: Cast) -> None:
    client = password_only(Client(), cast.carla)
    assert client.get(INDEX).status_code == 200
    services.set_member(project=cast.acme, user=cast.carla, role=Role.OWNER)
    assert client.get(INDEX).status_code == 302


@set_up
def test_a_password_alone_adds_nothing_to_who_has_one(cast: Cast) -> None:
    factor_of(cast.ada)
    client = password_only(Client(), cast.ada)
    for method in (client.get, client.post):
        assert method(SET_UP, {"code": "123456"})["Location"].startswith(ASK)
        assert method(CODES, {"act": "make"})["Location"].startswith(ASK)
    assert RecoveryCode.objects.count() == 1
    assert TotpDevice.objects.count() == 1


@set_up
def test_the_page_shows_the_same_app_until_it_is_confirmed_and_no_app_of_anybody_else(cast: Cast) -> None:
    ada, mallory = password_only(Client(), cast.ada), password_only(Client(), cast.mallory)
    secret = re.compile(r'id="totp-secret">([A-Z2-7]{32})<')
    first, again, other = (secret.findall(each.get(SET_UP).content.decode()) for each in (ada, ada, mallory))
    assert len(first) == 1
    assert first == again != other
    assert mallory.post(SET_UP, {"code": code_of(TotpDevice.objects.get(user=cast.ada).secret)}).status_code == 422
    assert not verification.has_factor(cast.mallory)


@set_up
def test_an_app_that_another_browser_was_shown_is_never_the_one_that_is_confirmed(cast: Cast) -> None:
    thief, ada = password_only(Client(), cast.ada), password_only(Client(), cast.ada)
    known = TotpDevice.objects.get(uid=_app_shown_to(thief, cast.ada))
    own = TotpDevice.objects.get(uid=_app_shown_to(ada, cast.ada))
    assert own.secret != known.secret
    assert ada.post(SET_UP, {"code": code_of(known.secret)}).status_code == 422
    assert thief.post(SET_UP, {"code": code_of(own.secret)}).status_code == 422
    assert not verification.has_factor(cast.ada)


def _app_shown_to(client: Client, user: User) -> object:
    assert client.get(SET_UP).status_code == 200
    return TotpDevice.objects.get(user=user, confirmed=False).uid


@pytest.mark.claim("signin.again")
@pytest.mark.parametrize("name", ["ada", "bob"])
def test_an_old_session_sets_no_first_factor_up_without_the_password(cast: Cast, name: str) -> None:
    person: User = getattr(cast, name)
    client = password_only(Client(), person)
    shown = client.get(SET_UP).content.decode()
    secret = b32decode(secret_on(shown))
    proof_is_old(client)
    for answer in (client.get(SET_UP), client.post(SET_UP, {"code": code_of(secret)})):
        assert answer["Location"].startswith(ASK)
    begun = client.post("/admin/passkey/new/", "{}", content_type="application/json").json()
    assert begun["next"].startswith(ASK)
    assert not verification.has_factor(person)
    assert client.get(ASK).status_code == 200
    assert client.post(ASK, {"password": "wrong", "next": SET_UP}).status_code == 422
    assert client.get(SET_UP)["Location"].startswith(ASK)
    assert client.post(ASK, {"password": PASSWORD, "next": SET_UP})["Location"] == SET_UP
    assert not Event.objects.filter(kind="auth.signed_in", detail__by="password").exists()
    set_up_app(client, person)


@set_up
def test_the_way_leads_back_to_where_it_began_and_never_away(cast: Cast) -> None:
    device = factor_of(cast.ada)
    client = Client()
    factors.make_codes(user=cast.ada)
    factors.keep_codes(user=cast.ada)
    page = give_password(client, cast.ada.email, to="/admin/audit/event/")
    assert page.redirect_chain[-1][0] == f"{ASK}?next=%2Fadmin%2Faudit%2Fevent%2F"
    assert give_code(client, code_of(device.secret), to="https://evil.test/")["Location"] == INDEX
    proof_is_old(client)
    for wanted in ("//evil.test", "https://evil.test/admin/", "javascript:alert(1)", "\\\\evil.test"):
        TotpDevice.objects.update(last_step=-1)
        assert give_code(client, code_of(device.secret), to=wanted)["Location"] == INDEX


@codes
def test_a_code_works_once(cast: Cast) -> None:
    device = factor_of(cast.ada)
    code = code_of(device.secret)
    assert factors.check_code(user=cast.ada, code=f"{code[:3]} {code[3:]}") == device
    assert factors.check_code(user=cast.ada, code=code) is None
    TotpDevice.objects.update(throttling_failure_count=0)
    assert factors.check_code(user=cast.ada, code=code_of(device.secret, -1)) is None, "nor an older one"
    TotpDevice.objects.update(throttling_failure_count=0)
    assert factors.check_code(user=cast.ada, code=code_of(device.secret, 1)) == device


@codes
def test_wrong_codes_make_the_next_wait_and_never_for_longer_than_ten_minutes(cast: Cast) -> None:
    device = factor_of(cast.ada)
    assert factors.check_code(user=cast.ada, code="000000") is None
    assert factors.check_code(user=cast.ada, code=code_of(device.secret)) is None, "the right one waits too"
    for _ in range(20):
        TotpDevice.objects.update(throttling_failure_timestamp=timezone.now() - timedelta(hours=1))
        factors.check_code(user=cast.ada, code="000000")
    device.refresh_from_db()
    allowed, reason = device.verify_is_allowed()
    assert not allowed
    assert timedelta(minutes=8) < reason["locked_until"] - timezone.now() < timedelta(minutes=10)
    TotpDevice.objects.update(throttling_failure_timestamp=timezone.now() - timedelta(minutes=9))
    assert factors.check_code(user=cast.ada, code=code_of(device.secret)) == device


@codes
@pytest.mark.parametrize("code", ["", "x", "12345", "1234567", "٠٠٠٠٠٠", "-12345", "1e5555", "\x00", "A" * 65])
def test_what_is_no_code_is_a_form_error(cast: Cast, code: str) -> None:
    factor_of(cast.ada)
    client = password_only(Client(), cast.ada)
    assert give_code(client, code).status_code == 422
    assert client.post(ASK).status_code == 422, "nor is a form without any field"
    assert client.get(INDEX).status_code == 302


@codes
def test_each_recovery_code_works_once_in_the_same_field_however_it_is_typed(client: Client, operator: User) -> None:
    _, made = enrolled(client, operator)
    for number, code in enumerate(made[:3]):
        ways = (code, code.lower().replace("-", ""), code.replace("-", " ").replace("0", "o").replace("1", "l"))
        typed = ways[number]
        again = password_only(Client(), operator)
        assert give_code(again, typed).status_code == 302
        assert again.get(INDEX).status_code == 200
        other = password_only(Client(), operator)
        assert give_code(other, code).status_code == 422
        assert other.get(INDEX).status_code == 302
    assert factors.codes_left(operator) == 7
    assert Event.objects.filter(kind="auth.signed_in", detail__by="recovery code").count() == 3


@codes
def test_new_codes_replace_the_old_ones_once_they_are_kept(client: Client, operator: User) -> None:
    _, old = enrolled(client, operator)
    new = codes_on(client.post(CODES, {"act": "make"}).content.decode())
    assert give_code(password_only(Client(), operator), new[0]).status_code == 422, "not kept yet"
    assert give_code(password_only(Client(), operator), old[0]).status_code == 302
    client.post(CODES, {"act": "keep"})
    assert give_code(password_only(Client(), operator), old[1]).status_code == 422
    assert give_code(password_only(Client(), operator), new[0]).status_code == 302


@codes
def test_a_code_of_another_person_is_none(cast: Cast) -> None:
    factor_of(cast.mallory)
    factor_of(cast.ada)
    mine = factors.make_codes(user=cast.mallory)
    factors.keep_codes(user=cast.mallory)
    assert factors.check_code(user=cast.ada, code=mine[0]) is None
    assert factors.check_code(user=cast.mallory, code=mine[0]) is not None


@codes
def test_who_has_used_the_last_recovery_code_makes_new_ones_first(client: Client, operator: User) -> None:
    _, made = enrolled(client, operator)
    for code in made:
        again = password_only(Client(), operator)
        assert give_code(again, code).status_code == 302
    assert again.get(INDEX, follow=True).redirect_chain[-1][0].startswith(CODES)
    assert len(take_codes(again)) == 10
    assert again.get(INDEX).status_code == 200, "the session goes on that a used code has opened"


@sealed
def test_secrets_are_sealed_to_their_row_and_codes_and_sessions_are_digests(client: Client, operator: User) -> None:
    device, made = enrolled(client, operator)
    stored = everything_stored()
    assert factors.text_of(device) not in stored
    assert device.secret.hex() not in stored
    assert repr(device.secret)[2:-1] not in stored
    for code in made:
        assert code not in stored
        assert code.replace("-", "") not in stored
    assert client.cookies["sessionid"].value not in stored
    other = TotpDevice(user=operator, name="moved", sealed=device.sealed)
    with pytest.raises(Unsealable):
        _ = other.secret
    other.save()
    assert not other.verify_token(code_of(device.secret, 1)), "what does not open lets nobody in"


@set_up
def test_a_factor_is_removed_by_its_person_and_the_last_one_stays_where_one_is_needed(cast: Cast) -> None:
    client = Client()
    signed_in(client, cast.ada)
    own, others = factor_of(cast.ada), factor_of(cast.mallory)
    for device in (own, others):
        client.post("/admin/account/remove/", {"device": device.persistent_id})
        assert TotpDevice.objects.filter(pk=device.pk).exists()
    second = TotpDevice(user=cast.ada, name="Other app")
    second.secret = bytes(20)
    second.save()
    client.post("/admin/account/remove/", {"device": own.persistent_id})
    assert not TotpDevice.objects.filter(pk=own.pk).exists()
    assert client.get(INDEX).status_code == 302, "what this session was verified with is gone"
    assert Event.objects.get(kind="second_factor.removed").subject == cast.ada.email
    for nonsense in ("", "x", "projects.user/1", "projects.totpdevice/x", "a.b/1", "../..", "projects.recoverycode/1"):
        signed_in(client, cast.ada)
        assert client.post("/admin/account/remove/", {"device": nonsense}).status_code == 302


@set_up
def test_an_operator_takes_the_factors_of_who_has_lost_them_away(pages: Client, cast: Cast) -> None:
    factor_of(cast.ada)
    data = {"action": "reset_factors", "_selected_action": cast.ada.pk, "confirmed": "yes"}
    assert pages.post("/admin/projects/user/", data).status_code == 302
    assert not verification.has_factor(cast.ada)
    assert give_password(Client(), cast.ada.email).redirect_chain[-1][0].startswith(SET_UP)
    event = Event.objects.get(kind="second_factor.reset")
    assert (event.subject, event.actor) == (cast.ada.email, "operator@gateway.test")
