"""A project's configuration in memory: what is loaded, when it is loaded again, and when it may not be relied on."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.db import connection

from projects import keys, services, versions
from projects.models import ApiKey
from projects.scoping import unscoped, with_project
from proxy import snapshot
from proxy.errors import Refusal
from proxy.snapshot import Snapshots, load
from servers.freshness import clear_cache
from servers.models import Server
from servers.services import set_server_enabled
from tests.cast import Cast, two_tenants

pytestmark = [pytest.mark.claim("revocation.snapshots"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    return two_tenants()


@pytest.fixture(autouse=True)
def _quick(settings: Any) -> None:
    settings.CONFIG_POLL_SECONDS = 0.02


def run(test: Callable[[Snapshots], Awaitable[None]]) -> None:
    async def within() -> None:
        snapshots = Snapshots(lambda *_: None)
        try:
            async with asyncio.timeout(20):
                await test(snapshots)
        finally:
            await snapshots.close()

    asyncio.run(within())


async def act(function: Callable[[], Any]) -> Any:
    """A change from another thread, as another process would make it."""

    def work() -> Any:
        try:
            return function()
        finally:
            connection.close()

    return await asyncio.to_thread(work)


async def until(snapshots: Snapshots, key_id: str, true: Callable[[snapshot.Snapshot | None], bool]) -> None:
    while not true(await snapshots.for_key(key_id)):
        await asyncio.sleep(0.01)


def test_a_snapshot_holds_the_live_keys_and_enabled_servers_of_its_own_project(cast: Cast) -> None:
    key, _ = cast.key()
    cast.key(user=cast.mallory, project=cast.globex)
    cast.server("docs", headers={"X-Key": "canary"})
    set_server_enabled(server=cast.server("off"), enabled=False)
    cast.server("vault", project=cast.globex)
    found = load(cast.acme.pk)
    assert found is not None
    assert (set(found.keys), set(found.upstreams)) == ({key.key_id}, {"docs"})
    assert found.upstreams["docs"].headers == {"X-Key": "canary"}
    assert "canary" not in repr(found)


def test_a_server_whose_credentials_do_not_open_is_not_called_at_all(cast: Cast) -> None:
    cast.server("docs")
    broken = cast.server("broken", headers={"X-Key": "canary"})
    with with_project(cast.acme.pk):
        Server.objects.filter(pk=broken.pk).update(sealed="v1.gone.AAAA")
    found = load(cast.acme.pk)
    assert found is not None
    assert set(found.upstreams) == {"docs"}


def test_a_change_is_loaded_without_being_asked_for(cast: Cast) -> None:
    key, _ = cast.key()

    async def test(snapshots: Snapshots) -> None:
        first = await snapshots.for_key(key.key_id)
        assert first is not None
        assert key.key_id in first.keys
        await act(lambda: services.set_key_enabled(key=key, enabled=False))
        await until(snapshots, key.key_id, lambda found: found is not None and key.key_id not in found.keys)

    run(test)


def test_a_key_that_was_unknown_is_known_once_it_is_made(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    new = keys.generate()
    monkeypatch.setattr(keys, "generate", lambda: new)

    async def test(snapshots: Snapshots) -> None:
        assert await snapshots.for_key(new.key_id) is None
        await act(cast.key)
        await until(snapshots, new.key_id, lambda found: found is not None and new.key_id in found.keys)

    run(test)


def test_unknown_keys_are_not_looked_up_again_and_again(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(snapshot, "_project_of_key", asked.append)

    async def test(snapshots: Snapshots) -> None:
        for _ in range(20):
            assert await snapshots.for_key("unknown000") is None

    run(test)
    assert asked == ["unknown000"]


def test_many_calls_wait_for_one_load(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    key, _ = cast.key()
    loads: list[int] = []

    def counted(project_id: int, known: snapshot.Snapshot | None = None) -> snapshot.Snapshot | None:
        loads.append(project_id)
        return load(project_id, known)

    monkeypatch.setattr(snapshot, "load", counted)

    async def test(snapshots: Snapshots) -> None:
        found = await asyncio.gather(*(snapshots.for_key(key.key_id) for _ in range(50)))
        assert len({id(each) for each in found}) == 1

    run(test)
    assert loads == [cast.acme.pk]


def test_a_load_that_read_before_a_change_does_not_outlive_it(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call with a key, at the moment at which the key is revoked."""
    key, _ = cast.key()
    has_read, may_return, change_was_seen = threading.Event(), threading.Event(), threading.Event()

    def slow_once(project_id: int, known: snapshot.Snapshot | None = None) -> snapshot.Snapshot | None:
        found = load(project_id, known)
        if not has_read.is_set():
            has_read.set()
            assert may_return.wait(10)
        return found

    def watched(version: int) -> tuple[int, list[int]]:
        newest, changed = versions.changed_since(version)
        if changed:
            change_was_seen.set()
        return newest, changed

    monkeypatch.setattr(snapshot, "load", slow_once)

    class Watched:
        current, changed_since = staticmethod(versions.current), staticmethod(watched)
        standing, Standing = staticmethod(versions.standing), versions.Standing

    monkeypatch.setattr(snapshot, "versions", Watched)

    async def test(snapshots: Snapshots) -> None:
        first = asyncio.create_task(snapshots.for_key(key.key_id))
        assert await asyncio.to_thread(has_read.wait, 10)
        await act(lambda: services.revoke_key(key=key))
        assert await asyncio.to_thread(change_was_seen.wait, 10)
        may_return.set()
        await first
        await until(snapshots, key.key_id, lambda found: found is None or key.key_id not in found.keys)

    run(test)


