"""How the templates of form fields are found: without any library of tags that is ours."""

from __future__ import annotations

from typing import Any

from django.forms import renderers
from django.template.backends.django import DjangoTemplates


class _Templates(DjangoTemplates):
    def get_templatetag_libraries(self, custom_libraries: Any) -> dict[str, str]:
        return {name: f"django.templatetags.{name}" for name in ("i18n", "l10n", "static", "tz")} | {
            "unfold": "unfold.templatetags.unfold"
        }


class Renderer(renderers.DjangoTemplates):
    """The theme renders a field while its admin is being imported, and libraries of tags may import our pages then."""

    backend = _Templates
