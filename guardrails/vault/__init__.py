"""The vault: what tokens stand for, encrypted, for an hour after the last use, given back only to whom it belongs.

A value is known to its owner alone, which is one session of one project. With each token the vault remembers who was
given it: the client, when an output was tokenised for the model, or a server, when an input was tokenised for that
server. A server's answer is restored with the tokens that this server was given, the client's input with the tokens
that the client was given; any other token is text.

With Redis all workers share one vault. Without it each process has its own: of several workers none can restore what
another has issued (the embedded topology has one worker).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from django.conf import settings

from guardrails.engine.lent import VaultUnavailable
from guardrails.vault.memory import MemoryVault
from guardrails.vault.sealed import Bounds, Owner

__all__ = ["Bounds", "Issuer", "MemoryVault", "Owner", "Vault", "VaultUnavailable", "from_settings"]


class Vault(Protocol):
    async def issue(self, owner: Owner, values: Sequence[tuple[str, str]], *, server: str) -> list[str]:
        """One token for each (category, value), in order; `server` is given them, "" means the client.

        Equal values of an owner have one token. Of 500 values and fewer all are kept or none is. Raises
        VaultUnavailable.
        """

    async def resolve(self, owner: Owner, tokens: Iterable[str], *, server: str | None) -> dict[str, str]:
        """Values by token. Tokens that are unknown, expired, somebody else's or not given to this side are left out.

        With a server: for its answer, the tokens that it was given. With None: for the client's own input, the tokens
        that the client was given. Raises VaultUnavailable, also for more tokens than a session can have.
        """

    async def forget(self, owner: Owner) -> None:
        """At the end of a session. Raises VaultUnavailable."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Issuer:
    """The vault as the engine gets it: for one owner, and for who will see the tokens ("" is the client)."""

    vault: Vault
    owner: Owner
    server: str

    async def issue(self, values: Sequence[tuple[str, str]]) -> list[str]:
        return await self.vault.issue(self.owner, values, server=self.server)


def from_settings() -> Vault:
    """The vault of this process, as the settings say; make it once."""
    seconds = settings.GUARDRAIL_VAULT_SECONDS
    if settings.REDIS_URL:
        # Its library is of no use to a worker without a Redis.
        from guardrails.vault.redis import RedisVault

        return RedisVault(settings.KEYRING, settings.REDIS_URL, seconds=seconds)
    return MemoryVault(settings.KEYRING, seconds=seconds)