def test_rows_that_cannot_be_understood_close_their_own_project_only(cast: Cast) -> None:
    mine, _ = cast.key()
    theirs, _ = cast.key(user=cast.mallory, project=cast.globex)

    def break_globex() -> None:
        with unscoped("as somebody with a database client"):
            ApiKey.objects.filter(pk=theirs.pk).update(networks=["nonsense"])
        versions.bump(cast.globex.pk)

    async def test(snapshots: Snapshots) -> None:
        assert await snapshots.for_key(mine.key_id) is not None
        assert await snapshots.for_key(theirs.key_id) is not None
        await act(break_globex)
        await until(snapshots, theirs.key_id, lambda found: found is None)
        await act(lambda: services.set_key_enabled(key=mine, enabled=False))
        await until(snapshots, mine.key_id, lambda found: found is not None and mine.key_id not in found.keys)
        assert snapshots.is_confirmed()

    run(test)


def test_a_configuration_that_cannot_be_confirmed_is_refused(cast: Cast, settings: Any) -> None:
    key, _ = cast.key()
    settings.CONFIG_STALE_SECONDS = 0.3

    async def test(snapshots: Snapshots) -> None:
        assert await snapshots.for_key(key.key_id) is not None
        await act(lambda: rename("projects_configversion", "away"))
        try:
            with pytest.raises(Refusal, match="configuration_stale"):
                await until(snapshots, key.key_id, lambda found: False)
        finally:
            await act(lambda: rename("away", "projects_configversion"))
        while not snapshots.is_confirmed():
            await asyncio.sleep(0.01)
        assert await snapshots.for_key(key.key_id) is not None

    run(test)


@pytest.mark.claim("cache.lifetimes")
def test_a_configuration_is_read_again_when_it_is_old_though_nobody_changed_it(cast: Cast, settings: Any) -> None:
    key, _ = cast.key()
    settings.CACHE_CONFIG_SECONDS = 0.2

    def narrow_silently() -> None:
        with unscoped("as somebody with a database client"):
            ApiKey.objects.filter(pk=key.pk).update(tools=["read"])

    def tools_of(found: snapshot.Snapshot) -> tuple[str, ...]:
        return found.keys[key.key_id].tools

    async def test(snapshots: Snapshots) -> None:
        first = await snapshots.for_key(key.key_id)
        assert first is not None
        # By a way that tells nobody.
        await act(narrow_silently)
        await until(snapshots, key.key_id, lambda found: found is not None and tools_of(found) == ("read",))
        newest = snapshots.current(cast.acme.pk)
        assert newest is not None
        assert newest.version == first.version

    run(test)


