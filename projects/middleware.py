"""Says who acts in a browser request, and which rows that person may see."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from django.http import HttpRequest, HttpResponse

from gateway_site.lib.actor import Actor, acting_as
from projects.access import is_operator, roles_at
from projects.models import User
from projects.scoping import unscoped, within


class ActingUserMiddleware:
    """Operators see every project, and members theirs. Whoever has not signed in sees no tenant's rows."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if not isinstance(user, User):
            with acting_as(Actor("anonymous")):
                return self.get_response(request)
        with acting_as(Actor("user", str(user.pk), user.email)), _scope_of(request):
            response = self.get_response(request)
            # Template responses query while they render, which must happen inside the scope.
            if hasattr(response, "render") and not getattr(response, "is_rendered", True):
                response.render()
            return response


def _scope_of(request: HttpRequest) -> AbstractContextManager[None]:
    if is_operator(request.user):
        return unscoped("a platform operator administers all projects")
    return within(roles_at(request))
