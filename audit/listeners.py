"""Turns what Django and the projects app announce into events."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from audit.recorder import record
from gateway_site.lib.actor import Actor, acting_as
from gateway_site.lib.addresses import address_of
from projects.models import Project, User
from projects.signals import acted
from projects.signin.lockout import typed_email
from projects.signin.verification import needs_second_step


def connect() -> None:
    acted.connect(_record_act, dispatch_uid="audit-acted")
    user_logged_in.connect(_record_sign_in, dispatch_uid="audit-signed-in")
    user_logged_out.connect(_record_sign_out, dispatch_uid="audit-signed-out")
    user_login_failed.connect(_record_failed_sign_in, dispatch_uid="audit-sign-in-failed")


def _record_act(
    *, kind: str, project: Project | None, subject: str, detail: dict[str, Any], decision: str = "", **_: Any
) -> None:
    record(
        kind, project_ref=project.pk if project else None, project=project.slug if project else "",
        subject=subject, detail=detail, decision=decision,
    )  # fmt: skip


def _record_sign_in(user: User, request: HttpRequest | None = None, **_: Any) -> None:
    """With a password. What is proved by more is told by projects.signin.verification."""
    if hasattr(user, "otp_device"):
        return
    with acting_as(Actor("user", str(user.pk), user.email)):
        kind = "auth.password_accepted" if needs_second_step(user) else "auth.signed_in"
        record(kind, subject=user.email, decision="allowed", detail=_whence(request))


def _record_sign_out(user: User | None, **_: Any) -> None:
    if user is not None:
        with acting_as(Actor("user", str(user.pk), user.email)):
            record("auth.signed_out", subject=user.email)


def _record_failed_sign_in(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    with acting_as(Actor("anonymous")):
        record("auth.sign_in_failed", subject=typed_email(credentials.get("username")), decision="refused",
               detail=_whence(request))  # fmt: skip


def _whence(request: HttpRequest | None) -> dict[str, Any]:
    address = address_of(request) if request is not None else None
    return {"address": str(address)} if address else {}
