"""Databases of a test's own: on the PostgreSQL and Redis that the suite uses, and files of SQLite."""

from __future__ import annotations

import atexit
import fcntl
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis

ROOT = Path(__file__).resolve().parents[1]
# What Django checks of the code at each command is the same each time, takes longer than most commands, and has a test
# of its own (tests.e2e.sowing runs `check`).
_UNCHECKED = "--skip-checks"
# The processes of one run share it.
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)[:12]


def unchecked(command: str, *arguments: str) -> list[str]:
    """What runs a management command; a shell checks nothing, and knows no such option."""
    return [sys.executable, "manage.py", command, *([] if command == "shell" else [_UNCHECKED]), *arguments]


@contextmanager
def own_database(migrated: bool = True) -> Iterator[str]:
    """The URL of a database with empty tables, or with none; dropped at the end.

    Skips on the embedded topology, which has no server.
    """
    server = os.environ.get("DATABASE_URL")
    if not server:
        pytest.skip("the suite runs on SQLite")
    name = f"mcpgw_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        template = f'TEMPLATE "{_migrated_on(server)}"' if migrated else ""
        connection.execute(f'CREATE DATABASE "{name}" {template}')
        # Nobody cuts the power of this server; who does has one of his own (tests.reliability.postgresql).
        connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit TO off')
    try:
        yield _at(server, name)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@functools.cache
def _migrated_on(server: str) -> str:
    """The name of a database that has been migrated once in this run, and of which the others are copies."""
    name = f"mcpgw_model_{RUN}"

    def make() -> None:
        _drop(server, name)
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        with tempfile.TemporaryDirectory(prefix="mcpgw-") as home:
            migrate({"GATEWAY_HOME": home, "DATABASE_URL": _at(server, name)})

    once_in_a_run("database", make, functools.partial(_drop, server, name))
    return name


def _drop(server: str, name: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@functools.cache
def migrated_file() -> Path:
    """A file of SQLite that has all tables and no rows, to be copied."""
    home = Path(tempfile.gettempdir()) / f"mcpgw-model-{RUN}"

    def make() -> None:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        migrate({"GATEWAY_HOME": str(home)})

    once_in_a_run("file", make, functools.partial(shutil.rmtree, home, ignore_errors=True))
    return home / "gateway.sqlite3"


def once_in_a_run(what: str, make: Callable[[], None], drop: Callable[[], None]) -> None:
    """Made by the first of the run's processes, while the others wait for it, and dropped by the last."""
    start = Path(tempfile.gettempdir()) / f"mcpgw-model-{RUN}-{what}"
    paths = [start.with_name(f"{start.name}.{name}.lock") for name in ("turn", "used")]
    turn, used = map(_opened, paths)
    with _held(turn):
        if not os.pread(used, 1, 0):
            make()
            os.pwrite(used, b"made", 0)
        # Until this process ends. Nobody waits for it but who leaves, in a turn of its own.
        fcntl.flock(used, fcntl.LOCK_SH)

    def leave() -> None:
        with _held(turn):
            try:
                fcntl.flock(used, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                fcntl.flock(used, fcntl.LOCK_UN)
                return
            drop()
            for path in paths:
                path.unlink(missing_ok=True)

    atexit.register(leave)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextmanager
def _held(descriptor: int) -> Iterator[None]:
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_migrated(url: str) -> bool:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT to_regclass('django_migrations') IS NOT NULL").fetchone()
        return bool(row and row[0])


def migrate(environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        unchecked("migrate", "--verbosity", "0"), cwd=ROOT, capture_output=True,
        text=True, env={"PATH": os.environ["PATH"], "GATEWAY_LOG_LEVEL": "ERROR", **environment}, timeout=120,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"manage.py migrate failed:\n{done.stdout}\n{done.stderr}")


def _at(server: str, name: str) -> str:
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


@contextmanager
def own_redis() -> Iterator[str]:
    """The URL of a Redis database that nobody else on this machine tests with; empty at both ends.

    Skips on the embedded topology, which has none.
    """
    server = os.environ.get("REDIS_URL")
    if not server:
        pytest.skip("the suite runs on SQLite")
    url, held = claim_redis(server)
    client: Any = redis.Redis.from_url(url)
    try:
        yield url
    finally:
        client.flushdb()
        client.close()
        os.close(held)


def claim_redis(server: str, seconds: float = 60.0) -> tuple[str, int]:
    """The URL of an empty database, and the descriptor that has to stay open while it is used."""
    deadline = time.monotonic() + seconds
    while True:
        # Not 0, where whoever lives on this machine has his own.
        for number in range(_databases(server) - 1, 0, -1):
            held = lock_redis(server, number)
            if held is not None:
                url = _at(server, str(number))
                client: Any = redis.Redis.from_url(url)
                client.flushdb()
                client.close()
                return url, held
        if time.monotonic() > deadline:
            raise RuntimeError("no Redis database is free")
        time.sleep(0.2)


def _databases(server: str) -> int:
    client: Any = redis.Redis.from_url(server)
    try:
        return int(client.config_get("databases")["databases"])
    finally:
        client.close()


def lock_redis(server: str, number: int) -> int | None:
    """A descriptor that holds this number, unless somebody has it; it ends with its process, however that ends."""
    path = Path(tempfile.gettempdir()) / f"mcpgw-redis-{urlsplit(server).port or 6379}-{number}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
