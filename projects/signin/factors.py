"""A person's second factors: authenticator apps and recovery codes, how they are added, checked and taken away."""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import b32encode
from datetime import timedelta
from urllib.parse import quote, urlencode

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django_otp.models import Device

from projects.models import Passkey, RecoveryCode, TotpDevice, User
from projects.signals import acted
from projects.signin.verification import has_factor, must_have_factor

CODES = 10
MOST_FACTORS = 10
_ISSUER = "Secure MCP Gateway"
_SECRET_BYTES = 20
# An app that was shown and never confirmed is shown again for so long, so that a page may be loaded anew.
_PENDING = timedelta(hours=1)
# Crockford's alphabet, without letters that look like digits: 16 of these are 80 bits.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_LENGTH, _GROUP = 16, 4
_LOOKALIKES = str.maketrans("OIL", "011")
_USED_KEPT = timedelta(days=1)


# --- authenticator apps -----------------------------------------------------------------------------------


@transaction.atomic
def begin_totp(*, user: User, shown: str) -> TotpDevice:
    """The app that is being added; nothing is asked of it before its first code was right.

    `shown` is the `uid` of the one that this browser has. Another one is never shown again: whoever began it, such as
    somebody who knows the password, has its secret.
    """
    pending = TotpDevice.objects.filter(user=user, confirmed=False)
    recent = pending.filter(created_at__gt=timezone.now() - _PENDING)
    device: TotpDevice | None = next((each for each in recent if str(each.uid) == shown), None)
    if device is None:
        pending.delete()
        device = TotpDevice(user=user, name="Authenticator app", confirmed=False)
        device.secret = secrets.token_bytes(_SECRET_BYTES)
        device.save()
    return device


@transaction.atomic
def confirm_totp(*, user: User, code: str, shown: str) -> TotpDevice | None:
    """The app, which counts from now on, or None for a wrong code. `shown` as above. Raises ValidationError."""
    pending = TotpDevice.objects.filter(user=user, confirmed=False).select_for_update()
    device: TotpDevice | None = next((each for each in pending if str(each.uid) == shown), None)
    if device is None or not device.verify_token(_plain(code)):
        return None
    check_room(user)
    device.confirmed = True
    device.save(update_fields=["confirmed"])
    announce("second_factor.added", user, what="authenticator app")
    return device


def address_of_totp(device: TotpDevice) -> str:
    """What the QR code says (Key Uri Format). It holds the secret."""
    label = quote(f"{_ISSUER}:{device.user.email}")
    fields = urlencode({"secret": text_of(device), "issuer": _ISSUER}, quote_via=quote)
    return f"otpauth://totp/{label}?{fields}"


def text_of(device: TotpDevice) -> str:
    """The secret for typing, 32 letters and digits."""
    return b32encode(device.secret).decode()


# --- recovery codes ---------------------------------------------------------------------------------------


@transaction.atomic
def make_codes(*, user: User) -> list[str]:
    """Ten codes, which are never to be had again. They work, and those before no more, once they are kept."""
    RecoveryCode.objects.filter(user=user, confirmed=False).delete()
    texts = ["".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH)) for _ in range(CODES)]
    pepper_id = settings.KEYRING.current_pepper
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=user, name="Recovery code", confirmed=False, pepper_id=pepper_id,
                     digest=_digest(user, pepper_id, text))
        for text in texts
    )  # fmt: skip
    return ["-".join(text[at : at + _GROUP] for at in range(0, _CODE_LENGTH, _GROUP)) for text in texts]


@transaction.atomic
def keep_codes(*, user: User) -> bool:
    """The person has the codes that were made last. False when none were."""
    made = RecoveryCode.objects.filter(user=user, confirmed=False)
    if not made.exists():
        return False
    before = RecoveryCode.objects.filter(user=user, confirmed=True)
    # A session that one of them has opened goes on.
    before.exclude(used_at__gt=timezone.now() - _USED_KEPT).delete()
    made.update(confirmed=True)
    announce("recovery_codes.made", user, count=CODES)
    return True


def codes_left(user: User) -> int:
    count: int = RecoveryCode.objects.filter(user=user, confirmed=True).filter(used_at=None).count()
    return count


def _digest(user: User, pepper_id: str, text: str) -> str:
    """Nothing for a pepper that is gone: such a code works no more."""
    digest = settings.KEYRING.pepper_digest(pepper_id, f"recovery:{user.pk}:{text}")
    return digest.hex() if digest else ""


# --- all of them ------------------------------------------------------------------------------------------


@transaction.atomic
def check_code(*, user: User, code: str) -> Device | None:
    """The app or the recovery code that this is a code of, used up by it. None for a wrong one."""
    text = _plain(code)
    if len(text) == _CODE_LENGTH:
        return _use_recovery_code(user, text.translate(_LOOKALIKES))
    apps: list[TotpDevice] = list(TotpDevice.objects.filter(user=user, confirmed=True).select_for_update())
    # A wrong code counts against every app; one that is right for one of them against none.
    asked = [each for each in apps if each.is_right(text)] or apps
    return next((each for each in asked if each.verify_token(text)), None)


def _use_recovery_code(user: User, text: str) -> RecoveryCode | None:
    for row in RecoveryCode.objects.filter(user=user, confirmed=True).filter(used_at=None):
        digest = _digest(user, row.pepper_id, text)
        if digest and hmac.compare_digest(digest, row.digest):
            unused = RecoveryCode.objects.filter(pk=row.pk, used_at=None)
            # Of two requests at one time one uses it.
            return row if unused.update(used_at=timezone.now()) else None
    return None


def _plain(code: str) -> str:
    return re.sub(r"[\s-]", "", code).upper()


def check_room(user: User) -> None:
    """Raises ValidationError."""
    held = sum(model.objects.filter(user=user, confirmed=True).count() for model in (TotpDevice, Passkey))
    if held >= MOST_FACTORS:
        raise ValidationError(f"You have {MOST_FACTORS} of them already: remove one first.")


@transaction.atomic
def remove_factor(*, user: User, device: Device) -> None:
    """Sessions that were opened with it ask again. Raises ValidationError for the last one of who must have one."""
    if device.user_id != user.pk or isinstance(device, RecoveryCode):
        raise ValidationError("You have no such passkey or authenticator app.")
    device.delete()
    if must_have_factor(user) and not has_factor(user):
        raise ValidationError("Add another one first: with your role you need one.")
    what = "passkey" if isinstance(device, Passkey) else "authenticator app"
    announce("second_factor.removed", user, what=what, name=device.name)


@transaction.atomic
def reset_factors(*, user: User) -> int:
    """For who has lost them all: the next sign-in sets new ones up. How many passkeys and apps there were."""
    count = 0
    for model in (TotpDevice, Passkey, RecoveryCode):
        deleted, _ = model.objects.filter(user=user).delete()
        count += 0 if model is RecoveryCode else deleted
    announce("second_factor.reset", user, count=count)
    return count


def announce(kind: str, user: User, **detail: object) -> None:
    acted.send(sender=User, kind=kind, project=None, subject=user.email, detail=detail)
