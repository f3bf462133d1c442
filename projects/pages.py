"""The rules that all admin pages follow: who gets in, how a form saves, and how a refusal is shown."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import ForeignKey, Model, ProtectedError, QuerySet
from django.http import HttpRequest, HttpResponse
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode

from projects import access
from projects.deletion import deleted_with
from projects.dress import Dressed
from projects.models import Project
from projects.permissions import AUDIT_READ

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin
    ModelForm = forms.ModelForm
    StackedInline = admin.StackedInline
    TabularInline = admin.TabularInline
else:
    # The theme has widgets for PostgreSQL's own fields, of which no model of ours has one: to import these costs 9 MB.
    sys.modules.setdefault("django.contrib.postgres.fields", None)
    import unfold.admin

    if sys.modules["django.contrib.postgres.fields"] is None:
        del sys.modules["django.contrib.postgres.fields"]

    class _TakesType:
        """Takes type arguments, as the stubs have it."""

        def __class_getitem__(cls, _):
            return cls

    def _without_what_is_not_used(media):
        """Django's own pages of inlines, and names that are made of other fields: 50 KB that no page of ours needs."""
        unused = ("/inlines.js", "/urlify.js", "/prepopulate.js", "/xregexp.min.js")
        return forms.Media(css=media._css, js=[path for path in media._js if not path.endswith(unused)])

    class ModelAdmin(_TakesType, unfold.admin.ModelAdmin):
        @property
        def media(self):
            return _without_what_is_not_used(super().media)

    class StackedInline(_TakesType, unfold.admin.StackedInline):
        @property
        def media(self):
            return _without_what_is_not_used(super().media)

    class TabularInline(_TakesType, unfold.admin.TabularInline):
        @property
        def media(self):
            return _without_what_is_not_used(super().media)

        def formfield_for_dbfield(self, db_field, request, **kwargs):
            """With a name of its own: the head of its column is none for whoever does not see it."""
            field = super().formfield_for_dbfield(db_field, request, **kwargs)
            if field is not None:
                field.widget.attrs.setdefault("aria-label", str(field.label or db_field.verbose_name).capitalize())
            return field

    class ModelForm(Dressed, forms.ModelForm, Generic[M]):
        """Takes a type argument, as the stubs have it."""


def is_operator(request: HttpRequest) -> bool:
    return access.is_operator(request.user)


def reach_of(request: HttpRequest, action: str) -> access.Reach:
    """Where the person may do it; asked of the database once for each request."""
    return access.reach_at(request, action)


class ServiceForm(ModelForm[M]):
    """A form whose save is a service, tried and taken back beforehand so that a refusal is a form error."""

    def perform(self, instance: M) -> M:
        """Calls the service and returns the stored row. Raises ValidationError."""
        raise NotImplementedError

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # a documented hook of ModelForm that the stubs leave out
        if self.errors:
            return
        try:
            with transaction.atomic():
                self.perform(copy(self.instance))
                transaction.set_rollback(True)
        except ValidationError as error:
            self._show(error)

    def _show(self, error: ValidationError) -> None:
        by_field = error.error_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.error_list}
        for field, errors in by_field.items():
            self.add_error(field if field in self.fields else None, ValidationError(errors))


class Autocomplete(AutocompleteSelect):
    """Shows an unusable value as no choice, where Django's own fails on it."""

    def optgroups(self, name: str, value: Sequence[str], attrs: Any = None) -> Any:
        usable = [item for item in value if item.isdecimal() and len(item) < 19]
        return super().optgroups(name, usable, attrs)


_COMPRESSION = GZipMiddleware(lambda request: HttpResponse())