@pytest.mark.claim("cache.lifetimes")
def test_an_old_configuration_that_cannot_be_read_again_is_refused(
    cast: Cast, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, _ = cast.key()
    other, _ = cast.key(user=cast.mallory, project=cast.globex)
    settings.CACHE_CONFIG_SECONDS = 0.2

    def broken(project_id: int, known: snapshot.Snapshot | None = None) -> snapshot.Snapshot | None:
        if project_id == cast.acme.pk:
            raise OSError
        return load(project_id, known)

    async def test(snapshots: Snapshots) -> None:
        assert await snapshots.for_key(key.key_id) is not None
        monkeypatch.setattr(snapshot, "load", broken)
        with pytest.raises(Refusal, match="configuration_stale"):
            await until(snapshots, key.key_id, lambda found: False)
        assert await snapshots.for_key(other.key_id) is not None, "nobody else is refused"

    run(test)


def test_keys_are_read_again_when_they_may_have_changed_and_not_with_every_server(cast: Cast) -> None:
    key, _ = cast.key()
    first = load(cast.acme.pk)
    assert first is not None
    cast.server("docs")
    second = load(cast.acme.pk, first)
    assert second is not None
    assert second.keys is first.keys
    assert set(second.upstreams) == {"docs"}
    services.set_member(project=cast.acme, user=cast.bob, role="auditor")
    third = load(cast.acme.pk, second)
    assert third is not None
    assert third.keys is not second.keys
    services.revoke_key(key=key)
    fourth = load(cast.acme.pk, third)
    assert fourth is not None
    assert not fourth.keys


@pytest.mark.claim("cache.cleared")
def test_keys_are_read_again_once_the_configuration_was_cleared(cast: Cast) -> None:
    cast.key()
    first = load(cast.acme.pk)
    clear_cache(project=cast.acme, kind="verdicts")
    second = load(cast.acme.pk, first)
    clear_cache(project=cast.acme, kind="config")
    third = load(cast.acme.pk, second)
    assert first is not None
    assert second is not None
    assert third is not None
    assert second.keys is first.keys
    assert third.keys is not second.keys


def test_what_was_read_before_something_newer_came_is_not_taken(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load of the first call that is overtaken by what a change brought."""
    key, _ = cast.key()
    told: list[tuple[int, int]] = []

    async def test() -> None:
        snapshots = Snapshots(lambda project, before, after: told.append((project, after.version if after else 0)))
        try:
            newest = await snapshots.for_key(key.key_id)
            assert newest is not None
            older = dataclasses.replace(newest, version=newest.version - 1)
            monkeypatch.setattr(snapshot, "load", lambda project_id, known=None: older)
            assert await snapshots.reload(cast.acme.pk) is newest
            assert snapshots.current(cast.acme.pk) is newest
        finally:
            await snapshots.close()
        assert told == [(cast.acme.pk, newest.version)]

    asyncio.run(test())


@pytest.mark.claim("limits.shares")
def test_a_project_that_takes_long_to_read_delays_no_other(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, _ = cast.key()
    theirs, _ = cast.key(user=cast.mallory, project=cast.globex)
    may_go_on, is_waiting = threading.Event(), threading.Event()

    def slow(project_id: int, known: snapshot.Snapshot | None = None) -> snapshot.Snapshot | None:
        if project_id == cast.globex.pk and known is not None:
            is_waiting.set()
            assert may_go_on.wait(20)
        return load(project_id, known)

    monkeypatch.setattr(snapshot, "load", slow)
    monkeypatch.setattr(snapshot, "_LOAD_SECONDS", 0.3)

    async def test(snapshots: Snapshots) -> None:
        for key in (mine, theirs):
            assert await snapshots.for_key(key.key_id) is not None
        await act(lambda: services.set_key_enabled(key=theirs, enabled=False))
        assert await asyncio.to_thread(is_waiting.wait, 10)
        await act(lambda: services.set_key_enabled(key=mine, enabled=False))
        await until(snapshots, mine.key_id, lambda found: found is not None and mine.key_id not in found.keys)
        assert snapshots.is_confirmed()
        may_go_on.set()
        await until(snapshots, theirs.key_id, lambda found: found is not None and theirs.key_id not in found.keys)

    run(test)


def test_without_a_database_the_first_call_is_refused_in_time(cast: Cast) -> None:
    async def test(snapshots: Snapshots) -> None:
        await act(lambda: rename("projects_configversion", "away"))
        try:
            with pytest.raises(Refusal, match="configuration_stale"):
                await snapshots.for_key("unknown000")
        finally:
            await act(lambda: rename("away", "projects_configversion"))

    run(test)


def rename(old: str, new: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER TABLE "{old}" RENAME TO "{new}"')


def test_what_others_ask_of_the_database_keeps_no_project_from_being_found_and_loaded(cast: Cast) -> None:
    key, _ = cast.key()
    go_on = threading.Event()

    async def test(snapshots: Snapshots) -> None:
        asking = [asyncio.create_task(snapshots.ask(lambda _: go_on.wait(20), None)) for _ in range(20)]
        try:
            found = await snapshots.for_key(key.key_id)
            assert found is not None and found.slug == "acme"
            assert not any(task.done() for task in asking)
            await act(lambda: set_server_enabled(server=cast.server("new"), enabled=True))
            await until(snapshots, key.key_id, lambda known: known is not None and "new" in known.upstreams)
        finally:
            go_on.set()
            await asyncio.gather(*asking, return_exceptions=True)

    run(test)
