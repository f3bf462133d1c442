"""Pages that belong to no single table: whom an action opens them to, and which project they are about."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.contrib import admin
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase

from projects.access import Reach
from projects.models import Project, User
from projects.pages import reach_of
from projects.switcher import chosen_at

View = Callable[..., HttpResponseBase]


def opens(action: str) -> Callable[[View], View]:
    """Decorator of a view `(request, reach, …)`, which operators and people with this action somewhere may ask.

    Everybody else gets the answer that an unknown address gets; who has not signed in is led there.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest, **found: object) -> HttpResponseBase:
            reach = reach_of(request, action)
            if not reach:
                raise Http404
            return view(request, reach, **found)

        return admin.site.admin_view(wrapped)

    return decorate


def project_of(reach: Reach, slug: str) -> Project:
    """Raises Http404, for a project out of reach as for one that there never was."""
    found = Project.objects.filter(slug=slug[:63]).first()
    if found is None or not reach.has(found.pk):
        raise Http404
    return found


def chosen_project(request: HttpRequest, reach: Reach) -> Project | None:
    """That of the address, or that which the person looks at, or the only one within reach; None for all of them.

    Raises Http404.
    """
    slug = request.GET.get("project", "")
    if slug:
        return project_of(reach, slug)
    chosen = chosen_at(request)
    if chosen is not None and reach.has(chosen.pk):
        return chosen
    if reach.is_all or len(reach.projects) != 1:
        return None
    return Project.objects.filter(pk__in=reach.projects).first()


def person_of(request: HttpRequest) -> User:
    """Raises Http404 for nobody."""
    if not isinstance(request.user, User):
        raise Http404
    return request.user
