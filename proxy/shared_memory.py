"""What workers have in common, where there is a Redis: asked with little patience, for each can go on without it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from django.conf import settings

_TIMEOUT_SECONDS = 0.25
logger = structlog.get_logger(__name__)


class SharedMemory:
    """A connection pool to Redis, or nothing. `without` says in the log what is missing while nobody answers."""

    def __init__(self, without: str) -> None:
        self._without = without
        self._redis: Any = None
        if settings.REDIS_URL:
            # A worker without a Redis need not hold its library, of 6 MB.
            import redis.asyncio

            self._failures = (redis.RedisError, OSError)
            self._redis = redis.asyncio.Redis.from_url(
                settings.REDIS_URL, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS
            )

    @property
    def is_there(self) -> bool:
        return self._redis is not None

    async def ask(self, question: Callable[[Any], Awaitable[Any]]) -> Any:
        """What Redis answers; None where there is none, or it does not answer in time."""
        if self._redis is None:
            return None
        try:
            return await question(self._redis)
        except self._failures as error:
            logger.warning(self._without, error=type(error).__name__)
            return None

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()
