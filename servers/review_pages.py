"""The pages of definitions under review: other people's text, shown as text, and what is decided on it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from projects.permissions import CONFIG_READ, CONFIG_WRITE
from projects.project_filter import FEW, kept_of
from projects.scoped_pages import ScopedReadOnlyAdmin
from projects.switcher import MAX_LISTED, looked_at
from servers.comparison import compare
from servers.evidence import approved_before, names_elsewhere, notes_on
from servers.forms import ACTS, DecisionForm
from servers.models import Server, State, Tool, ToolVersion
from servers.texts import quoted, visible

# So many are looked at on one page, and decided on at once.
MAX_SELECTED = 200
_DONE = {"approve": "approved", "reject": "rejected", "roll_back": "approved as the only one"}


def address_of_waiting(server: Server | None = None) -> str:
    """Of the list of what waits, of one server or of all."""
    query = {"state__exact": State.WAITING.value, **({"server": server.pk} if server else {})}
    return f"{reverse('admin:servers_tool_changelist')}?{urlencode(query)}"


def number_waiting(request: HttpRequest) -> int:
    """How many definitions wait for this person; 0 for whoever decides on nothing. Counted to 100."""
    reach = looked_at(request, CONFIG_WRITE)
    waiting = Tool.objects.filter(state=State.WAITING) if reach else Tool.objects.none()
    return (waiting if reach.is_all else waiting.filter(project_id__in=reach.projects)).order_by()[:100].count()


def _decide(request: HttpRequest, versions: Iterable[ToolVersion], form: DecisionForm) -> None:
    """Each in a transaction of its own: one that cannot be decided on keeps no other from it."""
    if not form.is_valid():
        messages.error(request, "Nothing was decided: the reason is too long, or it was not said what to do.")
        return
    act, decided = form.cleaned_data["act"], 0
    for version in versions:
        try:
            ACTS[act](version=version, reason=form.cleaned_data["reason"])
            decided += 1
        except ValidationError as error:
            messages.error(request, f"{quoted(version.tool.name)}: {' '.join(error.messages)}")
    if decided:
        messages.success(request, f"{decided} {'definition was' if decided == 1 else 'definitions were'} {_DONE[act]}.")


# --- tools ------------------------------------------------------------------------------------------


class ServerFilter(admin.SimpleListFilter):
    """The address has a server's number or, where there are many and it is typed, its slug."""

    title = "server"
    parameter_name, name_kwarg = "server", "server__slug"
    template = "admin/projects/filter.html"
    place, nothing = "filter-servers", "all servers"

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        self.is_many = False
        self.offered: list[str] = []
        self.typed = str((params.pop(self.name_kwarg, None) or [""])[-1]).strip()
        self.kept = kept_of(request, (self.parameter_name, self.name_kwarg))
        super().__init__(request, params, model, model_admin)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = model_admin.choices_within(looked_at(request, model_admin.reads), Server)
        found = list(rows.select_related("project").only("slug", "project__slug")[: MAX_LISTED + 1])
        self.is_many = len(found) > FEW
        self.offered = list(dict.fromkeys(server.slug for server in found[:MAX_LISTED]))
        return [(str(server.pk), str(server)) for server in found[:FEW]]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Of many, only that all are meant, or not."""
        for choice in super().choices(changelist):
            if not self.is_many or choice["display"] == "All":
                yield {**choice, "selected": choice["selected"] and not self.typed,
                       "query_string": changelist.get_query_string(remove=[self.parameter_name, self.name_kwarg])
                       if choice["display"] == "All" else choice["query_string"]}  # fmt: skip

    def queryset(self, request: HttpRequest, queryset: QuerySet[Tool]) -> QuerySet[Tool]:
        if "\x00" in self.typed:
            raise IncorrectLookupParameters("no server's name")
        if self.typed:
            queryset = queryset.filter(server__slug=self.typed)
        value = self.value()
        if not value:
            return queryset
        if not value.isdecimal() or len(value) > 18:
            raise IncorrectLookupParameters("not a server's number")
        return queryset.filter(server_id=int(value))


@admin.register(Tool)
class ToolAdmin(ScopedReadOnlyAdmin[Tool]):
    """What servers list: what waits for review comes first."""

    reads, writes = CONFIG_READ, CONFIG_WRITE
    fields = ("server", "kind", "shown_name", "state", "listed_now", "first_seen_at", "last_seen_at",
              "shown_definition")  # fmt: skip
    list_display = ("shown_name", "kind", "server", "state", "last_seen_at")
    list_filter = ("state", "kind", ServerFilter, "server__project")
    list_select_related = ("server__project",)
    search_fields = ("name", "server__slug")
    # By their spelling, waiting comes last and approved first.
    ordering = ("-state", "server__slug", "kind", "name")
    actions = ("approve_selected", "reject_selected")
    change_form_template = "admin/servers/tool/change_form.html"

    @admin.display(description="name", ordering="name")
    def shown_name(self, tool: Tool) -> str:
        return visible(tool.name)

    @admin.display(description="listed now")
    def listed_now(self, tool: Tool) -> str:
        eras = [era for era in ("modern", "legacy") if getattr(tool, f"{era}_digest")]
        return f"by {' and '.join(eras)} clients" if eras else "no"

    @admin.display(description="definition")
    def shown_definition(self, tool: Tool) -> SafeString:
        return format_html("<pre>{}</pre>", visible(json.dumps(tool.definition, indent=2, ensure_ascii=False)))

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        tool = options.get("obj")
        if tool is not None:
            context["versions"] = ToolVersion.objects.filter(tool=tool)
        return super().render_change_form(request, context, *args, **options)

    @admin.action(description="Approve what waits of the selected")
    def approve_selected(self, request: HttpRequest, queryset: QuerySet[Tool]) -> HttpResponse | None:
        return self._show_selected(request, queryset, "approve")

    @admin.action(description="Reject what waits of the selected")
    def reject_selected(self, request: HttpRequest, queryset: QuerySet[Tool]) -> HttpResponse | None:
        return self._show_selected(request, queryset, "reject")

    def _show_selected(self, request: HttpRequest, queryset: QuerySet[Tool], act: str) -> HttpResponse | None:
        """What is decided on is what was seen here: a definition that comes meanwhile is none of it."""
        waiting = ToolVersion.objects.filter(tool__in=queryset.order_by(), state=State.WAITING)
        versions = list(waiting.select_related("tool__server__project").order_by("tool", "id")[: MAX_SELECTED + 1])
        if not versions:
            self.message_user(request, "Nothing of the selection waits.", messages.WARNING)
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": f"{act.capitalize()} these definitions?",
            "opts": self.opts,
            "form": DecisionForm(initial={"act": act}),
            "versions": [(version, _shown_notes(version)) for version in versions[:MAX_SELECTED]],
            "more": len(versions) > MAX_SELECTED,
        }
        return TemplateResponse(request, "admin/servers/tool/decide.html", context)

    def get_urls(self) -> list[URLResolver | URLPattern]:  # type: ignore[override]  # the stubs know patterns only
        decide = path("decide/", self.admin_site.admin_view(self.decide_view), name="servers_tool_decide")
        return [decide, *super().get_urls()]

    def decide_view(self, request: HttpRequest) -> HttpResponse:
        if not self.may(request, self.writes):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        numbers = [text for text in request.POST.getlist("version") if text.isdecimal() and len(text) < 19]
        waiting = self.rows_within(request, self.writes, ToolVersion.objects.filter(state=State.WAITING))
        chosen = waiting.filter(pk__in=numbers[:MAX_SELECTED]).select_related("tool")
        _decide(request, chosen, DecisionForm(request.POST))
        return redirect(address_of_waiting())


def _shown_notes(version: ToolVersion) -> list[tuple[str, str, str]]:
    """Code, sentence and place of what is to be looked at."""
    notes = notes_on(version, approved_before(version), names_elsewhere(version.tool))
    return [(note.code, visible(note.text), visible(note.pointer)) for note in notes]


# --- versions ---------------------------------------------------------------------------------------


@admin.register(ToolVersion)
class ToolVersionAdmin(ScopedReadOnlyAdmin[ToolVersion]):
    """One definition beside what was approved before it."""

    reads, writes = CONFIG_READ, CONFIG_WRITE
    fields = ("shown_tool", "state", "shown_by", "digest", "shown_problems", "decided_by", "decided_at", "reason",
              "first_seen_at", "last_seen_at")  # fmt: skip
    list_display = ("shown_tool", "state", "short_digest", "decided_by", "last_seen_at")
    list_filter = ("state", "tool__kind", "project")
    list_select_related = ("tool__server__project",)
    search_fields = ("tool__name", "tool__server__slug", "digest")
    change_form_template = "admin/servers/toolversion/change_form.html"

    def has_module_permission(self, request: HttpRequest) -> bool:
        # They are reached by their tools.
        return False

    @admin.display(description="of")
    def shown_tool(self, version: ToolVersion) -> str:
        return f"{version.tool.kind} {visible(version.tool.name)} of {version.tool.server}"

    @admin.display(description="digest")
    def short_digest(self, version: ToolVersion) -> str:
        return version.digest[:12]

    @admin.display(description="shown to")
    def shown_by(self, version: ToolVersion) -> str:
        eras = [era for era in ("modern", "legacy") if getattr(version, era)]
        return f"{' and '.join(eras)} clients" if eras else "nobody yet"

    @admin.display(description="problems")
    def shown_problems(self, version: ToolVersion) -> str:
        return visible("\n".join(version.problems)) or "none"

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        version = options.get("obj")
        if version is not None:
            before = approved_before(version)
            context |= {
                "before": before,
                "notes": _shown_notes(version),
                "lines": compare(before.definition if before else None, version.definition),
                "form": DecisionForm() if self.may(request, self.writes, version) else None,
                "can_be_offered": not version.problems,
            }
        return super().render_change_form(request, context, *args, **options)

    def get_urls(self) -> list[URLResolver | URLPattern]:  # type: ignore[override]  # the stubs know patterns only
        view = self.admin_site.admin_view(self.decide_view)
        return [path("<int:pk>/decide/", view, name="servers_toolversion_decide"), *super().get_urls()]

    def decide_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        _decide(request, [self.find(request, pk, self.writes)], DecisionForm(request.POST))
        return redirect("admin:servers_toolversion_change", pk)
