"""Pages with numbers are told that something changed: who may read the log, of what is in it, and not what."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.db import connections

from audit.tail import feed, live
from gateway_site.asgi import application
from projects import services
from projects.models import User
from projects.permissions import Role
from tests.audit.test_tail import ORIGIN, session_of, write
from tests.cast import Cast

pytestmark = [pytest.mark.claim("pages.live"), pytest.mark.asyncio, pytest.mark.django_db(transaction=True)]


@pytest_asyncio.fixture(autouse=True)
async def _close_connections() -> AsyncIterator[None]:
    yield
    await sync_to_async(connections.close_all)()


async def socket_of(user: User, *headers: tuple[bytes, bytes]) -> WebsocketCommunicator:
    session = await sync_to_async(session_of)(user)
    given = [(b"host", b"localhost"), (b"cookie", settings.SESSION_COOKIE_NAME.encode() + b"=" + session)]
    return WebsocketCommunicator(application, "/ws/live", headers=[*given, *(headers or (ORIGIN,))])


@asynccontextmanager
async def live_of(user: User) -> AsyncIterator[WebsocketCommunicator]:
    socket = await socket_of(user)
    connected, _ = await socket.connect(timeout=10)
    assert connected
    async with asyncio.timeout(10):
        while not feed.current()._listeners:
            await asyncio.sleep(0.01)
    try:
        yield socket
    finally:
        await socket.disconnect()


async def test_it_says_what_kind_of_thing_changed_and_nothing_else(cast: Cast) -> None:
    async with live_of(cast.carla) as page:
        await write(cast.globex.pk, "canary-foreign")
        await write(cast.acme.pk, "auth", kind="auth.signed_in")
        await write(cast.acme.pk, "canary-subject")
        assert json.loads(await page.receive_from(10)) == {"changed": ["figures"]}
        await write(cast.acme.pk, "canary-tool", kind="definition.changed")
        assert json.loads(await page.receive_from(10)) == {"changed": ["review"]}
        await write(cast.globex.pk, "canary-foreign")
        assert await page.receive_nothing(feed.POLL_SECONDS * 2 + live._GAP_SECONDS)


async def test_it_is_refused_and_ends_like_the_tail(cast: Cast) -> None:
    opened, _ = await (await socket_of(cast.bob)).connect(timeout=10)
    assert not opened, "a member reads no log; the page asks by itself"
    opened, _ = await (await socket_of(cast.carla, (b"origin", b"http://evil.test"))).connect(timeout=10)
    assert not opened
    async with live_of(cast.carla) as page:
        await sync_to_async(services.set_member)(project=cast.acme, user=cast.carla, role=Role.MEMBER)
        async with asyncio.timeout(15):
            while (await page.receive_output(15))["type"] != "websocket.close":
                pass
