"""The live tail through real servers: a socket with a session's cookie, and what is recorded while it is open."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx2 as httpx
import psycopg
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from tests.conformance.gateway import Gateway
from tests.databases import own_database, own_redis
from tests.e2e.client import Client, connections_to_every_worker
from tests.signing_in import finish_set_up

PASSWORD = "a long enough passphrase"
MAKE = (
    "from projects.models import User, Project; from projects import services;"
    f"User.objects.create_superuser('operator@gateway.test', '{PASSWORD}');"
    f"carla = User.objects.create_user('carla@acme.test', '{PASSWORD}');"
    "services.set_member(project=Project.objects.get(slug='acme'), user=carla, role='auditor')"
)
DECLARED: dict[str, Any] = {
    "version": 1, "projects": [{"slug": "acme", "members": [{"email": "ada@acme.test", "role": "owner"}]}],
}  # fmt: skip


def sign_in(site: httpx.Client, email: str, password: str = PASSWORD) -> None:
    page = site.get("/admin/login/").text
    token = re.search('name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token
    form = {"username": email, "password": password, "csrfmiddlewaretoken": token[1]}
    site.post("/admin/login/?next=/admin/", data=form, headers={"Referer": str(site.base_url)})


def set_up_second_factor(site: httpx.Client) -> None:
    def post(path: str, form: dict[str, str]) -> str:
        return site.post(path, data=form, headers={"X-CSRFToken": site.cookies["csrftoken"]}).text

    finish_set_up(lambda path: site.get(path).text, post)


@pytest.mark.claim("browse.tail")
@pytest.mark.asyncio
@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
async def test_what_happens_is_seen_within_a_second_until_one_signs_out(
    server: Literal["uvicorn", "daphne"], tmp_path: Path
) -> None:
    with Gateway(tmp_path, DECLARED, server=server) as gateway:
        gateway.manage("shell", "-c", MAKE)
        origin = Origin(f"http://127.0.0.1:{gateway.port}")
        address = f"ws://127.0.0.1:{gateway.port}/ws/audit/tail"
        with httpx.Client(base_url=origin) as site, httpx.Client(base_url=origin) as other:
            sign_in(site, "operator@gateway.test")
            half_way = {"Cookie": f"sessionid={site.cookies['sessionid']}"}
            with pytest.raises(InvalidStatus):
                await connect(address, additional_headers=half_way, origin=origin)
            set_up_second_factor(site)
            cookie = {"Cookie": f"sessionid={site.cookies['sessionid']}"}
            for wrong in (Origin("http://evil.test"), None):
                with pytest.raises(InvalidStatus):
                    await connect(address, additional_headers=cookie, origin=wrong)
            with pytest.raises(InvalidStatus):
                await connect(address, origin=origin)
            async with connect(f"{address}?kind=auth.sign_in_failed", origin=origin, additional_headers=cookie) as tail:
                while True:
                    # Until it follows, which it does a moment after it is open.
                    await asyncio.to_thread(sign_in, other, "nobody@gateway.test", "wrong")
                    answered = time.monotonic()
                    try:
                        message = json.loads(await asyncio.wait_for(tail.recv(), 5))
                        break
                    except TimeoutError:
                        continue
                assert time.monotonic() - answered < 2.0
                assert {event["subject"] for event in message["events"]} == {"nobody@gateway.test"}
                token = site.cookies["csrftoken"]
                await asyncio.to_thread(
                    site.post, "/admin/logout/", data={"csrfmiddlewaretoken": token}, headers={"X-CSRFToken": token}
                )
                await asyncio.wait_for(tail.wait_closed(), 15)
                assert tail.close_code == 4403


TWO_TENANTS: dict[str, Any] = {
    "version": 1,
    "projects": [
        {
            "slug": slug,
            "members": [{"email": f"owner@{slug}.test", "role": "owner"}],
            "servers": [{"slug": "docs", "url": "http://127.0.0.1:9/mcp"}],
            "keys": [{"user": f"owner@{slug}.test", "label": "owner"}],
        }
        for slug in ("acme", "globex")
    ],
}
AUDITORS = (
    "from projects.models import User, Project; from projects import services;"
    "[services.set_member(project=Project.objects.get(slug=slug), role='auditor',"
    f" user=User.objects.create_user(f'auditor@{{slug}}.test', '{PASSWORD}')) for slug in ('acme', 'globex')]"
)


@pytest.mark.claim("browse.tail")
@pytest.mark.asyncio
async def test_what_one_worker_records_is_seen_at_another_and_by_nobody_of_another_project(tmp_path: Path) -> None:
    """Auditors of two projects listen at the one worker, and all calls are made at the other."""
    with own_database() as database, own_redis() as redis:
        environment = {"DATABASE_URL": database, "REDIS_URL": redis}
        with Gateway(tmp_path, TWO_TENANTS, workers=2, environment=environment) as gateway:
            gateway.manage("shell", "-v", "0", "-c", AUDITORS)
            (caller, own), (_, foreign) = connections_to_every_worker(gateway, 2, each=2)
            async with tail_over(own, gateway, "acme") as ours, tail_over(foreign, gateway, "globex") as theirs:
                for _ in range(2):
                    await heard_of_a_call(ours, gateway, database, "acme", caller)
                    # That theirs follows is known by what is their own, before which nothing of acme has come.
                    heard = await heard_of_a_call(theirs, gateway, database, "globex", caller)
                    assert {event["project"] for event in heard} == {"globex"}


@asynccontextmanager
async def tail_over(
    connection: http.client.HTTPConnection, gateway: Gateway, project: str
) -> AsyncIterator[ClientConnection]:
    """Of the project's auditor, over a connection that is open already and so leads to its worker."""
    origin = Origin(f"http://127.0.0.1:{gateway.port}")
    with httpx.Client(base_url=origin) as site:
        await asyncio.to_thread(sign_in, site, f"auditor@{project}.test")
        cookie = {"Cookie": f"sessionid={site.cookies['sessionid']}"}
    connection.sock.setblocking(False)
    address = f"ws://127.0.0.1:{gateway.port}/ws/audit/tail"
    async with connect(address, sock=connection.sock, origin=origin, additional_headers=cookie) as tail:
        yield tail


async def heard_of_a_call(
    tail: ClientConnection, gateway: Gateway, database: str, project: str, caller: http.client.HTTPConnection
) -> list[dict[str, Any]]:
    """All that comes until the events of a call of this project that is made now."""
    client = Client(gateway, f"/mcp/{project}/docs", gateway.key(project, "owner"), caller)
    came: list[dict[str, Any]] = []
    for _ in range(10):
        with psycopg.connect(database) as other:
            [(newest,)] = other.execute("SELECT max(ord) FROM audit_event").fetchall()
        await asyncio.to_thread(client.call, "text")
        try:
            async with asyncio.timeout(5):
                while not any(number_of(event) > newest and event["server"] == "docs" for event in came):
                    came += json.loads(await tail.recv())["events"]
                return came
        except TimeoutError:
            # It follows a moment after it is open.
            continue
    raise AssertionError("nothing came")


def number_of(event: dict[str, Any]) -> int:
    return int(re.findall(r"/(\d+)/", event["address"])[0])
