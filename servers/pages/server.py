"""The page of one server: how it is, what it lists, a test of the connection, its reading, its processes' words."""

from __future__ import annotations

from collections import Counter
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Case, IntegerField, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache

from audit import figures
from gateway_site.lib.display import visible
from projects.access import Reach
from projects.models import Job
from projects.opening import opens
from projects.pages import reach_of
from projects.permissions import AUDIT_READ, CONFIG_READ, CONFIG_WRITE
from projects.scoping import with_project
from projects.showing import brought
from servers import discovery, services, trying
from servers.children import children_of
from servers.dashboard.board import took
from servers.dashboard.health import read_in_words, state_in_words
from servers.dashboard.numbers import CALL, Figure, Log, few_of
from servers.models import Grant, Overlay, Server, State, Tool, Transport
from servers.pages.finding import context_of, may_write, server_of, trail
from servers.steps import Step
from servers.texts import quoted
from servers.trying import Trial

MAX_TOOLS = 200
_ORDER = {State.WAITING: 0, State.REJECTED: 1, State.APPROVED: 2}
# What came of a step, by the kind of trouble.
WORDS = {
    "": "answered",
    "refused": "answered with an error: it does not know this",
    "unavailable": "cannot be reached: see that its address and port are right, and that it runs",
    "timeout": "gave no answer in time",
    "invalid": "gave an answer that is none of this protocol",
    "too_large": "gave an answer that is too large",
    "encoded": "sent a compressed answer, which was not asked for",
    "overloaded": "is busy",
}
_ERAS = {"initialize": "2025-11-25 and before", "server/discover": "2026-07-28"}


@opens(CONFIG_READ)
@never_cache
def show(request: HttpRequest, reach: Reach, project: str, server: str) -> HttpResponse:
    return _page(request, server_of(reach, project, server), None)


@opens(CONFIG_WRITE)
def test(request: HttpRequest, reach: Reach, project: str, server: str) -> HttpResponse:
    """Plays the handshake now, and shows each message of it. Nothing goes into the catalogue."""
    row = server_of(reach, project, server)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        with with_project(row.project_id):
            trial = trying.try_server(server=row)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("servers-server", project, server)
    return _page(request, row, trial)


@opens(CONFIG_WRITE)
def read(request: HttpRequest, reach: Reach, project: str, server: str) -> HttpResponse:
    """Has the lists read by a worker; the page then shows how far that is."""
    row = server_of(reach, project, server)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        services.rediscover(server=row)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return redirect("servers-server", project, server)


@brought
@opens(CONFIG_READ)
@never_cache
def progress(request: HttpRequest, reach: Reach, project: str, server: str) -> HttpResponse:
    """How far the newest reading is, for the page that shows it."""
    return JsonResponse(reading_of(server_of(reach, project, server)))


def reading_of(server: Server) -> dict[str, Any]:
    """`state` is that of the newest job, "none" without one; `done` of `total` steps; `tools` by their review.

    `job` is what jobs of this server's reading are called at the page's socket.
    """
    with with_project(server.project_id):
        job = Job.objects.filter(kind=discovery.KIND, subject_ref=server.pk).first()
        fresh = Server.objects.get(pk=server.pk)
        states = Counter(Tool.objects.filter(server=server).values_list("state", flat=True))
    return {
        "job": f"{discovery.KIND}:{server.pk}",
        "state": job.state if job else "none",
        "words": _reading_in_words(job, fresh),
        "done": job.progress_done if job else 0,
        "total": job.progress_total if job else 0,
        "is_open": job is not None and job.state in (Job.State.QUEUED, Job.State.RUNNING),
        "tools": {str(state): states.get(state, 0) for state in State},
    }


def _reading_in_words(job: Job | None, server: Server) -> str:
    if job is None:
        return "It has not been read yet."
    error = f"It could not be read: {visible(job.error)}." if job.error else ""
    if job.state == Job.State.QUEUED and error:
        return f"{error} It is tried again at {job.run_after:%Y-%m-%d %H:%M} UTC."
    if job.state == Job.State.QUEUED:
        return "Waiting for a worker…"
    if job.state == Job.State.RUNNING:
        return f"Reading: {visible(job.progress_text)}" if job.progress_text else "Reading…"
    return f"Read {read_in_words(server)}." if job.state == Job.State.DONE else error


# --- the page ----------------------------------------------------------------------------------------------------


