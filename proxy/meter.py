"""What one key and one project use of this process: calls per minute, and calls and streams at one time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings

from proxy.errors import Refusal

_MAX_METERS = 50_000
# A large body is dear to read and check, so it counts as several calls.
_BYTES_PER_TOKEN = 16 * 1024


@dataclass(slots=True)
class Use:
    """What is open now."""

    calls: int = 0
    streams: int = 0

    def is_idle(self) -> bool:
        return not self.calls and not self.streams


@dataclass(slots=True)
class Meter(Use):
    """One key's use, with a token bucket (in calls) and the number of bodies that are being read."""

    tokens: float = 0.0
    filled_at: float = 0.0
    reading: int = 0

    def take(self, per_minute: int, now: float) -> float:
        """0.0 when the call may go, else the seconds until one may."""
        self.tokens = min(_burst(per_minute), self.tokens + (now - self.filled_at) * per_minute / 60)
        self.filled_at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) * 60 / per_minute

    def is_idle(self) -> bool:
        return not self.calls and not self.streams and not self.reading


@dataclass(slots=True)
class Meters:
    """The use of all keys and projects, and of the process as a whole."""

    keys: dict[str, Meter] = field(default_factory=dict)
    projects: dict[int, Use] = field(default_factory=dict)
    total: Use = field(default_factory=Use)

    def begin_request(self, key_id: str) -> Meter:
        """Counts a request before anything of its body is read. Raises Refusal rate_limited."""
        meter = self._of_key(key_id)
        if settings.KEY_RATE:
            wait = meter.take(settings.KEY_RATE, time.monotonic())
            if wait:
                raise slow_down(wait)
        if meter.reading >= settings.KEY_CONCURRENCY:
            raise slow_down(1)
        return meter

    def charge_body(self, meter: Meter, size: int) -> None:
        """A debt that the next requests wait for."""
        meter.tokens -= size // _BYTES_PER_TOKEN

    def enter(self, key_id: str, project_id: int, stream: bool) -> Callable[[], None]:
        """Takes a place for a call or stream; the returned function gives it back. Raises Refusal."""
        meter, project = self._of_key(key_id), self.projects.setdefault(project_id, Use())
        if stream:
            own, whole = settings.KEY_STREAMS, settings.MAX_STREAMS
            key_has, project_has, all_have = meter.streams, project.streams, self.total.streams
        else:
            own, whole = settings.KEY_CONCURRENCY, settings.MAX_CALLS
            key_has, project_has, all_have = meter.calls, project.calls, self.total.calls
        # No project may have more than half, so that there is always room for another.
        if key_has >= own or project_has >= max(1, whole // 2):
            raise slow_down(1)
        if all_have >= whole:
            raise Refusal("overloaded", reason="worker_full")

        def count(number: int) -> None:
            for use in (meter, project, self.total):
                if stream:
                    use.streams += number
                else:
                    use.calls += number

        count(1)

        def leave() -> None:
            count(-1)
            if project.is_idle():
                self.projects.pop(project_id, None)

        return leave

    def _of_key(self, key_id: str) -> Meter:
        meter = self.keys.get(key_id)
        if meter is None:
            if len(self.keys) >= _MAX_METERS:
                idle = [known for known, used in self.keys.items() if used.is_idle()]
                for known in idle[: _MAX_METERS // 2]:
                    del self.keys[known]
            meter = self.keys[key_id] = Meter(tokens=_burst(settings.KEY_RATE), filled_at=time.monotonic())
        return meter


def _burst(per_minute: int) -> float:
    return max(1.0, per_minute / 6)


def slow_down(seconds: float) -> Refusal:
    """429 with when to come back (RFC 6585, draft-ietf-httpapi-ratelimit-headers)."""
    wait = str(max(1, round(seconds)))
    return Refusal(
        "rate_limited",
        headers={
            "Retry-After": wait,
            "RateLimit-Policy": f'"key";q={settings.KEY_RATE};w=60',
            "RateLimit": f'"key";r=0;t={wait}',
        },
    )
