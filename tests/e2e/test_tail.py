"""The live tail through real servers: a socket with a session's cookie, and what is recorded while it is open."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any, Literal

import httpx2 as httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from tests.conformance.gateway import Gateway
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
                    started = time.monotonic()
                    try:
                        message = json.loads(await asyncio.wait_for(tail.recv(), 5))
                        break
                    except TimeoutError:
                        continue
                assert time.monotonic() - started < 2.0
                assert {event["subject"] for event in message["events"]} == {"nobody@gateway.test"}
                token = site.cookies["csrftoken"]
                await asyncio.to_thread(
                    site.post, "/admin/logout/", data={"csrfmiddlewaretoken": token}, headers={"X-CSRFToken": token}
                )
                await asyncio.wait_for(tail.wait_closed(), 15)
                assert tail.close_code == 4403
