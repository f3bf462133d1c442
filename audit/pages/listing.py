"""The list of events: a window of time first, filters, a search, and the way to older ones."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode

from audit import browsing
from audit.browsing import Page, TooWide
from audit.models import Event
from audit.pages import asking, filters
from audit.pages.asking import Asked, Unanswerable
from audit.question import Cursor
from audit.turns import TooMany
from gateway_site.lib.display import visible
from projects.access import Reach

PER_PAGE = 100
_BEFORE = "before"


def show(request: HttpRequest, reach: Reach, context: dict[str, Any]) -> HttpResponse:
    """What makes no sense leads back to the list. 503 where the page cannot be found in time, or not now."""
    try:
        asked = asking.read(request.GET, reach)
        before = request.GET.get(_BEFORE)
        after = Cursor.read(before) if before is not None else None
    except (Unanswerable, ValueError):
        return HttpResponseRedirect(reverse("admin:audit_event_changelist") + "?e=1")
    page, trouble = Page([]), ""
    try:
        page = browsing.page_of(asked.question, after, PER_PAGE)
    except TooWide:
        trouble = "too wide"
    except TooMany:
        trouble = "too many"
    shown = {
        **context,
        "title": "Events",
        "page": page,
        "rows": [row_of(event) for event in page.events],
        "trouble": trouble,
        "wrong": "e" in request.GET,
        "older": _address(asked, page.older) if page.older else "",
        "newest": _address(asked) if after else "",
        "asked": asked.given,
        "form": asking.form_of(asked, reach),
        "saved": filters.listed(request, reach),
        "can_save": filters.can_save(asked),
        "tail": "?" + urlencode({name: text for name, text in asked.given.items() if name not in asking.TIMES}),
    }
    return TemplateResponse(request, "admin/audit/event/list.html", shown, status=503 if trouble else 200)


def _address(asked: Asked, before: Cursor | None = None) -> str:
    return "?" + urlencode({**asked.given, **({_BEFORE: str(before)} if before else {})})


def row_of(event: Event) -> dict[str, str]:
    """An event as lists and the tail show it: texts only."""
    return {
        "address": reverse("admin:audit_event_change", args=[event.pk]),
        "at": event.at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
        "kind": event.kind,
        "decision": event.decision,
        "project": event.project,
        "actor": visible(event.actor or event.actor_kind),
        "server": event.server,
        "subject": visible(event.subject),
        "method": visible(event.method),
        "reason": visible(event.reason),
        "took": f"{event.duration_us / 1000:,.1f} ms" if event.duration_us is not None else "",
    }


def suggest(request: HttpRequest, reach: Reach, context: dict[str, Any]) -> HttpResponse:
    """`{"values": [...]}` for what is typed into a field that can have many values."""
    column, start = request.GET.get("column", ""), request.GET.get("start", "").strip()
    if column not in asking.SUGGESTED or not 0 < len(start) <= 100 or "\x00" in start:
        return JsonResponse({"values": []})
    project = asking.project_of(request.GET.get("project", ""), reach)
    return JsonResponse({"values": browsing.suggestions(reach, project, column, start)})
