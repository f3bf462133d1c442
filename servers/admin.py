"""The pages of servers, grants and overlays, and the operator's of templates; upstream secrets go in and never out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, IntegerField, Model, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.forms.models import BaseInlineFormSet, ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from gateway_site.lib.secrets import Unsealable
from projects.access import Reach
from projects.models import Job, Project
from projects.pages import OperatorOnlyAdmin, TabularInline, is_operator, reach_of
from projects.permissions import CONFIG_READ, CONFIG_WRITE, KEYS_ALL
from projects.scoped_pages import ScopedAdmin, ScopedInline
from projects.scoping import with_project
from projects.snippets import name_servers_with
from projects.switcher import looked_at
from servers import discovery, overlaying, review_pages, services
from servers.comparison import compare
from servers.forms import UNREADABLE, CommandTemplateForm, GrantForm, OverlayForm, ServerForm, WhyForm, offers_for
from servers.models import CommandTemplate, Grant, Overlay, Server, State, Tool
from servers.texts import visible

if TYPE_CHECKING:
    GrantsFormSet = BaseInlineFormSet[Grant, Server, ModelForm[Grant]]
else:
    # Takes no type argument at run time.
    GrantsFormSet = BaseInlineFormSet

_NOBODY = "Nobody may use this server yet: no rule allows it to anyone."


def _callable_servers(project: Project) -> list[str]:
    with with_project(project.pk):
        return list(Server.objects.filter(enabled=True).values_list("slug", flat=True))


name_servers_with(_callable_servers)


# --- command templates ------------------------------------------------------------------------------


@admin.register(CommandTemplate)
class CommandTemplateAdmin(OperatorOnlyAdmin[CommandTemplate]):
    form = CommandTemplateForm
    list_display = ("slug", "executable", "enabled")
    list_filter = ("enabled",)
    search_fields = ("slug",)

    def delete_model(self, request: HttpRequest, obj: CommandTemplate) -> None:
        services.delete_template(template=obj)


# --- servers ----------------------------------------------------------------------------------------


class GrantFormSet(GrantsFormSet):
    @classmethod
    def get_default_prefix(cls) -> str:
        return "grants"


class GrantInline(ScopedInline, TabularInline[Grant, Server]):
    """The rules of one server; those of all servers have a page of their own."""

    model = Grant
    formset = GrantFormSet
    fields = ("effect", "role", "pattern", "reason")
    extra = 1
    verbose_name_plural = "Who may use what: deny wins, and what nothing allows is denied"


@admin.register(Server)
class ServerAdmin(ScopedAdmin[Server]):
    reads, writes = CONFIG_READ, CONFIG_WRITE
    offers = (CommandTemplate,)
    form = ServerForm
    fieldsets = (
        (None, {"fields": ("project", "slug", "transport", "enabled", "review", "timeout_seconds",
                           "discovery_seconds")}),
        ("HTTP and SSE", {"fields": ("url", "bearer", "headers", "forget_headers")}),
        ("stdio", {"fields": ("template", "params", "secret_params")}),
        ("Guardrails", {"fields": ("input_policy", "output_policy", "argument_kinds", "restore_tokens")}),
        ("State", {"fields": ("stored_secrets", "discovery", "waiting")}),
    )  # fmt: skip
    inlines = (GrantInline,)
    change_form_template = "admin/servers/server/change_form.html"
    autocomplete_fields = ("project", "template", "input_policy", "output_policy")
    list_display = ("slug", "project", "transport", "target", "enabled", "review", "waiting")
    list_filter = ("enabled", "transport", "review", "project")
    list_select_related = ("project", "template")
    search_fields = ("slug", "url", "project__slug")
    actions = ("enable_servers", "disable_servers", "read_servers")

    @admin.display(description="reaches")
    def target(self, server: Server) -> str:
        return str(server.template) if server.template else server.url

    @admin.display(description="Stored secrets")
    def stored_secrets(self, server: Server) -> str:
        """Their names only."""
        try:
            secrets = server.secrets
        except Unsealable:
            return UNREADABLE
        names = {"headers": "headers", "params": "slots"}
        texts = [f"{label}: {', '.join(sorted(secrets[kind]))}" for kind, label in names.items() if secrets[kind]]
        return "; ".join(texts) or "none"

    @admin.display(description="Catalogue")
    def discovery(self, server: Server) -> SafeString:
        """When it was read, what was in the way since, and the newest job, which shows how far it is."""
        read = f"read at {server.discovered_at:%Y-%m-%d %H:%M:%S} UTC" if server.discovered_at else "not read yet"
        error = f"; could not be read: {visible(server.discovery_error)}" if server.discovery_error else ""
        job = Job.objects.filter(kind=discovery.KIND, subject_ref=server.pk, project_id=server.project_id).first()
        if job is None:
            return format_html("{}{}", read, error)
        return format_html(
            '{}{}; <a href="{}">newest job</a>: {}', read, error, reverse("admin:projects_job_change", args=[job.pk]),
            job.get_state_display().lower(),
        )  # fmt: skip

    @admin.display(description="wait for review", ordering="waiting_tools")
    def waiting(self, server: Server) -> str | SafeString:
        number = getattr(server, "waiting_tools", 0)
        return format_html('<a href="{}">{}</a>', review_pages.address_of_waiting(server), number) if number else "0"

    def choices_within(self, reach: Reach, model: type[Model]) -> QuerySet[Any]:
        rows = super().choices_within(reach, model)
        if model is not CommandTemplate or reach.is_all:
            return rows
        in_use = Server.objects.filter(project_id__in=reach.projects).values("template")
        return rows.filter(Q(enabled=True) | Q(pk__in=in_use))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Server]:
        # Refuses whoever may look at no server.
        servers = super().get_queryset(request)
        waiting = Tool.objects.filter(server=OuterRef("pk"), state=State.WAITING).order_by().values("server")
        counted = Subquery(waiting.annotate(number=Count("pk")).values("number"), output_field=IntegerField())
        return servers.annotate(waiting_tools=Coalesce(counted, 0))

    def get_readonly_fields(self, request: HttpRequest, obj: Server | None = None) -> tuple[str, ...]:
        shown = ("stored_secrets", "discovery", "waiting")
        return ("project", *shown) if obj else shown

    def get_inlines(self, request: HttpRequest, obj: Server | None) -> Any:
        return self.inlines if obj else ()

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Only the rules that were touched, so that what another page changed meanwhile stays."""
        formset.save(commit=False)
        for grant in formset.deleted_objects:
            services.delete_grant(grant=grant)
        for grant in [*(changed for changed, _ in formset.changed_objects), *formset.new_objects]:
            grant.project_id = form.instance.project_id
            services.save_grant(grant=grant)

    def response_add(self, request: HttpRequest, obj: Server, post_url_continue: str | None = None) -> HttpResponse:
        if not _allowing(obj).exists():
            self.message_user(request, f"{_NOBODY} Open the server's page to allow it.", messages.WARNING)
        return super().response_add(request, obj, post_url_continue)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        server = options.get("obj")
        if server is not None:
            may_allow = self.has_change_permission(request, server)
            context |= {
                "nobody": _NOBODY if may_allow and not _allowing(server).exists() else "",
                "rules_of_all": Grant.objects.filter(project_id=server.project_id, server=None),
                "why": f"{reverse('admin:servers_grant_why')}?"
                       f"{urlencode({'project': server.project.slug, 'server': server.slug})}"
                       if reach_of(request, KEYS_ALL).has(server.project_id) else "",
            }  # fmt: skip
        return super().render_change_form(request, context, *args, **options)

    def get_urls(self) -> list[URLResolver | URLPattern]:  # type: ignore[override]  # the stubs know patterns only
        allow = path("<int:pk>/allow/", self.admin_site.admin_view(self.allow_view), name="servers_server_allow")
        return [allow, *super().get_urls()]

    def allow_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Allows everything at the server to every role."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        server = self.find(request, pk, self.writes)
        if not _allowing(server).exists():
            services.save_grant(grant=Grant(project_id=server.project_id, server=server))
        return redirect("admin:servers_server_change", pk)

    def delete_model(self, request: HttpRequest, obj: Server) -> None:
        services.delete_server(server=obj)

    @admin.action(description="Switch the selected servers on")
    def enable_servers(self, request: HttpRequest, queryset: QuerySet[Server]) -> None:
        for server in queryset:
            services.set_server_enabled(server=server, enabled=True)

    @admin.action(description="Switch the selected servers off")
    def disable_servers(self, request: HttpRequest, queryset: QuerySet[Server]) -> None:
        for server in queryset:
            services.set_server_enabled(server=server, enabled=False)

    @admin.action(description="Read the lists of the selected servers now")
    def read_servers(self, request: HttpRequest, queryset: QuerySet[Server]) -> None:
        for server in queryset:
            services.rediscover(server=server)


