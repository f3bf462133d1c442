"""A change of a server or template raises the configuration version of the projects it touches."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_delete, post_save

from projects.scoping import unscoped
from projects.versions import bump
from servers.models import CommandTemplate, Grant, Overlay, Server


def connect() -> None:
    for model in (Server, Grant, Overlay):
        for signal in (post_save, post_delete):
            signal.connect(_row_changed, sender=model, dispatch_uid=f"version-{model.__name__}-{id(signal)}")
    post_save.connect(_template_changed, sender=CommandTemplate, dispatch_uid="version-template")


def _row_changed(instance: Server | Grant | Overlay, **_: Any) -> None:
    bump(instance.project_id, keys=False)


def _template_changed(instance: CommandTemplate, **_: Any) -> None:
    with unscoped("a template serves many projects"):
        bump(*Server.objects.filter(template=instance).values_list("project_id", flat=True), keys=False)
