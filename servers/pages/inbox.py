"""What waits for review in all projects that a person decides for, with what to look at, and the decisions on it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache

from projects import opening
from projects.access import Reach
from projects.choosing import offered_within
from projects.models import Project
from projects.navigation import badge_of
from projects.opening import opens
from projects.permissions import CONFIG_WRITE
from projects.scoping import unscoped, with_project
from projects.showing import brought
from servers.comparison import compare
from servers.dashboard.health import waiting_of
from servers.evidence import approved_before_each, names_elsewhere_each, notes_on
from servers.forms import ACTS
from servers.models import State, Tool, ToolVersion
from servers.pages.finding import context_of
from servers.review import MAX_REASON
from servers.review_pages import number_waiting
from servers.texts import quoted, visible

PER_PAGE = 25
_DONE = {"approve": "approved", "reject": "rejected"}


@opens(CONFIG_WRITE)
@never_cache
def show(request: HttpRequest, reach: Reach) -> HttpResponse:
    """Oldest first. `after` is the number of the last one of the page before."""
    project = opening.project_of(reach, request.GET["project"]) if request.GET.get("project") else None
    server = request.GET.get("server", "")
    with unscoped("what waits in all projects that the person decides for"):
        rows = _waiting(reach, project, server).filter(pk__gt=_after(request))
        versions = list(rows.select_related("tool__server__project").order_by("pk")[: PER_PAGE + 1])
        shown = versions[:PER_PAGE]
        before = approved_before_each(shown)
    elsewhere = names_elsewhere_each(each.tool for each in shown)
    asked = {"project": project.slug if project else "", "server": server}
    kept = urlencode({name: value for name, value in asked.items() if value})
    more = f"?{kept}&after={shown[-1].pk}" if len(versions) > PER_PAGE else ""
    context = context_of(
        request, "Waiting for review", [], entries=[_entry(each, before.get(each.pk), elsewhere[each.tool_id])
                                                          for each in shown], more=more, server=server,
        project=asked["project"], projects=offered_within(reach),
        number=waiting_of(request, project), kept=kept, max_reason=MAX_REASON,
    )  # fmt: skip
    return render(request, "admin/servers/pages/inbox.html", context)


@brought
@opens(CONFIG_WRITE)
@never_cache
def count(request: HttpRequest, reach: Reach) -> HttpResponse:
    """`{"waiting": n, "badge": text}` for pages that show the number; the badge is of what the person looks at."""
    project = opening.project_of(reach, request.GET["project"]) if request.GET.get("project") else None
    return JsonResponse({"waiting": waiting_of(request, project), "badge": badge_of(number_waiting(request))})


@opens(CONFIG_WRITE)
def decide(request: HttpRequest, reach: Reach) -> HttpResponse:
    """On exactly the definitions that were shown; one out of reach is none of them, and keeps no other from it."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    act, reason = request.POST.get("act", ""), request.POST.get("reason", "").strip()
    back = f"{reverse('servers-inbox')}?{request.GET.urlencode()}"
    if act not in _DONE or len(reason) > MAX_REASON or "\x00" in reason:
        messages.error(request, "Nothing was decided: the reason is too long, or it was not said what to do.")
        return redirect(back)
    numbers = [int(text) for text in request.POST.getlist("version") if text.isdecimal() and len(text) < 19]
    with unscoped("the person decides for many projects, and for no others"):
        chosen = list(_waiting(reach, None, "").filter(pk__in=numbers[:PER_PAGE]).select_related("tool"))
    decided = sum(_decide(request, act, version, reason) for version in chosen)
    if decided:
        messages.success(request, f"{decided} {'definition was' if decided == 1 else 'definitions were'} {_DONE[act]}.")
    elif not chosen:
        messages.warning(request, "Nothing was selected, or it does not wait any more.")
    return redirect(back)


def _decide(request: HttpRequest, act: str, version: ToolVersion, reason: str) -> bool:
    try:
        with with_project(version.project_id):
            ACTS[act](version=version, reason=reason)
    except ValidationError as error:
        messages.error(request, f"{quoted(version.tool.name)}: {' '.join(error.messages)}")
        return False
    return True


def _waiting(reach: Reach, project: Project | None, server: str) -> QuerySet[ToolVersion]:
    rows = ToolVersion.objects.filter(state=State.WAITING, tool__state=State.WAITING)
    if project is not None:
        rows = rows.filter(project=project)
    elif not reach.is_all:
        rows = rows.filter(project_id__in=reach.projects)
    return rows.filter(tool__server__slug=server) if server else rows


def _after(request: HttpRequest) -> int:
    text = request.GET.get("after", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _entry(version: ToolVersion, before: ToolVersion | None, elsewhere: list[str]) -> dict[str, Any]:
    tool: Tool = version.tool
    server = tool.server
    notes = notes_on(version, before, elsewhere)
    return {
        "number": version.pk, "name": quoted(tool.name), "kind": tool.kind, "server": server.slug,
        "project": server.project.slug, "is_new": before is None,
        "tool": reverse("servers-tool", args=[server.project.slug, server.slug, tool.pk]),
        "description": visible(str(version.definition.get("description") or ""))[:1_000],
        "problems": [visible(each) for each in version.problems],
        "notes": [(visible(note.text), visible(note.pointer)) for note in notes],
        "lines": compare(before.definition, version.definition) if before else [],
        "seen": version.first_seen_at,
    }  # fmt: skip
