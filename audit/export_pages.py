"""The pages of exports: ask for one, see how far it is, download it; and the schedules that make them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audit import exports
from audit.export_forms import names
from audit.filters import Filters
from audit.models import Export, ExportSchedule
from gateway_site.lib.display import visible
from projects.job_progress import live_progress
from projects.models import Job
from projects.pages import ServiceForm
from projects.permissions import AUDIT_EXPORT, CONFIG_WRITE
from projects.scoped_pages import ScopedAdmin
from projects.signin.again import AsksAgain


def _forms() -> list[tuple[str, str]]:
    return list(names().items())


class _Chosen(ServiceForm[Any]):
    """What both pages ask for: a form, and which events."""

    form = forms.ChoiceField(choices=_forms, initial="jsonl")
    server = forms.CharField(required=False, max_length=63, help_text="Its name in the project.")
    tool = forms.CharField(required=False, max_length=512, help_text="A tool's, prompt's or resource's name.")
    user = forms.CharField(required=False, max_length=254, help_text="An e-mail address, or a key's id.")
    outcome = forms.CharField(required=False, max_length=16, help_text="For example ok, refused, failed, error.")

    def filters(self, **more: Any) -> Filters:
        server, tool, user, outcome = (
            str(self.cleaned_data.get(name) or "") for name in ("server", "tool", "user", "outcome")
        )
        return Filters(server=server, tool=tool, user=user, outcome=outcome, **more)


class ExportForm(_Chosen):
    since = forms.SplitDateTimeField(required=False, widget=admin.widgets.AdminSplitDateTime, help_text="From, in UTC.")
    until = forms.SplitDateTimeField(
        required=False, widget=admin.widgets.AdminSplitDateTime, help_text="And before, in UTC."
    )

    class Meta:
        model = Export
        fields = ("project", "form")

    def perform(self, instance: Export) -> Export:
        filters = self.filters(since=self.cleaned_data.get("since"), until=self.cleaned_data.get("until"))
        return exports.request_export(project=instance.project, form=instance.form, filters=filters)


def _shown_filters(row: Export | ExportSchedule) -> str:
    return visible(", ".join(f"{name} {_in_words(name, value)}" for name, value in row.filters.items())) or "everything"


def _in_words(name: str, value: Any) -> str:
    """Moments as all pages write them."""
    if name not in ("since", "until"):
        return str(value)
    return f"{datetime.fromisoformat(str(value)):%Y-%m-%d %H:%M:%S} UTC"


@admin.register(Export)
class ExportAdmin(AsksAgain[Export], ScopedAdmin[Export]):
    """Live: its pages are told how far exports are while they are made, and ask for themselves when one ends."""

    reads = writes = AUDIT_EXPORT
    form = ExportForm
    autocomplete_fields = ("project",)
    shown = (
        "project", "form", "chosen", "state_so_far", "download", "events", "range", "root", "sha256", "bytes",
        "requested_by", "created_at", "finished_at", "expires_at", "shown_error",
    )  # fmt: skip
    add_fieldsets = (
        (None, {"fields": ("project", "form")}),
        ("Which events", {"fields": ("since", "until", "server", "tool", "user", "outcome")}),
    )
    list_display = (
        "created_at", "project", "state_so_far", "download", "chosen", "form", "events", "bytes", "expires_at",
        "requested_by",
    )  # fmt: skip
    list_filter = ("state", "form")
    list_select_related = ("project",)
    list_per_page = 50
    change_list_template = "admin/projects/job/change_list.html"
    change_form_template = "admin/projects/job/change_form.html"
    actions = ("delete_selected",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.add_fieldsets if obj is None else ((None, {"fields": self.shown}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.shown if obj is not None else ()

    def delete_model(self, request: HttpRequest, obj: Export) -> None:
        exports.delete_export(export=obj)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        shown = getattr(response, "context_data", None) or {}
        if "cl" in shown:
            shown["is_live"] = any(each.state == Export.State.WAITING for each in shown["cl"].result_list)
        return response

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        export = options.get("obj")
        context["is_live"] = export is not None and export.state == Export.State.WAITING
        return super().render_change_form(request, context, *args, **options)

    @admin.display(description="which events")
    def chosen(self, export: Export) -> str:
        return _shown_filters(export)

    @admin.display(description="error")
    def shown_error(self, export: Export) -> str:
        return visible(export.error)

    @admin.display(description="numbers in the log")
    def range(self, export: Export) -> str:
        return "" if export.first_seq is None else f"{export.first_seq} to {export.last_seq}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Export]:
        """With how far each is, which its job knows."""
        jobs = Job.objects.filter(kind=exports.KIND, subject_ref=OuterRef("pk"), project_id=OuterRef("project_id"))
        known = {f"job_{name}": Subquery(jobs.values(f"progress_{name}")[:1]) for name in ("done", "total", "text")}
        known |= {f"job_{name}": Subquery(jobs.values(name)[:1]) for name in ("pk", "state")}
        return super().get_queryset(request).annotate(**known)

    @admin.display(description="state", ordering="state")
    def state_so_far(self, export: Any) -> SafeString | str:
        """With how far it is while it is made."""
        words = str(export.get_state_display())
        if export.state != Export.State.WAITING:
            return words
        if export.job_state not in (Job.State.QUEUED, Job.State.RUNNING):
            return f"{words} {visible(export.error)}".strip()
        text = export.job_text or export.error
        so_far = live_progress(export.job_pk, export.job_state, export.job_done, export.job_total, text)
        return format_html("{} {}", words, so_far)

    @admin.display(description="size", ordering="size")
    def bytes(self, export: Export) -> str:
        return "" if export.size is None else filesizeformat(export.size).replace("\xa0", " ")

    @admin.display(description="download")
    def download(self, export: Export) -> SafeString | str:
        if export.state != Export.State.READY:
            return ""
        return format_html('<a href="{}">{}</a>', reverse("audit-export-download", args=[export.uid]), export.file_name)


class ScheduleForm(_Chosen):
    secret = forms.CharField(
        required=False, max_length=256, label="secret access key", strip=True,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off"}),
        help_text="Stored encrypted, and never shown. Left empty, the stored one stays.",
    )  # fmt: skip

    class Meta:
        model = ExportSchedule
        fields = (
            "project", "form", "every", "destination", "directory", "endpoint", "region", "bucket", "prefix", "key_id",
            "enabled",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, value in (self.instance.filters or {}).items():
            self.initial.setdefault(name, value)

    def perform(self, instance: ExportSchedule) -> ExportSchedule:
        instance.filters = self.filters().to_json()
        secret = self.cleaned_data.get("secret") or ""
        if instance.pk is None:
            return exports.schedule_export(schedule=instance, secret=secret)
        return exports.change_schedule(schedule=instance, secret=secret)


@admin.register(ExportSchedule)
class ExportScheduleAdmin(AsksAgain[ExportSchedule], ScopedAdmin[ExportSchedule]):
    """Whoever may set them up may also say where the log goes, so that reading it is not enough."""

    reads = writes = CONFIG_WRITE
    form = ScheduleForm
    autocomplete_fields = ("project",)
    fieldsets = (
        (None, {"fields": ("project", "form", "every", "enabled")}),
        ("Which events", {"fields": ("server", "tool", "user", "outcome")}),
        ("Where to", {"fields": ("destination",)}),
        ("Directory", {"fields": ("directory",)}),
        ("Bucket", {"fields": ("endpoint", "region", "bucket", "prefix", "key_id", "secret")}),
        ("So far", {"fields": ("next_at", "next_seq", "last_at", "shown_error", "created_by")}),
    )
    list_display = ("project", "form", "every", "place", "enabled", "next_at", "last_at", "shown_error")
    list_filter = ("enabled", "destination")
    list_select_related = ("project",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        told = ("next_at", "next_seq", "last_at", "shown_error", "created_by")
        return ("project", *told) if obj is not None else told

    @admin.display(description="error")
    def shown_error(self, schedule: ExportSchedule) -> str:
        return visible(schedule.last_error)

    def delete_model(self, request: HttpRequest, obj: ExportSchedule) -> None:
        exports.delete_schedule(schedule=obj)
