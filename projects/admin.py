"""The pages of projects, members and jobs: a project's own people have their part in them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from gateway_site.lib.display import visible
from projects import jobs, keys_admin, people, people_admin, services  # noqa: F401  the two of pages register them
from projects.job_progress import live_progress, progress_in_words
from projects.models import Job, Membership, Project
from projects.pages import ServiceForm, is_operator
from projects.permissions import CONFIG_READ, CONFIG_WRITE, IN_WORDS, MEMBERS_WRITE
from projects.scoped_pages import ScopedAdmin, ScopedReadOnlyAdmin
from projects.signin.again import AsksAgain

# --- projects and members ------------------------------------------------------------------------------


class ProjectForm(ServiceForm[Project]):
    class Meta:
        model = Project
        fields = ("slug", "name", "enabled", "payloads", "keep_months")

    def perform(self, instance: Project) -> Project:
        if instance.pk is None:
            return services.create_project(slug=instance.slug, name=instance.name)
        if not self.changed_data:
            return instance
        # A fresh row, because the event tells what the fields were before.
        changes = {name: self.cleaned_data[name] for name in self.changed_data}
        return services.update_project(project=Project.objects.get(pk=instance.pk), **changes)


@admin.register(Project)
class ProjectAdmin(ScopedAdmin[Project]):
    """A project's own people give it its name; the rest of it, as in REST, is the operator's."""

    reads, writes = CONFIG_READ, CONFIG_WRITE
    project_column = "pk"
    form = ProjectForm
    list_display = ("slug", "name", "enabled", "payloads", "created_at")
    list_filter = ("enabled", "payloads")
    search_fields = ("slug", "name")

    def get_fields(self, request: HttpRequest, obj: Project | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("slug", "name")
        return ("slug", "name", "enabled", "payloads", "keep_months")

    def get_readonly_fields(self, request: HttpRequest, obj: Project | None = None) -> tuple[str, ...]:
        return () if is_operator(request) else ("slug", "enabled", "payloads", "keep_months")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_operator(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)

    def delete_model(self, request: HttpRequest, obj: Project) -> None:
        services.delete_project(project=obj)


class MembershipForm(ServiceForm[Membership]):
    """A new member is named by the whole address, so that nobody can look through people of other projects."""

    email = forms.EmailField(
        label="E-mail address", max_length=254,
        help_text="Whoever has no account by now gets one, without a password. Of a member, the role is set.",
    )  # fmt: skip

    class Meta:
        model = Membership
        fields = ("project", "role")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "role" in self.fields:
            self.fields["role"].help_text = IN_WORDS
        if self.instance.pk:
            # Stays who it is.
            del self.fields["email"]

    def perform(self, instance: Membership) -> Membership:
        user = instance.user if instance.pk else people.person_of(self.cleaned_data["email"])
        return services.set_member(project=instance.project, user=user, role=instance.role)


@admin.register(Membership)
class MembershipAdmin(AsksAgain[Membership], ScopedAdmin[Membership]):
    reads, writes = CONFIG_READ, MEMBERS_WRITE
    form = MembershipForm
    change_list_template = "admin/projects/membership/change_list.html"
    autocomplete_fields = ("project",)
    list_display = ("user", "project", "role", "created_at")
    list_filter = ("role", "project")
    list_select_related = ("user", "project")
    search_fields = ("user__email", "project__slug")

    def log_subject(self, obj: Membership) -> str:
        return obj.user.email

    def get_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        return ("project", "user" if obj else "email", "role")

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        return ("project", "user") if obj else ()

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        services.remove_member(membership=obj)


# --- background work -----------------------------------------------------------------------------------


@admin.register(Job)
class JobAdmin(ScopedReadOnlyAdmin[Job]):
    """Live: a page that shows open jobs is told how far they are, and asks for itself again when one ends."""

    reads, writes = CONFIG_READ, CONFIG_WRITE
    fields = (
        "label", "kind", "project", "state", "progress", "shown_error", "attempts", "requested_by", "created_at",
        "run_after", "started_at", "finished_at",
    )  # fmt: skip
    list_display = (
        "label", "project", "kind", "state", "progress", "shown_error", "attempts", "requested_by", "run_after",
        "finished_at",
    )  # fmt: skip
    list_filter = ("state", "kind", "project")
    list_select_related = ("project",)
    search_fields = ("label", "project__slug")
    actions = ("retry_jobs",)
    change_form_template = "admin/projects/job/change_form.html"

    @admin.display(description="progress")
    def progress(self, job: Job) -> str:
        if job.state not in jobs.OPEN:
            return progress_in_words(job.progress_done, job.progress_total, job.progress_text)
        return live_progress(job.pk, job.state, job.progress_done, job.progress_total, job.progress_text)

    @admin.display(description="error", ordering="error")
    def shown_error(self, job: Job) -> str:
        return visible(job.error)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        shown = getattr(response, "context_data", None) or {}
        if "cl" in shown:
            shown["is_live"] = any(job.state in jobs.OPEN for job in shown["cl"].result_list)
        return response

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        job = options.get("obj")
        context["is_live"] = job is not None and job.state in jobs.OPEN
        return super().render_change_form(request, context, *args, **options)

    @admin.action(description="Retry the selected failed jobs")
    def retry_jobs(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        for job in queryset:
            if job.state != Job.State.FAILED:
                raise ValidationError("Only a failed job can be retried.")
            jobs.retry(job=job)
