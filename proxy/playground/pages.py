"""The playground's page and what it asks for: which tools a person may call, and a call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache

from gateway_site.lib import jsontext
from gateway_site.lib.addresses import address_of
from gateway_site.lib.waiting import wait_for
from projects import opening
from projects.access import Reach
from projects.authentication import as_person
from projects.choosing import offered_within
from projects.models import Membership, Project, User
from projects.opening import opens, person_of
from projects.pages import is_operator, reach_of
from projects.permissions import AUDIT_READ, CONFIG_WRITE, MCP_CALL
from projects.scoping import with_project
from proxy.playground.calling import Asker, Listed, Played, call_tool, describe_tool, list_tools
from proxy.playground.finding import Tool
from proxy.playground.telling import told

_NOT_A_MEMBER = "You are no member of this project. Whoever operates the gateway may make itself one, and then call."
_MAX_NAME, _MAX_TITLE = 500, 200


@opens(MCP_CALL)
@never_cache
def show(request: HttpRequest, reach: Reach) -> HttpResponse:
    project = opening.chosen_project(request, reach)
    context = {
        **admin.site.each_context(request), "title": "Playground", "trail": [], "project": project,
        "projects": offered_within(reach), "server": request.GET.get("server", "")[:63],
        "tool": request.GET.get("tool", "")[:_MAX_NAME],
        "is_member": project is not None and _member(project, person_of(request)) is not None,
        "not_a_member": _NOT_A_MEMBER,
        "members": f"{reverse('admin:projects_membership_add')}?{urlencode({'project': project.pk})}"
                   if project is not None and is_operator(request) else "",
    }  # fmt: skip
    return render(request, "admin/proxy/playground.html", context)


@opens(MCP_CALL)
@never_cache
def tools(request: HttpRequest, reach: Reach) -> HttpResponse:
    """`{"tools": [...], "more": bool, "trouble": text}`: the first with `q` in their name that the person may call."""
    project = opening.project_of(reach, request.GET.get("project", ""))
    asker = _asker(request, project)
    if asker is None:
        return JsonResponse({"tools": [], "more": False, "trouble": _NOT_A_MEMBER})
    listed: Listed = wait_for(list_tools, asker, request.GET.get("q", "")[:_MAX_NAME])
    found = [_named(each) for each in listed.found.tools]
    return JsonResponse({"tools": found, "more": listed.found.more, "trouble": listed.trouble})


@opens(MCP_CALL)
@never_cache
def tool(request: HttpRequest, reach: Reach) -> HttpResponse:
    """One of them, by its `name` as clients see it, with its description and schema. 404 for any other."""
    asker = _asker(request, opening.project_of(reach, request.GET.get("project", "")))
    found: Tool | None = wait_for(describe_tool, asker, request.GET.get("name", "")[:_MAX_NAME]) if asker else None
    if found is None:
        raise Http404
    said = {"description": _text(found.definition.get("description")), "schema": found.definition.get("inputSchema")}
    return JsonResponse({**_named(found), **said})


def _named(found: Tool) -> dict[str, str]:
    """No more of a tool than what a list shows: there may be many, and a schema may be large."""
    title = _text(found.definition.get("title"))[:_MAX_TITLE]
    return {"name": found.definition["name"], "server": found.server, "tool": found.name, "title": title}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


@opens(MCP_CALL)
@never_cache
def run(request: HttpRequest, reach: Reach) -> HttpResponse:
    """Takes `{"project", "name", "arguments"}` and gives what proxy.playground.telling says. 400 for another body."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        asked = jsontext.decode(request.body)
    except ValueError:
        return JsonResponse({"trouble": "That is not JSON."}, status=400)
    name, arguments = (asked.get("name"), asked.get("arguments")) if isinstance(asked, dict) else (None, None)
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME or not isinstance(arguments, dict):
        return JsonResponse({"trouble": "Name a tool, and give its arguments as an object."}, status=400)
    project = opening.project_of(reach, str(asked.get("project", "")))
    asker = _asker(request, project)
    if asker is None:
        raise Http404
    played: Played = wait_for(call_tool, asker, name, arguments)
    return JsonResponse({**told(played), **_links(request, project, played, name)})


def _links(request: HttpRequest, project: Project, played: Played, name: str) -> dict[str, str]:
    """To the event and to the reasons, for whom these are open."""
    links = {"log": "", "why": ""}
    call = played.call
    if call is not None and call.call_id is not None and reach_of(request, AUDIT_READ).has(project.pk):
        asked = urlencode({"project": project.slug, "q": str(call.call_id)})
        links["log"] = f"{reverse('admin:audit_event_changelist')}?{asked}"
    if reach_of(request, CONFIG_WRITE).has(project.pk):
        asked = urlencode({"project": project.slug, "server": call.upstream.slug if call is not None else "",
                           "user": person_of(request).email, "kind": "tool"})  # fmt: skip
        links["why"] = f"{reverse('admin:servers_grant_why')}?{asked}"
    return links


def _member(project: Project, person: User) -> Membership | None:
    with with_project(project.pk):
        return Membership.objects.filter(user=person, user__is_active=True).first()


def _asker(request: HttpRequest, project: Project) -> Asker | None:
    """None for who is no member: rules speak of the roles of members."""
    person = person_of(request)
    member = _member(project, person)
    if member is None:
        return None
    record = replace(as_person(project.pk, person.pk, person.email, member.role), label="playground")
    return Asker(record, address_of(request))
