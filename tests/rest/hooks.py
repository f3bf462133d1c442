"""What schemathesis checks besides its own checks; it loads this file (SCHEMATHESIS_HOOKS)."""

from __future__ import annotations

import os
from typing import Any

import schemathesis

# Texts of other tenants, which must be in no answer.
FOREIGN = [text for text in os.environ.get("REST_FOREIGN", "").split(",") if text]
MALFORMED = ("urn:mcpgw:problem:invalid-request", "urn:mcpgw:problem:malformed", "urn:mcpgw:problem:bad-request")


@schemathesis.check
def nothing_of_another_tenant(
    context: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    # What was sent may be in the answer.
    sent = f"{response.request.url} {response.request.body!r}"
    found = [text for text in FOREIGN if text in response.text and text not in sent]
    assert not found, f"{found} in an answer"


@schemathesis.check
def refusals_are_problems(
    context: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    assert response.headers.get("x-request-id"), "no request id"
    if response.status_code >= 400:
        kind = response.headers["content-type"][0]
        assert kind == "application/problem+json", kind
        assert response.json()["status"] == response.status_code


@schemathesis.check
def what_the_document_allows_is_not_called_malformed(
    context: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """Rules and states may refuse it, and say that it is they who do."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code not in (400, 422):
        return
    assert response.json()["type"] not in MALFORMED, response.text
