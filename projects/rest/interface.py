"""The REST interface: how bodies are read, how answers are written, and what becomes of whatever is raised."""

from __future__ import annotations

import json
import math
from typing import Any

import structlog
from django.core.exceptions import ObjectDoesNotExist, RequestDataTooBig, ValidationError
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError
from django.db.models import ProtectedError, RestrictedError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja import errors as ninja_errors
from ninja.openapi.schema import OpenAPISchema
from ninja.parser import Parser
from ninja.renderers import BaseRenderer

from gateway_site.lib import jsontext, logs
from projects.rest import document, problems
from projects.rest.problems import Problem
from projects.rest.writing import write

logger = structlog.get_logger("projects.rest")
_RETRY_SECONDS = "2"
_MAX_DEPTH = 64


class Interface(NinjaAPI):
    """Every operation answers JSON or a problem, and the document says so."""

    def __init__(self, **options: Any) -> None:
        super().__init__(renderer=_Renderer(), parser=_Parser(), **options)
        self._document: OpenAPISchema | None = None

    def set_default_exception_handlers(self) -> None:
        """One for all: what is raised last in a class's line would otherwise answer in a form of its own."""
        self.add_exception_handler(Exception, _answer)

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        if self._document is None:
            self._document = super().get_openapi_schema(**options)
            document.finish(self._document)
        return self._document


class _Renderer(BaseRenderer):
    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return write(data)


class _Parser(Parser):
    def parse_body(self, request: HttpRequest) -> Any:
        """Raises Problem."""
        if request.content_type != "application/json":
            raise Problem("unsupported-media-type")
        try:
            value = json.loads(request.body.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise Problem("malformed") from None
        if jsontext.depth(value, _MAX_DEPTH) > _MAX_DEPTH:
            raise Problem("malformed")
        _check_storable(value)
        return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member twice")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _check_storable(value: Any) -> None:
    """Raises Problem for what no database takes."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, str) and ("\x00" in each or _has_surrogates(each)):
            raise Problem("unstorable-text")
        elif isinstance(each, float) and not math.isfinite(each):
            raise Problem("malformed")


def _has_surrogates(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)


def _answer(request: HttpRequest, error: Any) -> HttpResponse:
    return _problem_of(request, error).to_response()


def _problem_of(request: HttpRequest, error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error.__cause__, Problem):
        # Raised while the body was read, which the library takes for a fault of its own.
        return error.__cause__
    if isinstance(error, ninja_errors.ValidationError):
        return problems.of_input(error.errors)
    if isinstance(error, ninja_errors.HttpError):
        return problems.of_status(error.status_code)
    if isinstance(error, ValidationError):
        return problems.of_rule(error)
    if isinstance(error, RequestDataTooBig):
        return Problem("too-large")
    if isinstance(error, (Http404, ObjectDoesNotExist)):
        return Problem("not-found")
    if isinstance(error, (IntegrityError, ProtectedError, RestrictedError)):
        return Problem("conflict")
    logger.error("request failed", request_id=request.request_id, **logs.whereabouts(error))  # type: ignore[attr-defined]  # a RestRequest
    if isinstance(error, (OperationalError, InterfaceError)) or (
        isinstance(error, DatabaseError) and not isinstance(error, DataError)
    ):
        return Problem("unavailable", headers={"Retry-After": _RETRY_SECONDS})
    return Problem("internal")
