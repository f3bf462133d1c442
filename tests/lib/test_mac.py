"""Digests under prepared keys are the ones that HMAC-SHA256 gives."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_site.lib import mac

pytestmark = pytest.mark.claim("server.same_digests")


@given(st.binary(max_size=200), st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_a_prepared_key_gives_what_the_standard_library_gives(key: bytes, texts: list[bytes]) -> None:
    # Several under one key: none may leave anything of itself behind.
    for text in texts:
        assert mac.digest(key, text) == hmac.digest(key, text, "sha256")


def test_the_example_of_the_standard() -> None:
    """RFC 4231, test case 2."""
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert mac.digest(b"Jefe", b"what do ya want for nothing?").hex() == expected
