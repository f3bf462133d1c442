"""'Verify this event': each step of it, and the proof to take away."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.cache import add_never_cache_headers

from audit.canonical import canonical
from audit.models import Event
from audit.verify_event import Finding, verify_event
from gateway_site.lib.display import visible
from projects.access import Reach


def show(request: HttpRequest, reach: Reach, context: dict[str, Any], shown: Event) -> HttpResponse:
    found = _verified(shown)
    more = {"title": "Verify this event", "event": shown, "name": visible(str(shown)), "found": found}
    return TemplateResponse(request, "admin/audit/event/verify.html", {**context, **more})


def download(request: HttpRequest, reach: Reach, context: dict[str, Any], shown: Event) -> HttpResponse:
    """404 for an event that is not proven: there is nothing to take away."""
    found = _verified(shown)
    if found.proof is None:
        raise Http404
    response = HttpResponse(canonical(found.proof) + b"\n", content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="proof-{shown.id}.json"'
    add_never_cache_headers(response)
    return response


def _verified(shown: Event) -> Finding:
    try:
        return verify_event(shown)
    except Event.DoesNotExist:
        raise Http404 from None
