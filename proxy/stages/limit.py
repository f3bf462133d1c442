"""How much one key may do at a time and per minute, so that no caller slows another."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings

from proxy.call import Answer, Call
from proxy.errors import Refusal

if TYPE_CHECKING:
    from proxy.pipeline import CallNext

_MAX_METERS = 50_000


@dataclass(slots=True)
class Meter:
    """One key's use: a token bucket (RFC 2697's committed burst, in calls) and what is open now."""

    tokens: float
    filled_at: float
    calls: int = 0
    streams: int = 0

    def take(self, per_minute: int, now: float) -> float:
        """0.0 when the call may go, else the seconds until one may."""
        burst = max(1.0, per_minute / 6)
        self.tokens = min(burst, self.tokens + (now - self.filled_at) * per_minute / 60)
        self.filled_at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) * 60 / per_minute

    def leave_stream(self) -> None:
        self.streams -= 1

    def leave_call(self) -> None:
        self.calls -= 1


async def limit(call: Call, call_next: CallNext) -> Answer:
    """Raises Refusal rate_limited or overloaded."""
    meter = _meter(call)
    if len(call.state.open_calls) > settings.MAX_CALLS + settings.KEY_STREAMS:
        raise Refusal("overloaded", reason="worker_full")
    if settings.KEY_RATE:
        wait = meter.take(settings.KEY_RATE, time.monotonic())
        if wait:
            raise _slow_down(wait)
    if call.is_stream:
        if meter.streams >= settings.KEY_STREAMS:
            raise _slow_down(1)
        meter.streams += 1
        call.closers.append(meter.leave_stream)
    else:
        if meter.calls >= settings.KEY_CONCURRENCY:
            raise _slow_down(1)
        meter.calls += 1
        call.closers.append(meter.leave_call)
    return await call_next(call)


def _slow_down(seconds: float) -> Refusal:
    wait = str(max(1, round(seconds)))
    return Refusal(
        "rate_limited",
        headers={"Retry-After": wait, "RateLimit-Policy": f'"key";q={settings.KEY_RATE};w=60',
                 "RateLimit": f'"key";r=0;t={wait}'},
    )  # fmt: skip


def _meter(call: Call) -> Meter:
    meters = call.state.meters
    key_id = call.principal.key.key_id
    meter = meters.get(key_id)
    if meter is None:
        if len(meters) >= _MAX_METERS:
            idle = [known for known, used in meters.items() if not used.calls and not used.streams]
            for known in idle[: _MAX_METERS // 2]:
                del meters[known]
        meter = meters[key_id] = Meter(max(1.0, settings.KEY_RATE / 6), time.monotonic())
    return meter
