"""`manage.py person`: whoever signs in or is a member somewhere."""

from __future__ import annotations

from typing import Any

from projects import people
from projects.commanding import YES, NounCommand, argument, changes, find, verb
from projects.models import User
from projects.signin import factors, lockout, sessions

_ONE = argument("person", help="The e-mail address or the id.")


class Command(NounCommand):
    noun = "person"
    help = "People: operators, and members of projects."

    @verb("Everybody.")
    def list_(self) -> Any:
        return [_shown(user) for user in User.objects.order_by("email")]

    @verb("One person.", _ONE)
    def show(self, person: str) -> Any:
        return _shown(_find(person))

    @verb("Changes a person.", _ONE, argument("--email"), argument("--first-name"), argument("--last-name"))
    def update(self, person: str, **given: Any) -> Any:
        return _shown(people.update_person(user=_find(person), **changes(**given)))

    @verb("Lets a person's keys and sign-in work again.", _ONE)
    def enable(self, person: str) -> Any:
        return _shown(people.update_person(user=_find(person), is_active=True))

    @verb("Stops a person's keys and sign-in.", _ONE)
    def disable(self, person: str) -> Any:
        return _shown(people.update_person(user=_find(person), is_active=False))

    @verb("Where a person is signed in.", _ONE)
    def sessions(self, person: str) -> Any:
        return [{"browser": row.browser, "address": row.address, "begun": row.begun_at, "seen": row.seen_at}
                for row in sessions.open_of(_find(person))]  # fmt: skip

    @verb("Signs a person out everywhere.", _ONE)
    def sign_out(self, person: str) -> Any:
        user = _find(person)
        return {**_shown(user), "ended": sessions.end_sessions(user=user)}

    @verb("Lets a person try again who gave too many wrong passwords or codes.", _ONE)
    def unlock(self, person: str) -> Any:
        user = _find(person)
        lockout.unlock(user=user)
        return _shown(user)

    @verb("Takes away a person's passkeys, apps and recovery codes.", _ONE, YES)
    def reset_factors(self, person: str, yes: bool) -> Any:
        user = _find(person)
        self.confirm(f"Let {user.email} set up new second factors with the password alone?", yes)
        return {**_shown(user), "taken": factors.reset_factors(user=user)}

    @verb("Deletes a person, out of every project.", _ONE, YES)
    def delete(self, person: str, yes: bool) -> Any:
        user = _find(person)
        self.confirm(f"Delete {user.email} out of every project?", yes)
        shown = _shown(user)
        people.delete_person(user=user)
        return shown


def _find(text: str) -> User:
    return find(User.objects.all(), text.lower(), "person", "email")


def _shown(user: User) -> dict[str, Any]:
    return {"id": user.pk, "email": user.email, "name": user.get_full_name(), "enabled": user.is_active,
            "operator": user.is_superuser}  # fmt: skip
