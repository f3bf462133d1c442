"""A project's configuration, frozen: loaded once, kept in process memory, replaced within a second of a change."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from prometheus_client import Counter, Gauge

from gateway_site.lib import connections
from gateway_site.lib.caching import Cache, Counts, Reason
from guardrails import compiled
from guardrails.compiled import PolicySet
from projects import versions
from projects.authentication import KeyRecord, load_keys
from projects.models import ApiKey, PayloadLevel, Project
from projects.scoping import unscoped, with_project
from proxy.errors import Refusal
from servers import laying, rights
from servers.laying import Overlays
from servers.resolve import callable_servers
from servers.rights import Rights
from servers.upstream import Upstream

logger = structlog.get_logger("proxy.snapshot")
_UNKNOWN_KEYS = 10_000
_LOAD_SECONDS = 2.0
# Nobody waits for so long, but what a large project has loaded by then is not loaded in vain.
_LONG_LOAD_SECONDS = 30.0
_LOADS_AT_ONCE = 4
_THREADS = 2
LOADS = Counter("mcpgw_snapshot_loads_total", "Projects loaded from the database.", ["outcome"])
AGE = Gauge("mcpgw_snapshot_age_seconds", "Time since the configuration was last confirmed.", multiprocess_mode="max")
T = TypeVar("T")
_counts = Counts(Cache.CONFIG)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One project at one version."""

    project_id: int
    slug: str
    version: int
    enabled: bool
    keys: Mapping[str, KeyRecord]
    upstreams: Mapping[str, Upstream]
    digest_key: bytes
    policies: PolicySet
    rights: Rights
    # Of servers that have any, by slug.
    overlays: Mapping[str, Overlays] = field(default_factory=dict)
    keys_version: int = 0
    # What workers were last told to drop, with the version at which.
    cleared: Mapping[str, int] = field(default_factory=dict)
    # What the log keeps of what calls send and get: a PayloadLevel.
    payloads: str = PayloadLevel.METADATA
    loaded_at: float = field(default_factory=time.monotonic, compare=False)

    def is_expired(self) -> bool:
        return time.monotonic() - self.loaded_at > settings.CACHE_CONFIG_SECONDS

    def erasures_of(self, user_id: int) -> int:
        """Another number each time that what is kept of the person was erased."""
        return self.cleared.get(f"person:{user_id}", 0)


# Who is told when a project's snapshot is another one: its id, what it was before, and what it is now.
OnChange = Callable[[int, Snapshot | None, Snapshot | None], None]


def load(project_id: int, known: Snapshot | None = None) -> Snapshot | None:
    """None when the project is gone. Reads the version first, so that a change in between is seen again.

    What has not changed since `known` was loaded is taken from it: the keys, and each server's catalogue.
    """
    standing = versions.standing(project_id)
    with with_project(project_id):
        project = Project.objects.filter(pk=project_id).first()
        if project is None:
            return None
        servers = callable_servers()
        keys = known.keys if known is not None and _has_keys_of(known, standing) else load_keys(project_id)
        return Snapshot(
            project_id=project_id,
            slug=project.slug,
            version=standing.version,
            enabled=project.enabled,
            keys=keys,
            upstreams={server.slug: upstream for server, upstream in servers},
            digest_key=settings.KEYRING.project_digest_key(project_id),
            policies=compiled.load(project_id),
            rights=rights.load((server for server, _ in servers), standing.cleared),
            overlays=laying.load(server for server, _ in servers),
            keys_version=standing.keys_version,
            cleared=standing.cleared,
            payloads=project.payloads,
        )


def _has_keys_of(known: Snapshot, standing: versions.Standing) -> bool:
    if known.is_expired() or known.cleared.get("config") != standing.cleared.get("config"):
        return False
    return known.keys_version == standing.keys_version


def _project_of_key(key_id: str) -> int | None:
    with unscoped("the key says which project it is of"):
        return ApiKey.objects.filter(key_id=key_id).values_list("project_id", flat=True).first()


