"""Whoever has not proved enough is nobody to every page, view and socket but those of second factors."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse

from projects.signin import verification


class VerifiedMiddleware:
    """`request.user` is nobody until the session is enough; who it will be stands in `request.unverified`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.unverified = None  # type: ignore[attr-defined]  # read by verification.person_at
        if request.user.is_authenticated:
            if verification.is_enough(request.user, request.session):
                request.session.note_seen()  # type: ignore[attr-defined]  # our session engine
            else:
                request.unverified, request.user = request.user, AnonymousUser()  # type: ignore[attr-defined]  # as above
                request.auser = _nobody  # the same for views that await it
        return self.get_response(request)


async def _nobody() -> AnonymousUser:
    return AnonymousUser()
