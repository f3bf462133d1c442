"""The text form of credentials: `mgw_` + id + `_` + secret + checksum, 64 characters in all; `mga_` for REST.

A mistyped or truncated one fails its checksum and never costs a look-up, and one of the other kind is none.
"""

from __future__ import annotations

import re
import secrets
import zlib
from dataclasses import dataclass, field

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH = 10
SECRET_LENGTH = 43  # 43 base62 characters hold 256 bits
CHECKSUM_LENGTH = 6
LENGTH = 64
# Keys open MCP only, admin tokens REST only.
KEY, ADMIN_TOKEN = "mgw", "mga"
PATTERN = re.compile(rf"mgw_[0-9A-Za-z]{{{ID_LENGTH}}}_[0-9A-Za-z]{{{SECRET_LENGTH + CHECKSUM_LENGTH}}}")

_PATTERNS = {KEY: PATTERN, ADMIN_TOKEN: re.compile(PATTERN.pattern.replace(KEY, ADMIN_TOKEN, 1))}


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; `text` is shown once and kept nowhere."""

    key_id: str
    text: str = field(repr=False)


def generate(kind: str = KEY) -> NewKey:
    key_id = _random(ID_LENGTH)
    body = f"{kind}_{key_id}_{_random(SECRET_LENGTH)}"
    return NewKey(key_id, body + _checksum(body))


def key_id_of(text: str, kind: str = KEY) -> str | None:
    """The visible id of a well-formed credential of this kind, or None."""
    if len(text) != LENGTH or _PATTERNS[kind].fullmatch(text) is None or not text.isascii():
        return None
    if _checksum(text[:-CHECKSUM_LENGTH]) != text[-CHECKSUM_LENGTH:]:
        return None
    return text[4 : 4 + ID_LENGTH]


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = []
    for _ in range(CHECKSUM_LENGTH):
        number, rest = divmod(number, 62)
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))
