"""A large database for a benchmark: made or kept, filled once, and used by processes that have its settings."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from bench.run import say
from bench.system import DEFAULT_DATABASE_SERVER, ROOT, own_database


@contextmanager
def database(name: str) -> Iterator[tuple[str, bool]]:
    """An address, and whether it is yet to be filled. One with a name is kept, and used again when it is there."""
    if not name:
        with own_database() as (address, _):
            yield address, True
        return
    server = os.environ.get("BENCH_DATABASE_URL", DEFAULT_DATABASE_SERVER)
    with psycopg.connect(server, autocommit=True, connect_timeout=5) as connection:
        is_new = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None
        if is_new:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield urlunsplit(urlsplit(server)._replace(path=f"/{name}")), is_new


def prepare(address: str, environment: Mapping[str, str], events: int, fill: Callable[[], None] | None) -> None:
    """Has its tables made and, when it is yet to be filled, what `fill` writes sealed and indexed."""
    run(environment, "manage.py", "migrate", "-v", "0")
    if fill is None:
        return
    say("filling")
    fill()
    say("sealing and indexing")
    run(environment, "-m", "bench.browse", "--follow", "--events", str(events))
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def run(environment: Mapping[str, str], *arguments: str) -> Any:
    """What Python prints last when it runs this, as JSON; None when it prints nothing."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout.strip().splitlines()[-1]) if done.stdout.strip() else None
