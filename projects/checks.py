"""System checks that refuse a set-up in which tenants could see each other."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, register

from projects.scoping import TenantManager, TenantModel


@register()
def tenant_models_use_the_tenant_manager(app_configs: Any, **_: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{model.__name__} belongs to a project but its default manager does not enforce it.",
            hint="Give it `objects = TenantManager()`.",
            id="projects.E001",
        )
        for model in apps.get_models()
        if issubclass(model, TenantModel) and not isinstance(model._default_manager, TenantManager)
    ]
