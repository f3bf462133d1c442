"""The systems under measurement: how each is prepared, started, found ready and ended."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import orjson
import psycopg
import redis
from psycopg import sql

from bench.load import Target
from bench.meter import Meter, descendants, kill_left

ROOT = Path(__file__).resolve().parent.parent
MANAGE = ROOT / "manage.py"
HOST = "127.0.0.1"
READY_WITHIN = 90.0
ENDS_WITHIN = 15.0
DEFAULT_DATABASE_SERVER = "postgres://postgres@127.0.0.1:5432/postgres"
DEFAULT_REDIS_SERVER = "redis://127.0.0.1:6379"
# Where a server of Redis keeps apart what is ours; the standard configuration has as many.
REDIS_DATABASES = 16

# The limits of a key are not what is measured here.
ENVIRONMENT = {
    "GATEWAY_EGRESS_ALLOW": HOST,
    "GATEWAY_KEY_CONCURRENCY": "10000",
    "GATEWAY_KEY_RATE": "0",
    "PYTHONUNBUFFERED": "1",
}

DECLARATION = """\
version: 1
projects:
  - slug: bench
    members: [{{email: ada@bench.test, role: owner}}]
    policies: [{{slug: bench, default: true, {guardrails}}}]
    servers: [{{slug: echo, transport: http, url: "{url}"}}]
    keys: [{{user: ada@bench.test, label: bench, servers: ["*"], expires_in_days: 1}}]
