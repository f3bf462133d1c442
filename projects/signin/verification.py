"""Whether a session is that of a person who has proved enough: the password, and a second factor where one is due."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.models import Device

from gateway_site.lib.actor import Actor, acting_as
from gateway_site.lib.addresses import address_of
from projects.models import Membership, Passkey, RecoveryCode, Session, TotpDevice, User
from projects.permissions import Role
from projects.scoping import unscoped
from projects.signals import acted
from projects.signin import sessions

RECENT_SECONDS = 600
_LONGEST_NUMBER = 19
_AT, _PASSWORD_AT, _CODES_DUE = "verified_at", "password_at", "recovery_codes_due"
# Whoever can change a project; members and auditors may have a second factor and need none.
_ROLES = (Role.OWNER, Role.ADMIN)


def has_factor(user: User) -> bool:
    return any(model.objects.filter(user=user, confirmed=True).exists() for model in (TotpDevice, Passkey))


def must_have_factor(user: User) -> bool:
    """Operators, and owners and admins of any project."""
    if user.is_superuser or user.is_staff:
        return True
    with unscoped("a person's memberships are of many projects"):
        return Membership.objects.filter(user=user, role__in=_ROLES).exists()


def needs_second_step(user: User) -> bool:
    """Whoever has to have a second factor, and whoever has one."""
    return must_have_factor(user) or has_factor(user)


def factor_named(user: User, name: object) -> Device | None:
    """The person's passkey, app or recovery code that is called so (Device.persistent_id), and counts."""
    label, _, number = name.partition("/") if isinstance(name, str) else ("", "", "")
    for model in (TotpDevice, Passkey, RecoveryCode):
        if label == model.model_label() and number.isascii() and number.isdigit() and len(number) < _LONGEST_NUMBER:
            found: Device | None = model.objects.filter(user=user, confirmed=True).filter(pk=int(number)).first()
            return found
    return None


def is_verified(user: User, session: SessionBase) -> bool:
    """Whether a second factor of the person's, that is still theirs, was given in this session."""
    return factor_named(user, session.get(DEVICE_ID_SESSION_KEY)) is not None


def is_enough(user: Any, session: SessionBase) -> bool:
    """Whether the session opens anything but the pages of second factors. Every entrance asks this."""
    if not isinstance(user, User) or not user.is_active:
        return False
    if is_verified(user, session):
        return not are_codes_due(session)
    return not needs_second_step(user)


def person_at(request: HttpRequest) -> User | None:
    """Who has signed in here, be it by the password only."""
    user = getattr(request, "unverified", None) or request.user
    return user if isinstance(user, User) else None


def is_recent(request: HttpRequest, seconds: int = RECENT_SECONDS) -> bool:
    """Whether the person has proved within so many seconds who they are."""
    return _is_within(request, _AT, seconds)


def may_begin(request: HttpRequest) -> bool:
    """Whether who has no second factor may set one up: the password was given within ten minutes."""
    return is_recent(request) or _is_within(request, _PASSWORD_AT, RECENT_SECONDS)


def _is_within(request: HttpRequest, name: str, seconds: int) -> bool:
    at = request.session.get(name)
    return isinstance(at, (int, float)) and 0 <= time.time() - at < seconds


def sign_in(request: HttpRequest, user: User, passkey: Device | None = None) -> None:
    """The person has just given the password, or a passkey, which is all that there is to give."""
    if passkey is not None:
        # Told to whoever records sign-ins: more is said of it below.
        user.otp_device = passkey  # type: ignore[attr-defined]  # as django-otp has it
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[-1])
    note_password(request)
    if passkey is not None:
        note_proof(request, user, "passkey", passkey)


def note_password(request: HttpRequest) -> None:
    """The password was accepted; where no more is needed, that is the proof."""
    sessions.begin(request)
    request.session[_PASSWORD_AT] = time.time()
    if isinstance(request.user, User) and not needs_second_step(request.user):
        request.session[_AT] = time.time()


def note_proof(request: HttpRequest, user: User, by: str, device: Device | None = None) -> None:
    """The person has just given `device`, or the password once more where that is all there is. On record.

    The session gets a new key, so that nobody goes on with one that they knew before.
    """
    was_enough = is_enough(user, request.session) and not hasattr(user, "otp_device")
    if device is not None:
        request.session[DEVICE_ID_SESSION_KEY] = device.persistent_id
        if not keeps_codes(user):
            request.session[_CODES_DUE] = True
    request.session[_AT] = time.time()
    request.session.cycle_key()
    kind = "auth.signed_in" if device is not None and not was_enough else "auth.confirmed"
    with acting_as(Actor("user", str(user.pk), user.email)):
        acted.send(sender=Session, kind=kind, project=None, subject=user.email, decision="allowed",
                   detail={"by": by, "address": str(address_of(request) or "")})  # fmt: skip


def keeps_codes(user: User) -> bool:
    """Whether the person has a recovery code left."""
    return bool(RecoveryCode.objects.filter(user=user, confirmed=True, used_at=None).exists())


def are_codes_due(session: SessionBase) -> bool:
    """Who has none left makes new ones before anything else."""
    return bool(session.get(_CODES_DUE))


def note_codes_kept(session: SessionBase) -> None:
    session.pop(_CODES_DUE, None)