def _page(request: HttpRequest, server: Server, trial: Trial | None) -> HttpResponse:
    project = server.project
    is_admin = may_write(request, project)
    with with_project(project.pk):
        rows = Tool.objects.filter(server=server).defer("definition")
        order = Case(*(When(state=state, then=Value(place)) for state, place in _ORDER.items()),
                     output_field=IntegerField())  # fmt: skip
        tools = list(rows.alias(place=order).order_by("place", "kind", "name")[: MAX_TOOLS + 1])
        overlaid = set(Overlay.objects.filter(server=server).values_list("tool", flat=True))
        is_granted = Grant.objects.filter(effect=Grant.Effect.ALLOW, server__in=[server]).exists() or (
            Grant.objects.filter(effect=Grant.Effect.ALLOW, server=None).exists()
        )
    state, words = state_in_words(server)
    asked = urlencode({"project": project.slug, "server": server.slug})
    context = context_of(
        request, server.slug, trail(project), server=server, state=state, words=words, is_admin=is_admin,
        target=str(server.template) if server.template else server.url, said=_said(server),
        reading=reading_of(server), figures=_figures(request, server), tools=[_tool(each, overlaid) for each in
                                                                             tools[:MAX_TOOLS]],
        more=len(tools) > MAX_TOOLS, is_granted=is_granted, trial=_shown_trial(trial) if trial else None,
        has_children=server.transport != Transport.HTTP,
        children=children_of(server) if is_admin and server.enabled else None,
        inbox=f"{reverse('servers-inbox')}?{asked}", playground=f"{reverse('playground')}?{asked}",
        change=reverse("admin:servers_server_change", args=[server.pk]),
        why=f"{reverse('admin:servers_grant_why')}?{asked}",
    )  # fmt: skip
    return render(request, "admin/servers/pages/server.html", context)


def _tool(tool: Tool, overlaid: set[str]) -> dict[str, Any]:
    return {
        "number": tool.pk, "name": quoted(tool.name), "kind": tool.kind, "state": tool.state,
        "words": tool.get_state_display(), "is_listed": bool(tool.modern_digest or tool.legacy_digest),
        "is_overlaid": tool.kind == Tool.Kind.TOOL and tool.name in overlaid,
    }  # fmt: skip


def _said(server: Server) -> list[dict[str, str]]:
    """What the server last said of itself, by era."""
    listed = []
    for era, about in server.about.items():
        info = about.get("server_info") or {}
        name = " ".join(str(info[part]) for part in ("name", "version") if isinstance(info.get(part), str))
        listed.append({
            "era": era, "name": quoted(name), "versions": ", ".join(visible(str(each)) for each in
                                                                  about.get("versions", ())),
            "capabilities": ", ".join(visible(str(each)) for each in about.get("capabilities") or {}),
        })  # fmt: skip
    return listed


def _figures(request: HttpRequest, server: Server) -> list[Figure]:
    """Of the last day; none for who may not read the log."""
    if not reach_of(request, AUDIT_READ).has(server.project_id):
        return []
    window, now = figures.WINDOWS["24h"], timezone.now()
    found = figures.of_server(server.project_id, server.slug, window, now)
    log = Log(server.project.slug, window.since(now))
    answered = log.address(kind=CALL, method="tools/call", server=server.slug, decision=",".join(figures.ANSWERED))
    return [
        *few_of(found.all, log, {"kind": CALL, "server": server.slug}),
        Figure("p50", "half of the tool calls took at most", took(found.quantile(0.5)), answered),
        Figure("p95", "95 % of them at most", took(found.quantile(0.95)), answered),
    ]


def _shown_trial(trial: Trial) -> dict[str, Any]:
    era, steps = "", []
    for step in trial.steps:
        era = _ERAS.get(step.method, era)
        steps.append({"era": era, "method": step.method, "milliseconds": step.milliseconds, "status": step.status or "",
                      "is_fine": not step.trouble, "words": _words(step)})  # fmt: skip
    # What is listed in both eras is one.
    entries = {(str(each.kind), each.name) for found in trial.found.eras.values() for each in found.entries}
    listed = Counter(kind for kind, _ in entries)
    last = next((each for each in reversed(trial.steps) if each.trouble == trial.error), Step("", 0, 0, trial.error))
    return {
        "is_fine": not trial.error, "words": f"It {_words(last)}.",
        "milliseconds": trial.milliseconds, "steps": steps,
        "eras": list(trial.found.eras), "listed": sorted(listed.items()),
    }  # fmt: skip


def _words(step: Step) -> str:
    if not step.trouble and step.method.startswith("notifications/"):
        return "was taken"
    if step.trouble == "unavailable" and step.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return "refused our credentials: see that its token or headers are right"
    if step.trouble == "unavailable" and step.status:
        return "is there, and would not answer this"
    return WORDS.get(step.trouble, step.trouble)
