"""A change of a policy, a false positive or the floor raises the configuration version of the projects it touches."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_delete, post_save

from guardrails.models import FindingException, FloorGuardrail, Guardrail, Policy
from projects.models import Project
from projects.versions import bump


def connect() -> None:
    for signal in (post_save, post_delete):
        for model in (Policy, Guardrail, FindingException):
            signal.connect(_row_changed, sender=model, dispatch_uid=f"version-{model.__name__}-{id(signal)}")
        signal.connect(_floor_changed, sender=FloorGuardrail, dispatch_uid=f"version-floor-{id(signal)}")


def _row_changed(instance: Policy | Guardrail | FindingException, **_: Any) -> None:
    bump(instance.project_id, keys=False)


def _floor_changed(**_: Any) -> None:
    bump(*Project.objects.values_list("pk", flat=True), keys=False)
