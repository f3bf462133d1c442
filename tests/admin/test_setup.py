"""The first operator's link: it works once, and only while there is no operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import Event
from projects import setup
from projects.models import User
from projects.scoping import unscoped
from tests.admin.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.claim("admin.setup")]

FORM = {"email": "First@Gateway.test", "password": PASSWORD}


@pytest.fixture(autouse=True)
def run_dir(settings: Any, tmp_path: Path) -> Path:
    settings.RUN_DIR = tmp_path
    return tmp_path


@pytest.fixture
def link() -> str:
    return reverse("setup", args=[setup.make_token()])


def test_the_link_makes_an_operator_and_signs_in(client: Client, link: str) -> None:
    page = client.get(link)
    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"]
    assert "Secure MCP Gateway" in page.content.decode()
    response = client.post(link, FORM)
    assert response.status_code == 302
    next_page = client.get(response["Location"], follow=True)
    assert next_page.redirect_chain[-1][0].startswith("/admin/second-factor/set-up/")
    user = User.objects.get()
    assert (user.email, user.is_superuser, user.is_staff) == ("first@gateway.test", True, True)
    assert Event.objects.get(kind="operator.created").subject == "first@gateway.test"
    assert Event.objects.filter(kind="auth.password_accepted").exists()


def test_the_link_is_gone_once_used(client: Client, link: str) -> None:
    client.post(link, FORM)
    assert Client().get(link).status_code == 404
    assert Client().post(link, {**FORM, "email": "second@gateway.test"}).status_code == 404
    assert User.objects.count() == 1


def test_the_link_stays_gone_when_the_operator_goes(client: Client, link: str) -> None:
    client.post(link, FORM)
    with unscoped("the test takes the operator away"):
        User.objects.all().delete()
    assert Client().get(link).status_code == 404


def test_two_requests_at_once_make_one_operator(client: Client, link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second request passed all checks before the first had used the link up."""
    client.post(link, FORM)
    monkeypatch.setattr(setup, "_is_valid", lambda token: True)
    monkeypatch.setattr(setup, "needs_operator", lambda: True)
    assert Client().post(link, {**FORM, "email": "second@gateway.test"}).status_code == 404
    assert User.objects.count() == 1


@pytest.mark.parametrize("token", ["wrong", "x" * 5000, "%00", "ü"])
def test_a_wrong_token_is_not_found(client: Client, link: str, token: str) -> None:
    assert client.get(f"/setup/{token}/").status_code == 404
    assert client.post(f"/setup/{token}/", FORM).status_code == 404


def test_there_is_no_link_without_a_token_or_with_an_operator(client: Client, operator: User) -> None:
    assert client.get("/setup/anything/").status_code == 404
    assert client.get(reverse("setup", args=[setup.make_token()])).status_code == 404


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"email": "nonsense"}, "email"),
        ({"email": ""}, "email"),
        ({"email": f"{'a' * 250}@gateway.test"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "first@gateway.test"}, "password"),
        ({"password": ""}, "password"),
    ],
)
def test_wrong_input_keeps_the_link(client: Client, link: str, fields: dict[str, str], wrong: str) -> None:
    response = client.post(link, {**FORM, **fields})
    assert response.status_code == 422
    assert wrong in response.context["form"].errors
    assert FORM["password"] not in response.content.decode()
    assert not User.objects.exists()
    assert client.get(link).status_code == 200


def test_only_the_digest_of_the_token_is_on_disk(run_dir: Path) -> None:
    token = setup.make_token()
    kept = run_dir / "setup.token"
    assert token not in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0
