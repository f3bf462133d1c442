"""What a value looks like by itself: random, a sham, a name, a path, a signed token."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections import Counter


def entropy(text: str) -> float:
    """Bits for each character (Shannon, 1948), by how often characters occur."""
    if not text:
        return 0.0
    length = len(text)
    return -sum(count / length * math.log2(count / length) for count in Counter(text).values())


_SHAM = (
    "example", "xxxx", "your", "placeholder", "changeme", "change_me", "change-me", "dummy", "redacted", "insert",
    "replace", "....", "****", "{{", "${", "$(", "%(", "fake", "sample", "abcdefgh", "12345678901234567890", "aaaaaaaa",
    "00000000", "11111111", "deadbeefdeadbeef", "_here", "-here", "todo", "foobar", "notreal", "not_real", "not-a-real",
    "my_secret", "my-secret", "mysecret", "secretkey", "secret-key", "secret_key", "api_key", "api-key", "apikey",
    "token_",
    "password", "fixme", "undefined", "lorem", "anything", "whatever", "ellipsis", "1234abcd", "\u2026",
)  # fmt: skip


def is_sham(text: str) -> bool:
    """Whether it stands for a value rather than being one."""
    lowered = text.lower()
    return any(each in lowered for each in _SHAM)


def is_random(token: str) -> bool:
    """Of what follows a vendor's prefix: neither a sham nor a row of like characters."""
    lowered = token.lower()
    if any(each in lowered for each in ("example", "xxxxx", "your", "....", "abcdefghij", "placeholder", "redacted")):
        return False
    body = token[4:] if len(token) > 12 else token
    return len(set(body)) >= 6 and entropy(body) >= 2.4


def is_mixed(token: str) -> bool:
    """Random, with digits among letters: what a word with the same beginning does not have."""
    body = token[3:]
    return is_random(token) and any(each.isdigit() for each in body) and any(each.isalpha() for each in body)


def is_jwt(token: str) -> bool:
    """RFC 7519: the first part is a JSON object with an algorithm."""
    head = decode_base64(token.split(".", 1)[0])
    try:
        header = json.loads(head) if head is not None else None
    except ValueError:
        return False
    return isinstance(header, dict) and ("alg" in header or "typ" in header or "kid" in header)


def decode_base64(text: str) -> bytes | None:
    """Of either alphabet, padded or not."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def is_identifier(value: str) -> bool:
    """Words joined by marks, each of letters only but for a digit or two at its end: `client_id_2`, `db.v1.name`."""
    parts = value.replace("-", "_").replace(".", "_").replace("/", "_").replace(":", "_").split("_")
    plain = sum(
        (part.rstrip("0123456789").isalpha() and len(part) - len(part.rstrip("0123456789")) <= 2)
        or not part
        or (part.isdigit() and len(part) <= 2)
        for part in parts
    )
    return plain == len(parts) and (len(parts) > 1 or value.rstrip("0123456789").islower())


def is_path(value: str) -> bool:
    return value.startswith(("/", "./", "../", "~/", "http", "arn:", "urn:", "file:")) or (
        value.count("/") > 1 and "." in value
    )
