"""Passkeys (WebAuthn level 3): registration, and proofs that somebody has one. Bound to the host name of the page.

A ceremony is django-otp-webauthn's, and `ceremony` has what is different in ours; it begins and ends here, where the
session keeps its challenge.
"""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, transaction
from django.http import HttpRequest

from projects.models import Passkey, User
from projects.signin.factors import announce, check_room

if TYPE_CHECKING:
    from projects.signin.ceremony import Ceremony

_BEGUN = "passkey_ceremony"
_NO_PROOF = "That passkey is not known here."


def rp_id_of(request: HttpRequest) -> str:
    """The page's host name, one of GATEWAY_ALLOWED_HOSTS."""
    return urlsplit(f"//{request.get_host()}").hostname or ""


def why_not(request: HttpRequest) -> str:
    """Why no passkey can be used at this address; "" when it can."""
    host = rp_id_of(request)
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError:
        is_local = host == "localhost" or host.endswith(".localhost")
        if is_local or _scheme(request) == "https":
            return ""
        return "Passkeys need HTTPS, and this page was opened without it."
    if is_loopback and "localhost" in settings.ALLOWED_HOSTS:
        port = urlsplit(f"//{request.get_host()}").port
        return f"Passkeys need a name: open {_scheme(request)}://localhost{f':{port}' if port else ''} instead."
    return "Passkeys need a host name with HTTPS, and this page was opened by the number of an address."


def _scheme(request: HttpRequest) -> str:
    return "https" if settings.HTTPS or request.is_secure() else "http"


def origins_of(request: HttpRequest) -> list[str]:
    """The page's own, and those of this host name that the operator allows."""
    allowed = [each for each in settings.CSRF_TRUSTED_ORIGINS if urlsplit(each).hostname == rp_id_of(request)]
    return [f"{_scheme(request)}://{request.get_host()}", *allowed]


def of_host(request: HttpRequest, user: AbstractBaseUser) -> Any:
    """The person's that work here, as a query."""
    return Passkey.objects.filter(user=user, confirmed=True, rp_id=rp_id_of(request))


def _ceremony(request: HttpRequest) -> Ceremony:
    """Imports what holds it."""
    held: Ceremony = Passkey.get_webauthn_helper(request)
    return held


# --- registration -----------------------------------------------------------------------------------------


def begin_registration(request: HttpRequest, user: User) -> dict[str, Any]:
    """What navigator.credentials.create() takes, as JSON. Raises ValidationError."""
    _check_address(request)
    check_room(user)
    options, state = _ceremony(request).register_begin(user)
    _keep(request, "register", state)
    return options


def finish_registration(request: HttpRequest, user: User, answer: Any) -> Passkey:
    """Stores the passkey that the browser has made. Raises ValidationError."""
    state = _kept(request, "register")
    _check_address(request)
    with transaction.atomic():
        check_room(user)
        passkey = _registered(request, user, state, answer)
        announce("second_factor.added", user, what="passkey", name=passkey.name)
        return passkey


def _registered(request: HttpRequest, user: User, state: dict[str, Any], answer: Any) -> Passkey:
    ceremony = _ceremony(request)
    try:
        with transaction.atomic():
            passkey: Passkey = ceremony.register_complete(user, state, answer)
    except IntegrityError:
        raise ValidationError("This passkey is known already.") from None
    except DatabaseError:
        raise
    except Exception as error:  # whatever a hostile answer makes the library raise, it is no passkey
        raise ValidationError("The browser's answer is no passkey for this page.") from error
    return passkey


# --- proof ------------------------------------------------------------------------------------------------


def begin_proof(request: HttpRequest, user: User | None) -> dict[str, Any]:
    """What navigator.credentials.get() takes, as JSON: for one of the person's, or of whoever has one."""
    _check_address(request)
    options: dict[str, Any]
    options, state = _ceremony(request).authenticate_begin(user, require_user_verification=True)
    _keep(request, "prove", state)
    return options


def finish_proof(request: HttpRequest, user: User | None, answer: Any) -> Passkey:
    """The passkey that has signed: one of `user`'s, if that is said. Raises ValidationError, the same for any fault."""
    state = _kept(request, "prove")
    _check_address(request)
    ceremony = _ceremony(request)
    try:
        with transaction.atomic():
            return ceremony.authenticate_complete(user, state, answer)
    except Exception as error:  # whatever a hostile answer makes the library raise, it proves nothing
        raise ValidationError(_NO_PROOF) from error


def _check_address(request: HttpRequest) -> None:
    if reason := why_not(request):
        raise ValidationError(reason)


def _keep(request: HttpRequest, purpose: str, state: dict[str, Any]) -> None:
    """In the session, until it is used, or for five minutes: the challenge, and what is asked of the answer."""
    if not request.user.is_authenticated and getattr(request, "unverified", None) is None:
        # A session of nobody's lasts no longer than its challenge.
        request.session.set_expiry(settings.OTP_WEBAUTHN_TIMEOUT_SECONDS)
    request.session[_BEGUN] = {"state": state, "for": purpose, "at": time.time()}


def _kept(request: HttpRequest, purpose: str) -> dict[str, Any]:
    """Raises ValidationError. Gone from the session before anything is looked at, so that no answer counts twice."""
    begun = request.session.pop(_BEGUN, None)
    if begun is not None:
        request.session.save()
    age = time.time() - begun["at"] if begun is not None and begun["for"] == purpose else -1
    if not 0 <= age < settings.OTP_WEBAUTHN_TIMEOUT_SECONDS:
        raise ValidationError("That took too long: try again.")
    state: dict[str, Any] = begun["state"]
    return state
