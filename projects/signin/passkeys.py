"""Passkeys (WebAuthn level 3): registration, and proofs that somebody has one. Bound to the host name of the page.

The library is imported where it is used: most web workers never need it, and it takes memory.
"""

from __future__ import annotations

import os
import time
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from gateway_site.lib.secrets import sha256_hex
from projects.models import Passkey, User, UserHandle
from projects.signin.factors import announce, check_room
from projects.signin.sessions import summary_of

_NAME = "Secure MCP Gateway"
_CHALLENGE = "passkey_challenge"
_SECONDS = 300
_MOST_TRANSPORTS = 8
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


def _origins(request: HttpRequest) -> list[str]:
    """The page's own, and those of this host name that the operator allows."""
    allowed = [each for each in settings.CSRF_TRUSTED_ORIGINS if urlsplit(each).hostname == rp_id_of(request)]
    return [f"{_scheme(request)}://{request.get_host()}", *allowed]


def of_host(request: HttpRequest, user: User) -> list[Passkey]:
    """The person's that work here."""
    return list(Passkey.objects.filter(user=user, confirmed=True).filter(rp_id=rp_id_of(request)))


# --- registration -----------------------------------------------------------------------------------------


def begin_registration(request: HttpRequest, user: User) -> dict[str, Any]:
    """What navigator.credentials.create() takes, as JSON. Raises ValidationError."""
    from webauthn import generate_registration_options
    from webauthn.helpers import options_to_json_dict
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    _check_address(request)
    check_room(user)
    options = generate_registration_options(
        rp_id=rp_id_of(request), rp_name=_NAME, user_name=user.email, user_display_name=user.get_full_name() or None,
        user_id=_handle_of(user), challenge=_new_challenge(request, "register"), timeout=_SECONDS * 1000,
        # Found without a name and held by a person who was verified: both factors in one.
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=bytes(each.credential_id))
                             for each in of_host(request, user)],
    )  # fmt: skip
    return options_to_json_dict(options)


def finish_registration(request: HttpRequest, user: User, answer: Any) -> Passkey:
    """Stores the passkey that the browser has made. Raises ValidationError."""
    challenge = _used_challenge(request, "register")
    _check_address(request)
    with transaction.atomic():
        check_room(user)
        passkey = _registered(request, user, answer, challenge)
        announce("second_factor.added", user, what="passkey", name=passkey.name)
        return passkey


def _registered(request: HttpRequest, user: User, answer: Any, challenge: bytes) -> Passkey:
    from webauthn import verify_registration_response

    try:
        made = verify_registration_response(
            credential=answer, expected_challenge=challenge, expected_rp_id=rp_id_of(request),
            expected_origin=_origins(request), require_user_verification=True,
        )  # fmt: skip
    except Exception as error:  # whatever a hostile answer makes the library raise, it is no passkey
        raise ValidationError("The browser's answer is no passkey for this page.") from error
    passkey = Passkey(
        user=user, name=f"Passkey, {summary_of(request.headers.get('User-Agent', ''))}",
        credential_id=made.credential_id, credential_digest=sha256_hex(made.credential_id),
        public_key=made.credential_public_key, sign_count=made.sign_count, transports=_transports(answer),
        rp_id=rp_id_of(request),
    )  # fmt: skip
    try:
        with transaction.atomic():
            passkey.save()
    except IntegrityError:
        raise ValidationError("This passkey is known already.") from None
    return passkey


def _transports(answer: Any) -> list[str]:
    """Hints of the browser's, for it to have again; not checked by anybody."""
    given = answer.get("response", {}).get("transports") if isinstance(answer, dict) else None
    texts = given if isinstance(given, list) else []
    return [each for each in texts if isinstance(each, str) and each.isascii() and len(each) < 33][:_MOST_TRANSPORTS]


def _handle_of(user: User) -> bytes:
    row, _ = UserHandle.objects.get_or_create(user=user, defaults={"handle": os.urandom(64)})
    return bytes(row.handle)


