"""Admin tokens: issued, revoked, and from the text of one to a Caller, who may do what the user may do by now."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from gateway_site.lib.actor import Actor
from projects import keys, permissions
from projects.models import AdminToken, Membership, Project, User
from projects.scoping import with_project
from projects.signals import acted

LONGEST = timedelta(days=366)
_USE_NOTED_EVERY = timedelta(minutes=1)
_DUMMY_DIGEST = bytes(32)


class Refused(Exception):
    """The credential opens nothing. `reason` is for the log only."""

    def __init__(self, reason: str, token_id: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.token_id = token_id


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls REST. `actions` are those of the token that its user may do by now."""

    token: AdminToken
    user: User
    actions: frozenset[str]

    @property
    def actor(self) -> Actor:
        return Actor("token", self.token.token_id, self.user.email)

    @property
    def is_operator(self) -> bool:
        return self.token.project_id is None

    def may_outside(self, action: str) -> bool:
        """Whether the caller may do what is no project's business."""
        return self.is_operator and action in self.actions

    def sees(self, project: Project) -> bool:
        return self.is_operator or self.token.project_id == project.pk

    def may(self, action: str, project: Project) -> bool:
        return action in self.actions and self.sees(project)


@transaction.atomic
def issue_token(
    *,
    user: User,
    label: str,
    expires_at: datetime,
    project: Project | None = None,
    actions: Collection[str] | None = None,
    networks: Sequence[str] = (),
) -> tuple[AdminToken, str]:
    """The token's row and its text, which is never to be had again. Without a project it is an operator's.

    `actions` are some of those that the user may do there, or None for all of them. Raises ValidationError.
    """
    allowed = _actions_of(user, project) - {permissions.MCP_CALL}
    if not allowed:
        where = f"not a member of {project.slug}" if project else "no operator"
        raise ValidationError({"user": f"{user.email} is {where}."})
    wanted = allowed if actions is None else frozenset(actions)
    if not wanted or wanted - allowed:
        raise ValidationError({"actions": f"Choose some of: {', '.join(sorted(allowed))}."})
    now = timezone.now()
    if not now < expires_at <= now + LONGEST:
        raise ValidationError({"expires_at": f"Choose a time within {LONGEST.days} days from now."})
    new = keys.generate(keys.ADMIN_TOKEN)
    pepper_id, digest = settings.KEYRING.new_digest(new.text)
    token = AdminToken(
        user=user, project=project, label=label, token_id=new.key_id, pepper_id=pepper_id, digest=digest.hex(),
        actions=sorted(wanted), networks=_checked(networks), expires_at=expires_at,
    )  # fmt: skip
    token.full_clean()
    token.save()
    _announce("token.issued", token, user=user.email, label=label, actions=token.actions,
              expires_at=expires_at.isoformat())  # fmt: skip
    return token, new.text


@transaction.atomic
def revoke_token(*, token: AdminToken) -> None:
    """For good."""
    token.revoked_at = timezone.now()
    token.save(update_fields=["revoked_at"])
    _announce("token.revoked", token)


def authenticate(text: str, address: IPv4Address | IPv6Address | None) -> Caller:
    """Raises Refused. What a token may do is asked anew with every request: the user, the role, the expiry."""
    token_id = keys.key_id_of(text, keys.ADMIN_TOKEN)
    if token_id is None:
        raise Refused("malformed")
    found = AdminToken.objects.select_related("user", "project").filter(token_id=token_id).first()
    token = _with_secret(found, text, token_id)
    _check_live(token, address)
    user = token.user
    actions = frozenset(token.actions) & _actions_of(user, token.project)
    if not actions:
        raise Refused("no_rights_left", token_id)
    _note_use(token)
    return Caller(token, user, actions)


def _with_secret(token: AdminToken | None, text: str, token_id: str) -> AdminToken:
    """An unknown token is digested and compared with too, so that its answer takes as long."""
    given = settings.KEYRING.pepper_digest(token.pepper_id if token else settings.KEYRING.current_pepper, text)
    held = bytes.fromhex(token.digest) if token else _DUMMY_DIGEST
    is_same = hmac.compare_digest(given or _DUMMY_DIGEST, held)
    if token is None or given is None or not is_same:
        raise Refused("unknown_key" if token is None else "wrong_secret", token_id)
    return token


def _check_live(token: AdminToken, address: IPv4Address | IPv6Address | None) -> None:
    if token.revoked_at is not None:
        raise Refused("revoked", token.token_id)
    if token.expires_at <= timezone.now():
        raise Refused("expired", token.token_id)
    if token.networks and not any(address in ip_network(each) for each in token.networks if address is not None):
        raise Refused("address", token.token_id)


def _actions_of(user: User, project: Project | None) -> frozenset[str]:
    if not user.is_active:
        return frozenset()
    if user.is_superuser:
        return permissions.OPERATOR if project is None else permissions.actions_of(permissions.Role.OWNER)
    if project is None:
        return frozenset()
    with with_project(project.pk):
        role = Membership.objects.filter(user=user).values_list("role", flat=True).first()
    return permissions.actions_of(role) if role else frozenset()


def _note_use(token: AdminToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - _USE_NOTED_EVERY:
        AdminToken.objects.filter(pk=token.pk).update(last_used_at=now)


def _checked(networks: Sequence[str]) -> list[str]:
    try:
        return [str(ip_network(network)) for network in networks]
    except (TypeError, ValueError) as error:
        raise ValidationError({"networks": f"Give a list of CIDR networks: {error}"}) from error


def _announce(kind: str, token: AdminToken, **detail: Any) -> None:
    acted.send(sender=AdminToken, kind=kind, project=token.project, subject=token.token_id, detail=detail)
