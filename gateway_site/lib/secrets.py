"""Secrets: the key ring on disk, sealed values (AES-256-GCM) and keyed digests (HMAC-SHA256)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

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

    def pepper_digest(self, pepper_id: str, secret: str) -> bytes | None:
        """HMAC-SHA256 of an API key; None when the pepper is no longer in the ring."""
        pepper = self.peppers.get(pepper_id)
        return None if pepper is None else hmac.digest(pepper, secret.encode(), "sha256")

    def project_digest_key(self, project_id: int) -> bytes:
        """The key with which one project's audit digests are made, so that equal values differ between tenants."""
        return hmac.digest(self.audit, f"project:{project_id}".encode(), "sha256")

    def gateway_digest_key(self) -> bytes:
        """The key of audit digests of what belongs to no project."""
        return hmac.digest(self.audit, b"gateway", "sha256")

    def project_vault_key(self, project_id: int) -> bytes:
        """32 bytes, from which the keys of one project's vault are made. A new sealing key starts an empty vault."""
        key = self.sealing[next(iter(self.sealing))]
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"vault:project:{project_id}".encode()).derive(key)


@lru_cache(maxsize=64)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)


def load_or_create(path: Path) -> Keyring:
    """Reads the key ring, making it (mode 0600) on first use. Raises PermissionError when others can read it."""
    if not path.exists():
        _create(path)
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"{path} is readable by others; run: chmod 600 {path}")
    raw = json.loads(path.read_text())
    return Keyring(
        secret_key=raw["secret_key"],
        peppers={name: bytes.fromhex(value) for name, value in raw["peppers"].items()},
        sealing={name: bytes.fromhex(value) for name, value in raw["sealing"].items()},
        audit=bytes.fromhex(raw["audit"]),
    )


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = {
        "secret_key": secrets.token_urlsafe(64),
        "peppers": {"p1": secrets.token_hex(32)},
        "sealing": {"s1": secrets.token_hex(32)},
        "audit": secrets.token_hex(32),
    }
    draft = path.with_suffix(f".{secrets.token_hex(8)}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(fresh, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link fails when another process was first, so that two starters never use two rings.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
