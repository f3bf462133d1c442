"""The pages of keys: one's own, and those of a project for whoever looks after them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from projects import services
from projects.access import Reach
from projects.models import ApiKey, Membership, Project, User
from projects.pages import LinesField, ServiceForm, reach_of
from projects.permissions import KEYS_ALL, KEYS_OWN
from projects.scoped_pages import ScopedAdmin
from projects.scoping import with_project
from projects.signals import acted
from projects.signin.again import AsksAgain
from projects.snippets import connections


class ApiKeyForm(ServiceForm[ApiKey]):
    email = forms.EmailField(
        required=False, label="Member", max_length=254,
        help_text="The e-mail address of the member whose key it is. Empty: your own.",
    )  # fmt: skip
    servers = LinesField(initial=["*"], help_text="Globs of server slugs, one on each line; * is every server.")
    tools = LinesField(
        initial=["*"],
        help_text="Globs of tool, server/tool, prompt:name or resource:uri, one on each line; * is all.",
    )
    networks = LinesField(
        required=False, help_text="Networks that the key works from, one on each line, as 192.0.2.0/24."
    )
    text = ""
    # Who asks, and in which projects they may give keys to others.
    asker: User
    for_others: Reach

    class Meta:
        model = ApiKey
        fields = ("project", "label", "servers", "tools", "surface", "networks", "expires_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            # Stays whose it is.
            del self.fields["email"]

    def perform(self, instance: ApiKey) -> ApiKey:
        if instance.pk is None:
            wanted = {name: self.cleaned_data[name] for name in self.fields if name != "email"}
            key, self.text = services.issue_key(user=self._holder(instance.project), **wanted)
            return key
        if not self.changed_data:
            return instance
        changes = {name: self.cleaned_data[name] for name in self.changed_data}
        return services.update_key(key=ApiKey.objects.get(pk=instance.pk), **changes)

    def _holder(self, project: Project) -> User:
        """Who is no member is told from nobody by nobody."""
        email = str(self.cleaned_data.get("email") or "").lower()
        if email in ("", self.asker.email):
            return self.asker
        with with_project(project.pk):
            membership = Membership.objects.select_related("user").filter(user__email=email).first()
        if membership is None or not self.for_others.has(project.pk):
            raise ValidationError({"email": "The project has no such member."})
        return membership.user


class StateFilter(admin.SimpleListFilter):
    """The same words as the column."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(word, word) for word in ("live", "disabled", "expired", "revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        held = queryset.filter(revoked_at=None)
        now = timezone.now()
        valid = held.exclude(expires_at__lte=now)
        chosen = {
            "revoked": queryset.exclude(revoked_at=None),
            "expired": held.filter(expires_at__lte=now),
            "disabled": valid.exclude(disabled_at=None),
            "live": queryset.filter(ApiKey.live(now)),
        }
        return chosen.get(self.value() or "", queryset)


@admin.register(ApiKey)
class ApiKeyAdmin(AsksAgain[ApiKey], ScopedAdmin[ApiKey]):
    """A person's own keys, and all of the projects in which their role has keys.all.

    A secret is in exactly one answer: the one to the request that made it.
    """

    reads = writes = KEYS_OWN
    asks_again = frozenset({"add", "rotate_keys"})
    form = ApiKeyForm
    asked = ("label", "servers", "tools", "surface", "networks", "expires_at")
    shown = ("visible_id", "state", "created_at", "last_used_at", "disabled_at", "revoked_at")
    autocomplete_fields = ("project",)
    list_display = ("label", "visible_id", "project", "user", "state", "expires_at", "last_used_at")
    list_filter = (StateFilter, "project")
    list_select_related = ("user", "project")
    search_fields = ("label", "key_id", "user__email")
    actions = ("disable_keys", "enable_keys", "rotate_keys", "revoke_keys")

    def may(self, request: HttpRequest, action: str, obj: Any = None) -> bool:
        is_theirs = obj is None or obj.user_id == request.user.pk or reach_of(request, KEYS_ALL).has(obj.project_id)
        return is_theirs and super().may(request, action, obj)

    def rows_within(self, request: HttpRequest, action: str, rows: QuerySet[Any]) -> QuerySet[Any]:
        everyones = reach_of(request, KEYS_ALL)
        if everyones.is_all:
            return rows
        is_theirs = Q(project_id__in=everyones.projects) | Q(user_id=request.user.pk)
        return super().rows_within(request, action, rows).filter(is_theirs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever has a key revokes it; that there was one is known to those who look after all keys."""
        everyones = reach_of(request, KEYS_ALL)
        return bool(everyones) if obj is None else everyones.has(obj.project_id)

    @admin.display(description="key")
    def visible_id(self, key: ApiKey) -> str:
        return f"mgw_{key.key_id}…"

    @admin.display(description="state")
    def state(self, key: ApiKey) -> str:
        if key.revoked_at:
            return "revoked"
        if key.expires_at and key.expires_at <= timezone.now():
            return "expired"
        return "disabled" if key.disabled_at else "live"

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        if obj:
            return ("project", "user", *self.asked, *self.shown)
        return ("project", *(("email",) if reach_of(request, KEYS_ALL) else ()), *self.asked)

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        return ("project", "user", *self.shown) if obj else ()

    def get_form(self, request: HttpRequest, obj: ApiKey | None = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.asker, form.for_others = request.user, reach_of(request, KEYS_ALL)
        return form

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        request.new_key = form.text  # type: ignore[attr-defined]  # lives as long as the request does

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        return self._show_once(request, [(obj, request.new_key)])  # type: ignore[attr-defined]  # set by save_model

    @transaction.atomic
    def delete_model(self, request: HttpRequest, obj: ApiKey) -> None:
        if obj.revoked_at is None:
            services.revoke_key(key=obj)
        acted.send(sender=Project, kind="key.deleted", project=obj.project, subject=obj.key_id, detail={})
        obj.delete()

    @admin.action(description="Disable the selected keys")
    def disable_keys(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset:
            services.set_key_enabled(key=key, enabled=False)

    @admin.action(description="Enable the selected keys")
    def enable_keys(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset:
            services.set_key_enabled(key=key, enabled=True)

    @admin.action(description="Revoke the selected keys for good")
    def revoke_keys(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        asked = self.ask_first(request, queryset, "revoke_keys", "Revoke these keys? They never work again.")
        if asked is None:
            for key in queryset.filter(revoked_at=None):
                services.revoke_key(key=key)
        return asked

    @admin.action(description="Rotate the selected keys")
    def rotate_keys(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse:
        question = "Rotate these keys? Each gets a successor, and the old key ends within a day."
        asked = self.ask_first(request, queryset, "rotate_keys", question)
        if asked is not None:
            return asked
        if queryset.exclude(revoked_at=None).exists():
            raise ValidationError("A revoked key cannot be rotated.")
        return self._show_once(request, [services.rotate_key(key=key) for key in queryset])

    def _show_once(self, request: HttpRequest, issued: Iterable[tuple[ApiKey, str]]) -> HttpResponse:
        """Rendered into the answer itself: no redirect, so nothing has to remember the secret."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Copy the key now",
            "issued": [(key, text, connections(request, key, text)) for key, text in issued],
            "opts": self.opts,
        }
        response = TemplateResponse(request, "admin/projects/apikey/issued.html", context)
        response["Cache-Control"] = "no-store"
        return response
