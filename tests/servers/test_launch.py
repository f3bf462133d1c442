"""What the runner is told to start."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from projects.services import update_project
from servers import launch, services
from servers.models import CommandTemplate, Server
from tests.cast import Cast, two_tenants

pytestmark = [pytest.mark.claim("stdio.launch"), pytest.mark.django_db(transaction=True)]
SLOTS: dict[str, Any] = {
    "zone": {"pattern": "[A-Za-z_/]+"},
    "mode": {"enum": ["fast", "slow"], "default": "slow"},
    "token": {"pattern": ".*", "secret": True},
}


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    return two_tenants()


def clock(cast: Cast, **params: str) -> Server:
    template = services.save_template(
        template=CommandTemplate(
            slug="clock", executable="{python}", args=["-m", "clock", "--zone={zone}", "{mode}"], params=SLOTS,
            env={"API_TOKEN": "{token}"}, memory_mb=256, max_processes=3, idle_seconds=60,
        )
    )  # fmt: skip
    server = services.new_server(project=cast.acme, slug="clock", transport="stdio", template=template)
    return services.save_server(server=server, params={"zone": "UTC", "token": "canary", **params})


def test_a_stdio_server_becomes_an_argv_and_a_whole_environment(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the gateway")
    server = clock(cast)
    found = launch.load(cast.acme.pk, server.pk)
    assert found is not None
    home = str(settings.GATEWAY_HOME / "servers" / str(server.uid))
    assert found.argv == (sys.executable, "-m", "clock", "--zone=UTC", "slow")
    assert found.env == {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin", "HOME": home, "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1", "API_TOKEN": "canary",
    }  # fmt: skip
    assert (found.cwd, found.memory_mb, found.max_processes, found.idle_seconds) == (home, 256, 3, 60)
    assert found.config_hash == server.config_hash
    assert Path(home).stat().st_mode & 0o077 == 0
    assert "canary" not in repr(found)


def test_a_value_that_looks_like_a_slot_stays_a_value(cast: Cast) -> None:
    server = clock(cast, token="{zone}{python}")
    found = launch.load(cast.acme.pk, server.pk)
    assert found is not None
    assert found.env["API_TOKEN"] == "{zone}{python}"


def test_two_servers_do_not_share_a_home(cast: Cast) -> None:
    first = clock(cast)
    second = services.new_server(project=cast.globex, slug="clock", transport="stdio", template=first.template)
    services.save_server(server=second, params={"zone": "UTC", "token": ""})
    homes = [launch.load(server.project_id, server.pk) for server in (first, second)]
    assert homes[0] is not None
    assert homes[1] is not None
    assert homes[0].cwd != homes[1].cwd


def test_an_sse_server_becomes_an_address_with_its_credentials(cast: Cast) -> None:
    server = cast.server(transport="sse", headers={"Authorization": "Bearer canary"})
    found = launch.load(cast.acme.pk, server.pk)
    assert found is not None
    assert (found.url, found.headers) == (server.url, {"Authorization": "Bearer canary"})
    assert found.argv == ()
    assert "canary" not in repr(found)


def test_nothing_is_started_for_another_project(cast: Cast) -> None:
    assert launch.load(cast.globex.pk, clock(cast).pk) is None


def test_nothing_is_started_for_what_is_not_there_or_not_the_runners(cast: Cast) -> None:
    assert launch.load(cast.acme.pk, 999_999) is None
    assert launch.load(cast.acme.pk, cast.server("docs").pk) is None


def test_nothing_is_started_once_it_is_switched_off(cast: Cast) -> None:
    server = clock(cast)
    assert server.template is not None
    services.set_server_enabled(server=server, enabled=False)
    assert launch.load(cast.acme.pk, server.pk) is None
    services.set_server_enabled(server=server, enabled=True)
    assert launch.load(cast.acme.pk, server.pk) is not None
    server.template.enabled = False
    services.save_template(template=server.template)
    assert launch.load(cast.acme.pk, server.pk) is None
    server.template.enabled = True
    services.save_template(template=server.template)
    update_project(project=cast.acme, enabled=False)
    assert launch.load(cast.acme.pk, server.pk) is None
