"""The figures of the first page by themselves, for the page that shows them to be brought, or to ask for."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse

from projects.pages import reach_of
from projects.permissions import AUDIT_READ, CONFIG_READ
from projects.showing import brought
from servers.dashboard.board import board_of


@brought
def figures(request: HttpRequest) -> HttpResponse:
    """The board as JSON. 404 for whom no action opens it."""
    if not (reach_of(request, AUDIT_READ) or reach_of(request, CONFIG_READ)):
        raise Http404
    response = JsonResponse(board_of(request).as_json())
    response["Cache-Control"] = "no-store"
    return response
