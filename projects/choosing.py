"""A choice of a project: from a list, or of many by a name that is typed, with the first ones offered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import QuerySet
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from projects.access import Reach
from projects.dress import dress
from projects.models import Project
from projects.switcher import MAX_LISTED

if TYPE_CHECKING:
    ModelChoiceField = forms.ModelChoiceField[Project]
else:
    # Takes no type argument at run time.
    ModelChoiceField = forms.ModelChoiceField


@dataclass(frozen=True, slots=True)
class Offered:
    """Names in their order. Where they are not all, `more` is true, and others are typed."""

    slugs: list[str]
    more: bool


def offered_of(rows: QuerySet[Project]) -> Offered:
    slugs = list(rows.order_by("slug").values_list("slug", flat=True)[: MAX_LISTED + 1])
    return Offered(slugs[:MAX_LISTED], len(slugs) > MAX_LISTED)


def offered_within(reach: Reach) -> Offered:
    return offered_of(projects_within(reach))


def projects_within(reach: Reach) -> QuerySet[Project]:
    return Project.objects.all() if reach.is_all else Project.objects.filter(pk__in=reach.projects)


class ProjectField(ModelChoiceField):
    """A project by its slug. `offer` says which there are, and none but these is taken."""

    def __init__(self, **options: Any) -> None:
        super().__init__(Project.objects.none(), to_field_name="slug", **options)

    def offer(self, rows: QuerySet[Project]) -> None:
        self.queryset = rows.order_by("slug")
        offered = offered_of(rows)
        if offered.more:
            self.widget = _Typed(offered.slugs, {"maxlength": 63, "autocomplete": "off", "required": self.required})
            self.widget.is_required = self.required
            dress(self.widget)


class _Typed(forms.TextInput):
    def __init__(self, offered: list[str], attrs: dict[str, Any]) -> None:
        super().__init__({name: value for name, value in attrs.items() if value})
        self._offered = offered

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        place = f"offered-{name}"
        typed = super().render(name, value, {**(attrs or {}), "list": place}, renderer)
        options = format_html_join("", '<option value="{}"></option>', ((slug,) for slug in self._offered))
        return format_html('{}<datalist id="{}">{}</datalist>', typed, place, options)
