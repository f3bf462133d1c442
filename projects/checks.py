"""System checks that refuse a set-up in which tenants could see each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.core.checks import CheckMessage, Error, register

from projects.pages import OperatorOnlyAdmin
from projects.permissions import ACTIONS
from projects.scoped_pages import ScopedAdmin, ScopedInline
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


@register()
def pages_say_whom_they_open_to(app_configs: Any, **_: Any) -> list[CheckMessage]:
    return [error for each in admin.site._registry.values() for error in _faults(each)]


def _faults(page: Any) -> Iterator[Error]:
    name = type(page).__name__
    if isinstance(page, ScopedAdmin):
        known = frozenset[str]().union(*ACTIONS.values())
        if not {getattr(page, "reads", ""), getattr(page, "writes", "")} <= known:
            yield Error(f"{name} does not say by which action of a role it opens.",
                        hint="Set `reads` and `writes` to actions of projects.permissions.",
                        id="projects.E003")  # fmt: skip
    elif not isinstance(page, OperatorOnlyAdmin):
        yield Error(f"{name} opens to whom Django's own permissions say.",
                    hint="Derive it from ScopedAdmin, or from OperatorOnlyAdmin.", id="projects.E002")  # fmt: skip
    for inline in page.inlines:
        # What is on a page of operators has nobody else to open to, and Django's permissions are all theirs.
        if not issubclass(inline, ScopedInline) and not isinstance(page, OperatorOnlyAdmin):
            yield Error(f"{inline.__name__} on the page of {name} opens to whom Django's own permissions say.",
                        hint="Derive it from ScopedInline.", id="projects.E004")  # fmt: skip
