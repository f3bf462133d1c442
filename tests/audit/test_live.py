"""What pages show is brought over their socket: to each role exactly what its page would be answered, and no longer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.db import connections
from django.urls import reverse

from audit.models import Event
from audit.tail import consumer, feed, live
from gateway_site.asgi import application
from projects import services
from projects.access import Reach
from projects.models import Membership, Project, Session, User
from projects.permissions import Role
from projects.scoping import unscoped
from servers.models import Server
from servers.services import save_server
from tests.admin.people import People, two_tenants_of_every_role
from tests.audit.sealing import index_all
from tests.audit.test_tail import ORIGIN, session_of, write

pytestmark = [pytest.mark.claim("pages.live"), pytest.mark.asyncio, pytest.mark.django_db(transaction=True)]
# Long enough for what is not meant for somebody to have come.
WHILE = feed.POLL_SECONDS * 2 + live._GAP_SECONDS + live._SETTLE_SECONDS
CANARY = "canary-of-globex"


@pytest_asyncio.fixture(autouse=True)
async def _close_connections() -> AsyncIterator[None]:
    yield
    await sync_to_async(connections.close_all)()


@pytest.fixture
def people(transactional_db: None) -> People:
    return two_tenants_of_every_role()


@pytest.fixture
def board(people: People) -> str:
    """Where acme's first page has its figures."""
    return f"{reverse('servers-figures')}?project=acme&window=24h"


@pytest.fixture
def count(people: People) -> str:
    return f"{reverse('servers-inbox-count')}?project=acme"


async def socket_of(user: User | None, *headers: tuple[bytes, bytes], shows: tuple[str, ...] = ()) -> Any:
    session = b"" if user is None else await sync_to_async(session_of)(user)
    given = [(b"host", b"localhost"), (b"cookie", settings.SESSION_COOKIE_NAME.encode() + b"=" + session)]
    address = f"/ws/live?{urlencode([('shows', each) for each in shows])}"
    return WebsocketCommunicator(application, address, headers=[*given, *(headers or (ORIGIN,))])


@asynccontextmanager
async def live_of(user: User, *shows: str) -> AsyncIterator[WebsocketCommunicator]:
    socket = await socket_of(user, shows=shows)
    before = len(feed.current()._listeners)
    connected, _ = await socket.connect(timeout=10)
    assert connected
    async with asyncio.timeout(10):
        while len(feed.current()._listeners) == before:
            await asyncio.sleep(0.01)
    try:
        yield socket
    finally:
        await socket.disconnect()


async def shown(socket: WebsocketCommunicator, address: str) -> Any:
    """What comes next of it."""
    async with asyncio.timeout(20):
        while True:
            told = json.loads(await socket.receive_from(20))
            if address in told.get("shown", {}):
                return told["shown"][address]


async def shown_until(socket: WebsocketCommunicator, address: str, is_so: Callable[[Any], bool]) -> Any:
    while not is_so(said := await shown(socket, address)):
        pass
    return said


async def closed(socket: WebsocketCommunicator) -> list[str]:
    """Waits until it ends because the person may not, and gives what came before that."""
    came: list[str] = []
    async with asyncio.timeout(20):
        while (message := await socket.receive_output(20))["type"] != "websocket.close":
            came.append(message["text"])
    assert message["code"] == consumer.FORBIDDEN
    return came


def calls_of(board: Any) -> list[str]:
    return [figure["text"] for figure in board["figures"] if figure["id"] == "calls"]


@sync_to_async
def answered(people: People, who: str, address: str) -> Any:
    response = people.browser(who).get(address)
    assert response.status_code == 200, (who, address)
    return response.json()


@sync_to_async
def switch(server: Server, *, enabled: bool) -> None:
    server.enabled = enabled
    save_server(server=server)


@sync_to_async
def remove(project: Project, user: User) -> None:
    with unscoped("the test names a row of any project"):
        membership = Membership.objects.select_related("user", "project").get(project=project, user=user)
    services.remove_member(membership=membership)


@pytest.mark.parametrize("who", ["operator", "owner", "admin", "member", "auditor"])
async def test_every_role_is_brought_what_its_page_is_answered_and_that_again_when_it_is_another(
    people: People, board: str, who: str
) -> None:
    server = await sync_to_async(people.server)("docs")
    # Whose page has the one and whose has the other is said by what they are answered, not by this test.
    said = await answered(people, who, board)
    async with live_of(people.users[who], board) as page:
        assert await shown(page, board) == said
        if said["figures"]:
            await write(people.acme.pk, "search")
            await sync_to_async(index_all)()
            new = await shown_until(page, board, lambda each: calls_of(each) == ["1"])
        else:
            await switch(server, enabled=False)
            new = await shown_until(page, board, lambda each: each["servers"][0]["state"] == "off")
        assert new == await answered(people, who, board)
    assert bool(said["figures"]) == (who != "member") and bool(said["servers"]) == (who != "auditor")


async def test_nobody_is_told_of_what_their_pages_do_not_show(people: People, board: str) -> None:
    server = await sync_to_async(people.server)("docs")
    async with live_of(people.users["member"], board) as member, live_of(people.users["auditor"], board) as auditor:
        for page in (member, auditor):
            await shown(page, board)
        await write(people.acme.pk, "search")
        await sync_to_async(index_all)()
        assert calls_of(await shown(auditor, board)) == ["1"]
        assert await member.receive_nothing(WHILE), "a member reads no log, and learns of no call"
        await switch(server, enabled=False)
        assert (await shown(member, board))["servers"][0]["state"] == "off"
        assert await auditor.receive_nothing(WHILE), "an auditor sees no server"