# --- proof ------------------------------------------------------------------------------------------------


def begin_proof(request: HttpRequest, user: User | None) -> dict[str, Any]:
    """What navigator.credentials.get() takes, as JSON: for one of the person's, or of whoever has one."""
    from webauthn import generate_authentication_options
    from webauthn.helpers import options_to_json_dict
    from webauthn.helpers.structs import (
        AuthenticatorTransport,
        PublicKeyCredentialDescriptor,
        UserVerificationRequirement,
    )

    _check_address(request)
    known = {each.value for each in AuthenticatorTransport}
    options = generate_authentication_options(
        rp_id=rp_id_of(request), challenge=_new_challenge(request, "prove"), timeout=_SECONDS * 1000,
        user_verification=UserVerificationRequirement.REQUIRED,
        allow_credentials=[
            PublicKeyCredentialDescriptor(
                id=bytes(each.credential_id),
                transports=[AuthenticatorTransport(name) for name in each.transports if name in known],
            )
            for each in (of_host(request, user) if user else [])
        ],
    )  # fmt: skip
    return options_to_json_dict(options)


def finish_proof(request: HttpRequest, user: User | None, answer: Any) -> Passkey:
    """The passkey that has signed: one of `user`'s, if that is said. Raises ValidationError, the same for any fault."""
    challenge = _used_challenge(request, "prove")
    _check_address(request)
    with transaction.atomic():
        return _proved(request, user, answer, challenge)


def _proved(request: HttpRequest, user: User | None, answer: Any, challenge: bytes) -> Passkey:
    from webauthn import verify_authentication_response
    from webauthn.helpers import parse_authentication_credential_json

    try:
        credential = parse_authentication_credential_json(answer)
        rows = Passkey.objects.select_for_update(of=("self",)).select_related("user")
        digest = sha256_hex(credential.raw_id)
        passkey: Passkey = rows.get(credential_digest=digest, confirmed=True, rp_id=rp_id_of(request))
        verified = verify_authentication_response(
            credential=credential, expected_challenge=challenge, expected_rp_id=passkey.rp_id,
            expected_origin=_origins(request), credential_public_key=bytes(passkey.public_key),
            credential_current_sign_count=passkey.sign_count, require_user_verification=True,
        )  # fmt: skip
    except Exception as error:  # whatever a hostile answer makes the library raise, it proves nothing
        raise ValidationError(_NO_PROOF) from error
    handle = credential.response.user_handle
    if not passkey.user.is_active or (user is not None and passkey.user_id != user.pk):
        raise ValidationError(_NO_PROOF)
    if (user is None or handle) and handle != _handle_of(passkey.user):
        raise ValidationError(_NO_PROOF)
    passkey.sign_count = verified.new_sign_count
    passkey.set_last_used_timestamp(commit=False)
    passkey.save(update_fields=["sign_count", "last_used_at"])
    return passkey


def _check_address(request: HttpRequest) -> None:
    if reason := why_not(request):
        raise ValidationError(reason)


def _new_challenge(request: HttpRequest, purpose: str) -> bytes:
    """32 bytes, kept in the session until it is used, or for five minutes."""
    challenge = os.urandom(32)
    if not request.user.is_authenticated and getattr(request, "unverified", None) is None:
        # A session of nobody's lasts no longer than its challenge.
        request.session.set_expiry(_SECONDS)
    request.session[_CHALLENGE] = {"challenge": challenge.hex(), "for": purpose, "at": time.time()}
    return challenge


def _used_challenge(request: HttpRequest, purpose: str) -> bytes:
    """Raises ValidationError. Gone from the session before anything is looked at, so that no answer counts twice."""
    state = request.session.pop(_CHALLENGE, None)
    if state is not None:
        request.session.save()
    if state is None or state["for"] != purpose or not 0 <= time.time() - state["at"] < _SECONDS:
        raise ValidationError("That took too long: try again.")
    return bytes.fromhex(state["challenge"])
