"""The counter that tells every worker what to load again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from projects import services, versions
from projects.models import ApiKey, ConfigVersion, Project
from projects.permissions import Role
from projects.scoping import unscoped, with_project
from servers.models import CommandTemplate
from servers.services import delete_server, save_server, save_template, set_server_enabled
from tests.cast import Cast, two_tenants

pytestmark = pytest.mark.claim("revocation.versions")


def _admin_door(cast: Cast) -> None:
    """A plain save, as a form of the admin does it."""
    with unscoped("as an operator"):
        key = ApiKey.objects.get(label="theirs")
        key.label = "renamed"
        key.save()


def _delete_door(cast: Cast) -> None:
    with unscoped("as an operator"):
        ApiKey.objects.filter(label="theirs").delete()


def _deactivate(cast: Cast) -> None:
    cast.bob.is_active = False
    cast.bob.save()


def _template(cast: Cast) -> None:
    template = CommandTemplate.objects.get()
    template.args = ["-V", "-V"]
    save_template(template=template)


DOORS: dict[str, Callable[[Cast], Any]] = {
    "key issued": lambda cast: cast.key(),
    "key disabled": lambda cast: services.set_key_enabled(key=_key(), enabled=False),
    "key revoked": lambda cast: services.revoke_key(key=_key()),
    "key changed": lambda cast: services.update_key(key=_key(), tools=["read"]),
    "key saved by hand": _admin_door,
    "key deleted by hand": _delete_door,
    "member's role": lambda cast: services.set_member(project=cast.acme, user=cast.bob, role=Role.AUDITOR),
    "member removed": lambda cast: services.remove_member(membership=cast.membership(cast.bob)),
    "user deactivated": _deactivate,
    "user deleted": lambda cast: _delete_user(cast),
    "project disabled": lambda cast: services.update_project(project=cast.acme, enabled=False),
    "server made": lambda cast: cast.server("wiki"),
    "server switched off": lambda cast: set_server_enabled(server=_server(), enabled=False),
    "server changed": lambda cast: save_server(server=_server(), headers={"X-Key": "1"}),
    "server deleted": lambda cast: delete_server(server=_server()),
    "template changed": _template,
}


def _key() -> ApiKey:
    with unscoped("the test's own"):
        return ApiKey.objects.select_related("project", "user").get(label="theirs")


def _server() -> Any:
    from servers.models import Server

    with unscoped("the test's own"):
        return Server.objects.select_related("project", "template").get(slug="docs")


def _delete_user(cast: Cast) -> None:
    with unscoped("as an operator"):
        cast.bob.delete()


@pytest.fixture
def furnished(cast: Cast) -> Cast:
    cast.key(user=cast.bob, label="theirs")
    cast.server("docs")
    template = save_template(template=CommandTemplate(slug="version", executable="{python}", args=["-V"]))
    cast.server("clock", url="", transport="stdio", template=template)
    return cast


@pytest.mark.parametrize("door", DOORS)
def test_a_change_by_any_door_raises_the_version_of_its_project_and_of_no_other(furnished: Cast, door: str) -> None:
    before = versions.current()
    DOORS[door](furnished)
    newest, changed = versions.changed_since(before)
    assert newest == versions.current() > before
    assert changed == [furnished.acme.pk]
    assert versions.changed_since(newest) == (newest, [])


def test_a_deleted_project_is_still_announced(cast: Cast) -> None:
    before, number = versions.current(), cast.globex.pk
    services.delete_project(project=cast.globex)
    assert number in versions.changed_since(before)[1]


def test_a_sign_in_makes_nobody_load_anything(cast: Cast) -> None:
    before = versions.current()
    cast.ada.save(update_fields=["last_login"])
    assert versions.current() == before


def test_a_change_that_is_rolled_back_leaves_the_version(cast: Cast) -> None:
    before = versions.current()
    with transaction.atomic():
        cast.key()
        transaction.set_rollback(True)
    assert versions.changed_since(before) == (before, [])


@pytest.mark.django_db(transaction=True)
def test_versions_are_committed_in_their_order() -> None:
    """Otherwise a worker could see version 8, ask for what is newer, and never learn of 7."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    cast = two_tenants()
    first_bumped, first_may_commit = threading.Event(), threading.Event()
    second_done = threading.Event()

    def first() -> None:
        with transaction.atomic():
            versions.bump(cast.acme.pk)
            first_bumped.set()
            assert first_may_commit.wait(10)
        connection.close()

    def second() -> None:
        versions.bump(cast.globex.pk)
        second_done.set()
        connection.close()

    before = versions.current()
    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert first_bumped.wait(10)
    threads[1].start()
    assert not second_done.wait(0.3), "the later version waits for the earlier one"
    assert versions.changed_since(before) == (before, [])
    first_may_commit.set()
    for thread in threads:
        thread.join(10)
    rows = dict(ConfigVersion.objects.filter(project_ref__gt=0).values_list("project_ref", "version"))
    assert before < rows[cast.acme.pk] < rows[cast.globex.pk]


@pytest.mark.django_db(transaction=True)
def test_workers_are_woken_after_the_commit_only(settings: Any) -> None:
    if not settings.REDIS_URL:
        pytest.skip("the embedded topology polls")
    import redis

    cast = two_tenants()
    client: Any = redis.Redis.from_url(settings.REDIS_URL)
    with client.pubsub() as pubsub:
        pubsub.subscribe(versions.CHANNEL)
        assert pubsub.get_message(timeout=5)["type"] == "subscribe"
        with transaction.atomic(), with_project(cast.acme.pk):
            cast.key()
            assert pubsub.get_message(timeout=0.2) is None
        message = pubsub.get_message(timeout=5)
    assert message is not None
    assert message["type"] == "message"


@pytest.mark.django_db(transaction=True)
def test_a_wake_up_that_fails_does_not_undo_the_change(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    two_tenants()
    assert Project.objects.count() == 2
