"""From a credential to a principal, and what a key's globs cover."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from gateway_site.lib.secrets import Keyring
from projects import authentication, keys, services
from projects.authentication import KeyRecord, authenticate, load_keys
from projects.permissions import Role
from projects.scoping import with_project
from tests.cast import Cast

RING: Keyring = settings.KEYRING


def _record(cast: Cast, **rights: Any) -> tuple[KeyRecord, str]:
    key, text = cast.key(**rights)
    with with_project(cast.acme.pk):
        return load_keys(cast.acme.pk)[key.key_id], text


@pytest.mark.claim("identity.key-digest")
def test_the_right_key_gives_its_owner(cast: Cast) -> None:
    record, text = _record(cast)
    principal, reason = authenticate(RING, record, text)
    assert reason == ""
    assert principal is not None
    assert (principal.project_id, principal.key.user) == (cast.acme.pk, "ada@acme.test")
    assert principal.may_call


@pytest.mark.claim("identity.key-digest")
def test_only_a_digest_of_the_key_is_stored(cast: Cast) -> None:
    key, text = cast.key()
    stored = " ".join(str(getattr(key, field.attname)) for field in key._meta.concrete_fields)
    assert text not in stored
    assert text[15:] not in stored
    assert len(key.digest) == 64


@pytest.mark.claim("identity.bad-credential")
def test_a_key_with_another_secret_is_refused(cast: Cast) -> None:
    record, _ = _record(cast)
    assert authenticate(RING, record, keys.generate().text) == (None, "wrong_secret")


@pytest.mark.claim("identity.bad-credential")
def test_an_unknown_key_is_refused(cast: Cast) -> None:
    assert authenticate(RING, None, keys.generate().text) == (None, "unknown_key")


@pytest.mark.claim("identity.bad-credential")
def test_an_unknown_key_costs_the_same_digest_and_comparison(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, _ = _record(cast)
    work: list[str] = []

    class Watched:
        """The module's hmac, counted."""

        @staticmethod
        def compare_digest(given: bytes, known: bytes) -> bool:
            work.append(f"compare {len(given)} {len(known)}")
            return given == known

    class Ring(Keyring):
        def pepper_digest(self, pepper_id: str, secret: str) -> bytes | None:
            work.append(f"digest {pepper_id}")
            return super().pepper_digest(pepper_id, secret)

    monkeypatch.setattr(authentication, "hmac", Watched)
    ring = Ring(RING.secret_key, RING.peppers, RING.sealing, RING.audit)
    text = keys.generate().text
    costs = []
    for known in (None, record):
        work.clear()
        authenticate(ring, known, text)
        costs.append(list(work))
    assert costs[0] == costs[1] == [f"digest {record.pepper_id}", "compare 32 32"]


@pytest.mark.claim("identity.expiry")
def test_a_key_ends_at_its_expiry_to_the_instant(cast: Cast) -> None:
    record, text = _record(cast, expires_at=timezone.now() + timedelta(days=1))
    assert record.expires_at is not None
    assert authenticate(RING, record, text, record.expires_at - 0.001)[0] is not None
    assert authenticate(RING, record, text, record.expires_at) == (None, "expired")


@pytest.mark.claim("identity.pepper-ring")
def test_a_removed_pepper_closes_its_keys(cast: Cast) -> None:
    record, text = _record(cast)
    other = dataclasses.replace(RING, peppers={"p2": b"x" * 32})
    assert authenticate(other, record, text) == (None, "wrong_secret")


@pytest.mark.claim("identity.pepper-ring")
def test_a_new_pepper_leaves_old_keys_open(cast: Cast) -> None:
    record, text = _record(cast)
    assert authenticate(dataclasses.replace(RING, peppers={"p2": b"x" * 32, **RING.peppers}), record, text)[0]


@pytest.mark.claim("identity.pepper-ring")
def test_a_record_without_a_digest_can_never_match(cast: Cast) -> None:
    record, text = _record(cast)
    empty = dataclasses.replace(record, digest=bytes(32), pepper_id="gone")
    assert authenticate(RING, empty, text) == (None, "wrong_secret")


