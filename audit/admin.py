"""The operator's view of the log: read-only, newest first, paged by key so that its size does not matter."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from audit import export_pages, forward_pages, people_admin  # noqa: F401  each registers its pages
from audit.models import Event
from audit.naming import digest_name
from projects.models import Project
from projects.pages import ReadOnlyAdmin, is_operator, visible

_BEFORE = "before"
# Filters offer what these newest events hold: the distinct values of a whole log cost a walk through it.
_RECENT = 2_000
_MAX_PROJECTS = 500
_COMPARED = (
    "at", "decision", "reason", "http_status", "rpc_code", "upstream_status", "bytes_in", "bytes_out",
    "duration_us", "policy_version", "params_digest", "result_digest",
)  # fmt: skip


class EventPages(ChangeList):
    """One page of events and the way to older ones, without a count."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> QuerySet[Any]:
        before = self.params.pop(_BEFORE, None)
        self.filter_params.pop(_BEFORE, None)
        queryset = super().get_queryset(request, exclude_parameters)
        if before is None:
            return queryset
        if not before.isascii() or not before.isdigit() or len(before) > 18:
            raise IncorrectLookupParameters("not an event's number")
        return queryset.filter(ord__lt=int(before))

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return ["-ord"]

    def get_results(self, request: HttpRequest) -> None:
        rows = list(self.queryset[: self.list_per_page + 1])
        self.result_list = rows[: self.list_per_page]
        self.result_count = len(self.result_list)
        # The two are compared to decide whether a page speaks of counts.
        self.full_result_count = self.result_count
        self.show_full_result_count = self.can_show_all = self.multi_page = self.show_admin_actions = False
        self.paginator = Paginator(self.result_list, self.list_per_page)
        more = len(rows) > self.list_per_page
        self.older = self.get_query_string({_BEFORE: self.result_list[-1].ord}) if more else ""
        self.newest = self.get_query_string() if _BEFORE in request.GET else ""


class WithinFilter(admin.SimpleListFilter):
    """A window of time, a day unless chosen: without it a rare value is sought through the whole log."""

    title = "time"
    parameter_name = "within"
    default = "24h"
    windows = {
        "1h": timedelta(hours=1),
        "24h": timedelta(days=1),
        "7d": timedelta(days=7),
        "30d": timedelta(days=30),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((value, f"Last {value}") for value in self.windows), ("all", "All")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        for value, text in self.lookup_choices:
            yield {
                "selected": value == (self.value() or self.default),
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": text,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        if self.value() is None and _as_uuid(request.GET.get("q", "")):
            return queryset
        value = self.value() or self.default
        if value == "all":
            return queryset
        if value not in self.windows:
            raise IncorrectLookupParameters("not a window")
        return queryset.filter(at__gte=timezone.now() - self.windows[value])


class RecentValuesFilter(admin.SimpleListFilter):
    """The values of one column."""

    parameter_name: str

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        newest = Event.objects.order_by("-ord").values_list(self.parameter_name, flat=True)[:_RECENT]
        chosen = self.used_parameters.get(self.parameter_name)
        return [(str(value), str(value)) for value in sorted({*newest, chosen or ""} - {""})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        value = self.value()
        return queryset.filter(**{self.parameter_name: value}) if value else queryset


class KindFilter(RecentValuesFilter):
    title = "kind"
    parameter_name = "kind"


class DecisionFilter(RecentValuesFilter):
    title = "decision"
    parameter_name = "decision"


class ServerFilter(RecentValuesFilter):
    title = "server"
    parameter_name = "server"


class ProjectFilter(admin.SimpleListFilter):
    title = "project"
    parameter_name = "project"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(slug, slug) for slug in Project.objects.values_list("slug", flat=True)[:_MAX_PROJECTS]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        value = self.value()
        if not value:
            return queryset
        known = Project.objects.filter(slug=value).first()
        # The index is on the number; a project that is gone is found by the name it had.
        return queryset.filter(project_ref=known.pk) if known else queryset.filter(project=value)


def _as_uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text.strip())
    except ValueError:
        return None


def _digests(text: str) -> set[str]:
    """How projects' events name a text that was not to be written down."""
    projects = Project.objects.values_list("pk", flat=True)[:_MAX_PROJECTS]
    return {digest_name(settings.KEYRING.project_digest_key(project), text) for project in projects}


# Upper layers know what can be done about an event; each link is an address and its words.
_links: list[Callable[[Event], Iterable[tuple[str, str]]]] = []


def link_events_with(function: Callable[[Event], Iterable[tuple[str, str]]]) -> None:
    """`function` gives an event's links."""
    _links.append(function)


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin[Event]):
    fieldsets = (
        (None, {"fields": ("moment", "kind", "project", "subject_text", "decision", "reason")}),
        ("Who", {"fields": ("actor_kind", "actor", "actor_id", "session")}),
        ("Call", {"fields": ("server", "method_text", "call_id", "request_id", "trace_id")}),
        ("Record", {"fields": ("ord", "id", "project_ref", "server_ref", "policy_version", "payload_ref")}),
        ("Detail", {"fields": ("detail_text", "links")}),
    )
    list_display = ("moment", "kind", "decision", "project", "actor", "server", "subject_text", "method_text", "reason")
    list_filter = (WithinFilter, KindFilter, DecisionFilter, ProjectFilter, ServerFilter)
    list_per_page = 100
    sortable_by = ()
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("call_id",)
    search_help_text = (
        "An exact call, event, request or trace id, subject, actor or key id. "
        "A subject is found by its name also where the log has a digest (#…) for it."
    )
    change_list_template = "admin/audit/event/change_list.html"
    change_form_template = "admin/audit/event/change_form.html"

    @admin.display(description="at (UTC)")
    def moment(self, event: Event) -> str:
        return event.at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]

    @admin.display(description="subject")
    def subject_text(self, event: Event) -> str:
        return visible(event.subject)

    @admin.display(description="method")
    def method_text(self, event: Event) -> str:
        return visible(event.method)

    @admin.display(description="detail")
    def detail_text(self, event: Event) -> SafeString:
        return format_html("<pre>{}</pre>", visible(json.dumps(event.detail, indent=2, ensure_ascii=False)))

    @admin.display(description="what can be done")
    def links(self, event: Event) -> SafeString:
        found = [link for function in _links for link in function(event)]
        return format_html_join("", '<p><a href="{}">{}</a></p>', found) or format_html("nothing")

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        return EventPages

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        number = _as_uuid(term)
        if number:
            return queryset.filter(Q(call_id=number) | Q(id=number) | Q(request_id=str(number))), False
        exact = Q(actor=term) | Q(actor_id=term) | Q(request_id=term) | Q(trace_id=term)
        return queryset.filter(exact | Q(subject__in=[term, *_digests(term)])), False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        call = _call_of(object_id) if is_operator(request) else None
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "call": call})


def _call_of(object_id: str) -> dict[str, Any] | None:
    """Intent and outcome of an event's call side by side, or None for an event that is no part of a call."""
    if not object_id.isascii() or not object_id.isdigit() or len(object_id) > 18:
        return None
    event = Event.objects.filter(ord=int(object_id)).first()
    if event is None or event.call_id is None:
        return None
    events = list(Event.objects.filter(call_id=event.call_id).order_by("ord")[:20])
    rows = [(name.replace("_", " "), [str(_shown(event, name)) for event in events]) for name in _COMPARED]
    return {
        "events": events,
        "rows": rows,
        "has_outcome": any(event.kind == "mcp.call.outcome" for event in events),
    }


def _shown(event: Event, name: str) -> Any:
    value = getattr(event, name)
    return "" if value is None else value
