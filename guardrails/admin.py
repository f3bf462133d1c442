"""The pages of policies, their history, false positives and the bench, and the operator's of the floor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audit.naming import is_digest
from audit.pages.links import link_events_with
from gateway_site.lib.display import visible
from guardrails import bench, compiled, floor, services
from guardrails.config_schemas import config_schemas
from guardrails.engine.rules import Policy as Compiled
from guardrails.forms import BenchForm, FindingExceptionForm, FloorForm, GuardrailForm, PolicyForm, secret_names
from guardrails.models import Check, FindingException, FloorGuardrail, Guardrail, Policy, PolicyVersion
from guardrails.presets import PRESETS
from guardrails.results import Shown, as_shown
from guardrails.specs import Spec
from projects.pages import GatewayAdmin, OperatorOnlyAdmin, StackedInline
from projects.permissions import CONFIG_READ, CONFIG_WRITE
from projects.scoped_pages import ScopedAdmin, ScopedInline, ScopedReadOnlyAdmin
from projects.scoping import with_project
from projects.switcher import looked_at

if TYPE_CHECKING:
    GuardrailsFormSet = BaseInlineFormSet[Guardrail, Policy, forms.ModelForm[Guardrail]]
else:
    # Takes no type argument at run time.
    GuardrailsFormSet = BaseInlineFormSet

M = TypeVar("M", bound=Model)
_UNREADABLE = "The stored secrets do not open with this gateway's key ring; give them again, or delete the guardrail."


def _secret_names(row: Check) -> str:
    """Their names only."""
    names = secret_names(row)
    return _UNREADABLE if names is None else ", ".join(names) or "none"


# --- policies -------------------------------------------------------------------------------------------


class GuardrailFormSet(GuardrailsFormSet):
    """The guardrails of one policy, which are stored with it, all at once."""

    def specs(self) -> list[Spec]:
        """In the order that was typed; call it when the formset is valid."""
        kept = [form for form in self.forms if form.instance.pk or form.has_changed()]
        kept = [form for form in kept if form not in self.deleted_forms]
        kept.sort(key=lambda form: form.cleaned_data["order"])
        return [form.spec() for form in kept if isinstance(form, GuardrailForm)]


class GuardrailInline(ScopedInline, StackedInline[Guardrail, Policy]):
    model = Guardrail
    form = GuardrailForm
    formset = GuardrailFormSet
    extra = 0
    collapsible = True
    max_num = services.MAX_GUARDRAILS
    fieldsets = (
        (None, {"fields": (("order", "enabled"), "detector", "directions", ("action", "threshold"), "config")}),
        ("More", {"classes": ("collapse",),
                  "fields": ("categories", "secrets", "stored_secrets", ("on_error", "timeout"))}),
    )  # fmt: skip
    readonly_fields = ("stored_secrets",)

    @admin.display(description="Stored secrets")
    def stored_secrets(self, row: Guardrail) -> str:
        return _secret_names(row)


class WithConfigForms(GatewayAdmin[M]):
    """Pages on which each configuration has the form that its detector declares."""

    change_form_template = "admin/guardrails/change_form.html"

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        return super().render_change_form(request, {**context, "config_schemas": config_schemas()}, *args, **options)


@admin.register(Policy)
class PolicyAdmin(WithConfigForms[Policy], ScopedAdmin[Policy]):
    reads, writes = CONFIG_READ, CONFIG_WRITE
    form = PolicyForm
    inlines = (GuardrailInline,)
    autocomplete_fields = ("project",)
    list_display = ("slug", "project", "mode", "is_default", "version", "changed_at")
    list_filter = ("mode", "is_default", "project")
    list_select_related = ("project",)
    search_fields = ("slug", "name", "project__slug")
    change_list_template = "admin/guardrails/policy/change_list.html"

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        held = floor.held(compiled.load_floor())
        return super().render_change_form(request, {**context, "floor": held}, *args, **options)

    def get_fields(self, request: HttpRequest, obj: Policy | None = None) -> tuple[str, ...]:
        fields = ("project", "slug", "name", "mode", "is_default", "max_characters", "over_limit")
        return (*fields, "version", "changed_at") if obj else (*fields, "preset")

    def get_readonly_fields(self, request: HttpRequest, obj: Policy | None = None) -> tuple[str, ...]:
        return ("project", "slug", "version", "changed_at") if obj else ()

    def get_inlines(self, request: HttpRequest, obj: Policy | None) -> Any:
        # A new policy begins with those of a preset.
        return self.inlines if obj else ()

    def save_model(self, request: HttpRequest, obj: Policy, form: Any, change: bool) -> None:
        if not change:
            super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        for formset in formsets:
            # What Django's own saving leaves behind for its history.
            formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []
        if change:
            specs = [spec for formset in formsets for spec in formset.specs()]
            stored = form.store(form.instance, specs)
            for text in floor.loosened(compiled.load_floor(), stored.mode, specs):
                self.message_user(request, text, messages.WARNING)

    def delete_model(self, request: HttpRequest, obj: Policy) -> None:
        services.delete_policy(policy=obj)

    def get_urls(self) -> list[URLResolver | URLPattern]:  # type: ignore[override]  # the stubs know patterns only
        bench = path("bench/", self.admin_site.admin_view(self.bench_view), name="guardrails_policy_bench")
        return [bench, *super().get_urls()]

    def bench_view(self, request: HttpRequest) -> HttpResponse:
        """Tries a pasted text. Nothing of it is stored or sent anywhere."""
        if not self.may(request, self.reads):
            raise PermissionDenied
        policies = self.choices_within(looked_at(request, self.reads), Policy)
        form = BenchForm(request.POST if request.method == "POST" else None, policies=policies)
        context = {
            **self.admin_site.each_context(request),
            "title": "Try a text",
            "opts": self.opts,
            "form": form,
            "result": _try(form) if form.is_bound and form.is_valid() else None,
        }
        return TemplateResponse(request, "admin/guardrails/policy/bench.html", context)


def _try(form: forms.Form) -> Shown:
    given = form.cleaned_data
    return as_shown(bench.try_text(_chosen(given["policy"]), given["text"], given["direction"]))


def _chosen(name: str) -> Compiled:
    rules_of_floor = compiled.load_floor()
    if name in PRESETS:
        return compiled.with_floor(PRESETS[name], rules_of_floor)
    row = Policy.objects.get(pk=name)
    rules = Guardrail.objects.filter(policy=row, enabled=True).order_by("order", "id")
    with with_project(row.project_id):
        return compiled.compile_policy(row, rules, rules_of_floor)


# --- history --------------------------------------------------------------------------------------------


@admin.register(PolicyVersion)
class PolicyVersionAdmin(ScopedReadOnlyAdmin[PolicyVersion]):
    reads, writes = CONFIG_READ, CONFIG_WRITE
    fields = ("project", "slug", "version", "author", "at", "digest", "shown_content")
    list_display = ("slug", "version", "project", "author", "at")
    list_filter = ("project",)
    list_select_related = ("project",)
    search_fields = ("slug", "project__slug", "author")
    actions = ("roll_back",)  # the one thing that can be done with rows that stay

    @admin.display(description="content")
    def shown_content(self, version: PolicyVersion) -> SafeString:
        return format_html("<pre>{}</pre>", visible(json.dumps(version.content, indent=2, ensure_ascii=False)))

    @admin.action(description="Make the selected version the current one")
    def roll_back(self, request: HttpRequest, queryset: QuerySet[PolicyVersion]) -> None:
        for version in queryset:
            with with_project(version.project_id):
                policy = Policy.objects.filter(slug=version.slug).first()
            if policy is None:
                self.message_user(request, f"There is no policy {version.slug} any more.", "error")
                continue
            rolled = services.roll_back(policy=policy, version=version.version)
            self.message_user(request, f"{rolled.slug} has version {rolled.version}, with what {version} was.")


# --- the floor ------------------------------------------------------------------------------------------


@admin.register(FloorGuardrail)
class FloorGuardrailAdmin(WithConfigForms[FloorGuardrail], OperatorOnlyAdmin[FloorGuardrail]):
    form = FloorForm
    list_display = ("detector", "order", "enabled", "where", "action", "threshold", "on_error")
    list_filter = ("enabled", "action")
    search_fields = ("detector",)
    readonly_fields = ("stored_secrets",)
    fields = (
        "order", "enabled", "detector", "directions", "action", "threshold", "categories", "config", "secrets",
        "stored_secrets", "on_error", "timeout",
    )  # fmt: skip

    @admin.display(description="directions")
    def where(self, row: FloorGuardrail) -> str:
        return ", ".join(row.directions)

    @admin.display(description="Stored secrets")
    def stored_secrets(self, row: FloorGuardrail) -> str:
        return _secret_names(row)

    def delete_model(self, request: HttpRequest, obj: FloorGuardrail) -> None:
        services.delete_floor_guardrail(guardrail=obj)


# --- false positives ------------------------------------------------------------------------------------


@admin.register(FindingException)
class FindingExceptionAdmin(ScopedAdmin[FindingException]):
    reads, writes = CONFIG_READ, CONFIG_WRITE
    form = FindingExceptionForm
    autocomplete_fields = ("project",)
    list_display = ("detector", "category", "project", "server", "tool", "of", "expires_at", "created_by")
    list_filter = ("detector", "project")
    list_select_related = ("project",)
    search_fields = ("detector", "tool", "server", "reason", "project__slug")

    @admin.display(description="exempts")
    def of(self, row: FindingException) -> str:
        return "a value" if row.text_digest else "a place"

    def get_fields(self, request: HttpRequest, obj: FindingException | None = None) -> tuple[str, ...]:
        if obj:
            return ("project", "server", "tool", "detector", "category", "of", "reason", "expires_at", "created_by",
                    "created_at")  # fmt: skip
        return ("project", "server", "tool", "detector", "category", "text", "pointer", "of_text", "of_place",
                "reason", "expires_at")  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: FindingException | None = None) -> tuple[str, ...]:
        return self.get_fields(request, obj) if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: FindingException | None = None) -> bool:
        # What is exempt is decided once; another decision is another exception.
        return False

    def delete_model(self, request: HttpRequest, obj: FindingException) -> None:
        services.remove_exception(exception=obj)


def link_to_exceptions(event: Any) -> Iterator[tuple[str, str]]:
    """For each finding of an event a way to say that it is none: for its value, and for its place."""
    reports = event.detail.get("guardrails", []) if isinstance(event.detail, dict) else []
    address = reverse("admin:guardrails_findingexception_add")
    # A tool that the log does not name can be any; the finding's digest is narrow enough.
    tool = "" if is_digest(event.subject) else event.subject
    for report in reports[:_MAX_LINKED]:
        for finding in report["findings"][:_MAX_LINKED]:
            if len(finding) < 7:
                continue
            detector, category, _, pointer, _, of_text, of_place = finding
            scope = {"project": event.project_ref, "server": event.server, "tool": tool, "detector": detector,
                     "category": category}  # fmt: skip
            yield f"{address}?{urlencode({**scope, 'of_text': of_text})}", f"{category}: this value is a false positive"
            yield (
                f"{address}?{urlencode({**scope, 'of_place': of_place})}",
                f"{category}: whatever is at {visible(pointer)} is a false positive",
            )


_MAX_LINKED = 20
link_events_with(link_to_exceptions)
