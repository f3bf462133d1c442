"""How the browsers of tests sign in: with everything that a person has to give, or with the password only."""

from __future__ import annotations

import re
import time
from base64 import b32decode
from collections.abc import Callable
from html import unescape
from typing import Any

from django.test import Client
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.oath import TOTP

from projects.models import RecoveryCode, TotpDevice, User
from projects.signin.verification import needs_second_step

SET_UP, CODES = "/admin/second-factor/set-up/", "/admin/second-factor/codes/"
_with_password = Client.force_login


def password_only(client: Client, user: User) -> Client:
    """As after the first page of the sign-in, a moment ago."""
    _with_password(client, user)
    session = client.session
    session["password_at"] = time.time()
    session.save()
    return client


def signed_in(client: Client, user: User, backend: str | None = None) -> None:
    """As after the last page, a moment ago; whoever needs a second factor gets one."""
    _with_password(client, user, backend)
    session = client.session
    # As it is stored, whatever the test changed since it has the row.
    if needs_second_step(User.objects.get(pk=user.pk)):
        session[DEVICE_ID_SESSION_KEY] = factor_of(user).persistent_id
    session["verified_at"] = time.time()
    session.save()


def factor_of(user: User, *, has_codes: bool = True) -> TotpDevice:
    """The person's authenticator app, with a recovery code that is kept."""
    device: TotpDevice | None = TotpDevice.objects.filter(user=user, confirmed=True).first()
    if device is None:
        device = TotpDevice(user=user, name="Authenticator app")
        device.secret = b"a secret of 20 bytes"
        device.save()
        if has_codes:
            RecoveryCode.objects.create(user=user, name="Recovery code", pepper_id="p1", digest="0" * 64)
    return device


def proof_is_old(client: Client, seconds: float = 601) -> None:
    session: Any = client.session
    session["verified_at"] = session["password_at"] = time.time() - seconds
    session.save()


def code_of(secret: bytes, steps: int = 0) -> str:
    """The code that an app shows now, or so many half minutes from now."""
    return f"{TOTP(secret, drift=steps).token():06d}"


def secret_on(page: str) -> str:
    """Of the page that shows an app's secret for typing."""
    return str(re.findall(r'id="totp-secret">([A-Z2-7]{32})<', page)[0])


def codes_on(page: str) -> list[str]:
    """Recovery codes."""
    return re.findall(r"\b[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}\b", unescape(page))


def finish_set_up(get: Callable[[str], str], post: Callable[[str, dict[str, str]], str]) -> tuple[str, list[str]]:
    """From the password to the first page, over HTTP: the app's secret and the recovery codes. `get` gives pages."""
    secret = secret_on(get(SET_UP))
    post(SET_UP, {"code": code_of(b32decode(secret))})
    codes = codes_on(post(CODES, {"act": "make"}))
    post(CODES, {"act": "keep"})
    return secret, codes
