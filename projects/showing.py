"""What pages show that goes on changing: views of it that a page may have brought by its socket in place of asking.

The socket gets the view's own answer, so that nobody is brought what their page would not be answered.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlsplit

from django.contrib.sessions.backends.base import SessionBase
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve

from projects.middleware import ActingUserMiddleware
from projects.models import User

V = TypeVar("V", bound=Callable[..., HttpResponseBase])
_MARK = "is_brought"
_MAX_ADDRESS = 1_000


def brought(view: V) -> V:
    """Marks a view that answers GET with JSON and writes nothing. To be the outermost of its decorators."""
    setattr(view, _MARK, True)
    return view


def answer_at(address: str, user: User, session: SessionBase) -> bytes | None:
    """The JSON that this person's page gets there; None where it gets none, or where no such view is.

    The person has proved enough already (projects.signin.verification). Raises django.db.Error.
    """
    try:
        parts = urlsplit(address)
        found = resolve(parts.path)
        query = QueryDict(parts.query)
    except (ValueError, Resolver404):
        return None
    if len(address) > _MAX_ADDRESS or parts.netloc or not getattr(found.func, _MARK, False):
        return None
    request = HttpRequest()
    request.method, request.path, request.path_info, request.GET = "GET", parts.path, parts.path, query
    request.user, request.session, request.resolver_match = user, session, found

    def answer(asking: HttpRequest) -> HttpResponse:
        response: HttpResponse = found.func(asking, *found.args, **found.kwargs)
        return response

    try:
        response = ActingUserMiddleware(answer)(request)
    except Http404:
        return None
    is_json = response.headers.get("Content-Type", "").partition(";")[0] == "application/json"
    return response.content if response.status_code == HTTPStatus.OK and is_json else None