def _allowing(server: Server) -> QuerySet[Grant]:
    """The rules that allow anything there to anyone."""
    applying = Grant.objects.filter(Q(server=server) | Q(server=None), project_id=server.project_id)
    return applying.filter(effect=Grant.Effect.ALLOW)


# --- grants -----------------------------------------------------------------------------------------


@admin.register(Grant)
class GrantAdmin(ScopedAdmin[Grant]):
    """Rules of one server and of all servers of a project."""

    reads, writes = CONFIG_READ, CONFIG_WRITE
    form = GrantForm
    fields = ("project", "server", "effect", "role", "pattern", "reason")
    autocomplete_fields = ("project", "server")
    list_display = ("pattern", "effect", "role_or_all", "server_or_all", "project", "reason")
    list_filter = ("effect", "role", "project")
    list_select_related = ("project", "server__project")
    search_fields = ("pattern", "reason", "server__slug", "project__slug")
    change_list_template = "admin/servers/grant/change_list.html"

    @admin.display(description="role", ordering="role")
    def role_or_all(self, grant: Grant) -> str:
        return grant.role or "every role"

    @admin.display(description="server", ordering="server")
    def server_or_all(self, grant: Grant) -> str:
        return grant.server.slug if grant.server else "every server"

    def get_readonly_fields(self, request: HttpRequest, obj: Grant | None = None) -> tuple[str, ...]:
        return ("project",) if obj else ()

    def delete_model(self, request: HttpRequest, obj: Grant) -> None:
        services.delete_grant(grant=obj)

    def get_urls(self) -> list[URLResolver | URLPattern]:  # type: ignore[override]  # the stubs know patterns only
        why = path("why/", self.admin_site.admin_view(self.why_view), name="servers_grant_why")
        return [why, *super().get_urls()]

    def why_view(self, request: HttpRequest) -> HttpResponse:
        """Says why something may be used or not. Whoever pastes a whole key here leaves it in no address."""
        reach = reach_of(request, KEYS_ALL)
        if not reach:
            raise PermissionDenied
        asked: dict[str, Any] = {
            "projects": self.choices_within(reach, Project), "members_only": not is_operator(request)
        }  # fmt: skip
        if "ask" in request.POST:
            form = WhyForm(request.POST, **asked)
        else:
            only = list(self.choices_within(looked_at(request, KEYS_ALL), Project)[:2])
            chosen = {"project": only[0].slug} if len(only) == 1 else {}
            form = WhyForm(initial={**chosen, **(request.POST or request.GET).dict()}, **asked)
        given = form.data if form.is_bound else form.initial
        context = {
            **self.admin_site.each_context(request),
            "title": "Why, or why not?",
            "opts": self.opts,
            "form": form,
            "offered": offers_for(form.project_named(given.get("project", "")), given.get("server", "")),
            "reply": _ask(form) if form.is_bound and form.is_valid() else None,
        }
        return TemplateResponse(request, "admin/servers/grant/why.html", context)


