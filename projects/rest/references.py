"""Names of rows in addresses that say nothing of how many rows there are, or of other projects' rows."""

from __future__ import annotations

import hmac
import threading
import uuid
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB
from django.conf import settings

_HALF = 8
_ZEROS = bytes(_HALF)
_turn = threading.Lock()


def reference(kind: str, pk: int, project_id: int = 0) -> str:
    """The row's name, in the form of a UUID; always the same. 0 is for rows of no project."""
    encryptor = _encryptor(kind, project_id)
    # Whole blocks leave nothing behind in it, and to make one costs more than to use it.
    with _turn:
        block = encryptor.update(_ZEROS + pk.to_bytes(_HALF)).hex()
    return f"{block[:8]}-{block[8:12]}-{block[12:16]}-{block[16:20]}-{block[20:]}"


def pk_of(kind: str, text: str, project_id: int = 0) -> int | None:
    """None for a name that was made for another kind or project, or by nobody."""
    try:
        block = uuid.UUID(text).bytes
    except ValueError:
        return None
    opened = _cipher(kind, project_id).decryptor().update(block)
    return int.from_bytes(opened[_HALF:]) if opened[:_HALF] == _ZEROS else None


@lru_cache(maxsize=4096)
def _encryptor(kind: str, project_id: int) -> CipherContext:
    return _cipher(kind, project_id).encryptor()


@lru_cache(maxsize=4096)
def _cipher(kind: str, project_id: int) -> Cipher[ECB]:
    key = hmac.digest(settings.KEYRING.project_digest_key(project_id), f"reference:{kind}".encode(), "sha256")
    return Cipher(AES256(key), ECB())  # noqa: S305  one block is a permutation of numbers, which is what is wanted
