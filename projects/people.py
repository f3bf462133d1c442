"""What can be done to people: whoever signs in, and whoever is a member. One transaction each."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from gateway_site.lib import actor
from projects import services
from projects.models import Membership, User
from projects.scoping import unscoped
from projects.signals import acted
from projects.signin import sessions

_CHANGEABLE = frozenset({"email", "first_name", "last_name", "is_active", "is_superuser"})


@transaction.atomic
def create_person(*, email: str, is_superuser: bool = False) -> User:
    """Without a password, which an operator or a link of theirs sets. Raises ValidationError."""
    user = User(email=email.lower(), is_superuser=is_superuser, is_staff=is_superuser)
    user.set_unusable_password()
    user.full_clean(exclude=["password"])
    user.save()
    _announce("user.created", user, active=True, operator=is_superuser)
    return user


def person_of(email: str) -> User:
    """Whoever has the address; somebody new when nobody has, so that nobody learns which. Raises ValidationError."""
    return User.objects.filter(email=email.lower()).first() or create_person(email=email)


@transaction.atomic
def update_person(*, user: User, **changes: Any) -> User:
    """`changes` are email, first_name, last_name, is_active and is_superuser. Raises ValidationError."""
    unknown = changes.keys() - _CHANGEABLE
    if unknown:
        raise ValidationError(f"A person's {', '.join(sorted(unknown))} cannot be changed.")
    changes |= {"email": changes["email"].lower()} if "email" in changes else {}
    for field, value in changes.items():
        setattr(user, field, value)
    if not (user.is_superuser and user.is_active):
        keep_an_operator(user)
    # Only operators have business in the admin pages, and each operator has.
    user.is_staff = user.is_superuser
    user.full_clean(exclude=["password"])
    user.save()
    _announce("user.changed", user, active=user.is_active, operator=user.is_superuser, fields=sorted(changes))
    return user


@transaction.atomic
def change_password(*, user: User, password: str, but: str | None = None) -> None:
    """One's own, which was checked. Ends the person's sessions, but the one of this digest."""
    user.set_password(password)
    user.save(update_fields=["password"])
    _announce("user.password_changed", user)
    sessions.end_sessions(user=user, but=but)


@transaction.atomic
def delete_person(*, user: User) -> None:
    """Out of every project, keys and admin tokens with it. Raises ValidationError for the last operator or owner."""
    if user.email == actor.current().label:
        raise ValidationError("You cannot delete yourself.")
    if user.is_superuser and user.is_active:
        keep_an_operator(user)
    with unscoped("a person leaves every project"):
        for membership in Membership.objects.select_related("project", "user").filter(user=user):
            services.remove_member(membership=membership)
    _announce("user.deleted", user)
    with unscoped("a person's rows may be any project's"):
        user.delete()


def keep_an_operator(leaving: User) -> None:
    """Raises ValidationError when `leaving` is the last active operator."""
    was_one = User.objects.filter(pk=leaving.pk, is_superuser=True, is_active=True).exists()
    # Locked, so that two who leave at once do not each count on the other.
    operators = User.objects.select_for_update().filter(is_superuser=True, is_active=True)
    if was_one and not [each for each in operators if each.pk != leaving.pk]:
        raise ValidationError("The gateway keeps at least one active operator.")


def _announce(kind: str, user: User, **detail: Any) -> None:
    acted.send(sender=User, kind=kind, project=None, subject=user.email, detail=detail)
