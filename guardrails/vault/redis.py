"""The vault that all workers share: scripts that Redis runs one at a time, so that what they issue is issued once."""

from __future__ import annotations

import asyncio
import hashlib
import weakref
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway_site.lib.secrets import Keyring
from guardrails.engine.lent import VaultUnavailable
from guardrails.vault.sealed import (
    CHECK_BYTES,
    DEFAULT_SECONDS,
    SLOT_BYTES,
    Bounds,
    Entry,
    Owner,
    OwnerKeys,
    SealedVault,
)

_BOUNDS = Bounds(project=200_000)

# Of an owner: `values` is a hash of token -> payload and g:token -> grants, `used` a sorted set of token -> time.
# Of a project: `owners` is a sorted set of name -> time, `sizes` a hash of name -> slots, with * for their sum.
# Times are Redis's own, in milliseconds, so that the clocks of workers do not matter.
_COMMON = r"""
local values, used, owners, sizes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local name, ttl = ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local cutoff = now - ttl
local function has(grants, grant)
  for place = 1, #grants, #grant do
    if string.sub(grants, place, place + #grant - 1) == grant then return true end
  end
  return false
end
"""
_ISSUE = (
    _COMMON
    + r"""
local owner_bound, project_bound = tonumber(ARGV[3]), tonumber(ARGV[4])
local slot_bytes, check_bytes, prefix = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local first = 8
local function slots(payload) return 1 + math.floor(#payload / slot_bytes) end
local total = tonumber(redis.call('HGET', sizes, '*') or '0')
local function drop(other)
  redis.call('UNLINK', prefix .. other, prefix .. other .. ':used')
  redis.call('ZREM', owners, other)
  total = math.max(0, total - tonumber(redis.call('HGET', sizes, other) or '0'))
  redis.call('HDEL', sizes, other)
end
for _, other in ipairs(redis.call('ZRANGEBYSCORE', owners, '-inf', cutoff, 'LIMIT', 0, 100)) do drop(other) end
if redis.call('EXISTS', values, used) < 2 then drop(name) end
local size = tonumber(redis.call('HGET', sizes, name) or '0')
for _, token in ipairs(redis.call('ZRANGEBYSCORE', used, '-inf', cutoff, 'LIMIT', 0, 2000)) do
  local payload = redis.call('HGET', values, token)
  if payload then
    size = size - slots(payload)
    total = total - slots(payload)
  end
  redis.call('HDEL', values, token, 'g:' .. token)
  redis.call('ZREM', used, token)
end
local stored, new, fresh, wanted = {}, {}, {}, 0
for place = first, #ARGV, 3 do
  local token, payload = ARGV[place], ARGV[place + 1]
  local there = fresh[token] or redis.call('HGET', values, token)
  if not there then
    fresh[token], new[#new + 1], wanted = payload, token, wanted + slots(payload)
    stored[#stored + 1] = 1
  elseif string.sub(there, 1, check_bytes) == string.sub(payload, 1, check_bytes) then
    stored[#stored + 1] = 1
  else
    stored[#stored + 1] = 0
  end
end
redis.call('HSET', sizes, name, size, '*', total)
if size + wanted > owner_bound then return 'the session has too many values' end
if size + wanted > project_bound then return 'the vault is full' end
while total + wanted > project_bound do
  local dropped = false
  for _, other in ipairs(redis.call('ZRANGE', owners, 0, 9)) do
    if other ~= name and total + wanted > project_bound then
      drop(other)
      dropped = true
    end
  end
  if not dropped then total = size end
end
for _, token in ipairs(new) do redis.call('HSET', values, token, fresh[token]) end
for place = first, #ARGV, 3 do
  if stored[(place - first) / 3 + 1] == 1 then
    local token, grant = ARGV[place], ARGV[place + 2]
    local grants = redis.call('HGET', values, 'g:' .. token) or ''
    if not has(grants, grant) then redis.call('HSET', values, 'g:' .. token, grants .. grant) end
    redis.call('ZADD', used, now, token)
  end
end
redis.call('HSET', sizes, name, size + wanted, '*', total + wanted)
redis.call('ZADD', owners, now, name)
for place, key in ipairs(KEYS) do redis.call('PEXPIRE', key, place > 2 and ttl + 60000 or ttl) end
return stored
"""
)
_RESOLVE = (
    _COMMON
    + r"""
local payloads, hit = {}, false
for place = 3, #ARGV, 2 do
  local token, grant = ARGV[place], ARGV[place + 1]
  local score = redis.call('ZSCORE', used, token)
  local payload = false
  if score and tonumber(score) > cutoff and has(redis.call('HGET', values, 'g:' .. token) or '', grant) then
    payload = redis.call('HGET', values, token)
    redis.call('ZADD', used, now, token)
    hit = true
  end
  payloads[#payloads + 1] = payload
end
if hit then
  redis.call('ZADD', owners, 'XX', now, name)
  for place, key in ipairs(KEYS) do redis.call('PEXPIRE', key, place > 2 and ttl + 60000 or ttl) end
end
return payloads
"""
)
_FORGET = r"""
redis.call('UNLINK', KEYS[1], KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
local size = tonumber(redis.call('HGET', KEYS[4], ARGV[1]) or '0')
if redis.call('HDEL', KEYS[4], ARGV[1]) == 1 then redis.call('HINCRBY', KEYS[4], '*', -size) end
return 1
"""


