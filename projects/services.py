"""What can be done to users, projects, memberships and keys: one function per act, one transaction each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from projects import keys, tokens
from projects.models import AdminToken, ApiKey, Invitation, Membership, Project, User
from projects.permissions import MEMBERS_WRITE, Role, allows
from projects.scoping import with_project
from projects.signals import acted

OVERLAP = timedelta(days=1)
# Of a person in a project, revoked ones aside: every process keeps them in memory, and members make their own.
MOST_KEYS = 1_000
_MOST_CHARACTERS = 8_192


@transaction.atomic
def create_project(*, slug: str, name: str = "") -> Project:
    """Raises ValidationError for a bad or taken slug."""
    project = Project(slug=slug, name=name)
    project.full_clean()
    project.save()
    _announce("project.created", project, slug)
    return project


@transaction.atomic
def update_project(*, project: Project, **changes: Any) -> Project:
    """`changes` are model fields. Raises ValidationError."""
    before = {field: getattr(project, field) for field in changes}
    for field, value in changes.items():
        setattr(project, field, value)
    project.full_clean()
    project.save()
    _announce("project.changed", project, project.slug, before=before, after=changes)
    return project


@transaction.atomic
def delete_project(*, project: Project) -> None:
    _announce("project.deleted", project, project.slug)
    with with_project(project.pk):
        project.delete()


@transaction.atomic
def set_member(*, project: Project, user: User, role: str, by_link: bool = False) -> Membership:
    """Adds the user or changes the role. Raises ValidationError for an unknown role or for the last owner.

    An account that the people of another project opened is added `by_link` only, which goes to who has the address.
    """
    with with_project(project.pk):
        membership = Membership.objects.filter(user=user).first() or Membership(project=project, user=user)
        before = membership.role if membership.pk else None
        if before is None and not by_link and user.opened_in not in (None, project.pk):
            raise ValidationError({"email": "Nobody here has checked whose account this is: invite them by a link."})
        if before == Role.OWNER and role != Role.OWNER:
            _keep_an_owner(membership)
        membership.role = role
        membership.full_clean()
        membership.save()
        if before is not None and not allows(role, MEMBERS_WRITE):
            _end_invitations_of(user)
    _announce("member.set", project, user.email, before=before, after=role)
    return membership


@transaction.atomic
def remove_member(*, membership: Membership) -> None:
    """The member's keys and admin tokens are revoked for good. Raises ValidationError for the last owner."""
    project, user = membership.project, membership.user
    with with_project(project.pk):
        if membership.role == Role.OWNER:
            _keep_an_owner(membership)
        for key in ApiKey.objects.filter(user=user, revoked_at=None):
            revoke_key(key=key)
        for token in AdminToken.objects.filter(user=user, project=project, revoked_at=None):
            tokens.revoke_token(token=token)
        membership.delete()
        _end_invitations_of(user)
    _announce("member.removed", project, user.email)


def _end_invitations_of(user: User) -> None:
    """Of the active project: the links that the person made, and the one that they could come back by."""
    Invitation.objects.filter(Q(invited_by=user.email) | Q(email=user.email)).delete()


def _keep_an_owner(leaving: Membership) -> None:
    # Locked, so that two owners who leave at once do not each count on the other.
    owners = Membership.objects.select_for_update().filter(role=Role.OWNER)
    if not [owner for owner in owners if owner.pk != leaving.pk]:
        raise ValidationError("A project keeps at least one owner.")


@transaction.atomic
def issue_key(
    *,
    project: Project,
    user: User,
    label: str,
    servers: Sequence[str] = ("*",),
    tools: Sequence[str] = ("*",),
    surface: str = ApiKey.Surface.NATIVE,
    networks: Sequence[str] = (),
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """The key's row and its text, which is never to be had again. Raises ValidationError."""
    new = keys.generate()
    pepper_id, digest = settings.KEYRING.new_digest(new.text)
    with with_project(project.pk):
        if not Membership.objects.filter(user=user).exists():
            raise ValidationError(f"{user.email} is not a member of {project.slug}.")
        if ApiKey.objects.filter(user=user, revoked_at=None).count() >= MOST_KEYS:
            raise ValidationError(f"{user.email} has {MOST_KEYS} keys in {project.slug}: revoke some.")
        key = ApiKey(
            project=project, user=user, label=label, key_id=new.key_id, pepper_id=pepper_id, digest=digest.hex(),
            servers=list(servers), tools=list(tools), surface=surface, networks=list(networks),
            expires_at=expires_at,
        )  # fmt: skip
        clean_key(key)
        key.save()
    _announce("key.issued", project, new.key_id, user=user.email, label=label, servers=list(servers))
    return key, new.text


def clean_key(key: ApiKey) -> None:
    """Raises ValidationError with the field that is wrong."""
    key.full_clean()
    for field in ("servers", "tools"):
        value = getattr(key, field)
        if not isinstance(value, list) or not value or not all(isinstance(item, str) and item for item in value):
            raise ValidationError({field: "Give a list of globs, for example [\"*\"]."})
        if sum(map(len, value)) > _MOST_CHARACTERS:
            raise ValidationError({field: f"These are more than {_MOST_CHARACTERS} characters: use wider globs."})
    try:
        key.networks = [str(ip_network(network)) for network in key.networks]
    except (TypeError, ValueError) as error:
        raise ValidationError({"networks": f"Give a list of CIDR networks: {error}"}) from error


@transaction.atomic
def update_key(*, key: ApiKey, **changes: Any) -> ApiKey:
    """`changes` are label, servers, tools, surface, networks or expires_at. Raises ValidationError."""
    before = {field: getattr(key, field) for field in changes}
    for field, value in changes.items():
        setattr(key, field, value)
    with with_project(key.project_id):
        clean_key(key)
        key.save()
    _announce("key.changed", key.project, key.key_id, before=before, after=changes)
    return key


@transaction.atomic
def rotate_key(*, key: ApiKey, overlap: timedelta = OVERLAP) -> tuple[ApiKey, str]:
    """A successor with the same rights; the old key goes on for `overlap` at most.

    Raises ValidationError for a key that is revoked or disabled, whose successor would be a way around that.
    """
    if key.revoked_at is not None or key.disabled_at is not None:
        raise ValidationError("A revoked or disabled key cannot be rotated; issue a new one.")
    successor, text = issue_key(
        project=key.project, user=key.user, label=key.label, servers=key.servers, tools=key.tools,
        surface=key.surface, networks=key.networks, expires_at=key.expires_at,
    )  # fmt: skip
    until = timezone.now() + overlap
    if key.expires_at is None or key.expires_at > until:
        update_key(key=key, expires_at=until)
    return successor, text


@transaction.atomic
def set_key_enabled(*, key: ApiKey, enabled: bool) -> None:
    key.disabled_at = None if enabled else timezone.now()
    with with_project(key.project_id):
        key.save(update_fields=["disabled_at"])
    _announce("key.enabled" if enabled else "key.disabled", key.project, key.key_id)


@transaction.atomic
def revoke_key(*, key: ApiKey) -> None:
    """For good."""
    key.revoked_at = timezone.now()
    with with_project(key.project_id):
        key.save(update_fields=["revoked_at"])
    _announce("key.revoked", key.project, key.key_id)


def _announce(kind: str, project: Project, subject: str, **detail: Any) -> None:
    acted.send(sender=Project, kind=kind, project=project, subject=subject, detail=detail)
