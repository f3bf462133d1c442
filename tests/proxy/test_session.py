"""Legacy session ids that need no store."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_site.lib.secrets import Keyring
from projects.authentication import KeyRecord, Principal
from proxy import session
from proxy.errors import Refusal
from servers.upstream import Upstream

pytestmark = pytest.mark.claim("sessions.sealed")
RING = Keyring("secret", {"p1": b"p" * 32}, {"s1": b"s" * 32}, b"a" * 32)
KEY = KeyRecord("k1", "laptop", 1, 1, "ada@acme.test", "owner", "p1", b"", ("*",), ("*",), (), None)
ADA = Principal(1, KEY)
DOCS = Upstream(7, 1, "docs", "http", "http://127.0.0.1:9001/mcp", "c0ffee", 60.0)
THEIRS = "upstream-session-canary"


def refusal(
    sealed: str, principal: Principal = ADA, upstream: Upstream = DOCS, ring: Keyring = RING
) -> tuple[Any, ...]:
    with pytest.raises(Refusal) as caught:
        session.unseal(ring, sealed, principal, upstream)
    each = caught.value
    return each.kind, each.status, each.code, each.message, each.data, each.reason, each.headers


ALWAYS: tuple[Any, ...] = ("session_not_found", 404, -32600, "Session not found", None, "session_not_found", {})


@given(st.binary(max_size=200).map(lambda given: given.decode("utf-8", "surrogateescape")))
def test_the_upstreams_session_comes_back(theirs: str) -> None:
    assert session.unseal(RING, session.seal(RING, theirs, ADA, DOCS), ADA, DOCS) == theirs


def test_our_id_shows_nothing_of_the_upstreams_and_is_visible_ascii() -> None:
    sealed = session.seal(RING, THEIRS, ADA, DOCS)
    assert THEIRS not in sealed
    assert all(33 <= ord(char) <= 126 for char in sealed)


def test_any_worker_can_open_it() -> None:
    sealed = session.seal(RING, THEIRS, ADA, DOCS)
    restarted = Keyring(RING.secret_key, dict(RING.peppers), dict(RING.sealing), RING.audit)
    assert session.unseal(restarted, sealed, dataclasses.replace(ADA), dataclasses.replace(DOCS)) == THEIRS


@pytest.mark.parametrize(
    ("principal", "upstream", "ring"),
    [
        (Principal(1, dataclasses.replace(KEY, key_id="k2")), DOCS, RING),
        (Principal(2, KEY), DOCS, RING),
        (ADA, dataclasses.replace(DOCS, server_id=8), RING),
        (ADA, dataclasses.replace(DOCS, config_hash="changed"), RING),
        (ADA, DOCS, dataclasses.replace(RING, sealing={"s1": b"t" * 32})),
        (ADA, DOCS, dataclasses.replace(RING, sealing={"s2": b"s" * 32})),
    ],
    ids=["another key", "another project", "another server", "a changed server", "another ring", "a removed key"],
)
def test_for_anyone_and_anything_else_the_session_does_not_exist(
    principal: Principal, upstream: Upstream, ring: Keyring
) -> None:
    assert refusal(session.seal(RING, THEIRS, ADA, DOCS), principal, upstream, ring) == ALWAYS


def test_a_key_of_the_same_person_does_not_share_it() -> None:
    sealed = session.seal(RING, THEIRS, ADA, DOCS)
    assert refusal(sealed, Principal(1, dataclasses.replace(KEY, key_id="other"))) == ALWAYS


def test_every_truncation_is_refused_alike() -> None:
    sealed = session.seal(RING, THEIRS, ADA, DOCS)
    assert {refusal(sealed[:length])[0] for length in range(len(sealed))} == {"session_not_found"}


@given(st.text(max_size=300))
def test_any_other_text_is_refused_alike(text: str) -> None:
    assert refusal(text) == ALWAYS


def test_a_text_that_is_too_long_is_refused_alike() -> None:
    assert refusal(session.seal(RING, "x" * 4000, ADA, DOCS)) == ALWAYS


def test_what_was_sealed_for_another_purpose_is_no_session() -> None:
    assert refusal(RING.seal(b"bearer", "servers.Server.sealed:7")) == ALWAYS
