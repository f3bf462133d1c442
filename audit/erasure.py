"""Erases what is kept of a person in a project: their key is destroyed, and what only it opens is emptied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from audit.models import Event, Payload, SubjectKey
from audit.payloads import address_of
from audit.recorder import record
from projects import versions
from projects.models import ApiKey, Membership, Project, User
from projects.scoping import with_project


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was destroyed: keys of the person, and payloads that they opened."""

    keys: int
    payloads: int


def erase_subject(*, project_ref: int, subject: str) -> Erasure:
    """Erases the payloads of a person in a project, by e-mail address or user id; also of one whose account is gone.

    Every worker forgets the person's key, and what the tokens of the guardrails' vault stand for in their sessions,
    within a second. Raises ValidationError when neither the project nor its log knows the person.
    """
    ids = _ids_of(project_ref, subject.strip())
    _overwrite_what_is_deleted()
    with transaction.atomic():
        # What was destroyed before stays; the person may have called again since.
        keys = SubjectKey.objects.select_for_update().filter(
            project_ref=project_ref, subject__in=ids, wrapped__isnull=False
        )
        refs = [key.pk for key in keys]
        emptied = Payload.objects.filter(project_ref=project_ref, subject_key__in=refs).update(
            nonce=b"", ciphertext=b""
        )  # fmt: skip
        SubjectKey.objects.filter(pk__in=refs).update(wrapped=None, erased_at=timezone.now())
        for identity in ids:
            # By id: the log would else keep for ever who asked to be forgotten.
            record(
                "audit.erased", project_ref=project_ref, project=slug_of(project_ref), subject=f"user:{identity}",
                detail={"keys": len(refs), "payloads": emptied},
            )  # fmt: skip
        versions.mark_cleared(project_ref, [f"person:{identity}" for identity in ids])
    # At once, unless the caller's transaction goes on.
    transaction.on_commit(_leave_nothing_behind)
    return Erasure(len(refs), emptied)


def slug_of(project_ref: int) -> str:
    """Also of a project that is gone."""
    known = Project.objects.filter(pk=project_ref).values_list("slug", flat=True).first()
    return known or Event.objects.filter(project_ref=project_ref).values_list("project", flat=True).first() or ""


def _ids_of(project_ref: int, subject: str) -> list[str]:
    if subject.isascii() and subject.isdigit():
        known = Q(subject=subject)
        user = User.objects.filter(pk=int(subject)).first() if len(subject) < 19 else None
    else:
        known = Q(address=address_of(project_ref, subject))
        user = User.objects.filter(email=subject.lower()).first()
    ids = set(SubjectKey.objects.filter(known, project_ref=project_ref).values_list("subject", flat=True))
    if user is not None and (ids or _has_been_here(project_ref, user)):
        ids.add(str(user.pk))
    if not ids:
        raise ValidationError("The project knows no such person.")
    return sorted(ids)


def _has_been_here(project_ref: int, user: User) -> bool:
    with with_project(project_ref):
        return Membership.objects.filter(user=user).exists() or ApiKey.objects.filter(user=user).exists()


def _overwrite_what_is_deleted() -> None:
    """SQLite leaves what was deleted where it stood until the place is needed again."""
    if connection.vendor == "sqlite":
        _ask("PRAGMA secure_delete=ON")


def _leave_nothing_behind() -> None:
    if connection.vendor == "sqlite":
        # Else the journal keeps the pages as they were.
        _ask("PRAGMA wal_checkpoint(TRUNCATE)")
        _ask("PRAGMA secure_delete=OFF")


def _ask(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()