class RedisVault(SealedVault):
    """Shared by all workers. Redis sees keyed digests and sealed values, and decides what is issued, one at a time.

    Full, it drops the longest unused owner of the same project. When Redis does not answer within a second, or has
    no room, there is no vault.
    """

    def __init__(
        self,
        keyring: Keyring,
        url: str,
        *,
        seconds: float = DEFAULT_SECONDS,
        bounds: Bounds = _BOUNDS,
        timeout: float = 0.5,
    ) -> None:
        super().__init__(keyring, seconds, bounds)
        self._url = url
        self._timeout = timeout
        self._milliseconds = int(seconds * 1000)
        # A connection belongs to the loop that opened it.
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = weakref.WeakKeyDictionary()

    async def forget(self, owner: Owner) -> None:
        keys = self._keys_of(owner)
        await self._run(_FORGET, keys, [keys.name])

    async def close(self) -> None:
        """Of the loop that is running."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    async def _store(self, keys: OwnerKeys, entries: Sequence[Entry], recipient: str) -> Sequence[bool]:
        arguments: list[Any] = [
            keys.name, self._milliseconds, self._bounds.owner, self._bounds.project, SLOT_BYTES, CHECK_BYTES,
            _prefix(keys),
        ]  # fmt: skip
        for entry in entries:
            arguments += (entry.token, entry.payload, keys.grant(entry.token, recipient))
        answer = await self._run(_ISSUE, keys, arguments)
        if isinstance(answer, bytes):
            raise VaultUnavailable(answer.decode())
        return [bool(each) for each in answer]

    async def _fetch(self, keys: OwnerKeys, tokens: Sequence[str], recipient: str) -> Sequence[bytes | None]:
        arguments: list[Any] = [keys.name, self._milliseconds]
        for token in tokens:
            arguments += (token, keys.grant(token, recipient))
        payloads: list[bytes | None] = await self._run(_RESOLVE, keys, arguments)
        return payloads

    async def _run(self, script: str, keys: OwnerKeys, arguments: Sequence[Any]) -> Any:
        prefix = _prefix(keys)
        names = (prefix + keys.name, f"{prefix}{keys.name}:used", f"{prefix}owners", f"{prefix}sizes")
        try:
            async with asyncio.timeout(2 * self._timeout):
                client = self._client()
                try:
                    return await client.evalsha(_sha1(script), len(names), *names, *arguments)
                except redis.exceptions.NoScriptError:
                    return await client.eval(script, len(names), *names, *arguments)
        except (redis.RedisError, OSError, TimeoutError) as error:
            raise VaultUnavailable(f"Redis: {type(error).__name__}") from None

    def _client(self) -> Any:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            pool = redis.asyncio.BlockingConnectionPool.from_url(
                self._url,
                max_connections=16,
                timeout=self._timeout,
                socket_timeout=self._timeout,
                socket_connect_timeout=self._timeout,
                # Once, for a connection that ended with the last Redis.
                retry=Retry(NoBackoff(), 1),
            )
            client = self._clients[loop] = redis.asyncio.Redis.from_pool(pool)
        return client


def _prefix(keys: OwnerKeys) -> str:
    """The braces keep a project's keys in one slot of a cluster."""
    return f"mcpgw:vault:{{{keys.shelf}}}:"


@lru_cache(maxsize=8)
def _sha1(script: str) -> str:
    """The name by which Redis knows a script."""
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
