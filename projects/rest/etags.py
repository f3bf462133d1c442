"""Two who change the same thing at one time: the second is told (RFC 9110 section 13, RFC 6585 section 3)."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from projects.rest.problems import Fault, Problem
from projects.rest.requests import RestRequest
from projects.rest.writing import write

HEADER = "If-Match"
# What clients usually send; a list of tags is taken too.
PATTERN = r'^(?:\*|"[!#-~]{0,200}")$'
_TAGS = re.compile(r'\s*(?:\*|"[\x21\x23-\x7e]*"(?:\s*,\s*"[\x21\x23-\x7e]*")*)\s*')


def etag_of(*parts: Any) -> str:
    """Whatever JSON can hold; equal parts, equal tag."""
    return f'"{hashlib.sha256(write(parts)).hexdigest()[:32]}"'


def check_match(request: RestRequest, etag: str) -> None:
    """For who holds the row until the end of the transaction. Raises Problem."""
    given = request.headers.get(HEADER)
    if given is None:
        raise Problem("precondition-required")
    if _TAGS.fullmatch(given) is None:
        raise Problem("invalid-request", errors=[Fault(at=HEADER, message="Give ETags in quotes, or *.")])
    if given.strip() != "*" and etag not in [each.strip() for each in given.split(",")]:
        raise Problem("precondition-failed")
