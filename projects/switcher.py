"""Which of their projects a person looks at: one that they chose, which their session keeps, or all of them."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from projects.access import Reach, is_operator, reach_at, roles_at
from projects.models import Project

_KEY = "project"
# So many can be chosen from a list; the names of others are typed.
MAX_LISTED = 100


@dataclass(frozen=True)
class Choice:
    """What the switcher shows. Where the list does not hold all projects, `more` is true."""

    chosen: Project | None
    projects: list[Project]
    more: bool
    back_to: str


def projects_of(request: HttpRequest) -> QuerySet[Project]:
    """All that the person has business in."""
    return Project.objects.all() if is_operator(request.user) else Project.objects.filter(pk__in=roles_at(request))


def chosen_at(request: HttpRequest) -> Project | None:
    """None for all. A choice ends with the membership and with the project."""
    known: dict[str, Project | None] = request.__dict__.setdefault("_chosen_project", {})
    if _KEY not in known:
        number = request.session.get(_KEY) if hasattr(request, "session") else None
        known[_KEY] = projects_of(request).filter(pk=number).first() if isinstance(number, int) else None
    return known[_KEY]


def looked_at(request: HttpRequest, action: str) -> Reach:
    """Where the person may do it, of what they look at: what lists, and choices in forms, are narrowed to."""
    chosen = chosen_at(request)
    return reach_at(request, action).narrowed(chosen.pk if chosen else None)


def choice_at(request: HttpRequest) -> Choice | None:
    """None for whoever has nothing to choose."""
    projects = list(projects_of(request)[: MAX_LISTED + 1])
    if len(projects) < 2:
        return None
    back_to = request.path if request.method == "GET" else ""
    return Choice(chosen_at(request), projects[:MAX_LISTED], len(projects) > MAX_LISTED, back_to)


def choose(request: HttpRequest) -> HttpResponse:
    """Takes `project`, a slug or nothing for all, and leads back. 404 for a project that the person has no part in."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    slug, back_to = request.POST.get("project", "").strip(), request.POST.get("next", "")
    if slug:
        found = projects_of(request).filter(slug=slug).first() if "\x00" not in slug else None
        if found is None:
            raise Http404
        request.session[_KEY] = found.pk
    else:
        request.session.pop(_KEY, None)
    is_ours = url_has_allowed_host_and_scheme(back_to, {request.get_host()}, request.is_secure())
    return redirect(back_to if is_ours else "admin:index")
