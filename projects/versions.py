"""Raises a project's configuration version with every change, so that all workers reload it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import F
from django.db.models.signals import post_delete, post_save

from projects.models import ApiKey, ConfigVersion, Membership, Project, User
from projects.scoping import unscoped

COUNTER = 0
CHANNEL = "mcpgw:config"


def bump(*project_ids: int) -> None:
    """Call inside the transaction of the change. The counter's row lock makes versions commit in order."""
    with transaction.atomic():
        ConfigVersion.objects.get_or_create(project_ref=COUNTER)
        ConfigVersion.objects.filter(project_ref=COUNTER).update(version=F("version") + 1)
        version = ConfigVersion.objects.get(project_ref=COUNTER).version
        for project_id in set(project_ids):
            ConfigVersion.objects.update_or_create(project_ref=project_id, defaults={"version": version})
        transaction.on_commit(_wake_workers, robust=True)


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
