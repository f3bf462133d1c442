"""The keys that sign checkpoints: from the ring, looked for again in its file when another process added them."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings

from gateway_site.lib.secrets import Keyring, key_id_of, load_or_create

_read: dict[str, Keyring] = {}


class NoKey(LookupError):
    """The key is in no ring of this machine."""


def ring() -> Keyring:
    """As the process read it, or as it was read again since."""
    return _read.get("ring", settings.KEYRING)


def read_again() -> Keyring:
    """Raises OSError when the file cannot be read."""
    _read["ring"] = load_or_create(settings.KEYRING_PATH)
    return _read["ring"]


def first_key() -> str:
    """The id of the key that a new log begins with."""
    return next(iter(ring().signing))


def private_key(key_id: str) -> Ed25519PrivateKey:
    """Raises NoKey."""
    for each in (ring, read_again):
        try:
            return each().signing_key(key_id)
        except KeyError:
            continue
    raise NoKey(f"The key {key_id} is not in {settings.KEYRING_PATH}.")


def public_keys() -> dict[str, bytes]:
    return read_again().public_keys()


def key_set() -> dict[str, Any]:
    """The public keys as a JWK set (RFC 7517, RFC 8037)."""
    return to_key_set(public_keys())


def to_key_set(keys: dict[str, bytes]) -> dict[str, Any]:
    return {
        "keys": [
            {
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key_id,
                "x": base64.urlsafe_b64encode(public).rstrip(b"=").decode(),
            }
            for key_id, public in keys.items()
        ]
    }  # fmt: skip


def read_public_keys(raw: bytes) -> dict[str, bytes]:
    """From a JWK set or a PEM public key, by id. Raises ValueError."""
    if raw.lstrip().startswith(b"-----"):
        keys = [_of_pem(raw)]
    else:
        try:
            keys = [_of_jwk(each["x"]) for each in json.loads(raw)["keys"] if each.get("crv") == "Ed25519"]
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError("no JWK set") from error
    if not keys:
        raise ValueError("no Ed25519 key")
    return {key_id_of(each): each for each in keys}


def _of_pem(raw: bytes) -> bytes:
    try:
        key = load_pem_public_key(raw)
    except UnsupportedAlgorithm as error:
        raise ValueError("no Ed25519 key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("no Ed25519 key")
    return key.public_bytes_raw()


def _of_jwk(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
