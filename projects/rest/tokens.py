"""Who calls: the admin token of a request, within its rate, or a problem that is the same for every bad one."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja.security import HttpBearer

from gateway_site.lib.actor import Actor, acting_as
from gateway_site.lib.addresses import address_of
from projects import tokens
from projects.models import AdminToken
from projects.rest.meter import Reading, meter
from projects.rest.problems import Problem
from projects.rest.requests import RestRequest
from projects.signals import acted
from projects.tokens import Caller

# A flood of bad credentials is refused and not written down line by line.
_RECORDED_PER_MINUTE = 60


class AdminTokenAuth(HttpBearer):
    """Authorization: Bearer mga_…, and nothing else: no cookie, no query, no key of MCP."""

    def __call__(self, request: HttpRequest) -> Caller:
        return self.authenticate(request, _bearer(request))

    def authenticate(self, request: Any, token: str) -> Caller:
        """Raises Problem."""
        address = address_of(request)
        try:
            caller = tokens.authenticate(token, address)
        except tokens.Refused as refused:
            raise _refusal(request, refused, str(address)) from None
        _hold(request, meter.take(caller.token.token_id, settings.REST_RATE))
        return caller


def _bearer(request: HttpRequest) -> str:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def _refusal(request: RestRequest, refused: tokens.Refused, address: str) -> Problem:
    if not meter.take("refused", _RECORDED_PER_MINUTE).is_over:
        with acting_as(Actor("anonymous")):
            acted.send(sender=AdminToken, kind="rest.refused", project=None, subject=refused.token_id,
                       detail={"reason": refused.reason, "address": address})  # fmt: skip
    reading = meter.take(f"address:{address}", settings.REST_RATE)
    if reading.is_over:
        return _too_many(reading)
    return Problem("unauthenticated", headers={"WWW-Authenticate": "Bearer"})


def _hold(request: RestRequest, reading: Reading) -> None:
    if reading.is_over:
        raise _too_many(reading)
    request.answer_headers |= reading.headers


def _too_many(reading: Reading) -> Problem:
    return Problem("too-many-requests", headers={**reading.headers, "Retry-After": str(reading.resets_in)})
