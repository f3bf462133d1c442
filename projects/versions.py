"""Raises a project's configuration version with every change, so that all workers reload it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import F
from django.db.models.signals import post_delete, post_save
from django.utils import timezone

from projects.models import ApiKey, ConfigVersion, Membership, Project, User
from projects.scoping import unscoped

COUNTER = 0
CHANNEL = "mcpgw:config"
# By project, whether its keys may have been touched: what is to be raised at the end of `raised_once`.
_held: ContextVar[dict[int, bool] | None] = ContextVar("held versions", default=None)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one project's configuration. `version` is the newest of all projects.

    `keys_version` is that of the last change that may have touched its keys; `cleared` says what workers were last
    told to drop, with the version at which.
    """

    version: int = 0
    keys_version: int = 0
    changed_at: datetime | None = None
    cleared: Mapping[str, int] = field(default_factory=dict)


def bump(*project_ids: int, keys: bool = True) -> None:
    """Call inside the transaction of the change. The counter's row lock makes versions commit in order.

    `keys` is False for what can have touched no key, no member and no user.
    """
    held = _held.get()
    if held is None:
        _raise(project_ids, keys)
        return
    for project_id in project_ids:
        held[project_id] = held.get(project_id, False) or keys


@contextmanager
def raised_once() -> Iterator[None]:
    """For a transaction of very many changes, inside of it: each project's version is raised once, at the end.

    PostgreSQL walks over every state that a row has had in an open transaction, so that to raise one counter with each
    of thousands of changes takes their square.
    """
    held: dict[int, bool] = {}
    token = _held.set(held)
    try:
        yield
    finally:
        _held.reset(token)
    if transaction.get_rollback():
        # Nothing of it stays.
        return
    for keys in (False, True):
        touched = [project_id for project_id, touches_keys in held.items() if touches_keys == keys]
        if touched:
            bump(*touched, keys=keys)


def _raise(project_ids: Iterable[int], keys: bool) -> None:
    with transaction.atomic():
        version = _raise_counter()
        changes: dict[str, Any] = {"version": version, "changed_at": timezone.now()}
        if keys:
            changes["keys_version"] = version
        for project_id in set(project_ids):
            ConfigVersion.objects.update_or_create(project_ref=project_id, defaults=changes)
        transaction.on_commit(_wake_workers, robust=True)


def mark_cleared(project_id: int, marks: Iterable[str]) -> None:
    """Tells every worker to drop what the marks name. A mark of a whole kind stands for those of its parts."""
    with transaction.atomic():
        _raise([project_id], keys=False)
        row = ConfigVersion.objects.select_for_update().get(project_ref=project_id)
        for mark in marks:
            row.cleared = {known: at for known, at in row.cleared.items() if not known.startswith(f"{mark}:")}
            row.cleared[mark] = row.version
        row.save(update_fields=["cleared"])


def standing(project_id: int) -> Standing:
    """Read it before the configuration itself, so that a change in between is seen again."""
    rows = {row.project_ref: row for row in ConfigVersion.objects.filter(project_ref__in=(COUNTER, project_id))}
    version = rows[COUNTER].version if COUNTER in rows else 0
    own = rows.get(project_id)
    return Standing(version, own.keys_version, own.changed_at, own.cleared) if own else Standing(version)


def _raise_counter() -> int:
    ConfigVersion.objects.get_or_create(project_ref=COUNTER)
    ConfigVersion.objects.filter(project_ref=COUNTER).update(version=F("version") + 1)
    return ConfigVersion.objects.get(project_ref=COUNTER).version


def changed_since(version: int) -> tuple[int, list[int]]:
    """The newest version and the ids of projects that changed after `version`."""
    rows = ConfigVersion.objects.filter(version__gt=version).values_list("project_ref", "version")
    newest, changed = version, []
    for project_ref, row_version in rows:
        newest = max(newest, row_version)
        if project_ref != COUNTER:
            changed.append(project_ref)
    return newest, changed


def current() -> int:
    counter = ConfigVersion.objects.filter(project_ref=COUNTER).first()
    return counter.version if counter else 0


def _wake_workers() -> None:
    if settings.REDIS_URL:
        import redis

        # Workers also poll; a lost wake-up only costs the rest of the poll interval.
        redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1).publish(CHANNEL, "1")


def connect() -> None:
    """Changes made by any door, also the admin's, raise the version."""
    for model in (ApiKey, Membership, Project):
        post_save.connect(_row_changed, sender=model, dispatch_uid=f"version-save-{model.__name__}")
        post_delete.connect(_row_changed, sender=model, dispatch_uid=f"version-delete-{model.__name__}")
    post_save.connect(_user_changed, sender=User, dispatch_uid="version-save-user")


def _row_changed(instance: models.Model, **_: Any) -> None:
    project_id = instance.pk if isinstance(instance, Project) else getattr(instance, "project_id", None)
    if project_id is not None:
        bump(project_id)


def _user_changed(instance: User, created: bool, update_fields: frozenset[str] | None, **_: Any) -> None:
    if created or (update_fields is not None and set(update_fields) <= {"last_login", "password"}):
        return
    with unscoped("a user's projects are found by the user"):
        bump(*Membership.objects.filter(user=instance).values_list("project_id", flat=True))
