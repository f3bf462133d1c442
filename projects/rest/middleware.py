"""The outermost of REST: an id for every request, no cookies, and a problem in place of every error page."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import cast

import structlog
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from projects.rest import problems
from projects.rest.problems import MEDIA_TYPE, Problem
from projects.rest.requests import RestRequest, is_rest

logger = structlog.get_logger("projects.rest")
# Read in the browser, by who is signed in.
PAGES = ("/api/v1/docs", "/api/v1/openapi.json")


class RestMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not is_rest(request.path):
            return self.get_response(request)
        # What it becomes by these two.
        ours = cast(RestRequest, request)
        ours.request_id, ours.answer_headers = os.urandom(16).hex(), {}
        response = self._answer(ours)
        response["X-Request-ID"] = ours.request_id
        response["Cache-Control"] = "no-store"
        return response

    def _answer(self, request: RestRequest) -> HttpResponseBase:
        if request.path not in PAGES:
            # A browser's session opens nothing here, so that no page of another site can act with it.
            request.META.pop("HTTP_COOKIE", None)
        if "\x00" in request.path:
            return Problem("not-found").to_response()
        if any(null in request.META.get("QUERY_STRING", "") for null in ("%00", "\x00")):
            return Problem("unstorable-text").to_response()
        is_head = request.method == "HEAD"
        if is_head:
            request.method = "GET"
        response = self.get_response(request)
        if response.status_code >= 400 and not response.get("Content-Type", "").startswith(MEDIA_TYPE):
            response = _as_problem(response)
        for name, value in request.answer_headers.items():
            response.setdefault(name, value)
        return _without_content(response) if is_head else response


def _without_content(response: HttpResponseBase) -> HttpResponseBase:
    """The head of what GET would get (RFC 9110 section 9.3.2)."""
    if isinstance(response, HttpResponse):
        response.setdefault("Content-Length", str(len(response.content)))
        response.content = b""
        return response
    head = HttpResponse(status=response.status_code, headers=dict(response.items()))
    response.close()
    return head


def _as_problem(response: HttpResponseBase) -> HttpResponse:
    problem = problems.of_status(response.status_code)
    if response.has_header("Allow"):
        there = set(response["Allow"].split(", "))
        problem.headers["Allow"] = ", ".join(sorted(there | ({"HEAD"} if "GET" in there else set())))
    return problem.to_response()
