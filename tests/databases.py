"""Databases of a test's own on the PostgreSQL server that the suite uses."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest


@contextmanager
def own_database() -> Iterator[str]:
    """The URL of an empty database, dropped at the end. Skips on the embedded topology, which has no server."""
    server = os.environ.get("DATABASE_URL")
    if not server:
        pytest.skip("the suite runs on SQLite")
    name = f"mcpgw_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
