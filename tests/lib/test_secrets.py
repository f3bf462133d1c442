"""The key ring, sealed values and keyed digests."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_site.lib.secrets import (
    Keyring,
    Unsealable,
    add_signing_key,
    key_id_of,
    load_or_create,
    public_key_of,
    retire_signing_key,
)

RING = Keyring("secret", {"p1": b"p" * 32}, {"s1": b"s" * 32}, b"a" * 32)
OTHER = Keyring("secret", {"p1": b"q" * 32}, {"s1": b"t" * 32}, b"b" * 32)
PLACE = "servers.Server.sealed:1"


@pytest.mark.claim("secrets.sealed")
@given(st.binary(max_size=200), st.text(max_size=50).filter(lambda text: text.isprintable()))
def test_what_was_sealed_opens_at_its_place(plaintext: bytes, place: str) -> None:
    assert RING.unseal(RING.seal(plaintext, place), place) == plaintext


@pytest.mark.claim("secrets.sealed")
def test_a_sealed_value_is_bound_to_its_place() -> None:
    sealed = RING.seal(b"bearer", PLACE)
    with pytest.raises(Unsealable):
        RING.unseal(sealed, PLACE + "1")


@pytest.mark.claim("secrets.sealed")
def test_another_ring_does_not_open_it() -> None:
    sealed = RING.seal(b"bearer", PLACE)
    for ring in (OTHER, dataclasses.replace(RING, sealing={"s2": b"s" * 32})):
        with pytest.raises(Unsealable):
            ring.unseal(sealed, PLACE)


@pytest.mark.claim("secrets.sealed")
@given(st.data())
def test_a_changed_value_never_opens_as_something_else(data: st.DataObject) -> None:
    sealed = RING.seal(b"bearer", PLACE)
    place = data.draw(st.integers(0, len(sealed) - 1))
    changed = sealed[:place] + data.draw(st.characters(codec="ascii")) + sealed[place + 1 :]
    try:
        opened = RING.unseal(changed, PLACE)
    except Unsealable:
        return
    # The last base64 character has bits that say nothing.
    assert opened == b"bearer"
    assert changed == sealed or place == len(sealed) - 1


@pytest.mark.claim("secrets.sealed")
@given(st.text(max_size=120))
def test_what_was_never_sealed_does_not_open(text: str) -> None:
    for value in (text, f"v1.s1.{text}"):
        with pytest.raises(Unsealable):
            RING.unseal(value, PLACE)


@pytest.mark.claim("secrets.sealed")
def test_a_truncated_value_does_not_open() -> None:
    sealed = RING.seal(b"bearer", PLACE)
    for length in range(len(sealed)):
        with pytest.raises(Unsealable):
            RING.unseal(sealed[:length], PLACE)


@pytest.mark.claim("secrets.sealed")
def test_equal_values_look_different_and_hide_the_plaintext() -> None:
    first, second = RING.seal(b"bearer-canary", PLACE), RING.seal(b"bearer-canary", PLACE)
    assert first != second
    assert "canary" not in first


@pytest.mark.claim("secrets.rotation")
def test_a_new_sealing_key_makes_new_values_and_opens_old_ones() -> None:
    old = RING.seal(b"bearer", PLACE)
    rotated = dataclasses.replace(RING, sealing={"s2": b"n" * 32, **RING.sealing})
    assert rotated.unseal(old, PLACE) == b"bearer"
    assert rotated.seal(b"bearer", PLACE).startswith("v1.s2.")


@pytest.mark.claim("secrets.rotation")
def test_a_new_pepper_is_used_for_new_digests() -> None:
    rotated = dataclasses.replace(RING, peppers={"p2": b"n" * 32, **RING.peppers})
    assert rotated.current_pepper == "p2"
    assert rotated.pepper_digest("p1", "key") == RING.pepper_digest("p1", "key") != rotated.pepper_digest("p2", "key")
    assert RING.pepper_digest("p2", "key") is None


@pytest.mark.claim("audit.digests")
def test_digest_keys_differ_between_projects_and_deployments() -> None:
    assert RING.project_digest_key(1) != RING.project_digest_key(2) != OTHER.project_digest_key(2)
    assert RING.project_digest_key(1) == RING.project_digest_key(1)


@pytest.mark.claim("secrets.keyring-file")
def test_a_ring_does_not_show_its_keys() -> None:
    assert b"s" * 32 not in repr(RING).encode()
    assert "secret" not in repr(RING)


@pytest.mark.claim("secrets.keyring-file")
def test_the_ring_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "keyring.json"
    first, second = load_or_create(path), load_or_create(path)
    assert first == second
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["keyring.json"]
    assert len(first.peppers["p1"]) == len(first.sealing["s1"]) == len(first.audit) == 32


@pytest.mark.claim("secrets.keyring-file")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_ring_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keyring.json"
    load_or_create(path)
    path.chmod(mode)
    with pytest.raises(PermissionError, match="chmod 600"):
        load_or_create(path)


@pytest.mark.claim("secrets.keyring-file")
def test_two_processes_that_start_at_once_use_one_ring(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    code = (
        "import sys; from pathlib import Path; from gateway_site.lib.secrets import load_or_create\n"
        "print('ready', flush=True); sys.stdin.readline(); print(load_or_create(Path(sys.argv[1])).secret_key)"
    )
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for starter in starters:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "ready\n"
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.write("go\n")
        starter.stdin.flush()
    rings = {starter.communicate(timeout=20)[0] for starter in starters}
    assert rings == {json.loads(path.read_text())["secret_key"] + "\n"}
    assert os.listdir(tmp_path) == ["keyring.json"]


@pytest.mark.claim("audit.keys")
def test_an_old_ring_has_a_signing_key_that_is_the_same_on_every_node(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    load_or_create(path)
    raw = json.loads(path.read_text())
    del raw["signing"]
    path.write_text(json.dumps(raw))
    first, second = load_or_create(path), load_or_create(path)
    assert first.signing == second.signing
    assert len(first.signing) == 1
    assert first.public_keys() == second.public_keys()


@pytest.mark.claim("audit.keys")
def test_keys_are_added_and_retired_and_nothing_else_of_the_ring_changes(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    before = load_or_create(path)
    (first,) = before.signing
    added = add_signing_key(path)
    both = load_or_create(path)
    assert list(both.signing) == [first, added]
    retire_signing_key(path, first)
    after = load_or_create(path)
    assert (list(after.signing), list(after.retired)) == ([added], [first])
    assert after.public_keys() == both.public_keys()
    assert dataclasses.replace(after, signing=before.signing, retired={}) == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["keyring.json"]
    for seed in (*before.signing.values(), *after.signing.values()):
        assert seed.hex() not in repr(after)
    assert before.signing[first].hex() not in path.read_text()


@pytest.mark.claim("audit.keys")
def test_two_processes_that_add_a_key_at_once_both_do(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    load_or_create(path)
    code = (
        "import sys; from pathlib import Path; from gateway_site.lib.secrets import add_signing_key\n"
        "print(add_signing_key(Path(sys.argv[1])))"
    )
    adders = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    added = {adder.communicate(timeout=20)[0].strip() for adder in adders}
    assert len(added) == 4
    assert added < set(load_or_create(path).signing)


@pytest.mark.claim("audit.keys")
def test_the_id_of_a_key_is_made_of_the_key() -> None:
    public = public_key_of(b"s" * 32)
    assert key_id_of(public) == hashlib.sha256(public).hexdigest()[:16]
