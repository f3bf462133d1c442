"""Long-lived threads and their database connection, on both databases."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from gateway_site.lib import connections
from tests.databases import ROOT

_ON_SQLITE = """
from django.db import connection
from gateway_site.lib import connections

def ask():
    connection.cursor().execute("SELECT 1")
    given = connection.connection
    connections.give_back()
    return given

first = ask()
print("kept", ask() is first)
connection.errors_occurred = True
connections.give_back()
print("after an error", connection.connection is None)
"""


def test_a_thread_that_asks_again_keeps_its_file_of_sqlite_open_until_an_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-c", _ON_SQLITE], cwd=ROOT, capture_output=True, text=True, timeout=60,
        env={"PATH": os.environ["PATH"], "GATEWAY_HOME": str(tmp_path)},
    )  # fmt: skip

    assert done.stdout.splitlines()[-2:] == ["kept True", "after an error True"], done.stderr


@pytest.mark.django_db(transaction=True)
def test_on_postgresql_a_thread_gives_its_connection_back_to_the_pool() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("the suite runs on SQLite")
    connection.ensure_connection()

    connections.give_back()

    assert connection.connection is None
