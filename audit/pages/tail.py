"""The page of the live tail; what it shows comes over a WebSocket (audit.tail)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode

from audit.pages import asking
from audit.pages.asking import Unanswerable
from projects.access import Reach


def show(request: HttpRequest, reach: Reach, context: dict[str, Any]) -> HttpResponse:
    try:
        asked = asking.read(request.GET, reach)
    except Unanswerable:
        return HttpResponseRedirect(reverse("admin:audit_event_tail"))
    query = urlencode({name: text for name, text in asked.given.items() if name not in asking.TIMES})
    shown = {
        **context, "title": "Live tail", "form": asking.form_of(asked, reach), "asked": asked.given,
        "address": f"/ws/audit/tail?{query}", "list": f"{reverse('admin:audit_event_changelist')}?{query}",
    }  # fmt: skip
    return TemplateResponse(request, "admin/audit/event/tail.html", shown)
