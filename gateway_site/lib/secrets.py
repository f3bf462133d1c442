"""Secrets: the key ring on disk, sealed values (AES-256-GCM), keyed digests (HMAC-SHA256), signatures (Ed25519)."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway_site.lib import mac

_NONCE_BYTES = 12


class Unsealable(Exception):
    """The value was not sealed by this key ring for this place, or was changed since."""


@dataclass(frozen=True)
class Keyring:
    """Named secret keys of one deployment. The first of each ring makes new values, all of them read old ones."""

    secret_key: str
    peppers: Mapping[str, bytes]
    sealing: Mapping[str, bytes]
    audit: bytes
    # Ed25519 seeds by the id of their public key, in the order in which they were made.
    signing: Mapping[str, bytes] = field(default_factory=dict)
    # Public keys whose seeds are gone: what they signed can still be checked.
    retired: Mapping[str, bytes] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Keyring(peppers={list(self.peppers)}, sealing={list(self.sealing)})"

    @property
    def current_pepper(self) -> str:
        return next(iter(self.peppers))

    def seal(self, plaintext: bytes, place: str) -> str:
        """AES-256-GCM, bound to `place` (for example a table, column and row) as associated data."""
        key_id = next(iter(self.sealing))
        nonce = os.urandom(_NONCE_BYTES)
        sealed = _cipher(self.sealing[key_id]).encrypt(nonce, plaintext, place.encode())
        return f"v1.{key_id}.{base64.urlsafe_b64encode(nonce + sealed).rstrip(b'=').decode()}"

    def unseal(self, sealed: str, place: str) -> bytes:
        """Raises Unsealable; never returns the ciphertext."""
        version, _, rest = sealed.partition(".")
        key_id, _, body = rest.partition(".")
        key = self.sealing.get(key_id)
        if version != "v1" or key is None:
            raise Unsealable("unknown key or format")
        try:
            raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
            return _cipher(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError) as error:
            raise Unsealable("value does not open here") from error

    def new_digest(self, secret: str) -> tuple[str, bytes]:
        """What is stored of a new secret: the current pepper's id, and the digest under that pepper."""
        pepper_id, pepper = next(iter(self.peppers.items()))
        return pepper_id, mac.digest(pepper, secret.encode())

    def pepper_digest(self, pepper_id: str, secret: str) -> bytes | None:
        """HMAC-SHA256 of an API key; None when the pepper is no longer in the ring."""
        pepper = self.peppers.get(pepper_id)
        return None if pepper is None else mac.digest(pepper, secret.encode())

    def project_digest_key(self, project_id: int) -> bytes:
        """The key with which one project's audit digests are made, so that equal values differ between tenants."""
        return hmac.digest(self.audit, f"project:{project_id}".encode(), "sha256")

    def gateway_digest_key(self) -> bytes:
        """The key of audit digests of what belongs to no project."""
        return hmac.digest(self.audit, b"gateway", "sha256")

    def signing_key(self, key_id: str) -> Ed25519PrivateKey:
        """Raises KeyError."""
        return Ed25519PrivateKey.from_private_bytes(self.signing[key_id])

    def public_keys(self) -> dict[str, bytes]:
        """All that were ever used for signing, 32 bytes each, by id."""
        return {**self.retired, **{key_id: public_key_of(seed) for key_id, seed in self.signing.items()}}

    def project_vault_key(self, project_id: int) -> bytes:
        """32 bytes, from which the keys of one project's vault are made. A new sealing key starts an empty vault."""
        key = self.sealing[next(iter(self.sealing))]
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"vault:project:{project_id}".encode()).derive(key)


@lru_cache(maxsize=64)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)


def public_key_of(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def key_id_of(public: bytes) -> str:
    """16 hexadecimal characters, so that nobody can give an id to another key."""
    return hashlib.sha256(public).hexdigest()[:16]


def load_or_create(path: Path) -> Keyring:
    """Reads the key ring, making it (mode 0600) on first use.

    Raises PermissionError when others can read it, and ValueError when it is none.
    """
    if not path.exists():
        _create(path)
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"{path} is readable by others; run: chmod 600 {path}")
    try:
        return _ring_of(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError, AttributeError):
        # Whatever is in it may be a secret.
        raise ValueError(f"{path} is no key ring; put back the one that was there") from None


def _ring_of(raw: dict[str, Any]) -> Keyring:
    audit = bytes.fromhex(raw["audit"])
    signing = {name: bytes.fromhex(value) for name, value in raw.get("signing", {}).items()}
    return Keyring(
        secret_key=raw["secret_key"],
        peppers={name: bytes.fromhex(value) for name, value in raw["peppers"].items()},
        sealing={name: bytes.fromhex(value) for name, value in raw["sealing"].items()},
        audit=audit,
        signing=signing or _first_signing(audit),
        retired={name: bytes.fromhex(value) for name, value in raw.get("retired", {}).items()},
    )


def add_signing_key(path: Path) -> str:
    """A new key at the end of the ring, for later use. Its id. Raises OSError when the file cannot be written."""
    seed = os.urandom(32)
    key_id = key_id_of(public_key_of(seed))
    with _changing(path) as raw:
        raw["signing"] = {**_stored_signing(raw), key_id: seed.hex()}
    return key_id


def retire_signing_key(path: Path, key_id: str) -> None:
    """Forgets the seed and keeps the public key. Raises KeyError, and OSError when the file cannot be written."""
    with _changing(path) as raw:
        signing = _stored_signing(raw)
        public = public_key_of(bytes.fromhex(signing.pop(key_id)))
        raw |= {"signing": signing, "retired": {**raw.get("retired", {}), key_id: public.hex()}}


def _stored_signing(raw: dict[str, Any]) -> dict[str, str]:
    first = {name: seed.hex() for name, seed in _first_signing(bytes.fromhex(raw["audit"])).items()}
    return dict(raw.get("signing") or first)


def _first_signing(audit: bytes) -> dict[str, bytes]:
    """The key of a ring that names none: made from another of its secrets, so that every node has the same."""
    seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"audit:signing").derive(audit)
    return {key_id_of(public_key_of(seed)): seed}


@contextmanager
def _changing(path: Path) -> Iterator[dict[str, Any]]:
    """The ring's raw content; what was changed in it replaces the file, one change at a time."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        raw = json.loads(path.read_text())
        yield raw
        draft = _write_draft(path, raw)
        os.replace(draft, path)
        os.fsync(folder)
    finally:
        os.close(folder)


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    seed = os.urandom(32)
    draft = _write_draft(
        path,
        {
            "secret_key": secrets.token_urlsafe(64),
            "peppers": {"p1": secrets.token_hex(32)},
            "sealing": {"s1": secrets.token_hex(32)},
            "audit": secrets.token_hex(32),
            "signing": {key_id_of(public_key_of(seed)): seed.hex()},
        },
    )
    try:
        # A link fails when another process was first, so that two starters never use two rings.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _write_draft(path: Path, content: dict[str, Any]) -> Path:
    """A file beside `path` with mode 0600, on disk."""
    draft = path.with_suffix(f".{secrets.token_hex(8)}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    return draft


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
