"""The Content-Security-Policy of every answer that Django gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp.constants import HEADER
from django.http import HttpRequest
from django.http.response import HttpResponseBase

if TYPE_CHECKING:
    from collections.abc import Callable

    class CSPMiddleware:
        def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None: ...
        def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase: ...

else:
    from csp.middleware import CSPMiddleware

NOTHING = "default-src 'none'; frame-ancestors 'none'"


class ContentPolicyMiddleware(CSPMiddleware):
    """Pages get the policy of the settings, what is no page one that allows nothing. What has one keeps it."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.get("Content-Type", "").startswith("text/html"):
            return super().process_response(request, response)
        # Most answers of REST: a text that is ready costs them nothing.
        response.headers.setdefault(HEADER, NOTHING)
        return response
