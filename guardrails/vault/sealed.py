"""What both vaults have in common: owners and their keys, sealed values, bounds; everything but the storing."""

from __future__ import annotations

import abc
import asyncio
import hmac
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway_site.lib.secrets import Keyring
from guardrails.engine.lent import VaultUnavailable
from guardrails.tokens import DIGEST_BYTES, is_token, make_token, spell_category

DEFAULT_SECONDS = 3600
MAX_VALUE_BYTES = 64 * 1024
SLOT_BYTES = 256
CHECK_BYTES = 16
_NONCE_BYTES = 12
_GRANT_BYTES = 16
# Two values of one session share a token about once in 10**5 full sessions; the later one then gets its next.
_ATTEMPTS = 4
# So many values are sealed and stored, or fetched and opened, before other calls get their turn: about three
# milliseconds of this process and as many of Redis.
_BATCH = 500
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose tokens these are. `session` is the id of an MCP session, or of the key in the stateless era."""

    project: int
    session: str

    def __post_init__(self) -> None:
        if not self.session:
            raise ValueError(
                "an owner needs a session; without one all callers of the project would share their values"
            )


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept, in slots: a value takes one, and one more for each 256 bytes of it.

    `process` is for memory only; `reserve` is what each project can have however much others hold of it.
    """

    owner: int = 10_000
    project: int = 50_000
    process: int = 100_000
    reserve: int = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    """What is stored: the token, what tells its value from another one with the same token, and the sealed value."""

    token: str
    check: bytes
    payload: bytes

    @property
    def slots(self) -> int:
        return 1 + len(self.payload) // SLOT_BYTES


class OwnerKeys:
    """The keys of one owner, made from those of its project: the store sees digests and sealed values only."""

    def __init__(self, project_key: bytes, owner: Owner) -> None:
        self.project = owner.project
        # Deployments and projects that share a Redis share nothing in it.
        self.shelf = hmac.digest(project_key, b"shelf", "sha256")[:8].hex()
        secret = hmac.digest(project_key, b"owner:" + owner.session.encode("utf-8", "surrogatepass"), "sha256")
        self.name = hmac.digest(secret, b"name", "sha256")[:16].hex()
        self._digest_key = hmac.digest(secret, b"digests", "sha256")
        # A key for each owner: the random nonces of one key stay far below the 2**32 that NIST SP 800-38D allows.
        self._cipher = AESGCM(hmac.digest(secret, b"values", "sha256"))

    def entry(self, category: str, value: str, attempt: int) -> Entry:
        """The same token for the same value, so that workers need not agree; the next one for each attempt."""
        text = value.encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._digest_key, f"{attempt}:{category}:".encode() + text, "sha256")
        token = make_token(category, digest)
        check = digest[DIGEST_BYTES : DIGEST_BYTES + CHECK_BYTES]
        nonce = os.urandom(_NONCE_BYTES)
        return Entry(token, check, check + nonce + self._cipher.encrypt(nonce, text, self._place(token)))

    def open(self, token: str, payload: bytes) -> str | None:
        """None for what was not sealed for this owner and token."""
        nonce, sealed = payload[CHECK_BYTES : CHECK_BYTES + _NONCE_BYTES], payload[CHECK_BYTES + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, sealed, self._place(token)).decode("utf-8", "surrogatepass")
        except (InvalidTag, ValueError):
            return None

    def grant(self, token: str, recipient: str) -> bytes:
        """Stands for "this recipient was given this token", and can be made by nobody else."""
        return hmac.digest(self._digest_key, f"grant:{token}:{recipient}".encode(), "sha256")[:_GRANT_BYTES]

    def _place(self, token: str) -> bytes:
        return f"{self.name}:{token}".encode()


class SealedVault(abc.ABC):
    """Everything but the storing."""

    def __init__(self, keyring: Keyring, seconds: float, bounds: Bounds) -> None:
        self._keyring = keyring
        self._seconds = seconds
        self._bounds = bounds
        self._project_keys: dict[int, bytes] = {}

    async def issue(self, owner: Owner, values: Sequence[tuple[str, str]], *, server: str) -> list[str]:
        if not values:
            return []
        spelled = {category: spell_category(category) for category in {category for category, _ in values}}
        wanted = [(spelled[category], value) for category, value in values]
        pending = list(dict.fromkeys(wanted))
        self._check_sizes(pending)
        keys = self._keys_of(owner)
        tokens: dict[tuple[str, str], str] = {}
        for attempt in range(_ATTEMPTS):
            taken = []
            for batch in _batches(pending):
                entries = [keys.entry(category, value, attempt) for category, value in batch]
                stored = await self._store(keys, entries, _recipient(server or None))
                for each, entry, is_stored in zip(batch, entries, stored, strict=True):
                    if is_stored:
                        tokens[each] = entry.token
                    else:
                        taken.append(each)
                await _pause(len(pending))
            pending = taken
            if not pending:
                return [tokens[each] for each in wanted]
        raise VaultUnavailable("no token is free")

    async def resolve(self, owner: Owner, tokens: Iterable[str], *, server: str | None) -> dict[str, str]:
        if server == "":
            raise ValueError("a server has a name; None stands for the client's input")
        asked = [token for token in dict.fromkeys(tokens) if is_token(token)]
        if not asked:
            return {}
        if len(asked) > self._bounds.owner:
            raise VaultUnavailable("more tokens than one session can have")
        keys = self._keys_of(owner)
        values: dict[str, str] = {}
        for batch in _batches(asked):
            for token, payload in zip(batch, await self._fetch(keys, batch, _recipient(server)), strict=True):
                value = None if payload is None else keys.open(token, payload)
                if value is not None:
                    values[token] = value
            await _pause(len(asked))
        return values

    @abc.abstractmethod
    async def _store(self, keys: OwnerKeys, entries: Sequence[Entry], recipient: str) -> Sequence[bool]:
        """Keeps all entries, or none and raises VaultUnavailable. False where another value has the token."""

    @abc.abstractmethod
    async def _fetch(self, keys: OwnerKeys, tokens: Sequence[str], recipient: str) -> Sequence[bytes | None]:
        """The payloads of live tokens that the recipient was given; using them makes them live on."""

    def _keys_of(self, owner: Owner) -> OwnerKeys:
        key = self._project_keys.get(owner.project)
        if key is None:
            key = self._project_keys[owner.project] = self._keyring.project_vault_key(owner.project)
        return OwnerKeys(key, owner)

    def _check_sizes(self, values: Sequence[tuple[str, str]]) -> None:
        if len(values) > self._bounds.owner:
            raise VaultUnavailable("more values than one session may have")
        # A character takes four bytes at the most; those few that may be too long are measured.
        if any(
            len(value) * 4 > MAX_VALUE_BYTES and len(value.encode("utf-8", "surrogatepass")) > MAX_VALUE_BYTES
            for _, value in values
        ):
            raise VaultUnavailable("a value is too long to keep")


def _recipient(server: str | None) -> str:
    """No server's name makes it the client."""
    return "client" if server is None else f"server:{server}"


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]


async def _pause(count: int) -> None:
    if count > _BATCH:
        await asyncio.sleep(0)
