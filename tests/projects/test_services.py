"""Acts on projects, members and keys."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from audit.models import Event
from projects import services
from projects.authentication import load_keys
from projects.models import ApiKey, Membership, Project, User
from projects.permissions import Role
from projects.scoping import with_project
from tests.cast import Cast, two_tenants
from tests.threads import at_one_time


@pytest.mark.parametrize("slug", ["", "Acme", "-acme", "acme-", "a b", "ä", "a" * 64, "acme\n", "a/b", "globex"])
@pytest.mark.claim("services.validation")
def test_a_bad_or_taken_slug_makes_no_project(cast: Cast, slug: str) -> None:
    with pytest.raises(ValidationError):
        services.create_project(slug=slug)
    assert Project.objects.count() == 2


@pytest.mark.claim("services.validation")
def test_a_person_has_so_many_keys_in_a_project(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MOST_KEYS", 2)
    ended, _ = cast.key(cast.bob, expires_at=timezone.now() - timedelta(days=1))
    cast.key(cast.bob)
    with pytest.raises(ValidationError, match="revoke some"):
        cast.key(cast.bob)
    cast.key(cast.ada)
    services.revoke_key(key=ended)
    cast.key(cast.bob)


@pytest.mark.claim("services.last-owner")
def test_the_last_owner_can_neither_be_removed_nor_demoted(cast: Cast) -> None:
    with pytest.raises(ValidationError, match="at least one owner"):
        services.remove_member(membership=cast.membership(cast.ada))
    with pytest.raises(ValidationError, match="at least one owner"):
        services.set_member(project=cast.acme, user=cast.ada, role=Role.MEMBER)
    assert cast.membership(cast.ada).role == Role.OWNER


@pytest.mark.claim("services.last-owner")
def test_an_owner_can_leave_when_there_is_another(cast: Cast) -> None:
    services.set_member(project=cast.acme, user=cast.bob, role=Role.OWNER)
    services.remove_member(membership=cast.membership(cast.ada))
    with with_project(cast.acme.pk):
        assert list(Membership.objects.filter(role=Role.OWNER).values_list("user_id", flat=True)) == [cast.bob.pk]


@pytest.mark.claim("services.last-owner")
def test_an_owner_of_another_project_does_not_count(cast: Cast) -> None:
    services.set_member(project=cast.globex, user=cast.ada, role=Role.OWNER)
    with pytest.raises(ValidationError, match="at least one owner"):
        services.set_member(project=cast.acme, user=cast.ada, role=Role.ADMIN)


@pytest.mark.django_db(transaction=True)
@pytest.mark.claim("services.last-owner")
def test_two_owners_who_leave_at_once_do_not_both_succeed() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("the test database in memory locks tables, where the one on disk waits")
    cast = two_tenants()
    services.set_member(project=cast.acme, user=cast.bob, role=Role.OWNER)
    memberships = [cast.membership(cast.ada), cast.membership(cast.bob)]

    def leave(membership: Membership) -> str:
        try:
            services.remove_member(membership=membership)
        except ValidationError:
            return "refused"
        return "left"

    assert sorted(at_one_time(*(partial(leave, membership) for membership in memberships))) == ["left", "refused"]


@pytest.mark.claim("services.remove-member")
def test_removing_a_member_revokes_that_members_keys_for_good(cast: Cast) -> None:
    key, _ = cast.key(user=cast.bob)
    kept, _ = cast.key()
    services.remove_member(membership=cast.membership(cast.bob))
    services.set_member(project=cast.acme, user=cast.bob, role=Role.MEMBER)
    with with_project(cast.acme.pk):
        assert ApiKey.objects.get(pk=key.pk).revoked_at is not None
        assert set(load_keys(cast.acme.pk)) == {kept.key_id}


@pytest.mark.claim("services.remove-member")
def test_removing_a_member_here_leaves_the_keys_elsewhere(cast: Cast) -> None:
    services.set_member(project=cast.globex, user=cast.bob, role=Role.MEMBER)
    elsewhere, _ = cast.key(user=cast.bob, project=cast.globex)
    services.remove_member(membership=cast.membership(cast.bob))
    with with_project(cast.globex.pk):
        assert elsewhere.key_id in load_keys(cast.globex.pk)


@pytest.mark.claim("services.validation")
def test_only_members_get_keys(cast: Cast) -> None:
    with pytest.raises(ValidationError, match="not a member"):
        cast.key(user=cast.mallory)


@pytest.mark.parametrize(
    "rights",
    [
        {"servers": []}, {"servers": [""]}, {"servers": [1]}, {"tools": []}, {"tools": [None]}, {"label": ""},
        {"servers": ["*" * 500] * 20}, {"tools": ["*" * 8_193]},
        {"networks": ["10.0.0.1/8"]}, {"networks": ["anywhere"]}, {"networks": [None]}, {"label": "x" * 101},
    ],
    ids=lambda rights: str(rights)[:60],
)  # fmt: skip
@pytest.mark.claim("services.validation")
def test_a_key_with_impossible_rights_is_not_made(cast: Cast, rights: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        cast.key(**rights)
    with with_project(cast.acme.pk):
        assert ApiKey.objects.count() == 0
    assert not Event.objects.filter(kind="key.issued").exists()


@pytest.mark.claim("services.validation")
def test_a_refused_change_of_a_key_changes_nothing(cast: Cast) -> None:
    key, _ = cast.key()
    with pytest.raises(ValidationError):
        services.update_key(key=key, servers=[], label="new")
    with with_project(cast.acme.pk):
        assert ApiKey.objects.get().label == "laptop"


@pytest.mark.claim("services.rotation")
def test_rotation_gives_a_successor_with_the_same_rights_and_lets_the_old_key_overlap(cast: Cast) -> None:
    key, text = cast.key(servers=["docs"], tools=["read_*"], surface="meta", networks=["10.0.0.0/8"])
    successor, new_text = services.rotate_key(key=key, overlap=timedelta(hours=1))
    assert text != new_text
    for field in ("user_id", "label", "servers", "tools", "surface", "networks"):
        assert getattr(successor, field) == getattr(key, field)
    with with_project(cast.acme.pk):
        assert set(load_keys(cast.acme.pk)) == {key.key_id, successor.key_id}
        old = ApiKey.objects.get(pk=key.pk)
    assert old.expires_at is not None
    assert timedelta(minutes=59) < old.expires_at - timezone.now() <= timedelta(hours=1)
    assert successor.expires_at is None


@pytest.mark.claim("services.rotation")
def test_rotation_never_lengthens_a_key(cast: Cast) -> None:
    soon = timezone.now() + timedelta(minutes=5)
    key, _ = cast.key(expires_at=soon)
    successor, _ = services.rotate_key(key=key)
    with with_project(cast.acme.pk):
        assert ApiKey.objects.get(pk=key.pk).expires_at == soon
    assert successor.expires_at == soon


@pytest.mark.claim("services.validation")
def test_an_unknown_role_is_refused(cast: Cast) -> None:
    with pytest.raises(ValidationError):
        services.set_member(project=cast.acme, user=cast.bob, role="emperor")
    assert cast.membership(cast.bob).role == Role.MEMBER


@pytest.mark.claim("audit.acts")
def test_every_act_leaves_its_line_and_no_secret(cast: Cast) -> None:
    key, text = cast.key()
    services.update_key(key=key, label="desk")
    services.rotate_key(key=key)
    services.set_key_enabled(key=key, enabled=False)
    services.set_key_enabled(key=key, enabled=True)
    services.revoke_key(key=key)
    services.update_project(project=cast.acme, name="Acme Ltd")
    services.remove_member(membership=cast.membership(cast.bob))
    services.delete_project(project=cast.globex)
    kinds = set(Event.objects.values_list("kind", flat=True))
    assert kinds >= {
        "project.created", "project.changed", "project.deleted", "member.set", "member.removed",
        "key.issued", "key.changed", "key.disabled", "key.enabled", "key.revoked",
    }  # fmt: skip
    everything = repr(list(Event.objects.values()))
    assert text[15:] not in everything
    assert key.digest not in everything


@pytest.mark.claim("tenancy.fails-closed")
def test_deleting_a_project_takes_its_rows_and_no_others(cast: Cast) -> None:
    cast.key()
    cast.key(user=cast.mallory, project=cast.globex)
    services.delete_project(project=cast.acme)
    with with_project(cast.globex.pk):
        assert ApiKey.objects.count() == 1
    assert User.objects.filter(pk=cast.ada.pk).exists()
    assert list(Project.objects.values_list("slug", flat=True)) == ["globex"]