async def test_nothing_of_another_project_arrives(people: People, board: str, count: str) -> None:
    foreign = await sync_to_async(people.server)("docs", people.globex)
    for who in ("owner", "member", "auditor"):
        shows = (board, count) if who == "owner" else (board,)
        async with live_of(people.users[who], *shows) as page:
            await shown(page, board)
            await write(people.globex.pk, CANARY, server=CANARY, project="globex")
            await write(None, CANARY)
            await switch(foreign, enabled=not foreign.enabled)
            await write(people.globex.pk, CANARY, kind="definition.changed")
            await sync_to_async(index_all)()
            assert await page.receive_nothing(WHILE), who


@pytest.mark.parametrize("who", ["outsider", "nobody"])
async def test_it_is_refused_to_whom_the_page_is_closed(people: People, board: str, count: str, who: str) -> None:
    await sync_to_async(people.server)("docs")
    user = people.users.get(who)
    progress = reverse("servers-server-progress", args=["acme", "docs"])
    for address in (board, count, progress, board.replace("acme", "nothing")):
        for shows in ((address,), (f"{reverse('servers-figures')}?project=globex", address)):
            opened, _ = await (await socket_of(user, shows=shows)).connect(timeout=10)
            assert not opened, shows


async def test_it_shows_only_what_is_meant_for_it(people: People, board: str, count: str) -> None:
    strange = ("//x/admin/", f"http://elsewhere.test{board}", "http://[", f"{board}{'x' * 2_000}", "/ws/live")
    others = ("/nothing", "/admin/", "/admin/projects/job/", "/admin/playground/tools/?project=acme", "/admin/logout/")
    for address in (*strange, *others):
        opened, _ = await (await socket_of(people.users["owner"], shows=(address,))).connect(timeout=10)
        assert not opened, address
    many = tuple(f"{board}&x={number}" for number in range(live._MAX_SHOWN + 1))
    opened, _ = await (await socket_of(people.users["owner"], shows=many)).connect(timeout=10)
    assert not opened
    for who in ("member", "auditor"):
        opened, _ = await (await socket_of(people.users[who], shows=(count,))).connect(timeout=10)
        assert not opened, "who decides on nothing has no inbox"
    evil = await socket_of(people.users["owner"], (b"origin", b"http://evil.test"), shows=(board,))
    assert not (await evil.connect(timeout=10))[0]


@pytest.mark.parametrize("how", ["membership", "role", "sign-out", "deactivated"])
async def test_who_may_no_longer_is_shut_out_before_anything_else_is_sent(
    people: People, count: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The look between times would come first.
    monkeypatch.setattr(consumer, "CHECK_SECONDS", 600.0)
    admin = people.users["admin"]
    async with live_of(admin, count) as page:
        assert await shown(page, count) == {"waiting": 0, "badge": ""}
        if how == "membership":
            await remove(people.acme, admin)
        elif how == "role":
            await sync_to_async(services.set_member)(project=people.acme, user=admin, role=Role.MEMBER)
        elif how == "sign-out":
            await sync_to_async(Session.objects.filter(user=admin).delete)()
        else:
            await sync_to_async(User.objects.filter(pk=admin.pk).update)(is_active=False)
        await write(people.acme.pk, "search")
        await write(people.acme.pk, "search", kind="definition.changed")
        monkeypatch.setattr(live, "REFRESH_SECONDS", 0.1)
        assert await closed(page) == []


async def test_who_stays_in_another_project_keeps_its_page_and_loses_the_other(people: People, board: str) -> None:
    both, theirs = people.users["member"], board.replace("acme", "globex")
    await sync_to_async(services.set_member)(project=people.globex, user=both, role=Role.MEMBER)
    server = await sync_to_async(people.server)("docs", people.globex)
    async with live_of(both, board) as of_acme, live_of(both, theirs) as of_globex:
        await shown(of_acme, board)
        await shown(of_globex, theirs)
        await remove(people.acme, both)
        await switch(server, enabled=False)
        assert (await shown(of_globex, theirs))["servers"][0]["state"] == "off"
        assert await closed(of_acme) == []


async def test_a_page_that_could_not_be_answered_begins_anew(
    people: People, board: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await sync_to_async(people.server)("docs")

    def fail(*_: object) -> None:
        raise RuntimeError

    async with live_of(people.users["member"], board) as page:
        await shown(page, board)
        monkeypatch.setattr(live, "answer_at", fail)
        await switch(server, enabled=False)
        message = await page.receive_output(20)
        assert (message["type"], message["code"]) == ("websocket.close", consumer.UNAVAILABLE)
    assert consumer._open == {} and not feed.current()._listeners


async def test_all_people_of_a_project_leave_places_to_others_whatever_their_roles(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MAX_LISTENERS", 4)
    async with live_of(people.users["member"]), live_of(people.users["auditor"]):
        crowded = await socket_of(people.users["owner"])
        assert (await crowded.connect(timeout=10))[0]
        assert (await crowded.receive_output(10))["code"] == consumer.TOO_MANY
        await crowded.disconnect()
        async with live_of(people.users["outsider"]):
            pass


async def test_what_was_too_much_to_be_read_counts_as_a_change_of_ones_own_projects_only() -> None:
    acme = Reach(projects=frozenset({1}))
    listener = live.LiveListener(lambda: acme, lambda _: acme, lambda _: False)
    loop = asyncio.get_running_loop()
    listener.offer([Event(project_ref=2, kind="server.changed")], {2: 100, None: 100})
    assert await listener.wait(loop.time() + 0.05) == (False, [])
    listener.offer([], {1: 1})
    assert await listener.wait(loop.time() + 5) == (True, [])
