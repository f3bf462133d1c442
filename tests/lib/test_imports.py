"""What a process of ours holds that it never uses."""

import subprocess
import sys

import pytest

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
