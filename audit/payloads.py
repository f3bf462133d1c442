"""Payloads of calls: sealed under a key of the person who called, opened for those who may read the project's log.

A person's key in a project is made when it is first needed and stored sealed by the key ring. A payload is AES-256-GCM
under that key, bound to its project, its own id and its event's id, so that it opens in its own place only.
"""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction

from audit.carried import Carrying, SealedPayload, carrying
from audit.entry import Entry, new_id
from audit.models import Event, Payload, SubjectKey
from audit.naming import digest_name
from audit.recorder import record
from gateway_site.lib.actor import Actor, acting_as
from gateway_site.lib.secrets import Unsealable
from projects.models import Membership, User
from projects.permissions import AUDIT_READ, allows
from projects.scoping import with_project

_NONCE_BYTES = 12
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class DataKey:
    """A person's key in a project, open. `ref` is the number of its row."""

    ref: int
    project_ref: int
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Opened:
    """What a call sent (`{"params": …}`) or got (`{"result": …}` or `{"error": …}`), at the level it was stored."""

    level: str
    at: datetime
    content: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Erased:
    """There was one; the key of its person was destroyed, `at` that time where it is known."""

    at: datetime | None


@dataclass(frozen=True, slots=True)
class Absent:
    """There is none to show, and why: none was kept, it is gone from the database, or it cannot be opened."""

    reason: str


def key_of_subject(project_ref: int, user_id: int, email: str) -> DataKey:
    """The person's key, made when there is none. Raises Unsealable and django.db.Error."""
    subject = str(user_id)
    row = _live_key(project_ref, subject) or _make_key(project_ref, subject, email)
    if row is None or row.wrapped is None:
        raise Unsealable("the person is being erased")
    secret = settings.KEYRING.unseal(bytes(row.wrapped).decode(), _place(project_ref, subject))
    return DataKey(row.pk, project_ref, secret)


def seal(entry: Entry, key: DataKey, level: str, content: bytes) -> Carrying:
    """The entry, bringing along its payload: `content` is JSON."""
    identity, nonce = new_id(), os.urandom(_NONCE_BYTES)
    sealed = AESGCM(key.secret).encrypt(nonce, content, _binding(key.project_ref, identity, entry.id))
    payload = SealedPayload(
        identity, key.project_ref, key.ref, entry.id, entry.at, level, len(content), nonce, sealed
    )  # fmt: skip
    return carrying(entry, payload)


def open_payload(*, event: Event, reader: User, by: Actor | None = None) -> Opened | Erased | Absent:
    """The payload of an event, for `reader`; that it was read is put on record before it is shown.

    `by` is who acts for the reader where that is not the reader in the browser, such as a token of theirs.
    Raises PermissionDenied for who may not read the log of the event's project: operators are no exception, unless they
    are members. Raises django.db.Error.
    """
    _check(event, reader)
    found = _look(event)
    if isinstance(found, Opened):
        with acting_as(by or Actor("user", str(reader.pk), reader.email)):
            record(
                "audit.payload_read", project_ref=event.project_ref, project=event.project, subject=str(event.id),
                decision="allowed", detail={"event": str(event.id), "kind": event.kind, "level": found.level},
            )  # fmt: skip
    return found


def _check(event: Event, reader: User) -> None:
    if event.project_ref is None or not reader.is_active:
        raise PermissionDenied
    with with_project(event.project_ref):
        role = Membership.objects.filter(user=reader).values_list("role", flat=True).first()
    if role is None or not allows(role, AUDIT_READ):
        raise PermissionDenied


def _look(event: Event) -> Opened | Erased | Absent:
    if event.payload_ref is None or event.project_ref is None:
        return Absent("none was kept")
    # Of the event's own project only, whatever the event says of it.
    row = Payload.objects.filter(pk=event.payload_ref, project_ref=event.project_ref, event_id=event.id).first()
    if row is None:
        return Absent("it is gone")
    key = SubjectKey.objects.filter(pk=row.subject_key, project_ref=event.project_ref).first()
    if key is None or key.wrapped is None:
        return Erased(key.erased_at if key is not None else None)
    try:
        secret = settings.KEYRING.unseal(bytes(key.wrapped).decode(), _place(key.project_ref, key.subject))
        binding = _binding(row.project_ref, row.id, row.event_id)
        content = AESGCM(secret).decrypt(bytes(row.nonce), bytes(row.ciphertext), binding)
    except (InvalidTag, Unsealable, ValueError):
        return Absent("it cannot be opened: it was changed, or its key is in no ring of this gateway")
    return Opened(row.level, row.at, json.loads(content))


def _live_key(project_ref: int, subject: str) -> SubjectKey | None:
    return SubjectKey.objects.filter(project_ref=project_ref, subject=subject, wrapped__isnull=False).first()


def _make_key(project_ref: int, subject: str, email: str) -> SubjectKey | None:
    wrapped = settings.KEYRING.seal(os.urandom(_KEY_BYTES), _place(project_ref, subject)).encode()
    try:
        with transaction.atomic():
            return SubjectKey.objects.create(
                project_ref=project_ref, subject=subject, address=address_of(project_ref, email), wrapped=wrapped
            )
    except IntegrityError:
        # Another worker was first.
        return _live_key(project_ref, subject)


def address_of(project_ref: int, email: str) -> str:
    """By what a person is found whose account is gone."""
    return digest_name(settings.KEYRING.project_digest_key(project_ref), email.lower())


def _place(project_ref: int, subject: str) -> str:
    return f"audit_subjectkey:{project_ref}:{subject}"


def _binding(project_ref: int, identity: uuid.UUID, event_id: uuid.UUID) -> bytes:
    return f"audit_payload:{project_ref}:{identity}:{event_id}".encode()
