"""From where a call of the playground comes: as for a key, what a trusted proxy says, and nobody else's word."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory

from projects.scoping import with_project
from proxy.playground.pages import _asker
from tests.cast import two_tenants

pytestmark = [pytest.mark.django_db, pytest.mark.claim("pages.playground")]
PROXY, CLIENT = "192.0.2.1", "198.51.100.7"


@pytest.mark.parametrize(("trusted", "expected"), [([], PROXY), ([f"{PROXY}/32"], CLIENT)])
def test_the_log_gets_the_address_that_a_key_would_have(settings: Any, trusted: list[str], expected: str) -> None:
    settings.TRUSTED_PROXIES = trusted
    cast = two_tenants()
    request = RequestFactory().get("/", REMOTE_ADDR=PROXY, HTTP_X_FORWARDED_FOR=CLIENT)
    request.user = cast.bob
    with with_project(cast.acme.pk):
        asker = _asker(request, cast.acme)
    assert asker is not None
    assert str(asker.address) == expected
