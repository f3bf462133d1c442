"""A change of a server or template raises the configuration version of the projects it touches."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_delete, post_save

from projects.scoping import unscoped
from projects.versions import bump
from servers.models import CommandTemplate, Server


def connect() -> None:
    for signal in (post_save, post_delete):
        signal.connect(_server_changed, sender=Server, dispatch_uid=f"version-server-{id(signal)}")
    post_save.connect(_template_changed, sender=CommandTemplate, dispatch_uid="version-template")


def _server_changed(instance: Server, **_: Any) -> None:
    bump(instance.project_id)


def _template_changed(instance: CommandTemplate, **_: Any) -> None:
    with unscoped("a template serves many projects"):
        bump(*Server.objects.filter(template=instance).values_list("project_id", flat=True))
