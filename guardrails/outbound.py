"""The way out to services that judge texts: connections are kept, answers bounded, and failing services left alone.

Pools and breakers belong to one project each: its slow or failing service takes nothing from another's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from prometheus_client import Counter, Histogram

from gateway_site.lib.egress import DROPPED, Answer, EgressDenied, Poster, PostFailed, check_url
from guardrails.breaker import Breaker
from guardrails.engine.detector import ProviderError, Reply

REQUESTS = Counter("mcpgw_guardrail_provider_requests_total", "Requests to guardrail providers.", ["outcome"])
SECONDS = Histogram(
    "mcpgw_guardrail_provider_seconds", "Time that requests to guardrail providers took.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)  # fmt: skip
_requests = cache(REQUESTS.labels)
# Of one project to one origin; what is over it waits, in its own time.
_CONNECTIONS = 20
_UNUSED_SECONDS = 300.0
_SWEEP_SECONDS = 30.0
# The caller's own time-out ends a request a little before or after ours would.
_NEARLY_ALL = 0.9

Key = tuple[int, str]


class RequestFailed(ProviderError):
    """`outcome` is the metric's label. `is_down`: whether it speaks against the service, and not the request."""

    def __init__(self, text: str, outcome: str, *, is_down: bool = True) -> None:
        super().__init__(text)
        self.outcome = outcome
        self.is_down = is_down


@dataclass(slots=True)
class _Pool:
    poster: Poster
    used_at: float
    in_use: int = 0


@dataclass(slots=True)
class _Watch:
    breaker: Breaker
    used_at: float


@dataclass(frozen=True, slots=True)
class ProjectOutbound:
    """The way out of one project; see guardrails.engine.detector.Outbound."""

    connections: Connections
    project_id: int

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float, limit: int) -> Reply:
        """Raises ProviderError for all but a whole JSON answer with a status from 200 to 299 within `seconds`."""
        return await self.connections.post(self.project_id, url, body, headers, seconds=seconds, limit=limit)


class Connections:
    """What one event loop has open. A breaker opens after `failures` in a row, for `cool_down` seconds."""

    def __init__(
        self, *, failures: int = 5, cool_down: float = 15.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._failures = failures
        self._cool_down = cool_down
        self._clock = clock
        # By project and origin.
        self._pools: dict[Key, _Pool] = {}
        # By project and address without the query, for a service may be down in parts; only those that have failed.
        self._watches: dict[Key, _Watch] = {}
        self._swept_at = clock()
        self._closing: set[asyncio.Task[None]] = set()

    def of(self, project_id: int) -> ProjectOutbound:
        return ProjectOutbound(self, project_id)

    async def post(
        self, project_id: int, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float, limit: int
    ) -> Reply:
        """See ProjectOutbound.post."""
        started = self._clock()
        self._sweep(started)
        try:
            checked = check_url(url)
        except EgressDenied as error:
            _requests("denied").inc()
            raise ProviderError(f"egress denied: {error}") from None
        service = project_id, str(checked.with_query(None))
        watch = self._watches.get(service)
        if watch is not None and not watch.breaker.lets_through(started):
            _requests("not_asked").inc()
            raise ProviderError("not asked: it failed too often")
        outcome, is_down = "cancelled", None
        try:
            pool = self._pool((project_id, str(checked.origin())), url, started)
            reply = await self._ask(pool, url, body, headers, seconds, limit)
            outcome, is_down = "ok", False
            return reply
        except RequestFailed as error:
            outcome, is_down = error.outcome, error.is_down
            raise
        finally:
            spent = self._clock() - started
            if outcome == "cancelled" and spent >= seconds * _NEARLY_ALL:
                outcome, is_down = "timeout", True
            self._note(service, is_down, started + spent)
            _requests(outcome).inc()
            SECONDS.observe(spent)

    async def close(self) -> None:
        pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            await pool.poster.close()
        if self._closing:
            await asyncio.wait(self._closing)

    # --- one request ------------------------------------------------------------------------------------

    async def _ask(
        self, pool: _Pool, url: str, body: bytes, headers: Mapping[str, str], seconds: float, limit: int
    ) -> Reply:
        pool.in_use += 1
        try:
            async with asyncio.timeout(seconds):
                return _checked(await _post(pool.poster, url, body, headers, limit))
        except TimeoutError:
            raise RequestFailed("timeout", "timeout") from None
        except EgressDenied as error:
            raise RequestFailed(f"egress denied: {error}", "denied", is_down=False) from None
        except PostFailed as error:
            raise RequestFailed(f"no answer: {error.kind}", error.kind) from None
        finally:
            pool.in_use -= 1

    def _pool(self, key: Key, url: str, now: float) -> _Pool:
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = _Pool(Poster(url, limit=_CONNECTIONS), now)
        pool.used_at = now
        return pool

    def _note(self, service: Key, is_down: bool | None, now: float) -> None:
        """`is_down` is None when nothing was learned."""
        watch = self._watches.get(service)
        if is_down:
            if watch is None:
                watch = _Watch(Breaker(failures=self._failures, cool_down=self._cool_down), now)
                self._watches[service] = watch
            watch.breaker.fail(now)
            watch.used_at = now
        elif watch is not None and is_down is None:
            watch.breaker.give_up()
        elif watch is not None:
            del self._watches[service]

    # --- what nobody uses any more ----------------------------------------------------------------------

    def _sweep(self, now: float) -> None:
        if now - self._swept_at < _SWEEP_SECONDS:
            return
        self._swept_at = now
        for key, pool in list(self._pools.items()):
            if not pool.in_use and now - pool.used_at >= _UNUSED_SECONDS:
                del self._pools[key]
                task = asyncio.create_task(pool.poster.close())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
        for service, watch in list(self._watches.items()):
            if now - watch.used_at >= max(_UNUSED_SECONDS, self._cool_down):
                del self._watches[service]


async def _post(poster: Poster, url: str, body: bytes, headers: Mapping[str, str], limit: int) -> Answer:
    try:
        return await poster.post(url, body, headers, limit=limit)
    except PostFailed as error:
        if error.kind != DROPPED:
            raise
    # A kept connection may be closed by the service at the moment it is used. To judge a text twice does no harm.
    return await poster.post(url, body, headers, limit=limit)


def _checked(answer: Answer) -> Reply:
    status = answer.status
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if 300 <= status < 400:
        raise RequestFailed("redirect", "redirect")
    if not 200 <= status < 300:
        raise RequestFailed(f"HTTP {status}", "http_error", is_down=status >= 500 or status in (408, 429))
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise RequestFailed("answer is not JSON", "not_json")
    return Reply(status, answer.body, media_type)
