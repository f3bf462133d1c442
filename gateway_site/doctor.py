"""Whether what the gateway needs is there and in order; each fault with its mend. Changes nothing.

Kept apart from Django's checks, which run with every command and may therefore not look at the world.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

import redis
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q
from django.utils import timezone

from gateway_site.lib import egress, ranges
from gateway_site.lib.secrets import Unsealable
from projects import row_security
from projects.models import ApiKey, Job
from projects.scoping import unscoped
from servers import recipes
from servers.models import CommandTemplate, Server, Transport

State = Literal["ok", "warning", "fault"]
_SKEW_SECONDS = 2.0
_OVERDUE = timedelta(minutes=5)
_LEAST_FILES = 4096
_LEAST_FREE_BYTES = 500 * 2**20
_SHOWN = 5
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")


@dataclass(frozen=True)
class Finding:
    """`mend` says what to do; it is empty when nothing is to be done. Neither holds a secret."""

    part: str
    state: State
    text: str
    mend: str = ""

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def examine() -> list[Finding]:
    """Part by part; where one cannot be looked at, that is its finding."""
    return [finding for part, look in PARTS.items() for finding in _looked(part, look)]


def _looked(part: str, look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(look())
    except DatabaseError as error:
        return [Finding(part, "fault", f"cannot be looked at: {type(error).__name__}", "Mend the database first.")]
    except Exception as error:  # noqa: BLE001  whatever is broken, the other parts are still looked at
        return [Finding(part, "fault", f"cannot be looked at: {type(error).__name__}", "Report this as a fault.")]


def _database() -> Iterator[Finding]:
    try:
        connection.ensure_connection()
    except (DatabaseError, OSError) as error:
        yield Finding("database", "fault", f"cannot be reached: {type(error).__name__}",
                      "Start it, and see that DATABASE_URL leads to it.")  # fmt: skip
        return
    yield Finding("database", "ok", f"{connection.vendor} answers")
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        yield Finding("database", "fault", f"{len(waiting)} migrations are not applied", "Run: mcp-gateway migrate")
    if connection.vendor == "sqlite":
        yield Finding("database", "warning", "SQLite serves one machine", "For more than a trial set DATABASE_URL.")
    elif not row_security.is_in_force():
        yield Finding("database", "warning", "row security does not hold for the role in DATABASE_URL",
                      "Take one that owns the tables and is neither a superuser nor has BYPASSRLS.")  # fmt: skip
    free = shutil.disk_usage(settings.GATEWAY_HOME).free
    if free < _LEAST_FREE_BYTES:
        yield Finding("database", "warning", f"{free // 2**20} MiB are free where GATEWAY_HOME is", "Make room.")


def _broker() -> Iterator[Finding]:
    if not settings.REDIS_URL:
        yield Finding("broker", "ok", "in memory: web and worker are one process")
    else:
        try:
            with _redis() as client:
                client.ping()
            yield Finding("broker", "ok", "Redis answers")
        except (redis.RedisError, OSError) as error:
            yield Finding("broker", "fault", f"Redis cannot be used: {type(error).__name__}",
                          "Start it, and see that REDIS_URL leads to it. Calls go on meanwhile.")  # fmt: skip
    with unscoped("the queue is the installation's"):
        overdue = Job.objects.filter(state=Job.State.QUEUED, run_after__lt=timezone.now() - _OVERDUE).count()
    if overdue:
        yield Finding("broker", "fault", f"{overdue} jobs are overdue", "Start a worker: mcp-gateway gateway has one.")


def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)


def _keys() -> Iterator[Finding]:
    path = Path(settings.KEYRING_PATH)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        yield Finding("keys", "fault", f"others on the machine may read {path}", f"chmod 600 {path}")
    ring = settings.KEYRING
    with unscoped("every tenant's keys are looked at"):
        now = timezone.now()
        live = ApiKey.objects.filter(revoked_at=None).exclude(expires_at__lt=now)
        peppers = live.values_list("pepper_id", flat=True).order_by().distinct()
        lost = [pepper for pepper in peppers if ring.pepper_digest(pepper, "") is None]
        dead = live.filter(pepper_id__in=lost).count()
        closed = [f"{server.project}/{server.slug}" for server in Server.objects.select_related("project").iterator()
                  if not _opens(server)]  # fmt: skip
    if dead:
        yield Finding("keys", "fault", f"{dead} API keys were made with a pepper that is not in the key ring",
                      "Put the old key ring back, or issue these keys anew.")  # fmt: skip
    if closed:
        yield Finding("keys", "fault", f"the secrets of {_some(closed)} do not open",
                      "Put the old key ring back, or give these secrets again.")  # fmt: skip
    if not ring.public_keys():
        yield Finding("keys", "fault", "no key signs the log", "Run: mcp-gateway audit keys add")
    if not (dead or closed):
        yield Finding("keys", "ok", "all that is sealed opens")


def _opens(server: Server) -> bool:
    try:
        return server.secrets is not None
    except Unsealable:
        return False


def _clock() -> Iterator[Finding]:
    clocks = {}
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
            clocks["the database"] = time.time() - float(cursor.fetchone()[0])
    if settings.REDIS_URL:
        with suppress(redis.RedisError, OSError), _redis() as client:
            seconds, microseconds = client.time()
            clocks["Redis"] = time.time() - seconds - microseconds / 1e6
    for whose, skew in clocks.items():
        if abs(skew) > _SKEW_SECONDS:
            yield Finding("clock", "fault", f"{abs(skew):.1f} s away from the clock of {whose}",
                          "Set the clocks of all machines by NTP: expiries and leases depend on them.")  # fmt: skip
    if all(abs(skew) <= _SKEW_SECONDS for skew in clocks.values()):
        yield Finding("clock", "ok", f"agrees with {' and '.join(clocks)}" if clocks else "is the only one")


def _sandbox() -> Iterator[Finding]:
    if sys.platform != "linux":
        yield Finding("sandbox", "warning", "stdio servers are confined on Linux only", "Run the gateway on Linux.")
    templates = [row for row in CommandTemplate.objects.filter(enabled=True) if not _is_runnable(row)]
    if templates:
        yield Finding("sandbox", "fault", f"the programs of {_some([row.slug for row in templates])} are not here",
                      "Install them, or switch these templates off.")  # fmt: skip
    with unscoped("any tenant may need the runner"):
        runs = Q(transport=Transport.SSE) | Q(transport=Transport.STDIO, template__enabled=True)
        needed = Server.objects.filter(runs, enabled=True, project__enabled=True).exists()
    if not needed:
        yield Finding("sandbox", "ok", "no server needs the runner")
    elif _answers(settings.RUNNER_SOCKET):
        yield Finding("sandbox", "ok", "the runner answers")
    else:
        yield Finding("sandbox", "fault", f"no runner answers at {settings.RUNNER_SOCKET}",
                      "Start the gateway, which has one, or: mcp-gateway runner --socket PATH")  # fmt: skip


def _is_runnable(row: CommandTemplate) -> bool:
    return shutil.which(sys.executable if row.executable == recipes.PYTHON else row.executable) is not None


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _egress() -> Iterator[Finding]:
    with unscoped("every tenant's servers are looked at"):
        rows = list(Server.objects.select_related("project").filter(enabled=True).exclude(transport=Transport.STDIO))
    refused = [f"{row.project}/{row.slug}" for row in rows if not (_may_be_reached(row.url) or _is_the_demo(row))]
    if refused:
        yield Finding("egress", "fault", f"{_some(refused)} may not be reached",
                      "Change the address, or open it with GATEWAY_EGRESS_ALLOW.")  # fmt: skip
    wide = [entry for entry in settings.EGRESS_ALLOW if entry.strip().endswith(("/0", "/1", "/8"))]
    if wide:
        yield Finding("egress", "warning", f"GATEWAY_EGRESS_ALLOW opens {_some(wide)} to every tenant",
                      "Name the hosts that are needed.")  # fmt: skip
    # What is no network is taken for the name of a host.
    odd = sorted(host for host, _ in ranges.allowance().hosts if _HOST.fullmatch(host) is None)
    if odd:
        yield Finding("egress", "warning", f"{_some(odd)} in GATEWAY_EGRESS_ALLOW is neither a host nor a network",
                      "Give hosts, addresses or networks, as in 10.1.0.0/16 or wiki.acme.test:8080.")  # fmt: skip
    if not refused:
        yield Finding("egress", "ok", f"{len(rows)} addresses may be reached")


def _is_the_demo(server: Server) -> bool:
    """`gateway --demo` opens this one for its own processes, of which this is none."""
    return f"{server.project}/{server.slug}" == "demo/demo" and server.url.startswith("http://127.0.0.1:")


def _may_be_reached(url: str) -> bool:
    try:
        egress.check_url(url)
    except egress.EgressDenied:
        return False
    return True


def _proxies() -> Iterator[Finding]:
    """What says from where a request comes: a proxy that is not believed makes one client of all behind it."""
    wide = [each for each in settings.TRUSTED_PROXIES if _is_everybody(each)]
    public = [host for host in settings.GATEWAY_ALLOWED_HOSTS if not _is_this_machine(host)]
    if wide:
        yield Finding("proxies", "fault", f"GATEWAY_TRUSTED_PROXIES has {_some(wide)}: any client says where it is",
                      "Name the addresses of the proxies only.")  # fmt: skip
    elif public and not settings.TRUSTED_PROXIES:
        text = f"{_some(public)} is served, and no proxy's X-Forwarded-For is believed"
        yield Finding("proxies", "warning", text, "If a proxy stands before the gateway, name its address in"
                      " GATEWAY_TRUSTED_PROXIES: networks of keys and lock-outs see only the proxy else.")  # fmt: skip
    else:
        yield Finding("proxies", "ok", f"{len(settings.TRUSTED_PROXIES)} proxies are believed")


def _is_everybody(network: str) -> bool:
    try:
        return ip_network(network, strict=False).prefixlen == 0
    except ValueError:
        return False


def _is_this_machine(host: str) -> bool:
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return name in ("localhost", "[::1]") or name.startswith("127.")


def _pools() -> Iterator[Finding]:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files < _LEAST_FILES:
        yield Finding("pools", "warning", f"a process may open {files} files, and each stream takes two",
                      f"ulimit -n {_LEAST_FILES}, or LimitNOFILE of the service.")  # fmt: skip
    if connection.vendor != "postgresql":
        yield Finding("pools", "ok", "the database is a file")
        return
    options: dict[str, Any] = settings.DATABASES["default"]["OPTIONS"]
    size = options["pool"]["max_size"] if isinstance(options.get("pool"), dict) else 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('max_connections')::int, (SELECT count(*) FROM pg_stat_activity)")
        most, used = cursor.fetchone()
    processes = (os.cpu_count() or 1) + 2
    if size * processes > most:
        text = f"{processes} processes with {size} connections each are more than the {most} that the database has"
        yield Finding("pools", "warning", text, "Lower GATEWAY_DATABASE_POOL, or raise max_connections.")
    else:
        yield Finding("pools", "ok", f"{used} of {most} connections are in use; a process takes {size} at most")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


PARTS: dict[str, Callable[[], Iterator[Finding]]] = {
    "database": _database, "broker": _broker, "keys": _keys, "clock": _clock, "sandbox": _sandbox,
    "egress": _egress, "proxies": _proxies, "pools": _pools,
}  # fmt: skip
