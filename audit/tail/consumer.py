"""The tail's WebSocket: who may open it, what they are sent, and when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from channels.auth import get_user
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.sessions import CookieMiddleware
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import Error as DatabaseError
from django.db import connection
from django.http.request import validate_host
from django.utils.module_loading import import_string

from audit.pages import asking
from audit.pages.asking import Unanswerable
from audit.pages.listing import row_of
from audit.tail import feed
from projects.access import NOTHING, Reach, reaches_of
from projects.models import User
from projects.permissions import AUDIT_READ
from projects.signin.verification import is_enough

# How soon an end of the session, or of a membership, is noticed.
CHECK_SECONDS = 2.0
FORBIDDEN, BAD_REQUEST, TOO_MANY, UNAVAILABLE = 4403, 4400, 4429, 1011
_MAX_QUERY = 8_192
_MAX_OF_A_PERSON = 10
_open: dict[int, int] = {}


@dataclass(frozen=True)
class Person:
    """Somebody who has proved enough, and the session in which they did."""

    user: User
    session: SessionBase


class TailConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels has no types
    """Sends `{"events": [rows], "skipped": n}`. Nothing that a client sends means anything."""

    # What comes is read from the database, so that nobody's socket ends with a Redis that is slow or away.
    channel_layer_alias = ""
    _listener: feed.Listener | None = None
    _tasks: tuple[asyncio.Task[None], ...] = ()
    _person = 0
    # What is looked up of the person; who may do none of it anywhere is not let in.
    actions: tuple[str, ...] = (AUDIT_READ,)
    _reaches: Mapping[str, Reach] = MappingProxyType({})

    async def connect(self) -> None:
        """Refused before it is accepted where the page comes from another site or the person may hear nothing."""
        query = self.scope["query_string"]
        if not comes_from_us(self.scope) or len(query) > _MAX_QUERY:
            await self.close()
            return
        given = parse_qsl(query.decode("ascii", "replace"))
        person = await self.look_again()
        if person is None or not await self.may_open(person, given):
            await self.close()
            return
        await self.accept()
        try:
            listener = await self.listener_of(given)
        except Unanswerable:
            await self.close(BAD_REQUEST)
            return
        number = person.user.pk
        if _open.get(number, 0) >= _MAX_OF_A_PERSON:
            await self.close(TOO_MANY)
            return
        self._listener = listener
        self._count(number)
        try:
            await feed.current().join(listener)
        except (feed.TooManyListeners, DatabaseError) as error:
            await self.close(TOO_MANY if isinstance(error, feed.TooManyListeners) else UNAVAILABLE)
            return
        loop = asyncio.get_running_loop()
        self._tasks = (loop.create_task(self.send_what_comes(listener)), loop.create_task(self._watch()))

    def reach(self, action: str = AUDIT_READ) -> Reach:
        """As it was when it was last looked at."""
        return self._reaches.get(action, NOTHING)

    async def may_open(self, person: Person, given: list[tuple[str, str]]) -> bool:
        """Besides what everybody needs. Asked before it is accepted."""
        return True

    async def listener_of(self, given: list[tuple[str, str]]) -> feed.Listener:
        """What the address asks for. Raises Unanswerable."""
        question = (await asyncio.to_thread(_read, dict(given), self.reach())).question
        return feed.Listener(asking.matcher(question, self.reach), self.reach)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        return

    async def disconnect(self, code: int) -> None:
        self._end()

    def _end(self) -> None:
        if self._listener is not None:
            feed.current().leave(self._listener)
        self._count(0)
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()

    def _count(self, person: int) -> None:
        """Takes the place of a person's tail, or gives it back for 0."""
        if self._person:
            _open[self._person] -= 1
            if not _open[self._person]:
                del _open[self._person]
        self._person = person
        if person:
            _open[person] = _open.get(person, 0) + 1

    async def send_what_comes(self, listener: feed.Listener) -> None:
        while True:
            events, skipped = await listener.take()
            message = {"events": [row_of(event) for event in events], "skipped": skipped}
            await self.send(text_data=orjson.dumps(message).decode())

    async def _watch(self) -> None:
        """Looks whether the person still may. Where that cannot be looked up nobody hears on, and may come again."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                person = await self.look_again()
            except Exception:  # noqa: BLE001  whatever the store raises, nobody reads on unchecked
                await self.shut(UNAVAILABLE)
                return
            if person is None:
                await self.shut(FORBIDDEN)
                return

    async def shut(self, code: int) -> None:
        """Nothing is sent any more, whenever the other side comes to close."""
        self._reaches = {}
        self._end()
        await self.close(code)

    async def look_again(self) -> Person | None:
        """Who it is by now, with what they reach; None for who may hear nothing here. Raises django.db.Error."""
        cookies = CookieMiddleware(_keep)
        scope: dict[str, Any] = await cookies({"type": "websocket", "headers": self.scope["headers"]}, None, None)
        key = scope["cookies"].get(settings.SESSION_COOKIE_NAME)
        if not key:
            return None
        store: type[SessionBase] = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
        # Read anew each time, so that a session that ended elsewhere is none.
        session = store(key)
        user = await get_user({"session": session})
        self._reaches = await asyncio.to_thread(_reaches_of, user, session, self.actions)
        return Person(user, session) if isinstance(user, User) and any(self._reaches.values()) else None


async def _keep(scope: dict[str, Any], receive: Any, send: Any) -> dict[str, Any]:
    return scope


def _reaches_of(user: Any, session: SessionBase, actions: tuple[str, ...]) -> Mapping[str, Reach]:
    try:
        return reaches_of(user, actions) if is_enough(user, session) else {}
    finally:
        connection.close()


def _read(given: dict[str, str], reach: Reach) -> asking.Asked:
    try:
        return asking.read(given, reach)
    finally:
        connection.close()


def comes_from_us(scope: dict[str, Any]) -> bool:
    """Whether a page of our own host, or of an origin that the operator named, opens it: cookies come with any."""
    headers: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.lower(), []).append(value)
    origins, hosts = headers.get(b"origin", []), headers.get(b"host", [])
    if len(origins) != 1 or len(hosts) != 1:
        return False
    origin, host = origins[0].decode("latin-1").lower(), hosts[0].decode("latin-1").lower()
    if origin in (each.lower() for each in settings.CSRF_TRUSTED_ORIGINS):
        return True
    try:
        parts = urlsplit(origin)
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or parts.netloc != host:
        return False
    return validate_host(f"[{name}]" if ":" in name else name, settings.ALLOWED_HOSTS)
