"""The WebSocket of pages with numbers: brings what they show when that has changed, and how far their jobs are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from typing import Any

import orjson
import structlog
from django.db import connection

from audit.models import Event
from audit.tail.consumer import FORBIDDEN, UNAVAILABLE, Person, TailConsumer
from audit.tail.feed import Listener
from audit.tail.progress import Moved, action_of
from gateway_site.lib.display import visible
from projects.access import Reach
from projects.models import Job
from projects.permissions import AUDIT_EXPORT, AUDIT_READ, CONFIG_READ
from projects.showing import answer_at

logger = structlog.get_logger("audit.tail")
# However much happens, a page is told once in a second; what is dear to find out is found out more seldom.
_GAP_SECONDS = 1.0
_SHARE = 10.0
# What is counted follows the log by a second or two.
_SETTLE_SECONDS = 2.5
# How soon a page shows what changes with time and with no event, such as that an hour is over.
REFRESH_SECONDS = 15.0
_MAX_SHOWN = 4
# To whom an event of a kind that begins so may change something that a page shows.
_CHANGES = {
    "mcp.call.outcome": AUDIT_READ, "definition.": CONFIG_READ, "discovery.": CONFIG_READ, "server.": CONFIG_READ,
}  # fmt: skip
# However many pages are open, the rest of a worker goes on.
_answering = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pages-socket")


class LiveListener(Listener):
    """Hears that something may have changed, and of jobs, of each the last that there is to say.

    `sees` says which jobs are theirs, `may` where they may do something, `reach` where anything at all.
    """

    hears_jobs = True

    def __init__(
        self, reach: Callable[[], Reach], may: Callable[[str], Reach], sees: Callable[[Moved], bool]
    ) -> None:
        super().__init__(lambda event: False, reach)
        self._may, self._sees = may, sees
        self._moved: dict[int, Moved] = {}
        self._has_changed = False

    def offer(self, events: Iterable[Event], skipped: Mapping[int | None, int]) -> None:
        reaches, anywhere = {action: self._may(action) for action in _CHANGES.values()}, self.reach()
        concerned = any(reaches[action].has(each.project_ref) for each in events for action in _concerned(each.kind))
        if concerned or any(anywhere.has(ref) for ref in skipped):
            self._has_changed = True
            self._wake.set()

    def offer_jobs(self, moved: Iterable[Moved]) -> None:
        theirs = {each.id: each for each in moved if self._sees(each)}
        if theirs:
            self._moved |= theirs
            self._wake.set()

    async def wait(self, until: float) -> tuple[bool, list[Moved]]:
        """Whether something may have changed, and the jobs that moved. At the latest at `until` of the loop's clock."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._wake.wait()
        self._wake.clear()
        changed, self._has_changed = self._has_changed, False
        moved, self._moved = list(self._moved.values()), {}
        return changed, moved


@lru_cache(1_000)
def _concerned(kind: str) -> tuple[str, ...]:
    """Actions, for whose people an event of this kind changes something."""
    return tuple(action for start, action in _CHANGES.items() if kind.startswith(start))


class LiveConsumer(TailConsumer):
    """Sends `{"shown": {address: answer}, "jobs": [job]}`, without what is empty, to whoever has a page to be told of.

    `?shows=ADDRESS` names what the page would ask for (projects.showing); it is let in where each of them is answered,
    and each answer is sent first and then when it is another. A job (audit.tail.progress.Moved, without its project)
    goes to whom its pages are open. Whose rights end is shut out with the next look, before anything else is sent.
    """

    actions = (AUDIT_READ, CONFIG_READ, AUDIT_EXPORT)
    _addresses: tuple[str, ...] = ()

    async def may_open(self, person: Person, given: list[tuple[str, str]]) -> bool:
        self._addresses = tuple(dict.fromkeys(text for name, text in given if name == "shows"))
        if len(self._addresses) > _MAX_SHOWN:
            return False
        return await self._answers(person) is not None

    async def listener_of(self, given: list[tuple[str, str]]) -> Listener:
        return LiveListener(self._anywhere, self.reach, self._sees)

    def _anywhere(self) -> Reach:
        reaches = [self.reach(action) for action in self.actions]
        return Reach(any(each.is_all for each in reaches), frozenset().union(*(each.projects for each in reaches)))

    def _sees(self, job: Moved) -> bool:
        return self.reach(action_of(job.kind)).has(job.project_ref)

    async def send_what_comes(self, listener: Listener) -> None:
        assert isinstance(listener, LiveListener)  # noqa: S101  it was made above
        try:
            await self._follow(listener)
        except Exception as error:  # noqa: BLE001  whatever it is, a page that would hear nothing any more begins anew
            logger.warning("the pages' socket ends", error=type(error).__name__)
            await self.shut(UNAVAILABLE)

    async def _follow(self, listener: LiveListener) -> None:
        """Until the person may no longer. Raises whatever looking it up and sending it does."""
        loop, sent = asyncio.get_running_loop(), dict[str, bytes]()
        has_changed, moved, until = False, list[Moved](), loop.time()
        while True:
            began = loop.time()
            answers: Mapping[str, bytes] | None = {}
            person = await self.look_again()
            if person is not None and (has_changed or began >= until or _has_other_state(moved)):
                answers = await self._answers(person)
                until = began + (_SETTLE_SECONDS if has_changed else REFRESH_SECONDS)
            if person is None or answers is None:
                await self.shut(FORBIDDEN)
                return
            new = {address: answer for address, answer in answers.items() if sent.get(address) != answer}
            sent |= new
            # Those of a project that was theirs a moment ago are not told any more.
            told = _told(new, [job for job in moved if self._sees(job)])
            if told:
                await self.send(text_data=told)
            await asyncio.sleep(max(_GAP_SECONDS, _SHARE * (loop.time() - began)))
            has_changed, moved = await listener.wait(until)

    async def _answers(self, person: Person) -> Mapping[str, bytes] | None:
        """By address, of all that the page shows; None where one of them is not answered to this person."""
        if not self._addresses:
            return {}
        return await asyncio.get_running_loop().run_in_executor(_answering, _answers_at, self._addresses, person)


def _answers_at(addresses: tuple[str, ...], person: Person) -> Mapping[str, bytes] | None:
    answers = {}
    try:
        for address in addresses:
            answer = answer_at(address, person.user, person.session)
            if answer is None:
                return None
            answers[address] = answer
    finally:
        connection.close()
    return answers


def _has_other_state(moved: Iterable[Moved]) -> bool:
    """How far one is that runs is told by itself; one that waits, or has ended, may have changed what is shown."""
    return any(job.state != Job.State.RUNNING for job in moved)


def _told(answers: Mapping[str, bytes], moved: Iterable[Moved]) -> str:
    """Empty when there is nothing to say."""
    told = {
        "shown": {address: orjson.Fragment(answer) for address, answer in answers.items()},
        "jobs": [_as_json(job) for job in moved],
    }
    told = {name: what for name, what in told.items() if what}
    return orjson.dumps(told).decode() if told else ""


def _as_json(job: Moved) -> dict[str, Any]:
    shown = {**job._asdict(), "text": visible(job.text)}
    return {name: value for name, value in shown.items() if name != "project_ref"}
