"""Two who change the same thing at one time: the second is told (RFC 9110 section 13, RFC 6585 section 3)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from projects.rest.problems import Fault, Problem
from projects.rest.requests import RestRequest
from projects.rest.rows import locked, one
from projects.rest.writing import write

M = TypeVar("M", bound=Model)
HEADER = "If-Match"
# What clients usually send; a list of tags is taken too.
PATTERN = r'^(?:\*|"[!#-~]{0,200}")$'
_TAGS = re.compile(r'\s*(?:\*|"[\x21\x23-\x7e]*"(?:\s*,\s*"[\x21\x23-\x7e]*")*)\s*')


def etag_of(*parts: Any) -> str:
    """Whatever JSON can hold; equal parts, equal tag."""
    return f'"{hashlib.sha256(write(parts)).hexdigest()[:32]}"'


def matching(request: RestRequest, rows: QuerySet[M], etag: Callable[[M], str], **place: Any) -> M:
    """The row, held until the end of the transaction. Raises Problem when it is another than the caller has seen."""
    row = one(locked(rows), **place)
    _check_match(request, etag(row))
    return row


def _check_match(request: RestRequest, etag: str) -> None:
    given = request.headers.get(HEADER)
    if given is None:
        raise Problem("precondition-required")
    if _TAGS.fullmatch(given) is None:
        raise Problem("invalid-request", errors=[Fault(at=HEADER, message="Give ETags in quotes, or *.")])
    if given.strip() != "*" and etag not in [each.strip() for each in given.split(",")]:
        raise Problem("precondition-failed")
