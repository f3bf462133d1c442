"""Invitations by link: made, withdrawn and accepted. Whoever has the link has the invitation: it is sent by people."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from gateway_site.lib import actor
from gateway_site.lib.actor import Actor, acting_as
from gateway_site.lib.secrets import sha256_hex
from projects import people, services
from projects.models import Invitation, Membership, Project, User
from projects.scoping import unscoped, with_project
from projects.signals import acted

LASTS = timedelta(days=7)
# Open ones of a project.
MOST = 1_000


@transaction.atomic
def invite(*, project: Project, email: str, role: str) -> tuple[Invitation, str]:
    """The invitation and the secret of its link, which is never to be had again. An older one ends.

    Raises ValidationError.
    """
    email = email.lower()
    with with_project(project.pk):
        if Membership.objects.filter(user__email=email).exists():
            raise ValidationError({"email": "This person is a member of the project already."})
        Invitation.objects.filter(email=email).delete()
        if open_ones().count() >= MOST:
            raise ValidationError(f"{MOST} invitations are open: withdraw some.")
        token = secrets.token_urlsafe(32)
        invitation = Invitation(
            project=project, email=email, role=role, digest=sha256_hex(token.encode()),
            invited_by=actor.current().label, expires_at=timezone.now() + LASTS,
        )  # fmt: skip
        invitation.full_clean()
        invitation.save()
    _announce("member.invited", invitation, role=role, expires_at=invitation.expires_at.isoformat())
    return invitation, token


@transaction.atomic
def withdraw_invitation(*, invitation: Invitation) -> None:
    with with_project(invitation.project_id):
        Invitation.objects.filter(pk=invitation.pk).delete()
    _announce("member.invitation_withdrawn", invitation)


def open_ones() -> QuerySet[Invitation]:
    """Of the active project, or of all under `unscoped`."""
    return Invitation.objects.select_related("project").filter(expires_at__gt=timezone.now())


def path_of(token: str) -> str:
    """The link without the gateway's own address."""
    return reverse("invite", args=[token])


def find(token: str) -> Invitation | None:
    """The open invitation of a link's secret; None for a wrong, used or expired one."""
    with unscoped("a link says by itself which project it is for"):
        return open_ones().filter(digest=sha256_hex(token.encode())).first()


def account_for(invitation: Invitation) -> User | None:
    """Whoever has the address and has to sign in to accept."""
    user = User.objects.filter(email=invitation.email).first()
    return None if user is None or _may_be_claimed(user, invitation) else user


def _may_be_claimed(user: User, invitation: Invitation) -> bool:
    """Whether the link may set the first password of an account that somebody made for the address.

    It may not where the account has rights that whoever made the link has no say in.
    """
    if user.has_usable_password() or user.last_login is not None or user.is_superuser or not user.is_active:
        return False
    with unscoped("a person's memberships are of many projects"):
        return not Membership.objects.filter(user=user).exclude(project=invitation.project_id).exists()


@transaction.atomic
def accept_as_new(*, invitation: Invitation, password: str) -> User:
    """Makes the account, and the membership. Raises ValidationError."""
    if account_for(invitation) is not None:
        raise ValidationError("Sign in to accept: this address has an account.")
    password_validation.validate_password(password, User(email=invitation.email))
    user = people.person_of(invitation.email)
    user.set_password(password)
    user.opened_in = None if _is_by_operator(invitation) else invitation.project_id
    user.save(update_fields=["password", "opened_in"])
    return _join(invitation, user)


def _is_by_operator(invitation: Invitation) -> bool:
    """In the browser, by REST or by a command, which is no address of anybody's."""
    is_command = invitation.invited_by.startswith("manage.py ")
    return is_command or User.objects.filter(email=invitation.invited_by, is_superuser=True, is_active=True).exists()


@transaction.atomic
def accept(*, invitation: Invitation, user: User) -> User:
    """For who has signed in with the invited address. Raises ValidationError."""
    if user.email != invitation.email:
        raise ValidationError("This invitation is for another address.")
    return _join(invitation, user)


def _join(invitation: Invitation, user: User) -> User:
    """Of two requests at one time one finds the row."""
    project = invitation.project
    with acting_as(Actor("user", str(user.pk), user.email)), unscoped("who is invited is no member of it yet"):
        count, _ = Invitation.objects.filter(pk=invitation.pk, expires_at__gt=timezone.now()).delete()
        if not count:
            raise ValidationError("This invitation has ended.")
        known = Membership.objects.filter(project=project, user=user).exists()
        if not known:
            # Who has become a member meanwhile keeps that role.
            services.set_member(project=project, user=user, role=invitation.role, by_link=True)
        _announce("member.invitation_accepted", invitation, role=invitation.role)
    return user


def _announce(kind: str, invitation: Invitation, **detail: object) -> None:
    acted.send(sender=Invitation, kind=kind, project=invitation.project, subject=invitation.email, detail=detail)


def prune() -> int:
    """Those that have expired."""
    with unscoped("invitations of every project expire"):
        return Invitation.objects.filter(expires_at__lt=timezone.now()).delete()[0]
