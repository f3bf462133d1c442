"""What the tests of signing in do in a browser: give passwords, codes and passkeys."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client
from django.urls import reverse

from projects.models import TotpDevice, User
from tests.admin.authenticator import Authenticator
from tests.admin.conftest import PASSWORD
from tests.signing_in import CODES, SET_UP, code_of, codes_on

LOGIN, INDEX, ASK = "/admin/login/", "/admin/", "/admin/second-factor/"
__all__ = ["ASK", "CODES", "INDEX", "LOGIN", "SET_UP", "code_of", "codes_on"]


def give_password(client: Client, email: str, password: str = PASSWORD, to: str = INDEX, **extra: Any) -> Any:
    """Follows to wherever it leads."""
    fields = {"username": email, "password": password, "next": to}
    return client.post(LOGIN, fields, follow=True, **extra)


def give_code(client: Client, code: str, to: str = INDEX, **extra: Any) -> Any:
    return client.post(ASK, {"code": code, "next": to}, **extra)


def set_up_app(client: Client, user: User) -> TotpDevice:
    """By the page's form, with the code that an app would show."""
    assert client.get(SET_UP).status_code == 200
    device: TotpDevice = TotpDevice.objects.get(user=user, confirmed=False)
    response = client.post(SET_UP, {"code": code_of(device.secret)})
    assert response.status_code == 302, response.content.decode()
    device.refresh_from_db()
    return device


def take_codes(client: Client) -> list[str]:
    """Makes recovery codes and says that they are kept."""
    page = client.post(CODES, {"act": "make"}).content.decode()
    codes = codes_on(page)
    assert client.post(CODES, {"act": "keep"}).status_code == 302
    return codes


def enrolled(client: Client, user: User) -> tuple[TotpDevice, list[str]]:
    """From the password to the first page, with an app and ten codes."""
    give_password(client, user.email)
    device = set_up_app(client, user)
    return device, take_codes(client)


def step(client: Client, name: str, content: Any, query: str = "") -> Any:
    """What the page's script sends."""
    address = reverse(f"admin:{name}") + query
    return client.post(address, json.dumps(content), content_type="application/json")


def register(client: Client, key: Authenticator | None = None) -> Authenticator:
    key = key or Authenticator()
    options = step(client, "passkey_register_begin", {}).json()
    answer = step(client, "passkey_register_finish", key.create(options))
    assert answer.status_code == 200, answer.content
    return key


def prove(client: Client, key: Authenticator, query: str = "") -> Any:
    options = step(client, "passkey_begin", {}).json()
    return step(client, "passkey_finish", key.get(options), query)
