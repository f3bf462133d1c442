"""The rules of pages that a project's roles open: who sees which rows, changes them, and names which in forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import flatten_fieldsets, get_fields_from_path
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.core.paginator import Paginator
from django.db.models import ForeignKey, Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.functional import cached_property

from projects.access import Reach
from projects.models import Project
from projects.pages import GatewayAdmin, reach_of
from projects.project_filter import ProjectFilter
from projects.scoping import TenantModel
from projects.switcher import chosen_at, looked_at

M = TypeVar("M", bound=Model)
# So many rows of a list are counted and can be paged to; beyond them one searches.
MOST_COUNTED = 50_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """Counts no further than anybody pages."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by().values("pk")[:MOST_COUNTED].count())


class ScopedAdmin(GatewayAdmin[M]):
    """Pages of rows that belong to projects. `reads` and `writes` are actions of projects.permissions.

    A person sees the rows of the projects in which their role has the one, and changes those in which it has the
    other; operators see all. A row out of reach is answered like one that there never was. The request itself runs
    within the person's projects (projects.middleware), so that what is forgotten here shows nobody else's rows either.
    """

    reads: str
    writes: str
    # Has the number of a row's project.
    project_column = "project_id"
    # Models without a project whose rows may be named in forms by whoever fills them in.
    offers: Sequence[type[Model]] = ()
    paginator = BoundedPaginator

    class Media:
        # In this order: what it needs comes with every page, and else after it.
        js = ("admin/js/jquery.init.js", "projects/narrowed.js")

    # --- who may ------------------------------------------------------------------------------------

    def may(self, request: HttpRequest, action: str, obj: Any = None) -> bool:
        """To this row; without one, anywhere."""
        reach = reach_of(request, action)
        return bool(reach) if obj is None else reach.has(getattr(obj, self.project_column))

    def rows_within(self, request: HttpRequest, action: str, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those of them to which the person may."""
        reach = reach_of(request, action)
        return rows if reach.is_all else rows.filter(**{f"{self.project_column}__in": reach.projects})

    def choices_within(self, reach: Reach, model: type[Model]) -> QuerySet[Any]:
        """What forms and filters may name of a model."""
        rows: QuerySet[Any] = model._default_manager.all()
        if model in self.offers:
            return rows
        if model is not Project and not issubclass(model, TenantModel):
            raise ImproperlyConfigured(f"{type(self).__name__} does not say that {model.__name__} may be chosen from.")
        column = "pk" if model is Project else "project_id"
        return rows if reach.is_all else rows.filter(**{f"{column}__in": reach.projects})

    def find(self, request: HttpRequest, pk: int, action: str) -> M:
        """Raises Http404 for what the person does not see, and PermissionDenied for what they may not do this to."""
        found: M | None = self.get_queryset(request).filter(pk=pk).first() if pk < 2**63 else None
        if found is None:
            raise Http404
        if not self.may(request, action, found):
            raise PermissionDenied
        return found

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.may(request, self.reads)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, self.reads, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may(request, self.writes)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, self.writes, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, self.writes, obj)

    # --- lists --------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        # Django looks for the object before it asks for the permission.
        if not self.may(request, self.reads):
            raise PermissionDenied
        rows: QuerySet[M] = self.rows_within(request, self.reads, super().get_queryset(request))
        if isinstance(self.list_select_related, (list, tuple)):
            # Also where single rows and choices are shown, by names that tell their project.
            rows = rows.select_related(*self.list_select_related)
        chosen = chosen_at(request) if _is_list(request) else None
        rows = rows if chosen is None else rows.filter(**{self.project_column: chosen.pk})
        # Of a form that is about one project.
        asked = request.GET.get("project", "") if _is_autocomplete(request) and self.model is not Project else ""
        return rows.filter(**{self.project_column: int(asked)}) if _is_number(asked) else rows

    def get_list_filter(self, request: HttpRequest) -> Any:
        return [self._within_reach(each) for each in super().get_list_filter(request)]

    def _within_reach(self, listed: Any) -> Any:
        if not isinstance(listed, str) or not get_fields_from_path(self.model, listed)[-1].is_relation:
            return listed
        related = get_fields_from_path(self.model, listed)[-1].related_model
        if related is not Project:
            raise ImproperlyConfigured(f"{type(self).__name__} has a filter by {listed}, which is no project.")
        return (listed, ProjectFilter)

    # --- actions ------------------------------------------------------------------------------------

    def get_actions(self, request: HttpRequest) -> Any:
        return super().get_actions(request) if self.may(request, self.writes) else {}

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *args: Any) -> HttpResponse | None:
        """On what the person may change only; where that is not all that was selected, on nothing."""
        writable = self.rows_within(request, self.writes, queryset)
        selected = [text for text in request.POST.getlist(ACTION_CHECKBOX_NAME) if text.isdecimal() and len(text) < 19]
        chosen = queryset.filter(pk__in=selected)
        if self.writes != self.reads and chosen.exclude(pk__in=writable.values("pk")).exists():
            text = "Nothing was done: some of what was selected you may only look at."
            self.message_user(request, text, messages.ERROR)
            return None
        return super().response_action(request, writable, *args)

    # --- forms --------------------------------------------------------------------------------------

    def get_autocomplete_fields(self, request: HttpRequest) -> list[str]:
        """Whoever may not look through a model chooses from a plain list of what is offered."""
        return [name for name in super().get_autocomplete_fields(request) if self._is_searchable(request, name)]

    def _is_searchable(self, request: HttpRequest, name: str) -> bool:
        field: Any = self.opts.get_field(name)
        return self.admin_site.get_model_admin(field.remote_field.model).has_view_permission(request)

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField[Any] | None:
        kwargs["queryset"] = self.choices_within(reach_of(request, self.writes), db_field.remote_field.model)
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and _is_of_project(field):
            # static/projects/narrowed.js finds it.
            field.widget.attrs["data-narrowed"] = ""
        return field

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Of a row that there is, only what is its project's can be chosen."""
        form = super().get_form(request, obj, change, **kwargs)
        project = None if obj is None else getattr(obj, self.project_column)
        for field in form.base_fields.values() if project is not None else ():
            if isinstance(field, forms.ModelChoiceField) and field.queryset is not None and _is_of_project(field):
                field.queryset = field.queryset.filter(project_id=project)
                inner: Any = getattr(field.widget, "widget", field.widget)
                inner.attrs["data-project"] = str(project)
        return form

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["queryset"] = self.choices_within(reach_of(request, self.writes), db_field.remote_field.model)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new row is of the project that is looked at, or of the only one that it can be of."""
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        reach = looked_at(request, self.writes)
        if len(reach.projects) == 1:
            given.setdefault("project", next(iter(reach.projects)))
        return given

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Whoever may only look is not shown what is only typed in, such as a secret."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        shown = [name for name in flatten_fieldsets(fieldsets) if self._is_of_row(name)]
        kept = [(title, said, _kept(said["fields"], shown)) for title, said in fieldsets]
        return [(title, {**said, "fields": fields}) for title, said, fields in kept if fields]

    def _is_of_row(self, name: str) -> bool:
        return hasattr(self, name) or name in {field.name for field in self.opts.get_fields()}


class ScopedReadOnlyAdmin(ScopedAdmin[M]):
    """Rows that pages show and that no form changes; what actions do to them is said by `writes`."""

    actions: Sequence[str] | None = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ScopedInline:
    """A mixin of inlines on a page of ScopedAdmin: who may look at, or change, the page's row may do so to theirs."""

    parent_model: Any
    admin_site: Any

    def _may(self, request: HttpRequest, obj: Any, *, writing: bool) -> bool:
        page = self.admin_site.get_model_admin(self.parent_model)
        assert isinstance(page, ScopedAdmin)  # noqa: S101  a system check holds them to it
        return page.may(request, page.writes if writing else page.reads, obj)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, obj, writing=False)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, obj, writing=True)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, obj, writing=True)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, obj, writing=True)


def _is_list(request: HttpRequest) -> bool:
    name = request.resolver_match.url_name if request.resolver_match else None
    return name is not None and (name.endswith("_changelist") or name == "autocomplete")


def _is_autocomplete(request: HttpRequest) -> bool:
    return request.resolver_match is not None and request.resolver_match.url_name == "autocomplete"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _is_of_project(field: forms.ModelChoiceField[Any]) -> bool:
    return field.queryset is not None and issubclass(field.queryset.model, TenantModel)


def _kept(fields: Sequence[Any], shown: Sequence[str]) -> tuple[Any, ...]:
    """Of names and lines of names those that are shown."""
    lines = [each if isinstance(each, str) else tuple(name for name in each if name in shown) for each in fields]
    return tuple(each for each in lines if each and (not isinstance(each, str) or each in shown))
