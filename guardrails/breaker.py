"""When a service that keeps failing is left alone, and when it is tried again. Pure: the time is passed in."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Closed: everything goes through. Open: nothing does. Half-open: one request is on trial."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Opens after `failures` in a row. After `cool_down` seconds one request is let through, and its end decides.

    Every request that was let through is followed by exactly one of `succeed`, `fail` and `give_up`. Times are
    seconds of any clock that does not go back.
    """

    __slots__ = ("_cool_down", "_failures", "_most", "_opened_at", "_trial_since")

    def __init__(self, *, failures: int = 5, cool_down: float = 15.0) -> None:
        self._most = failures
        self._cool_down = cool_down
        self._failures = 0
        self._opened_at: float | None = None
        self._trial_since: float | None = None

    @property
    def state(self) -> State:
        if self._opened_at is None:
            return State.CLOSED
        return State.OPEN if self._trial_since is None else State.HALF_OPEN

    def lets_through(self, now: float) -> bool:
        """Whether a request may be made now. The first after the cool-down is the trial; the others wait for it."""
        if self._opened_at is None:
            return True
        # A trial that never ended must not keep the service shut out for ever.
        waited_since = self._opened_at if self._trial_since is None else self._trial_since
        if now - waited_since < self._cool_down:
            return False
        self._trial_since = now
        return True

    def succeed(self) -> None:
        self._failures = 0
        self._opened_at = self._trial_since = None

    def fail(self, now: float) -> None:
        self._failures += 1
        if self._trial_since is not None or (self._opened_at is None and self._failures >= self._most):
            self._opened_at = now
            self._trial_since = None

    def give_up(self) -> None:
        """The request ended without saying anything of the service, as when its caller left."""
        self._trial_since = None
