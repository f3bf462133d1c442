"""Says who acts in a browser request, and which rows that person may see."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from gateway_site.lib.actor import Actor, acting_as
from projects.models import User
from projects.scoping import unscoped


class ActingUserMiddleware:
    """Operators see every project. Anyone else sees no tenant's rows here: their pages come with a scope."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if not isinstance(user, User):
            with acting_as(Actor("anonymous")):
                return self.get_response(request)
        with acting_as(Actor("user", str(user.pk), user.email)):
            if not user.is_superuser:
                return self.get_response(request)
            with unscoped("a platform operator administers all projects"):
                response = self.get_response(request)
                # Template responses query while they render, which must happen inside the scope.
                if hasattr(response, "render") and not getattr(response, "is_rendered", True):
                    response.render()
                return response
