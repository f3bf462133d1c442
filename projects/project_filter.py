"""A list's filter by project or another row: a few are links, and of many one types the name, with some offered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest

from projects.models import Project
from projects.switcher import MAX_LISTED, chosen_at, looked_at, projects_of

# So many are links.
FEW = 20
# Not kept when another project is asked for: the page's number and the note of a wrong address.
_DROPPED = ("p", "e")


class ProjectFilter(admin.RelatedFieldListFilter):
    """Offers what the person's list can hold. The address has a project's number or, where it is typed, its slug."""

    template = "admin/projects/filter.html"
    place, nothing = "filter-projects", "all projects"

    def __init__(self, field: Any, request: HttpRequest, params: Any, model: Any, model_admin: Any, field_path: str):
        self.name_kwarg = f"{field_path}__slug"
        self.is_many = False
        self.offered: list[str] = []
        super().__init__(field, request, params, model, model_admin, field_path)
        typed: Any = self.used_parameters.get(self.name_kwarg) or [""]
        self.typed = str(typed[-1])
        self.kept = kept_of(request, self.expected_parameters())

    def expected_parameters(self) -> list[str | None]:
        return [*super().expected_parameters(), self.name_kwarg]

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        rows = _offered_by(model_admin, request)
        found = [(row.pk, str(row)) for row in rows[: MAX_LISTED + 1]]
        self.is_many = len(found) > FEW
        self.offered = [name for _, name in found[:MAX_LISTED]]
        return found[:FEW]

    def has_output(self) -> bool:
        return self.is_many or super().has_output()

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Of many, all and the one that was asked for."""
        for choice in super().choices(changelist):
            if not self.is_many or choice["selected"] or choice["display"] == "All":
                yield {**choice, "selected": choice["selected"] and not self.typed}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        if "\x00" in self.typed:
            raise IncorrectLookupParameters("no project's name")
        rows: Any = super().queryset(request, queryset)
        return rows


def kept_of(request: HttpRequest, own: Iterable[str | None]) -> list[tuple[str, str]]:
    """What else is asked for, to be asked for again together with what is typed."""
    dropped = {*own, *_DROPPED}
    return [(name, value) for name, values in request.GET.lists() if name not in dropped for value in values]


def _offered_by(page: Any, request: HttpRequest) -> QuerySet[Project]:
    """Pages that are the operator's only ask for no action."""
    if hasattr(page, "choices_within"):
        rows: QuerySet[Project] = page.choices_within(looked_at(request, page.reads), Project)
        return rows
    chosen = chosen_at(request)
    return projects_of(request) if chosen is None else Project.objects.filter(pk=chosen.pk)