class Snapshots:
    """The snapshots of one process and event loop."""

    def __init__(self, on_change: OnChange) -> None:
        self._projects: dict[int, Snapshot | None] = {}
        self._project_of_key: dict[str, int] = {}
        self._unknown_keys: set[str] = set()
        self._loading: dict[int, asyncio.Task[Snapshot | None]] = {}
        # Projects that changed and could not be read yet, since when.
        self._behind: dict[int, float] = {}
        self._places = asyncio.Semaphore(_LOADS_AT_ONCE)
        self._version: int | None = None
        self._confirmed_at = float("-inf")
        self._on_change = on_change
        # What keeps the configuration confirmed waits for no project, and projects wait for nothing that is chosen by
        # one: neither for what its servers say nor for what its callers ask.
        self._standing = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="snapshot-poll")
        self._loads = ThreadPoolExecutor(max_workers=_LOADS_AT_ONCE, thread_name_prefix="snapshot-load")
        self._asides = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="snapshot-aside")
        self._wake = asyncio.Event()
        self._first_poll = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    def start(self) -> None:
        if not self._tasks:
            self._tasks.append(asyncio.create_task(self._poll_forever(), name="snapshot-poll"))
            if settings.REDIS_URL:
                self._tasks.append(asyncio.create_task(self._listen_forever(), name="snapshot-listen"))

    async def close(self) -> None:
        # The loops look at it too: a library that swallows a cancellation must not keep the process from ending.
        self._closed = True
        self._wake.set()
        for task in self._tasks:
            task.cancel()
        for executor in (self._standing, self._loads, self._asides):
            executor.shutdown(wait=False, cancel_futures=True)

    def is_confirmed(self) -> bool:
        return time.monotonic() - self._confirmed_at <= settings.CONFIG_STALE_SECONDS

    def current(self, project_id: int) -> Snapshot | None:
        """What is in memory, without waiting."""
        return self._projects.get(project_id)

    def named(self, slug: str) -> Snapshot | None:
        """The project of this name, when it is in memory; for what is rare, since it looks through all."""
        return next((known for known in self._projects.values() if known is not None and known.slug == slug), None)

    async def for_key(self, key_id: str) -> Snapshot | None:
        """The snapshot of the key's project; None for an unknown key. Raises Refusal when none can be had."""
        if self._version is None:
            await self._await_first_poll()
        if not self.is_confirmed():
            raise Refusal("configuration_stale")
        project_id = self._project_of_key.get(key_id)
        if project_id is None:
            if key_id in self._unknown_keys:
                return None
            project_id = await self._find_project(key_id)
            if project_id is None:
                return None
        return await self._of_project(project_id)

    async def for_project(self, project_id: int) -> Snapshot | None:
        """For who comes without a key; None when the project is gone. Raises Refusal when none can be had."""
        if self._version is None:
            await self._await_first_poll()
        if not self.is_confirmed():
            raise Refusal("configuration_stale")
        return await self._of_project(project_id)

    async def _of_project(self, project_id: int) -> Snapshot | None:
        snapshot = self._projects.get(project_id)
        if snapshot is not None and not snapshot.is_expired():
            _counts.hit()
            return snapshot
        _counts.miss()
        return await self._load(project_id)

    async def _await_first_poll(self) -> None:
        self.start()
        try:
            async with asyncio.timeout(_LOAD_SECONDS):
                await self._first_poll.wait()
        except TimeoutError:
            raise Refusal("configuration_stale") from None

    async def _find_project(self, key_id: str) -> int | None:
        asked_at = self._version
        project_id = await _ask(self._standing, _project_of_key, key_id)
        if project_id is not None:
            self._project_of_key[key_id] = project_id
        elif asked_at == self._version and len(self._unknown_keys) < _UNKNOWN_KEYS:
            self._unknown_keys.add(key_id)
        return project_id

    async def _load(self, project_id: int, *, anew: bool = False) -> Snapshot | None:
        """One load at a time for a project, however many calls wait for it. Raises Refusal when it takes long.

        It then goes on for who comes next. `anew`: one that has begun before may have read before a change.
        """
        task = self._loading.get(project_id)
        if task is not None and anew:
            with contextlib.suppress(Refusal):
                await _wait_for(task)
            if not task.done():
                raise Refusal("configuration_stale")
            task = self._loading.get(project_id)
        if task is None or task.done():
            task = self._loading[project_id] = asyncio.create_task(self._load_once(project_id))
            task.add_done_callback(partial(self._loaded, project_id))
        return await _wait_for(task)

    def _loaded(self, project_id: int, task: asyncio.Task[Snapshot | None]) -> None:
        if self._loading.get(project_id) is task:
            del self._loading[project_id]
        if not task.cancelled():
            # Nobody may be left to be told.
            task.exception()

    async def _load_once(self, project_id: int) -> Snapshot | None:
        try:
            known = self._projects.get(project_id)
            snapshot = await _ask(self._loads, partial(load, known=known), project_id, _LONG_LOAD_SECONDS)
        except Refusal:
            LOADS.labels("failed").inc()
            raise
        except Exception:  # rows that cannot be understood close their own project and no other
            logger.exception("project cannot be loaded", project_id=project_id)
            LOADS.labels("failed").inc()
            snapshot = None
        else:
            LOADS.labels("ok").inc()
        return self._replace(project_id, snapshot)

    def _replace(self, project_id: int, snapshot: Snapshot | None) -> Snapshot | None:
        """What was read before something newer came is not taken; what is known of what did not change stays known."""
        before = self._projects.get(project_id)
        if before is not None and snapshot is not None:
            if snapshot.version < before.version:
                return before
            kept = {slug: each if before.overlays.get(slug) != each else before.overlays[slug]
                    for slug, each in snapshot.overlays.items()}  # fmt: skip
            policies = compiled.carry_over(before.policies, snapshot.policies)
            snapshot = replace(snapshot, policies=policies, overlays=kept)
        self._projects[project_id] = snapshot
        if before is not None:
            _counts.evict(Reason.EXPIRED if before.is_expired() else Reason.CHANGED)
        self._on_change(project_id, before, snapshot)
        return snapshot

    async def reload(self, project_id: int) -> Snapshot | None:
        """The project as it is stored now, for who has just changed it. Raises Refusal."""
        return await self._load(project_id, anew=True)

    async def ask(self, function: Callable[[Any], T], argument: Any) -> T:
        """Runs a short query in a thread, aside from all that keeps the configuration up to date.

        Raises Refusal when the database does not answer in time.
        """
        return await _ask(self._asides, function, argument)

    async def _poll_forever(self) -> None:
        while not self._closed:
            try:
                await self._poll()
            except Refusal:
                pass
            except Exception:  # without the poll every project would be refused for good
                logger.exception("poll failed")
            AGE.set(max(0.0, min(time.monotonic() - self._confirmed_at, 86_400.0)))
            try:
                async with asyncio.timeout(settings.CONFIG_POLL_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def _poll(self) -> None:
        started = time.monotonic()
        if self._version is None:
            self._version = await _ask(self._standing, lambda _: versions.current(), None)
        else:
            newest, changed = await _ask(self._standing, versions.changed_since, self._version)
            if newest != self._version:
                await self._reload(set(changed))
                self._version = newest
                self._unknown_keys.clear()
            await self._renew()
        self._confirmed_at = started
        self._first_poll.set()

    async def _reload(self, changed: set[int]) -> None:
        """A project that cannot be read keeps no other from being read."""
        known = changed & (self._projects.keys() | self._loading.keys())
        await asyncio.gather(*map(self._catch_up, known))
        self._project_of_key = {
            key_id: project_id for key_id, project_id in self._project_of_key.items()
            if project_id not in changed or self._has_key(project_id, key_id)
        }  # fmt: skip

    async def _catch_up(self, project_id: int) -> None:
        """Raises nothing: what could not be read is read again with the next poll, and refused when that takes long."""
        since = self._behind.setdefault(project_id, time.monotonic())
        try:
            async with self._places:
                await self._load(project_id, anew=True)
        except Refusal:
            if time.monotonic() - since > settings.CONFIG_STALE_SECONDS:
                self._replace(project_id, None)
        else:
            del self._behind[project_id]

    def _has_key(self, project_id: int, key_id: str) -> bool:
        snapshot = self._projects.get(project_id)
        return snapshot is not None and key_id in snapshot.keys

    async def _renew(self) -> None:
        """What is old is read again, whether or not anything was said to have changed."""
        old = {known for known, snapshot in self._projects.items() if snapshot is not None and snapshot.is_expired()}
        if old or self._behind:
            await self._reload(old | self._behind.keys())

    async def _listen_forever(self) -> None:
        """Redis only shortens the wait for the next poll; without it the poll goes on."""
        import redis.asyncio

        client = redis.asyncio.Redis.from_url(settings.REDIS_URL)
        while not self._closed:
            try:
                async with client.pubsub() as pubsub:
                    await pubsub.subscribe(versions.CHANNEL)
                    while not self._closed:
                        if await pubsub.get_message(ignore_subscribe_messages=True, timeout=1.0) is not None:
                            self._wake.set()
            except (redis.RedisError, OSError) as error:
                logger.warning("no wake-ups from Redis; polling only", error=type(error).__name__)
                await asyncio.sleep(1)


async def _wait_for(task: asyncio.Task[Snapshot | None]) -> Snapshot | None:
    try:
        async with asyncio.timeout(_LOAD_SECONDS):
            return await asyncio.shield(task)
    except TimeoutError:
        raise Refusal("configuration_stale") from None


async def _ask(
    executor: ThreadPoolExecutor, function: Callable[[Any], T], argument: Any, seconds: float = _LOAD_SECONDS
) -> T:
    """Runs a query in one of these threads. Raises Refusal when the database does not answer in time."""
    try:
        async with asyncio.timeout(seconds):
            return await run_query(executor, function, argument)
    except (DatabaseError, TimeoutError, OSError) as error:
        logger.warning("configuration cannot be read", error=type(error).__name__)
        raise Refusal("configuration_stale") from None


async def run_query(executor: ThreadPoolExecutor, function: Callable[[Any], T], argument: Any) -> T:
    """Runs it in a thread that keeps its connection for the next. Raises what it raises."""
    return await asyncio.get_running_loop().run_in_executor(executor, _query, function, argument)


def _query(function: Callable[[Any], T], argument: Any) -> T:
    try:
        return function(argument)
    finally:
        connections.give_back()
