"""What a process of ours holds that it never uses."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway_site.lib.imports import used_later

pytestmark = pytest.mark.claim("server.lean")


def test_a_process_holds_neither_twisted_nor_rich_until_something_asks_for_them() -> None:
    code = (
        "import sys, gateway_site.settings, structlog\n"
        "assert not {'rich', 'twisted'} & sys.modules.keys()\n"
        "import twisted\n"
        "assert structlog.get_logger() is not None"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_worker_has_no_pages_until_one_is_asked_for() -> None:
    code = (
        "import asyncio, sys\n"
        "from gateway_site.asgi import application\n"
        "assert not {'ninja', 'gateway_site.urls', 'projects.admin', 'audit.pages'} & sys.modules.keys()\n"
        "from gateway_site.asgi import _load_pages\n"
        "_load_pages()\n"
        "from django.contrib import admin\n"
        "from audit.models import Event\n"
        "assert 'ninja' in sys.modules and admin.site.is_registered(Event)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("program", ["gateway_site.asgi", "servers.runner.serve"])
def test_neither_a_worker_nor_the_runner_holds_the_clients_and_servers_of_the_protocols_library(program: str) -> None:
    code = (
        "import sys, gateway_site.settings, django\n"
        "django.setup()\n"
        f"import {program}\n"
        "assert 'mcp.shared.inbound' in sys.modules\n"
        "assert not {'mcp.client', 'mcp.server', 'httpx2', 'starlette'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_the_protocols_library_offers_comes_when_it_is_asked_for() -> None:
    code = (
        "import sys, gateway_site, mcp\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "assert 'mcp.client' not in sys.modules\n"
        "with ThreadPoolExecutor(8) as threads:\n"
        "    found = set(threads.map(lambda _: mcp.ClientSession, range(32)))\n"
        "from mcp.client.session import ClientSession\n"
        "assert found == {ClientSession}\n"
        "from mcp import *\n"
        "assert set(mcp.__all__) <= globals().keys()\n"
        "assert not hasattr(mcp, 'nothing_of_this_name')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_worker_has_nothing_of_passkeys_but_their_tables_until_somebody_holds_one_up() -> None:
    code = (
        "import sys\n"
        "from gateway_site.asgi import _load_pages\n"
        "_load_pages()\n"
        "from django.apps import apps\n"
        "assert apps.get_model('django_otp_webauthn', 'WebAuthnUserHandle') and apps.get_model('projects', 'Passkey')\n"
        "assert not {'webauthn', 'OpenSSL', 'pyasn1', 'cbor2'} & sys.modules.keys()\n"
        "import projects.signin.ceremony\n"
        "assert 'webauthn' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_used_later_is_imported_when_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "heavy_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("from heavy_of_a_test import part\ndef twice(number): return 2 * number\n")
    (package / "part.py").write_text("LIMIT = 7\n")
    with used_later("heavy_of_a_test"):
        from heavy_of_a_test import part, twice  # type: ignore[import-not-found]  # made above
    assert "heavy_of_a_test" not in sys.modules
    assert (twice(21), part.LIMIT) == (42, 7)
    assert "heavy_of_a_test" in sys.modules
    with used_later("heavy_of_a_test"):
        from heavy_of_a_test import part as real
    assert real is sys.modules["heavy_of_a_test.part"]
