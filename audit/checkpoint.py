"""A checkpoint as everybody writes it: the statement, its two signatures, and how they are checked. No database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.canonical import canonical
from gateway_site.lib.secrets import key_id_of

# What is signed begins with it, so that no signature of ours means two things.
PURPOSE = b"mcpgw-audit-checkpoint/1\n"


class BadCheckpoint(ValueError):
    """The text is no checkpoint."""


@dataclass(frozen=True, slots=True)
class Statement:
    """`size` events of a project are sealed, and this is what they come to.

    `at` is RFC 3339 in UTC with microseconds. `previous` is the signature of the checkpoint before, empty in the first.
    `next_key` is there only where the key changes.
    """

    project_ref: int
    size: int
    root: bytes
    chain: bytes
    at: str
    previous: bytes
    key_id: str
    next_key: bytes = b""
    signature: bytes = b""
    next_signature: bytes = b""

    def message(self) -> bytes:
        """What is signed."""
        return PURPOSE + canonical(self._fields())

    def sign(self, key: Ed25519PrivateKey, next_key: Ed25519PrivateKey | None = None) -> Statement:
        message = self.message()
        return replace(
            self, signature=key.sign(message), next_signature=next_key.sign(message) if next_key is not None else b""
        )

    def is_signed_by(self, public: bytes) -> bool:
        """By the key, and where the key changes by the next one too."""
        message = self.message()
        if self.next_key and not _verifies(self.next_key, self.next_signature, message):
            return False
        return key_id_of(public) == self.key_id and _verifies(public, self.signature, message)

    def to_line(self) -> bytes:
        """One line of canonical JSON, without its end."""
        signatures = {"signature": self.signature.hex()}
        if self.next_key:
            signatures["next_signature"] = self.next_signature.hex()
        return canonical({**self._fields(), **signatures})

    def _fields(self) -> dict[str, Any]:
        fields = {
            "project_ref": self.project_ref, "size": self.size, "root": self.root.hex(), "chain": self.chain.hex(),
            "at": self.at, "previous": self.previous.hex(), "key_id": self.key_id,
        }  # fmt: skip
        return {**fields, "next_key": self.next_key.hex()} if self.next_key else fields


_BYTES = ("root", "chain", "previous", "next_key", "signature", "next_signature")
_TYPES = {"project_ref": int, "size": int, "at": str, "key_id": str, **dict.fromkeys(_BYTES, str)}
_OPTIONAL = {"next_key", "next_signature"}


def read_line(line: bytes | str) -> Statement:
    """Raises BadCheckpoint for anything but what to_line() writes."""
    try:
        fields = orjson.loads(line)
        if not isinstance(fields, dict) or not set(_TYPES) - _OPTIONAL <= set(fields) <= set(_TYPES):
            raise BadCheckpoint("members")
        if any(type(value) is not _TYPES[name] for name, value in fields.items()):
            raise BadCheckpoint("types")
        values: dict[str, Any] = {
            name: bytes.fromhex(value) if name in _BYTES else value for name, value in fields.items()
        }
        statement = Statement(**values)
        datetime.fromisoformat(statement.at)
    except (TypeError, ValueError) as error:
        raise BadCheckpoint(str(error)) from error
    if statement.to_line() != (line.encode() if isinstance(line, str) else line).strip():
        raise BadCheckpoint("another spelling")
    return statement


def endorsed(keys: Mapping[str, bytes], statements: list[Statement]) -> dict[str, bytes]:
    """The trusted `keys`, and those that they name as their followers, one after the other."""
    trusted, found = dict(keys), True
    while found:
        new = {
            key_id_of(each.next_key): each.next_key
            for each in statements
            if each.next_key and each.key_id in trusted and each.is_signed_by(trusted[each.key_id])
        }
        found = not new.keys() <= trusted.keys()
        trusted |= new
    return trusted


def _verifies(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
