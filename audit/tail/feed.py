"""One follower of the log for all listeners of a process: it reads twice a second while there are any, and rests else.

What it reads is what was committed, by number. Numbers are given out before commits, so that it looks again at those of
the last seconds; an event whose transaction took longer than that is in the list and not in the tail.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import TypeVar

import structlog
from django.db import connection

from audit.models import Event
from audit.tail.progress import Jobs, Moved
from projects.access import Reach

logger = structlog.get_logger("audit.tail")
T = TypeVar("T")

POLL_SECONDS = 0.5
# How long a number is waited for after a later one was seen.
_LOOK_BACK_SECONDS = 3.0
_MAX_NEW = 500
_MAX_LOOKED_AT = 10_000
_MAX_WAITING = 200
MAX_LISTENERS = 200


class TooManyListeners(Exception):
    """This process has as many as it can serve."""


class Listener:
    """Somebody who follows. `belongs` says which events are theirs, `reach` whose they may be.

    What they do not take in time is counted, and so is what came too fast, of projects within reach only.
    """

    def __init__(self, belongs: Callable[[Event], bool], reach: Callable[[], Reach]) -> None:
        self.belongs = belongs
        self.reach = reach
        self._waiting: deque[Event] = deque()
        self._skipped = 0
        self._wake = asyncio.Event()

    hears_jobs = False

    def offer_jobs(self, moved: Iterable[Moved]) -> None:
        """For who listens to jobs too."""

    def offer(self, events: Iterable[Event], skipped: Mapping[int | None, int]) -> None:
        for event in events:
            if not self.belongs(event):
                continue
            if len(self._waiting) >= _MAX_WAITING:
                self._waiting.popleft()
                self._skipped += 1
            self._waiting.append(event)
        self._skipped += sum(number for ref, number in skipped.items() if self.reach().has(ref))
        if self._waiting or self._skipped:
            self._wake.set()

    async def take(self) -> tuple[list[Event], int]:
        """What came since the last time, oldest first, and how many were skipped. Waits for something."""
        await self._wake.wait()
        self._wake.clear()
        taken, skipped = list(self._waiting), self._skipped
        self._waiting.clear()
        self._skipped = 0
        return taken, skipped


class Feed:
    """The listeners of one event loop, and the task that reads for them."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._place = _Place()
        self._jobs: Jobs | None = None

    async def join(self, listener: Listener) -> None:
        """Hears what is committed from now on. Raises TooManyListeners and django.db.Error."""
        # Those with one reach, such as the readers of one project, leave half of the places to others.
        alike = sum(each.reach() == listener.reach() for each in self._listeners)
        if len(self._listeners) >= MAX_LISTENERS or alike >= MAX_LISTENERS // 2:
            raise TooManyListeners
        if not self._listeners:
            place = _Place()
            await asyncio.to_thread(_apart, place.begin)
            # Of several who come at one time the first is followed already.
            if not self._listeners:
                self._place = place
        if listener.hears_jobs and self._jobs is None:
            followed = Jobs()
            await asyncio.to_thread(_apart, followed.begin)
            self._jobs = self._jobs or followed
        self._listeners.add(listener)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._follow())

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        if not any(each.hears_jobs for each in self._listeners):
            self._jobs = None
        if not self._listeners and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _follow(self) -> None:
        place = self._place
        while self._listeners:
            await asyncio.sleep(POLL_SECONDS)
            followed = self._jobs
            # Each is told at once: what was read is not read again, whatever fails beside it.
            found = await _read(place.read)
            if found is not None:
                for listener in list(self._listeners):
                    listener.offer(*found)
            moved = await _read(followed.read) if followed is not None else None
            if moved is not None:
                for listener in list(self._listeners):
                    listener.offer_jobs(moved)


class _Place:
    """How far the log was read. Used by one thread at a time."""

    def __init__(self) -> None:
        self._low = 0
        self._seen: set[int] = set()
        # When which number was the largest.
        self._marks: deque[tuple[float, int]] = deque()

    def begin(self) -> None:
        newest = Event.objects.order_by("-ord").values_list("ord", flat=True).first() or 0
        # Those whose numbers were given out and whose commits are to come are still heard.
        self._low = max(0, newest - _MAX_NEW)
        self._seen = {number for number, _ in self._numbers()}
        self._marks.append((time.monotonic(), newest))

    def read(self) -> tuple[list[Event], Counter[int | None]]:
        """New events, oldest first, and how many more of each project there were than anybody could follow."""
        numbers = self._numbers()
        new = [(number, ref) for number, ref in numbers if number not in self._seen]
        self._seen.update(number for number, _ in new)
        self._move(max((number for number, _ in numbers), default=self._low))
        if not new:
            return [], Counter()
        shown = _fairly(new, _MAX_NEW)
        events = list(Event.objects.filter(ord__in=shown).order_by("ord"))
        return events, Counter(ref for number, ref in new if number not in shown)

    def _numbers(self) -> list[tuple[int, int | None]]:
        """Numbers with their projects, the smallest first."""
        above = Event.objects.filter(ord__gt=self._low).order_by("-ord").values_list("ord", "project_ref")
        return sorted(above[:_MAX_LOOKED_AT], key=itemgetter(0))

    def _move(self, newest: int) -> None:
        now = time.monotonic()
        self._marks.append((now, newest))
        while len(self._marks) > 1 and self._marks[1][0] < now - _LOOK_BACK_SECONDS:
            self._marks.popleft()
        if self._marks[0][0] < now - _LOOK_BACK_SECONDS and self._marks[0][1] > self._low:
            self._low = self._marks[0][1]
            self._seen = {number for number in self._seen if number > self._low}


def _fairly(new: list[tuple[int, int | None]], most: int) -> set[int]:
    """The newest of each project, as many of each as there is room for: who writes much takes no place of others."""
    ranks: Counter[int | None] = Counter()
    ranked = []
    for number, ref in reversed(new):
        ranks[ref] += 1
        ranked.append((ranks[ref], -number))
    return {-number for _, number in sorted(ranked)[:most]}


async def _read(work: Callable[[], T]) -> T | None:
    """None when it cannot be read now."""
    try:
        return await asyncio.to_thread(_apart, work)
    except Exception as error:  # noqa: BLE001  whatever the store raises, the next look may succeed
        logger.warning("the tail cannot read the log", error=type(error).__name__)
        return None


def _apart(work: Callable[[], T]) -> T:
    """In a thread of the pool, which keeps no connection."""
    try:
        return work()
    finally:
        connection.close()


_feeds: dict[asyncio.AbstractEventLoop, Feed] = {}


def current() -> Feed:
    """The running loop's."""
    loop = asyncio.get_running_loop()
    for other in [each for each in _feeds if each.is_closed()]:
        del _feeds[other]
    return _feeds.setdefault(loop, Feed())