# So much of what may be used is named.
_MAX_USABLE = 200


def _ask(form: WhyForm) -> dict[str, Any]:
    given = form.cleaned_data
    asked = {name: given[name] for name in ("project", "who", "server", "kind", "name")}
    reply = services.why(**asked)
    usable = [(each.kind, visible(each.name)) for each in reply.usable[:_MAX_USABLE]]
    return {"allowed": reply.decision.allowed, "why": visible(reply.decision.why), "usable": usable,
            "more": len(reply.usable) - len(usable)}  # fmt: skip


# --- overlays ---------------------------------------------------------------------------------------


@admin.register(Overlay)
class OverlayAdmin(ScopedAdmin[Overlay]):
    """How single tools are shown to models."""

    reads, writes = CONFIG_READ, CONFIG_WRITE
    form = OverlayForm
    fields = ("project", "server", "tool", *services.OVERLAID)
    autocomplete_fields = ("project", "server")
    list_display = ("shown_tool", "server", "rename", "hidden")
    list_filter = ("hidden", "project")
    list_select_related = ("server__project",)
    search_fields = ("tool", "rename", "server__slug", "project__slug")
    change_form_template = "admin/servers/overlay/change_form.html"

    @admin.display(description="tool", ordering="tool")
    def shown_tool(self, overlay: Overlay) -> str:
        return visible(overlay.tool)

    def get_readonly_fields(self, request: HttpRequest, obj: Overlay | None = None) -> tuple[str, ...]:
        return ("project", "server", "tool") if obj else ()

    def delete_model(self, request: HttpRequest, obj: Overlay) -> None:
        services.delete_overlay(overlay=obj)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        overlay = options.get("obj")
        view = "admin:servers_overlay_preview"
        context["preview"] = reverse(view, args=[overlay.pk]) if overlay else reverse(view)
        if overlay is not None:
            # The row as it is stored, whatever was typed.
            context |= _fit(Overlay.objects.get(pk=overlay.pk))
        return super().render_change_form(request, context, *args, **options)

    def get_urls(self) -> list[URLResolver | URLPattern]:  # type: ignore[override]  # the stubs know patterns only
        view = self.admin_site.admin_view(self.preview_view)
        return [path("preview/", view, name="servers_overlay_preview"),
                path("<int:pk>/preview/", view, name="servers_overlay_preview"), *super().get_urls()]  # fmt: skip

    def preview_view(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        """What models would see of what was typed. Nothing is stored."""
        if not self.may(request, self.writes):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        overlay = self.find(request, pk, self.writes) if pk else None
        form = self.get_form(request, overlay, change=overlay is not None)(request.POST, instance=overlay)
        context = {
            **self.admin_site.each_context(request), "title": "What models would see", "opts": self.opts,
            "form": form, **(_fit(form.instance) if form.is_valid() else {}),
        }  # fmt: skip
        return TemplateResponse(request, "admin/servers/overlay/preview.html", context)


def _fit(overlay: Overlay) -> dict[str, Any]:
    """Whether it fits what is approved of its tool, and what models then see beside what the server says."""
    with with_project(overlay.project_id):
        approved = overlaying.definitions(overlay)
        problems = overlaying.problems(overlay)
        shown = overlaying.shown(overlay)
    return {"approved": len(approved), "problems": problems, "pairs": [compare(said, seen) for said, seen in shown]}
