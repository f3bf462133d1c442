"""The public keys of the log, for whoever wants to check what they were given."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from audit import signing


@require_safe
def audit_keys(request: HttpRequest) -> JsonResponse:
    """A JWK set (RFC 7517); keys that no longer sign are in it too."""
    return JsonResponse(signing.key_set(), headers={"Cache-Control": "public, max-age=300"})
