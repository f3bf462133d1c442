"""Every answer that is no success: one table of kinds, and their form (RFC 9457)."""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import Any

import orjson
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpResponse
from pydantic import BaseModel, ConfigDict, Field

MEDIA_TYPE = "application/problem+json"
_URN = "urn:mcpgw:problem:"
_MAX_ERRORS = 50
_MAX_TEXT = 500

# Kind: status and what is always said. What depends on the request stands in `errors`, or in a member of its own.
KINDS: dict[str, tuple[int, str]] = {
    "malformed": (400, "The body is not JSON in UTF-8, or has a member twice."),
    "bad-request": (400, "The request cannot be read."),
    "unauthenticated": (401, "Send a live admin token: Authorization: Bearer mga_…"),
    "forbidden": (403, "This token may not do that here."),
    "not-found": (404, "There is nothing here that this token can see."),
    "method-not-allowed": (405, "The method is not one of those in Allow."),
    "request-timeout": (408, "The body did not come in time."),
    "conflict": (409, "It cannot be done as things stand."),
    "secret-shown-once": (
        409,
        "This was done before, and its secret was shown then. If it is lost, revoke what it opened and make another.",
    ),
    "gone": (410, "It was here and is not kept any more."),
    "precondition-failed": (412, "It has changed since it was read; read it again."),
    "too-large": (413, "The body is too large."),
    "unsupported-media-type": (415, "Send application/json."),
    "invalid-request": (422, "The request is not as the OpenAPI document says."),
    "refused-by-rule": (422, "The request is well formed, and a rule of the gateway refuses what it says."),
    "unstorable-text": (422, "Null characters and lone surrogates cannot be stored."),
    "invalid-cursor": (422, "The cursor is not one that this list gave to this token with these filters."),
    "too-wide": (422, "So many events are in question that it takes too long; give a narrower time, or other filters."),
    "idempotency-mismatch": (422, "The idempotency key was used for another request."),
    "precondition-required": (428, "Send If-Match with the ETag of what was read."),
    "too-many-requests": (429, "Wait for as long as Retry-After says."),
    "internal": (500, "Something went wrong; the log has it under the request's id."),
    "unavailable": (503, "The gateway cannot do it at this moment; try again."),
}  # fmt: skip
_BY_STATUS = {
    400: "bad-request", 403: "forbidden", 404: "not-found", 405: "method-not-allowed", 408: "request-timeout",
    413: "too-large", 503: "unavailable",
}  # fmt: skip


class Fault(BaseModel):
    """One thing that is wrong. `at` is a JSON pointer (RFC 6901) into the body, or a parameter's name."""

    model_config = ConfigDict(extra="forbid")

    at: str = Field(max_length=_MAX_TEXT)
    message: str = Field(max_length=_MAX_TEXT)
    code: str = Field(default="", max_length=100)


class ProblemDocument(BaseModel):
    """RFC 9457. `action` is what the token may not do, `shown_once` the id of what was made with a secret."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(pattern=f"^{_URN}[a-z-]+$")
    title: str
    status: int
    detail: str
    errors: list[Fault] | None = None
    action: str | None = None
    shown_once: str | None = None


class Problem(Exception):
    """Ends an operation with this answer. `headers` go with it."""

    def __init__(
        self, kind: str, *, errors: list[Fault] | None = None, headers: dict[str, str] | None = None, **members: str
    ) -> None:
        super().__init__(kind)
        self.kind = kind
        self.errors = errors
        self.headers = headers or {}
        self.members = members

    @property
    def status(self) -> int:
        return KINDS[self.kind][0]

    def to_response(self) -> HttpResponse:
        response = HttpResponse(self.body(), status=self.status, content_type=MEDIA_TYPE)
        for name, value in self.headers.items():
            response[name] = value
        return response

    def body(self) -> bytes:
        """It depends on the kind and its members only, so that what must look alike is alike byte for byte."""
        status, detail = KINDS[self.kind]
        document: dict[str, Any] = {
            "type": f"{_URN}{self.kind}", "title": HTTPStatus(status).phrase, "status": status, "detail": detail,
            **self.members,
        }  # fmt: skip
        if self.errors:
            document["errors"] = [each.model_dump() for each in self.errors[:_MAX_ERRORS]]
        return orjson.dumps(document)


def of_status(status: int) -> Problem:
    """For what others answered without a form of ours."""
    kind = _BY_STATUS.get(status)
    return Problem(kind or ("internal" if status >= 500 else "bad-request"))


def problem_of_status(status: int) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Body and headers, for what is refused before Django sees it."""
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"cache-control", b"no-store"),
               (b"x-request-id", os.urandom(16).hex().encode())]  # fmt: skip
    return of_status(status).body(), headers


def of_rule(error: ValidationError, kind: str = "refused-by-rule") -> Problem:
    """What a service refused, by field."""
    by_field = error.error_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.error_list}
    return Problem(
        kind,
        errors=[
            Fault(at="" if field == NON_FIELD_ERRORS else f"/{field}", message=text[:_MAX_TEXT])
            for field, errors in by_field.items()
            for each in errors
            for text in each.messages
        ],
    )


def of_input(errors: list[dict[str, Any]]) -> Problem:
    """What pydantic found, without what was sent."""
    return Problem("invalid-request", errors=[_fault(each) for each in errors])


def _fault(error: dict[str, Any]) -> Fault:
    source, *place = [str(part) for part in error["loc"]]
    if source == "body":
        # The first is our own name of the body.
        at = "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in place[1:])
    else:
        at = place[-1] if place else source
    return Fault(at=at[:_MAX_TEXT], message=str(error["msg"])[:_MAX_TEXT], code=str(error["type"])[:100])
