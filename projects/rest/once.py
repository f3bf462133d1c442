"""A POST that is sent again with the same Idempotency-Key does nothing again: it gets the answer that it had."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.utils import timezone
from pydantic import BaseModel

from projects.models import StoredAnswer
from projects.rest.problems import Fault, Problem
from projects.rest.requests import RestRequest
from projects.rest.writing import write

HEADER = "Idempotency-Key"
# With or without the quotes of draft-ietf-httpapi-idempotency-key-header-07.
PATTERN = r'^(?:"[A-Za-z0-9_.:-]{1,128}"|[A-Za-z0-9_.:-]{1,128})$'
KEPT = timedelta(hours=24)
_SHAPE = re.compile(PATTERN)


def once(request: RestRequest, status: int, act: Callable[[], Any]) -> Any:
    """What `act` answers, or what it answered when this was sent before. Its change and its answer are one
    transaction, so that either both are there or neither; who sends it twice at one time waits for the first.

    Secrets that are shown once are not kept: instead of them there is a problem that names what was made.
    Raises Problem, and what `act` raises.
    """
    key = _key(request)
    if key is None:
        return act()
    digest = _digest(request)
    try:
        with transaction.atomic():
            row = _claim(request, key, digest)
            answer = act()
            _keep(row, request, status, answer)
            return answer
    except _Known as known:
        return _again(known.row, digest)


class _Known(Exception):
    def __init__(self, row: StoredAnswer) -> None:
        super().__init__()
        self.row = row


def _key(request: RestRequest) -> str | None:
    text = request.headers.get(HEADER)
    if text is None:
        return None
    if _SHAPE.fullmatch(text) is None:
        fault = Fault(at=HEADER, message="Give 1 to 128 letters, digits and any of _.:-", code="pattern")
        raise Problem("invalid-request", errors=[fault])
    return text.strip('"')


def _digest(request: RestRequest) -> str:
    """Keyed, since the body may hold secrets that can be guessed."""
    parts = b"\0".join((str(request.method).encode(), request.get_full_path().encode(), request.body))
    return hmac.digest(settings.KEYRING.gateway_digest_key(), b"idempotency\0" + parts, "sha256").hex()


def _claim(request: RestRequest, key: str, digest: str) -> StoredAnswer:
    token = request.auth.token
    rows = StoredAnswer.objects.filter(token=token, key=key)
    rows.filter(created_at__lt=timezone.now() - KEPT).delete()
    try:
        with transaction.atomic():
            return StoredAnswer.objects.create(token=token, key=key, request_digest=digest)
    except IntegrityError:
        raise _Known(rows.get()) from None


def _keep(row: StoredAnswer, request: RestRequest, status: int, answer: Any) -> None:
    row.status = status
    row.location = request.answer_headers.get("Location", "")
    row.etag = request.answer_headers.get("ETag", "")
    row.shown_once = getattr(answer, "shown_once", "")
    if not row.shown_once and isinstance(answer, BaseModel):
        row.sealed = settings.KEYRING.seal(write(answer.model_dump()), _place(row))
    row.save()


def _again(row: StoredAnswer, digest: str) -> HttpResponse:
    if not hmac.compare_digest(row.request_digest, digest):
        raise Problem("idempotency-mismatch")
    if row.shown_once:
        raise Problem("secret-shown-once", shown_once=row.shown_once)
    body = settings.KEYRING.unseal(row.sealed, _place(row)) if row.sealed else b""
    response = HttpResponse(body, status=row.status, content_type="application/json; charset=utf-8")
    response["Idempotent-Replayed"] = "true"
    for name, value in (("Location", row.location), ("ETag", row.etag)):
        if value:
            response[name] = value
    return response


def _place(row: StoredAnswer) -> str:
    return f"projects.StoredAnswer.sealed:{row.pk}"


def prune() -> int:
    """Deletes answers that nobody can ask for any more. How many went."""
    return StoredAnswer.objects.filter(created_at__lt=timezone.now() - KEPT).delete()[0]
