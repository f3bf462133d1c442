"""The REST interface, put together: what every app offers, its document, and the page that shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from ninja.openapi.docs import ABS_TPL_PATH, Swagger

import audit.api
import guardrails.api
import projects.api
import servers.api
from projects.rest.interface import Interface
from projects.rest.problems import Problem
from projects.rest.tokens import AdminTokenAuth

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DESCRIPTION = (
    "Administration of the gateway. Send an admin token (`manage.py token issue`) as `Authorization: Bearer mga_…`; "
    "keys of MCP clients open nothing here. Every refusal is `application/problem+json` (RFC 9457). "
    "Lists come in pages: send `next_cursor` back as `cursor`. POST may carry an `Idempotency-Key`."
)
_auth = AdminTokenAuth()


def _for_people(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The page asks for a session; its document is given to a token too."""

    def shown(request: HttpRequest, **values: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            if not request.path.endswith(".json"):
                return redirect_to_login(request.path)
            try:
                _auth(request)
            except Problem as problem:
                return problem.to_response()
        response = view(request, **values)
        response["Content-Security-Policy"] = _PAGE_POLICY
        return response

    return shown


class OfflineSwagger(Swagger):
    """The page as it is without ninja among the apps, but with the files that ninja brings."""

    template_cdn = str(ABS_TPL_PATH / "swagger.html")


api = Interface(
    title="Secure MCP Gateway",
    version="1",
    description=_DESCRIPTION,
    urls_namespace="rest",
    auth=_auth,
    docs=OfflineSwagger(settings={"persistAuthorization": False, "validatorUrl": None}),
    docs_decorator=_for_people,
)
for _routes in (*projects.api.ROUTES, *servers.api.ROUTES, *guardrails.api.ROUTES, *audit.api.ROUTES):
    api.add_router("", _routes.router)
