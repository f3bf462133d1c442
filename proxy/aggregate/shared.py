"""What workers tell each other of sessions at the address of all servers, in Redis; nothing where there is none."""

from __future__ import annotations

from typing import Any

import orjson
from django.conf import settings

from gateway_site.lib.secrets import Unsealable
from proxy.aggregate.handshake import Kept
from proxy.shared_memory import SharedMemory

_SECONDS = 1800


class Shared:
    """A hash for each session. Without an answer in time a worker goes on with what it knows itself."""

    def __init__(self) -> None:
        self._memory = SharedMemory(without="sessions are not shared")

    @property
    def is_there(self) -> bool:
        return self._memory.is_there

    async def standing(self, project: int, session: str) -> tuple[bool, str]:
        """Whether the session was ended, and its log level."""
        key = _key(project, session)
        ended, level = await self._read(key, lambda pipe: pipe.hmget(key, "ended", "level")) or (None, None)
        return ended is not None, level.decode() if level is not None else ""

    async def find(self, project: int, session: str, server: int, config_hash: str) -> Kept | None:
        sealed = await self._memory.ask(lambda r: r.hget(_key(project, session), _field(server, config_hash)))
        return _open(project, session, sealed)

    async def kept(self, project: int, session: str) -> list[tuple[int, str, Kept]]:
        """All of the session, with server and configuration."""
        found, key = [], _key(project, session)
        for name, sealed in (await self._read(key, lambda pipe: pipe.hgetall(key)) or {}).items():
            server, separator, config_hash = name.decode().partition(":")
            kept = _open(project, session, sealed) if separator else None
            if kept is not None:
                found.append((int(server), config_hash, kept))
        return found

    async def keep(self, project: int, session: str, server: int, config_hash: str, kept: Kept) -> None:
        text = settings.KEYRING.seal(orjson.dumps([kept.id, kept.version, kept.logs]), _place(project, session))
        await self._put(_key(project, session), {_field(server, config_hash): text}, _SECONDS)

    async def remember_level(self, project: int, session: str, level: str) -> None:
        await self._put(_key(project, session), {"level": level}, _SECONDS)

    async def end(self, project: int, session: str, seconds: int) -> None:
        """Only that it is over stays."""
        await self._memory.ask(lambda r: r.delete(_key(project, session)))
        await self._put(_key(project, session), {"ended": "1"}, seconds)

    async def close(self) -> None:
        await self._memory.close()

    async def _read(self, key: str, question: Any) -> Any:
        """Also keeps what is in use; that a session is over is kept for longer anyway."""

        async def read(client: Any) -> Any:
            async with client.pipeline(transaction=False) as pipe:
                question(pipe)
                pipe.expire(key, _SECONDS, gt=True)
                found, _ = await pipe.execute()
                return found

        return await self._memory.ask(read)

    async def _put(self, key: str, values: dict[str, str], seconds: int) -> None:
        async def put(client: Any) -> None:
            async with client.pipeline(transaction=True) as pipe:
                pipe.hset(key, mapping=values)
                pipe.expire(key, seconds)
                await pipe.execute()

        await self._memory.ask(put)


def _key(project: int, session: str) -> str:
    return f"mcpgw:{project}:aggregate:{session}"


def _field(server: int, config_hash: str) -> str:
    return f"{server}:{config_hash}"


def _place(project: int, session: str) -> str:
    return f"aggregate-kept:{project}:{session}"


def _open(project: int, session: str, sealed: bytes | None) -> Kept | None:
    if sealed is None:
        return None
    try:
        return Kept(*orjson.loads(settings.KEYRING.unseal(sealed.decode(), _place(project, session))))
    except (Unsealable, UnicodeDecodeError):
        return None
