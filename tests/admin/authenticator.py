"""An authenticator in software: makes passkeys and signs with them, as a browser hands it on (WebAuthn level 3)."""

from __future__ import annotations

import hashlib
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def to_text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def to_bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """Holds one passkey. What is said of the page and the person can be wrong."""

    origin: str = "http://localhost"
    flags: int = PRESENT | VERIFIED
    counter: int = 0
    user_handle: bytes = b""
    rp_id: str = "localhost"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = field(default_factory=lambda: os.urandom(32))

    @property
    def public_key(self) -> bytes:
        """A COSE_Key."""
        numbers = self.key.public_key().public_numbers()
        return bytes(cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}))

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """The answer to navigator.credentials.create()."""
        self.user_handle, self.rp_id = to_bytes(options["user"]["id"]), options["rp"]["id"]
        attested = bytes(16) + len(self.id).to_bytes(2) + self.id + self.public_key
        data = self._data(ATTESTED) + attested
        return self._credential({
            "clientDataJSON": to_text(self._client_data("webauthn.create", options["challenge"])),
            "attestationObject": to_text(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
            "transports": ["internal"],
        })  # fmt: skip

    def get(self, options: dict[str, Any]) -> dict[str, Any]:
        """The answer to navigator.credentials.get()."""
        self.counter += 1
        client_data, data = self._client_data("webauthn.get", options["challenge"]), self._data()
        signature = self.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        return self._credential({
            "clientDataJSON": to_text(client_data), "authenticatorData": to_text(data),
            "signature": to_text(signature), "userHandle": to_text(self.user_handle) if self.user_handle else None,
        })  # fmt: skip

    def _data(self, more: int = 0) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([self.flags | more]) + self.counter.to_bytes(4)

    def _client_data(self, act: str, challenge: str) -> bytes:
        return json.dumps({"type": act, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        return {"id": to_text(self.id), "rawId": to_text(self.id), "type": "public-key", "response": response}