@pytest.mark.claim("identity.live-keys")
def test_only_live_keys_of_active_members_are_loaded(cast: Cast) -> None:
    live, _ = cast.key()
    disabled, _ = cast.key(label="disabled")
    services.set_key_enabled(key=disabled, enabled=False)
    revoked, _ = cast.key(label="revoked")
    services.revoke_key(key=revoked)
    left, _ = cast.key(user=cast.bob)
    services.remove_member(membership=cast.membership(cast.bob))
    cast.key(user=cast.carla)
    cast.carla.is_active = False
    cast.carla.save()
    cast.key(user=cast.mallory, project=cast.globex)
    with with_project(cast.acme.pk):
        assert set(load_keys(cast.acme.pk)) == {live.key_id}
    assert left.key_id != live.key_id


@pytest.mark.claim("identity.live-keys")
def test_a_revoked_key_cannot_be_switched_on_again(cast: Cast) -> None:
    key, _ = cast.key()
    services.revoke_key(key=key)
    services.set_key_enabled(key=key, enabled=True)
    with with_project(cast.acme.pk):
        assert load_keys(cast.acme.pk) == {}


@pytest.mark.claim("permissions.table")
def test_an_auditor_authenticates_and_may_not_call(cast: Cast) -> None:
    key, text = cast.key(user=cast.carla)
    with with_project(cast.acme.pk):
        principal, _ = authenticate(RING, load_keys(cast.acme.pk)[key.key_id], text)
    assert principal is not None
    assert principal.key.role == Role.AUDITOR
    assert not principal.may_call


@pytest.mark.claim("identity.networks")
@pytest.mark.parametrize(
    ("networks", "address", "allowed"),
    [
        ([], "203.0.113.9", True),
        (["10.0.0.0/8"], "10.1.2.3", True),
        (["10.0.0.0/8"], "11.1.2.3", False),
        (["10.0.0.0/8", "2001:db8::/32"], "2001:db8::1", True),
        (["10.0.0.0/8"], "2001:db8::1", False),
    ],
)
def test_a_key_works_from_its_networks_only(cast: Cast, networks: list[str], address: str, allowed: bool) -> None:
    record, _ = _record(cast, networks=networks)
    assert record.allows_address(ip_address(address)) is allowed


@pytest.mark.claim("identity.networks")
def test_an_unknown_address_is_in_no_network(cast: Cast) -> None:
    record, _ = _record(cast, networks=["0.0.0.0/0"])
    assert not record.allows_address(None)


@pytest.mark.claim("identity.scopes")
@pytest.mark.parametrize(
    ("globs", "kind", "name", "covered"),
    [
        (["*"], "tool", "read", True),
        (["*"], "prompt", "review", True),
        (["*"], "resource", "file:///a", True),
        (["read_*"], "tool", "read_file", True),
        (["read_*"], "tool", "write_file", False),
        (["docs/read_*"], "tool", "read_file", True),
        (["wiki/read_*"], "tool", "read_file", False),
        (["prompt:review"], "prompt", "review", True),
        (["prompt:docs/re*"], "prompt", "review", True),
        (["prompt:wiki/re*"], "prompt", "review", False),
        (["review"], "prompt", "review", False),
        (["resource:file:///*"], "resource", "file:///a/b", True),
        (["resource:docs/file:///*"], "resource", "file:///a/b", True),
        (["resource:file:///*"], "resource", "http://a", False),
        (["resource:file:///*"], "tool", "file:///a", False),
        # A glob of tools reaches neither prompts nor resources.
        (["p*"], "prompt", "review", False),
        (["r*"], "resource", "file:///a", False),
        (["**"], "resource", "file:///a", False),
        (["?*"], "prompt", "review", False),
        # A server names its tools itself; no name makes them another server's or another kind.
        (["wiki/*"], "tool", "wiki/delete", False),
        (["prompt:*"], "tool", "prompt:delete", False),
        (["resource:*"], "tool", "resource:delete", False),
        (["prompt:wiki/*"], "prompt", "wiki/delete", False),
    ],
)
def test_what_a_keys_globs_cover_on_the_server_docs(
    cast: Cast, globs: list[str], kind: str, name: str, covered: bool
) -> None:
    record, _ = _record(cast, tools=globs)
    assert record.covers(kind, "docs", name) is covered


@pytest.mark.claim("identity.scopes")
def test_server_globs_choose_servers(cast: Cast) -> None:
    record, _ = _record(cast, servers=["docs", "wiki-*"])
    assert [slug for slug in ("docs", "docs2", "wiki-a", "wiki") if record.covers_server(slug)] == ["docs", "wiki-a"]
