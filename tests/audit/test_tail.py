"""The live tail as a browser has it: its socket, who may open it, what comes over it, and when it ends."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from django.test import Client

from audit import storage
from audit.entry import Entry, new_id, now
from audit.models import Event
from audit.tail import consumer, feed
from gateway_site.asgi import application
from projects import services
from projects.access import Reach
from projects.models import User
from projects.permissions import Role
from tests.admin.conftest import HOSTILE
from tests.audit.sealing import execute
from tests.cast import Cast

pytestmark = [pytest.mark.claim("browse.tail"), pytest.mark.asyncio, pytest.mark.django_db(transaction=True)]
ORIGIN = (b"origin", b"http://localhost")


@pytest_asyncio.fixture(autouse=True)
async def _close_connections() -> AsyncIterator[None]:
    yield
    # Of the thread that what blocks is done in.
    await sync_to_async(connections.close_all)()


def session_of(user: User) -> bytes:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value.encode()


def socket(session: bytes, query: str = "", *headers: tuple[bytes, bytes]) -> WebsocketCommunicator:
    given = [(b"host", b"localhost"), (b"cookie", settings.SESSION_COOKIE_NAME.encode() + b"=" + session)]
    return WebsocketCommunicator(application, f"/ws/audit/tail?{query}", headers=[*given, *(headers or (ORIGIN,))])


@asynccontextmanager
async def tail_of(user: User, query: str = "") -> AsyncIterator[WebsocketCommunicator]:
    tail = socket(await sync_to_async(session_of)(user), query)
    connected, _ = await tail.connect(timeout=10)
    assert connected
    loop_feed = feed.current()
    async with asyncio.timeout(10):
        while not loop_feed._listeners:
            await asyncio.sleep(0.01)
    try:
        yield tail
    finally:
        await tail.disconnect()


@sync_to_async
def write(project_ref: int | None, subject: str, **fields: Any) -> None:
    given: dict[str, Any] = {"kind": "mcp.call.outcome", "project": "acme", "server": "docs", "actor": "ada@acme.test"}
    storage.insert(
        [Entry(id=new_id(), at=now(), project_ref=project_ref, subject=subject, **{**given, **fields})]
    )


async def next_rows(tail: WebsocketCommunicator, timeout: float = 10.0) -> list[str]:
    return [event["subject"] for event in json.loads(await tail.receive_from(timeout))["events"]]


async def test_a_call_is_shown_within_a_second(cast: Cast) -> None:
    async with tail_of(cast.carla) as tail:
        waits: list[float] = []
        while not waits or waits[-1] >= 1.0:
            # A machine that is busy otherwise may hold it up.
            assert len(waits) < 3, waits
            await write(cast.acme.pk, "search")
            started = time.monotonic()
            assert await next_rows(tail) == ["search"]
            waits.append(time.monotonic() - started)


async def test_calls_are_shown_and_nothing_foreign_ever(cast: Cast) -> None:
    async with tail_of(cast.carla) as tail, tail_of(cast.carla, "server=docs&q=search") as searching:
        await write(cast.globex.pk, "canary-foreign")
        await write(None, "canary-of-nobody")
        await write(cast.acme.pk, f"{HOSTILE} search", server="docs")
        first = await next_rows(tail)
        assert first == [f"{HOSTILE} search"], "as text, for the page to put into a text node"
        assert await next_rows(searching) == first
        await write(cast.acme.pk, "other", server="clock")
        await write(cast.globex.pk, "canary-foreign search")
        assert await next_rows(tail) == ["other"]
        assert await searching.receive_nothing(feed.POLL_SECONDS * 2)
        assert await tail.receive_nothing()


async def test_only_readers_open_it_and_only_from_our_own_pages(cast: Cast) -> None:
    for person in (cast.bob, cast.mallory):
        opened, _ = await socket(await sync_to_async(session_of)(person)).connect(timeout=10)
        assert opened is (person is cast.mallory), "a member reads no log, an owner that of their own project"
    session = await sync_to_async(session_of)(cast.carla)
    for origin in (b"http://evil.test", b"http://localhost.evil.test", b"http://localhost:1234", b"null", b"file://",
                   b"http://[", b""):  # fmt: skip
        opened, _ = await socket(session, "", (b"origin", origin)).connect(timeout=10)
        assert not opened, origin
    opened, _ = await socket(session, "", (b"x-nothing", b"")).connect(timeout=10)
    assert not opened, "no origin at all"
    opened, _ = await socket(session, "", ORIGIN, ORIGIN).connect(timeout=10)
    assert not opened, "two of them"
    for wrong in (b"", b"x" * 32, b"../" * 10):
        opened, _ = await socket(wrong).connect(timeout=10)
        assert not opened, wrong
    for path in ("/ws/audit/tailx", "/mcp/acme", "/"):
        other = WebsocketCommunicator(application, path, headers=[(b"host", b"localhost"), ORIGIN])
        opened, _ = await other.connect(timeout=10)
        assert not opened, path


async def test_it_needs_no_redis(cast: Cast, settings: Any) -> None:
    nobody = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": ["redis://127.0.0.1:1"]}}
    settings.CHANNEL_LAYERS = {"default": nobody}
    async with tail_of(cast.carla) as tail:
        await write(cast.acme.pk, "search")
        assert await next_rows(tail) == ["search"]


@pytest.mark.parametrize("how", ["sign-out", "membership", "deactivated"])
async def test_it_ends_within_seconds_when_the_person_may_no_longer(
    cast: Cast, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "CHECK_SECONDS", 0.2)
    session = await sync_to_async(session_of)(cast.carla)
    tail = socket(session)
    assert (await tail.connect(timeout=10))[0]
    if how == "sign-out":
        client = Client()
        client.cookies[settings.SESSION_COOKIE_NAME] = session.decode()
        await sync_to_async(client.post)("/admin/logout/")
    elif how == "membership":
        await sync_to_async(services.set_member)(project=cast.acme, user=cast.carla, role=Role.MEMBER)
    else:
        await sync_to_async(User.objects.filter(pk=cast.carla.pk).update)(is_active=False)
    async with asyncio.timeout(10):
        while (message := await tail.receive_output(10))["type"] != "websocket.close":
            pass
    assert message["code"] == consumer.FORBIDDEN
    assert consumer._open == {} and not feed.current()._listeners
    await tail.disconnect()


async def test_what_a_listener_does_not_take_is_skipped_and_counted_of_its_own_only() -> None:
    reach = Reach(projects=frozenset({1}))
    listener = feed.Listener(lambda event: reach.has(event.project_ref), lambda: reach)
    mine = [Event(ord=number, project_ref=1, at=now()) for number in range(feed._MAX_WAITING + 5)]
    listener.offer([*mine, Event(ord=9_999, project_ref=2, at=now())], {1: 3, 2: 1_000, None: 1_000})
    taken, skipped = await listener.take()
    assert [event.ord for event in taken] == [event.ord for event in mine[5:]]
    assert skipped == 5 + 3


async def test_what_is_committed_late_is_still_shown() -> None:
    place = feed._Place()

    def insert(number: int, subject: str) -> None:
        """As a transaction does that took its number before others, and ends after them."""
        names = ("kind", "project", "actor_kind", "actor_id", "actor", "request_id", "trace_id", "session", "server",
                 "method", "decision", "reason", "params_digest", "result_digest", "payload_digest")  # fmt: skip
        execute(
            f"INSERT INTO audit_event (ord, id, at, subject, detail, {', '.join(names)})"
            f" VALUES (%s, %s, %s, %s, '{{}}', {', '.join(['%s'] * len(names))})",
            [number, new_id().hex, now().strftime("%Y-%m-%d %H:%M:%S.%f"), subject, *([""] * len(names))],
        )

    @sync_to_async
    def subjects() -> list[list[str]]:
        insert(10, "before")
        place.begin()
        found = []
        for number, subject in ((30, "seen"), (20, "late"), (31, "next")):
            insert(number, subject)
            found.append([event.subject for event in place.read()[0]])
        return found

    assert await subjects() == [["seen"], ["late"], ["next"]]


async def test_a_project_that_writes_much_takes_nothing_out_of_anothers_tail(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_MAX_NEW", 10)
    await write(cast.globex.pk, "before")
    place = feed._Place()
    await sync_to_async(place.begin)()
    await write(cast.acme.pk, "mine")
    for number in range(30):
        await write(cast.globex.pk, f"theirs {number}")
    events, skipped = await sync_to_async(place.read)()
    assert [event.subject for event in events] == ["mine", *(f"theirs {number}" for number in range(21, 30))]
    assert dict(skipped) == {cast.globex.pk: 21}


async def test_readers_of_one_project_leave_places_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def of(project: int) -> feed.Listener:
        return feed.Listener(lambda event: True, lambda: Reach(projects=frozenset({project})))

    monkeypatch.setattr(feed, "MAX_LISTENERS", 4)
    ours, loop_feed = [of(1), of(1), of(2)], feed.Feed()
    try:
        await loop_feed.join(ours[0])
        await loop_feed.join(ours[1])
        with pytest.raises(feed.TooManyListeners):
            await loop_feed.join(of(1))
        await loop_feed.join(ours[2])
    finally:
        for listener in ours:
            loop_feed.leave(listener)


async def test_who_comes_together_with_one_who_is_not_let_in_hears_nothing_old(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, loop_feed = feed._Place.begin, feed.Feed()

    def fail(_: feed._Place) -> None:
        raise DatabaseError

    await write(cast.acme.pk, "old")
    outcomes = iter([begin, fail])
    monkeypatch.setattr(feed._Place, "begin", lambda place: next(outcomes)(place))
    both = [feed.Listener(lambda event: True, lambda: Reach(is_all=True)) for _ in range(2)]
    try:
        _, failed = await asyncio.gather(*(loop_feed.join(each) for each in both), return_exceptions=True)
        assert isinstance(failed, DatabaseError)
        await write(cast.acme.pk, "new")
        async with asyncio.timeout(10):
            events, skipped = await both[0].take()
        assert ([event.subject for event in events], skipped) == (["new"], 0)
    finally:
        for each in both:
            loop_feed.leave(each)


async def test_a_tail_that_the_store_cannot_begin_ends_and_takes_no_place(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: feed._Place) -> None:
        raise InterfaceError

    monkeypatch.setattr(feed._Place, "begin", fail)
    tail = socket(await sync_to_async(session_of)(cast.carla))
    assert (await tail.connect(timeout=10))[0]
    message = await tail.receive_output(10)
    assert (message["type"], message["code"]) == ("websocket.close", consumer.UNAVAILABLE)
    await tail.disconnect()
    assert consumer._open == {}
