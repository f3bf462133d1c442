"""What is stored of signing in: second factors, recovery codes, sessions, and invitations by link."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils import timezone
from django_otp.models import Device, ThrottlingMixin, TimestampMixin
from django_otp.oath import TOTP

from gateway_site.lib.secrets import Unsealable
from projects.permissions import Role
from projects.scoping import TenantManager, TenantModel

_STEP_SECONDS, _DIGITS, _TOLERANCE = 30, 6, 1
# The tenth wrong code in a row is followed by 512 s in which none is looked at, and so is every later one: fewer than
# 170 guesses a day at three codes of a million, and whoever knows the password locks nobody out for long.
_MOST_FAILURES = 10


class TotpDevice(TimestampMixin, ThrottlingMixin, Device):
    """An authenticator app (RFC 6238: SHA-1, 6 digits, 30 s). Unconfirmed until the first code was right."""

    uid = models.UUIDField(default=uuid.uuid4, editable=False, unique=True)
    sealed = models.TextField(editable=False)
    # The time step of the last code that was right: neither it nor an older one works again.
    last_step = models.BigIntegerField(default=-1, editable=False)

    class Meta:
        ordering = ["id"]

    @property
    def _place(self) -> str:
        return f"projects.TotpDevice.sealed:{self.uid}:{self.user_id}"

    @property
    def secret(self) -> bytes:
        """20 bytes. Raises Unsealable."""
        return settings.KEYRING.unseal(self.sealed, self._place)

    @secret.setter
    def secret(self, value: bytes) -> None:
        self.sealed = settings.KEYRING.seal(value, self._place)

    def get_throttle_factor(self) -> int:
        return 1

    def verify_token(self, token: str) -> bool:
        """Whether the code is right now and was not used before. Wrong ones make the next wait. Saves itself."""
        if not self.verify_is_allowed()[0]:
            return False
        step = self._step_of(token)
        if step is None:
            self.throttling_failure_count = min(self.throttling_failure_count, _MOST_FAILURES - 1)
            self.throttle_increment()
            return False
        self.last_step = step
        self.throttle_reset(commit=False)
        self.set_last_used_timestamp(commit=False)
        self.save()
        return True

    def is_right(self, token: str) -> bool:
        """Whether `verify_token` would say yes; nothing is used up or counted."""
        return self.verify_is_allowed()[0] and self._step_of(token) is not None

    def _step_of(self, token: str) -> int | None:
        """The time step whose code this is; None when it is of none that may be used by now."""
        if not (token.isascii() and token.isdigit() and len(token) == _DIGITS):
            return None
        try:
            totp = TOTP(self.secret, step=_STEP_SECONDS, digits=_DIGITS)
        except Unsealable:
            # Another key ring's: nobody can have its codes.
            return None
        return totp.t() if totp.verify(int(token), _TOLERANCE, self.last_step + 1) else None


class RecoveryCode(Device):
    """One of a person's ten codes: the HMAC of 80 random bits. Unconfirmed until the person says that they are kept."""

    pepper_id = models.CharField(max_length=32, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    used_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["id"]


class Session(AbstractBaseSession):
    """A browser's session. `session_key` is the SHA-256 of the cookie's value, which is not stored."""

    session_key = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    begun_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    address = models.CharField(max_length=45, blank=True)
    browser = models.CharField(max_length=60, blank=True)

    class Meta:
        ordering = ["-seen_at"]

    def __str__(self) -> str:
        return f"session of {self.user_id}"

    @classmethod
    def get_session_store_class(cls) -> Any:
        from projects.signin.sessions import SessionStore

        return SessionStore


class Invitation(TenantModel):
    """An e-mail address's way into a project: a link that works once. Of its secret only the SHA-256 is stored."""

    email = models.EmailField("e-mail address")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.CharField(max_length=254, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    objects = TenantManager["Invitation"]()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["project", "email"], name="one_invitation_of_an_address")]

    def __str__(self) -> str:
        return f"{self.email} to {self.project} ({self.role})"