"""


GUARDED, UNGUARDED = "preset: balanced", "guardrails: []"


class NotReady(Exception):
    """A system that did not come up; the text holds what it printed last."""


class System(Protocol):
    name: str

    @property
    def target(self) -> Target: ...

    @property
    def meter(self) -> Meter: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


@dataclass
class Echo:
    """The upstream; driven directly, it is what every other system is compared with."""

    home: Path
    name: str = "direct"
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    _meter: Meter | None = None

    @property
    def target(self) -> Target:
        return Target(f"http://{HOST}:{self.port}/mcp")

    @property
    def meter(self) -> Meter:
        assert self._meter is not None
        return self._meter

    def start(self) -> None:
        self.port = free_port()
        log = self.home / "echo.log"
        self.process = spawn(["-m", "bench.echo", "--port", str(self.port)], dict(os.environ), log)
        wait_until_ready(self.process, self.port, "/count", log)
        self._meter = Meter(self.process.pid, self.port)

    def stop(self) -> None:
        if self.process is not None:
            end(self.process)

    def counts(self) -> dict[str, int]:
        status, body = get(self.port, "/count")
        if status != 200:
            raise NotReady(f"the echo server answered {status} to /count")
        counts: dict[str, int] = orjson.loads(body)
        return counts


@dataclass
class Gateway:
    """One gateway with its own home, database and key; it can be stopped and started again."""

    name: str
    home: Path
    server: str
    audit: str
    upstream: str
    database: str = ""
    guardrails: bool = False
    redis: str = ""
    port: int = 0
    key: str = ""
    process: "subprocess.Popen[bytes] | None" = None
    _meter: Meter | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def target(self) -> Target:
        return Target(f"http://{HOST}:{self.port}/mcp/bench/echo", self.key)

    @property
    def meter(self) -> Meter:
        assert self._meter is not None
        return self._meter

    @property
    def log(self) -> Path:
        return self.home / "bench.log"

    def prepare(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.environment = gateway_environment(self.home, self.audit, self.database, self.redis)
        self.manage("migrate", "--verbosity", "0")
        declaration = self.home / "bench.yaml"
        guardrails = GUARDED if self.guardrails else UNGUARDED
        declaration.write_text(DECLARATION.format(url=self.upstream, guardrails=guardrails))
        printed = self.manage("apply", str(declaration), "--json")
        self.key = json.loads(printed)["keys"][0]["key"]

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, str(MANAGE), *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            printed = f"{done.stdout}{done.stderr}"[-3000:]
            raise NotReady(f"{self.name}: manage.py {arguments[0]} failed:\n{printed}")
        return done.stdout

    def start(self) -> None:
        self.port = free_port()
        command = ["gateway", "--server", self.server, "--workers", "1"]
        command += ["--host", HOST, "--port", str(self.port)]
        self.process = spawn([str(MANAGE), *command], self.environment, self.log)
        wait_until_ready(self.process, self.port, "/readyz", self.log)
        self._meter = Meter(self.process.pid, self.port)

    def stop(self) -> None:
        if self.process is not None:
            end(self.process)


def gateway_environment(home: Path, audit: str, database: str, redis: str = "") -> dict[str, str]:
    """The caller's environment without any setting of a gateway, and ours."""
    foreign = ("GATEWAY_", "DATABASE_URL", "REDIS_URL", "OTEL_", "DJANGO_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment |= ENVIRONMENT | {"GATEWAY_HOME": str(home), "GATEWAY_AUDIT": audit}
    if database:
        environment["DATABASE_URL"] = database
    if redis:
        environment["REDIS_URL"] = redis
    return environment


def spawn(arguments: list[str], environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_until_ready(process: "subprocess.Popen[bytes]", port: int, path: str, log: Path) -> None:
    give_up = time.monotonic() + READY_WITHIN
    while time.monotonic() < give_up and process.poll() is None:
        try:
            if get(port, path)[0] == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.2)
    how = "did not answer" if process.poll() is None else f"ended with {process.returncode}"
    end(process)
    raise NotReady(f"{path} on port {port}: the process {how}; it printed last:\n{tail(log)}")


def end(process: "subprocess.Popen[bytes]") -> None:
    """Asks the process to end, and ends what it leaves behind."""
    family = descendants(process.pid)
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            print(f"process {process.pid} did not end within {ENDS_WITHIN:.0f} s of SIGTERM", file=sys.stderr)
            process.kill()
            process.wait()
    kill_left(family)


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def tail(path: Path, size: int = 3000) -> str:
    return path.read_text(errors="replace")[-size:] if path.exists() else ""


@contextmanager
def own_database(suffix: str = "") -> Iterator[tuple[str, str]]:
    """A database made for this run and dropped after it: (its address, what the server promises)."""
    server = os.environ.get("BENCH_DATABASE_URL", DEFAULT_DATABASE_SERVER)
    name = f"gateway_bench_{os.getpid()}{suffix}"
    with psycopg.connect(server, autocommit=True, connect_timeout=5) as connection:
        promise = _durability(connection)
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlunsplit(urlsplit(server)._replace(path=f"/{name}")), promise
        finally:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))


@contextmanager
def own_redis() -> Iterator[str]:
    """The address of a database of Redis that was empty and is emptied after it. Raises NotReady."""
    server = os.environ.get("BENCH_REDIS_URL", DEFAULT_REDIS_SERVER)
    for number in reversed(range(REDIS_DATABASES)):
        address = urlunsplit(urlsplit(server)._replace(path=f"/{number}"))
        client = redis.Redis.from_url(address, socket_timeout=5)
        try:
            is_empty = client.dbsize() == 0
        except redis.RedisError as error:
            raise NotReady(f"no Redis: {type(error).__name__}") from error
        if is_empty:
            try:
                yield address
            finally:
                client.flushdb()
            return
    raise NotReady("no empty database of Redis")


def _durability(connection: "psycopg.Connection[Any]") -> str:
    def shown(setting: str) -> str:
        row = connection.execute(sql.SQL("SHOW {}").format(sql.Identifier(setting))).fetchone()
        return str(row[0]) if row else "unknown"

    version = shown("server_version").split()[0]
    return f"PostgreSQL {version}, fsync {shown('fsync')}, synchronous_commit {shown('synchronous_commit')}"
