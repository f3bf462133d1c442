"""One running gateway with two tenants behind it, the upstream that both use, and the database to look into."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.conformance.gateway import Gateway
from tests.databases import own_database, own_redis
from tests.e2e.acts import ACTS, Acts
from tests.e2e.client import Client
from tests.e2e.upstream import Upstream, running

WORKERS = 2
BEARERS = {"acme": "canary-bearer-of-acme", "globex": "canary-bearer-of-globex"}
# An act that was slow once, on a busy machine, gets a second project to prove itself in.
ATTEMPTS = 2


@dataclass
class Scene:
    """Ada owns acme, Bob is a member, Carla audits; Mallory owns globex and must see nothing of acme."""

    gateway: Gateway
    upstream: Upstream
    acts: Acts
    database: str
    bodies: list[bytes] = field(default_factory=list)

    def client(self, path: str, project: str = "acme", label: str = "ada", **more: Any) -> Client:
        return Client(self.gateway, f"/mcp/{path}", self.gateway.key(project, label), bodies=self.bodies, **more)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Asked over a connection of its own: only what is committed is seen."""
        if self.database.startswith("sqlite"):
            connection = sqlite3.connect(self.database.removeprefix("sqlite:///"), timeout=10)
            try:
                return connection.execute(query).fetchall()
            finally:
                connection.close()
        with psycopg.connect(self.database) as other:
            return other.execute(query).fetchall()

    @contextmanager
    def holding_the_log(self) -> Iterator[None]:
        """Nobody can write an event meanwhile; what is there can be read."""
        if self.database.startswith("sqlite"):
            connection = sqlite3.connect(self.database.removeprefix("sqlite:///"), timeout=10, isolation_level=None)
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield
                connection.execute("ROLLBACK")
            finally:
                connection.close()
            return
        with psycopg.connect(self.database) as other:
            other.execute("LOCK TABLE audit_event IN SHARE MODE")
            yield

    def wait_for_no_rows(self, query: str, seconds: float = 120.0) -> None:
        deadline = time.monotonic() + seconds
        while self.rows(query):
            assert time.monotonic() < deadline, query
            time.sleep(0.1)

    def wait_for_rows(self, query: str, seconds: float = 5.0) -> list[tuple[Any, ...]]:
        """Lines that are written behind announce themselves nowhere."""
        deadline = time.monotonic() + seconds
        while not (found := self.rows(query)):
            assert time.monotonic() < deadline, query
            time.sleep(0.02)
        return found


def declarations(upstream: Upstream) -> dict[str, Any]:
    tenants = [
        _project("acme", upstream, {"ada": "owner", "bob": "member", "carla": "auditor"}, ["docs", "shared"]),
        _project("globex", upstream, {"mallory": "owner"}, ["vault", "shared"]),
    ]
    # Whoever asks for a tool that is not known makes the gateway look again, at a server that is trusted.
    tenants[1]["servers"][0]["review"] = "trust"
    tenants[0]["servers"].append({"slug": "down", "url": "http://127.0.0.1:9/mcp", "bearer": BEARERS["acme"]})
    tenants[0]["keys"].append({"user": "ada@acme.test", "label": "second"})
    tenants[0]["keys"].append({"user": "ada@acme.test", "label": "echo-only", "tools": ["echo"]})
    doomed = [
        _project(slug, upstream, {"owner": "owner", "doomed": "member"}, ["docs", "other"])
        for act in ACTS
        for slug in projects_of(act)
    ]
    return {"version": 1, "projects": [*tenants, *doomed]}


def projects_of(act: str) -> list[str]:
    """The projects in which the act may be tried."""
    return [f"{act.replace(' ', '-')}-{attempt}" for attempt in range(ATTEMPTS)]


def _project(slug: str, upstream: Upstream, people: dict[str, str], servers: list[str]) -> dict[str, Any]:
    """Each person has one key, with the person's name as its label."""
    secret = {"bearer": BEARERS.get(slug, "canary-bearer"), "headers": {"X-Tenant": slug}}
    return {
        "slug": slug,
        "members": [{"email": f"{name}@{slug}.test", "role": role} for name, role in people.items()],
        "servers": [{"slug": server, "url": upstream.url(server), **secret} for server in servers],
        "keys": [{"user": f"{name}@{slug}.test", "label": name} for name in people],
    }


@contextmanager
def scene(kind: str, home: Path, declare: Callable[[Upstream], dict[str, Any]] = declarations) -> Iterator[Scene]:
    if kind == "sqlite":
        with _scene(f"sqlite:///{home / 'gateway.sqlite3'}", {}, home, declare) as made:
            yield made
        return
    with (
        own_database() as database,
        own_redis() as redis,
        _scene(database, {"DATABASE_URL": database, "REDIS_URL": redis}, home, declare) as made,
    ):
        yield made


@contextmanager
def _scene(
    database: str, environment: dict[str, str], home: Path, declare: Callable[[Upstream], dict[str, Any]]
) -> Iterator[Scene]:
    settings = {"GATEWAY_LOG_LEVEL": "INFO", "GATEWAY_KEY_RATE": "0", **environment}
    with (
        running() as upstream,
        Gateway(home, declare(upstream), workers=WORKERS, environment=settings) as gateway,
        Acts(gateway) as acts,
    ):
        made = Scene(gateway, upstream, acts, database)
        # Once all are read, whatever reaches a server is what a test has brought about.
        made.wait_for_no_rows("SELECT 1 FROM servers_server WHERE discovered_at IS NULL AND discovery_error = ''")
        yield made
