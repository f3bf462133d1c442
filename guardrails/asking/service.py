"""One ask of a service: JSON there, JSON back, and one deadline for however many requests it takes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeVar

from guardrails.engine.detector import Outbound, ProviderError

MOST_ANSWER_BYTES = 1024 * 1024
_AT_A_TIME = 8
_MOST_REQUESTS = 64
T = TypeVar("T")


class Service:
    """The way to a service for the time of one ask."""

    def __init__(self, outbound: Outbound, timer: asyncio.Timeout) -> None:
        self._outbound = outbound
        self._timer = timer
        self._places = asyncio.Semaphore(_AT_A_TIME)

    async def post(self, url: str, payload: Any, headers: Mapping[str, str]) -> Any:
        """The answer to a JSON value, as a JSON value. Raises ProviderError."""
        return await self.post_bytes(url, encode(payload), headers)

    async def post_bytes(self, url: str, body: bytes, headers: Mapping[str, str]) -> Any:
        async with self._places:
            reply = await self._outbound.post(
                url, body, {"Content-Type": "application/json", "Accept": "application/json", **headers},
                seconds=self._remaining(), limit=MOST_ANSWER_BYTES,
            )  # fmt: skip
        if reply.status != 200:
            raise ProviderError(f"HTTP {reply.status}")
        return decode(reply.body)

    async def all(self, requests: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        """The results in order, asked for side by side. The first failure ends the others."""
        coroutines = list(requests)
        if len(coroutines) > _MOST_REQUESTS:
            for coroutine in coroutines:
                coroutine.close()
            raise ProviderError("more text than may be asked about")
        tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _remaining(self) -> float:
        when = self._timer.when()
        assert when is not None  # noqa: S101  `within` gave it
        return max(0.001, when - asyncio.get_running_loop().time())


@asynccontextmanager
async def within(outbound: Outbound, seconds: float) -> AsyncIterator[Service]:
    """Everything that is asked inside takes `seconds` at most. Raises ProviderError when it does not."""
    is_late = False
    try:
        async with asyncio.timeout(seconds) as timer:
            yield Service(outbound, timer)
    except TimeoutError:
        is_late = True
    if is_late:
        raise ProviderError("timeout")


def encode(payload: Any) -> bytes:
    """UTF-8; a lone surrogate goes out as a question mark, so that positions stay and every parser takes it."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def decode(body: bytes) -> Any:
    """Raises ProviderError for what is not JSON, names a member twice or holds a number that JSON does not have."""
    is_read = False
    value: Any = None
    try:
        value = json.loads(body, object_pairs_hook=_object, parse_constant=_no_number)
        is_read = True
    except (ValueError, RecursionError):
        # Raised out here, for the parser's own exception holds the answer.
        pass
    if not is_read:
        raise ProviderError("answer cannot be read")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError("not a number of JSON")
