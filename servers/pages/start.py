"""The first day, step by step: a project, its first server and what that lists, a key, and the first call."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from audit.first_call import first_call_of
from projects import services
from projects.access import Reach
from projects.choosing import offered_within
from projects.models import ApiKey, Project
from projects.opening import opens, person_of, project_of
from projects.pages import is_operator, reach_of
from projects.permissions import CONFIG_READ, CONFIG_WRITE, KEYS_ALL, KEYS_OWN
from projects.scoping import with_project
from projects.signin.again import recently_verified
from projects.snippets import connections
from servers.models import Server
from servers.pages.finding import context_of, may_write, server_of, trail
from servers.pages.server import reading_of
from servers.pages.start_forms import KeyStart, ProjectStart, ServerStart
from servers.pages.start_forms import show as show_error
from servers.texts import visible

_STEPS = ("Project", "Server", "Tools", "Key", "First call")


@opens(CONFIG_READ)
@never_cache
def begin(request: HttpRequest, reach: Reach) -> HttpResponse:
    """A new project, for operators; or one of those that there are."""
    may_make = is_operator(request)
    form = ProjectStart(request.POST if request.method == "POST" and may_make else None)
    if form.is_bound and form.is_valid():
        try:
            return redirect("servers-start-server", form.perform(person_of(request)).slug)
        except ValidationError as error:
            show_error(form, error)
    context = _context(request, 0, None, form=form if may_make else None, projects=offered_within(reach))
    return render(request, "admin/servers/pages/start_project.html", context, status=_status(form))


@sensitive_post_parameters("bearer", "params")
@opens(CONFIG_WRITE)
@never_cache
def add_server(request: HttpRequest, reach: Reach, project: str) -> HttpResponse:
    row = project_of(reach, project)
    form = ServerStart(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            return redirect("servers-start-reading", project, form.perform(row).slug)
        except ValidationError as error:
            show_error(form, error)
    context = _context(request, 1, row, form=form, servers=_servers(row))
    return render(request, "admin/servers/pages/start_server.html", context, status=_status(form))


def _servers(project: Project) -> list[str]:
    with with_project(project.pk):
        return list(Server.objects.values_list("slug", flat=True)[:50])


@opens(CONFIG_READ)
@never_cache
def reading(request: HttpRequest, reach: Reach, project: str, server: str) -> HttpResponse:
    """How far the first reading of the server is; the page asks again until it is over."""
    row = server_of(reach, project, server)
    context = _context(request, 2, row.project, server=row, reading=reading_of(row),
                       is_admin=may_write(request, row.project))  # fmt: skip
    return render(request, "admin/servers/pages/start_reading.html", context)


@opens(KEYS_OWN)
@recently_verified
@never_cache
def issue_key(request: HttpRequest, reach: Reach, project: str) -> HttpResponse:
    """The secret is in this one answer: no redirect, so nothing has to remember it."""
    row = project_of(reach, project)
    form = KeyStart(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            key, text = services.issue_key(project=row, user=person_of(request), label=form.cleaned_data["label"])
        except ValidationError as error:
            show_error(form, error)
        else:
            issued = [(key, text, connections(request, key, text))]
            context = _context(request, 4, row, issued=issued)
            response = render(request, "admin/servers/pages/start_connect.html", context)
            response["Cache-Control"] = "no-store"
            return response
    context = _context(request, 3, row, form=form, servers=_servers(row))
    return render(request, "admin/servers/pages/start_key.html", context, status=_status(form))


@opens(KEYS_OWN)
@never_cache
def used(request: HttpRequest, reach: Reach, project: str, key_id: str) -> HttpResponse:
    """`{"used": bool, "text": what was called first}` of one's own key, or of any for who sees all."""
    row = project_of(reach, project)
    with with_project(row.pk):
        key = ApiKey.objects.filter(key_id=key_id[:10]).first()
    if key is None or (key.user_id != person_of(request).pk and not reach_of(request, KEYS_ALL).has(row.pk)):
        raise Http404
    first = first_call_of(row.pk, key.key_id, key.created_at)
    if first is None:
        return JsonResponse({"used": key.last_used_at is not None, "text": ""})
    where = f" at {first.server}" if first.server else ""
    return JsonResponse({"used": True, "text": f"{visible(first.method)}{where}, {first.at:%H:%M:%S} UTC"})


def _context(request: HttpRequest, step: int, project: Project | None, **shown: Any) -> dict[str, Any]:
    steps = [(name, "done" if place < step else "now" if place == step else "later")
             for place, name in enumerate(_STEPS)]  # fmt: skip
    return context_of(
        request, "Get started", trail(project) if project else [], steps=steps, project=project, **shown
    )


def _status(form: forms.Form) -> int:
    return 422 if form.is_bound and form.errors else 200
