"""Every door that a session opens, before the second factor is given: all of them are closed."""

from __future__ import annotations

import uuid

import pytest
from asgiref.sync import async_to_sync
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, reverse
from django_otp import DEVICE_ID_SESSION_KEY

from audit.models import Event
from gateway_site.asgi import application
from projects.models import User
from tests.admin.conftest import Stored
from tests.admin.signing import CODES, INDEX, code_of, give_code
from tests.admin.test_access import deciding, paths
from tests.signing_in import factor_of, password_only

pytestmark = [pytest.mark.django_db, pytest.mark.claim("signin.second-factor")]


@pytest.fixture(params=["no factor yet", "a factor", "no codes kept"])
def half_way(request: pytest.FixtureRequest, operator: User) -> Client:
    """An operator's browser after the password, and in the last case after the code too."""
    if request.param == "no factor yet":
        return password_only(Client(), operator)
    factor = factor_of(operator, has_codes=request.param != "no codes kept")
    client = password_only(Client(), operator)
    if request.param == "no codes kept":
        assert give_code(client, code_of(factor.secret))["Location"].startswith(CODES)
    return client


def test_no_page_opens_and_nothing_is_done(half_way: Client, stored: Stored) -> None:
    before = Event.objects.count()
    for path in [*paths(stored), *deciding(stored), reverse("admin:jsi18n"), reverse("admin:password_change")]:
        for response in (half_way.get(path), half_way.post(path, {"post": "yes", "action": "delete_selected"})):
            assert response.status_code == 302, path
            assert response["Location"].startswith(reverse("admin:login")), path
    assert Event.objects.count() == before


def test_pages_of_ones_own_lead_on_to_the_next_step(half_way: Client) -> None:
    for name in ("account", "account_password", "invitations"):
        response = half_way.get(reverse(f"admin:{name}"))
        assert response.status_code == 302
        assert response["Location"].startswith("/admin/second-factor/"), name
    for name in ("account_end_session", "account_remove_factor"):
        assert half_way.post(reverse(f"admin:{name}"))["Location"].startswith("/admin/second-factor/"), name


def test_every_other_view_of_the_site_takes_the_person_for_nobody(half_way: Client) -> None:
    """Whatever is added to the site later is behind the same door: only these may know the person."""
    own = {"second_factor", "second_factor_set_up", "recovery_codes", "leave", "passkey_begin", "passkey_finish",
           "passkey_register_begin", "passkey_register_finish", "account", "account_password", "account_end_session",
           "account_remove_factor", "invitations", "login"}  # fmt: skip
    names = {name for name in get_resolver().namespace_dict["admin"][1].reverse_dict if isinstance(name, str)}
    assert own <= names
    for name in sorted(names - own):
        try:
            path = reverse(f"admin:{name}")
        except NoReverseMatch:  # what needs an argument is in `paths` of the other tests
            continue
        assert half_way.get(path).status_code in (302, 405), name


def test_exports_cannot_be_downloaded(half_way: Client) -> None:
    response = half_way.get(reverse("audit-export-download", args=[uuid.uuid4()]))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("admin:login"))


def test_the_document_of_rest_is_not_shown(half_way: Client) -> None:
    assert half_way.get("/api/v1/docs").status_code == 302
    assert half_way.get("/api/v1/openapi.json").status_code == 401


@pytest.mark.django_db(transaction=True)
def test_the_log_cannot_be_followed(half_way: Client) -> None:
    cookie = f"{settings.SESSION_COOKIE_NAME}={half_way.cookies[settings.SESSION_COOKIE_NAME].value}".encode()
    headers = [(b"host", b"localhost"), (b"cookie", cookie), (b"origin", b"http://localhost")]

    async def opens() -> bool:
        socket = WebsocketCommunicator(application, "/ws/audit/tail?", headers=headers)
        connected, _ = await socket.connect(timeout=10)
        await socket.disconnect()
        return bool(connected)

    assert not async_to_sync(opens)()


def test_signing_out_works(half_way: Client) -> None:
    assert half_way.post(reverse("admin:leave")).status_code == 302
    assert half_way.get(reverse("admin:account"))["Location"].startswith(reverse("admin:login"))
    assert Event.objects.filter(kind="auth.signed_out").exists()


def test_a_factor_of_somebody_else_or_one_that_is_gone_opens_nothing(operator: User) -> None:
    own = factor_of(operator)
    other = factor_of(User.objects.create_superuser("other@gateway.test"))
    for name in (other.persistent_id, f"{own.model_label()}/999999", "projects.user/1", "x", 7, None):
        client = password_only(Client(), operator)
        session = client.session
        session[DEVICE_ID_SESSION_KEY] = name
        session.save()
        assert client.get(INDEX).status_code == 302, name
    unconfirmed = factor_of(operator)
    unconfirmed.confirmed = False
    unconfirmed.save()
    client = password_only(Client(), operator)
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = unconfirmed.persistent_id
    session.save()
    assert client.get(INDEX).status_code == 302
