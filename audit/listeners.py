"""Turns what Django and the projects app announce into events."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed

from audit.recorder import record
from gateway_site.lib.actor import Actor, acting_as
from projects.models import Project, User
from projects.signals import acted

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def connect() -> None:
    acted.connect(_record_act, dispatch_uid="audit-acted")
    user_logged_in.connect(_record_sign_in, dispatch_uid="audit-signed-in")
    user_logged_out.connect(_record_sign_out, dispatch_uid="audit-signed-out")
    user_login_failed.connect(_record_failed_sign_in, dispatch_uid="audit-sign-in-failed")


def _record_act(*, kind: str, project: Project | None, subject: str, detail: dict[str, Any], **_: Any) -> None:
    record(
        kind, project_ref=project.pk if project else None, project=project.slug if project else "",
        subject=subject, detail=detail,
    )  # fmt: skip


def _record_sign_in(user: User, **_: Any) -> None:
    with acting_as(Actor("user", str(user.pk), user.email)):
        record("auth.signed_in", subject=user.email, decision="allowed")


def _record_sign_out(user: User | None, **_: Any) -> None:
    if user is not None:
        with acting_as(Actor("user", str(user.pk), user.email)):
            record("auth.signed_out", subject=user.email)


def _record_failed_sign_in(credentials: dict[str, Any], **_: Any) -> None:
    with acting_as(Actor("anonymous")):
        record("auth.sign_in_failed", subject=_as_email(credentials.get("username")), decision="refused")


def _as_email(typed: Any) -> str:
    """People type their password into the wrong field; only what looks like an address is kept."""
    text = str(typed or "")[:254]
    return text if _EMAIL.fullmatch(text) else ""