def _compressed(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Of a list or a form most is what the theme says of each cell and field.

    Neither shows a secret that could be told from how long the answer is; what is answered to a POST, such as a new
    key, is left as it is.
    """
    if request.method == "GET" and isinstance(response, TemplateResponse):
        response.add_post_render_callback(lambda rendered: _COMPRESSION.process_response(request, rendered))
    return response


_ASKED_BY_FILTERS = frozenset({"exact", "id__exact", "isnull", "in", "gt", "gte", "lt", "lte", "slug"})


class GatewayAdmin(ModelAdmin[M]):
    """What all pages have in common, whomever they open to: OperatorOnlyAdmin, or projects.scoped_pages.ScopedAdmin."""

    show_full_result_count = False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """What the list's own filters ask, and nothing else of a column.

        Django takes any question about a column of the model itself: one could spell out what no page shows, and have
        a pattern of one's own tried, which on SQLite keeps the whole process for as long as it likes.
        """
        if lookup.partition("__")[0] not in {field.name for field in self.opts.get_fields()} | {"pk"}:
            return super().lookup_allowed(lookup, value, request)
        filters: list[Any] = list(self.get_list_filter(request))
        names = {each.parameter_name for each in filters if hasattr(each, "parameter_name")}
        offered = [str(each[0]) if isinstance(each, (tuple, list)) else str(each) for each in filters]
        return lookup in names or any(
            lookup == path or lookup.removeprefix(f"{path}__") in _ASKED_BY_FILTERS for path in offered
        )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return _compressed(request, super().changelist_view(request, extra_context))

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField[Any] | None:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs["widget"] = Autocomplete(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def log_subject(self, obj: M) -> str:
        """What the log calls it."""
        named = (getattr(obj, name, "") for name in ("slug", "key_id", "email", "pattern", "name"))
        return str(next((each for each in named if each), ""))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The log has who changed what, also by REST and commands: leads there whoever may read it."""
        found = self.get_object(request, unquote(object_id))
        log = ""
        if found is not None and reach_of(request, AUDIT_READ):
            project = found if isinstance(found, Project) else getattr(found, "project", None)
            asked = {"subject": self.log_subject(found), "within": "all", "project": getattr(project, "slug", "")}
            query = urlencode({name: value for name, value in asked.items() if value})
            log = f"{reverse('admin:audit_event_changelist')}?{query}"
        return super().history_view(request, object_id, {"log": log, **(extra_context or {})})

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """Read-only rows, such as tools, go with their owner."""
        found = deleted_with(objs)
        return found.named, found.numbers, set(), found.keeping

    def save_model(self, request: HttpRequest, obj: M, form: Any, change: bool) -> None:
        stored = form.perform(obj)
        obj.__dict__.update(stored.__dict__)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> None:
        for obj in queryset:
            self.delete_model(request, obj)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return _compressed(request, super().changeform_view(request, *args, **kwargs))
        except (ValidationError, ProtectedError) as error:
            return self._refuse(request, error)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().delete_view(request, *args, **kwargs)
        except (ValidationError, ProtectedError) as error:
            return self._refuse(request, error)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *args: Any) -> HttpResponse | None:
        try:
            with transaction.atomic():
                return super().response_action(request, queryset, *args)
        except (ValidationError, ProtectedError) as error:
            return self._refuse(request, error)

    def _refuse(self, request: HttpRequest, error: ValidationError | ProtectedError) -> HttpResponse:
        texts = error.messages if isinstance(error, ValidationError) else [str(error.args[0])]
        self.message_user(request, " ".join(texts), messages.ERROR)
        return redirect(request.get_full_path())

    def ask_first(self, request: HttpRequest, queryset: QuerySet[M], action: str, question: str) -> HttpResponse | None:
        """The page that asks whether an action is meant, or None when the answer was yes."""
        if request.POST.get("confirmed"):
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": "Are you sure?",
            "question": question,
            "objects": queryset,
            "action": action,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/confirm_action.html", context)


class OperatorOnlyAdmin(GatewayAdmin[M]):
    """Pages for platform operators; nobody else gets in, whatever Django permissions they hold."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_operator(request)

    def has_view_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return is_operator(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_operator(request)

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return is_operator(request)

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return is_operator(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        # Django looks for the object before it asks for the permission.
        if not is_operator(request):
            raise PermissionDenied
        return super().get_queryset(request)


class ReadOnlyAdmin(OperatorOnlyAdmin[M]):
    """Rows that pages show and never touch."""

    actions: Sequence[str] | None = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


class LinesField(forms.Field):
    """A list of texts, one on each line."""

    widget = forms.Textarea(attrs={"rows": 3, "cols": 60})

    def to_python(self, value: Any) -> list[str]:
        if isinstance(value, list):
            return value
        if "\x00" in (value or ""):
            raise ValidationError("Null characters are not allowed.")
        return [line.strip() for line in (value or "").splitlines() if line.strip()]

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value
