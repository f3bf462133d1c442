"""Whose pages a signed-in person may open: operators all of them, members those that their role has an action for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from projects.models import Membership, Project, User
from projects.permissions import allows
from projects.scoping import unscoped


@dataclass(frozen=True)
class Reach:
    """Projects by number. `is_all` also takes in those that are gone, and what belongs to none."""

    is_all: bool = False
    projects: frozenset[int] = frozenset()

    def has(self, project_id: int | None) -> bool:
        return self.is_all or (project_id is not None and project_id in self.projects)

    def narrowed(self, project_id: int | None) -> Reach:
        """To this project, or to nothing where it is not within; as it is for None."""
        if project_id is None:
            return self
        return Reach(projects=frozenset([project_id]) if self.has(project_id) else frozenset())

    def __bool__(self) -> bool:
        return self.is_all or bool(self.projects)


NOTHING = Reach()


def is_operator(user: Any) -> bool:
    return isinstance(user, User) and user.is_active and user.is_superuser


def roles_of(user: Any) -> Mapping[int, str]:
    """A person's role by project; none for whoever has not signed in."""
    if not isinstance(user, User) or not user.is_active:
        return {}
    with unscoped("a person's memberships are of many projects"):
        return dict(Membership.objects.filter(user=user).values_list("project_id", "role"))


def roles_at(request: HttpRequest) -> Mapping[int, str]:
    """Those of who asks; looked up once for each request."""
    known: dict[int | None, Mapping[int, str]] = request.__dict__.setdefault("_roles", {})
    if request.user.pk not in known:
        known[request.user.pk] = roles_of(request.user)
    return known[request.user.pk]


def reach_of(user: Any, action: str) -> Reach:
    """Where a person may do it now; nothing for whoever has not signed in."""
    return reaches_of(user, (action,))[action]


def reaches_of(user: Any, actions: Iterable[str]) -> dict[str, Reach]:
    """The same of several actions, by action."""
    if is_operator(user):
        return {action: Reach(is_all=True) for action in actions}
    roles = roles_of(user)
    return {action: _where(roles, action) for action in actions}


def reach_at(request: HttpRequest, action: str) -> Reach:
    """The same of who asks."""
    return Reach(is_all=True) if is_operator(request.user) else _where(roles_at(request), action)


def _where(roles: Mapping[int, str], action: str) -> Reach:
    return Reach(projects=frozenset(project for project, role in roles.items() if allows(role, action)))


def may_enter(user: Any) -> bool:
    """Whether any page opens to them, as some do for each role. Staff who are no operators find each closed."""
    if not isinstance(user, User) or not user.is_active:
        return False
    return user.is_staff or bool(roles_of(user))


def slugs_of(reach: Reach, projects: Iterable[int]) -> dict[int, str]:
    """Names by number, of those of these projects that are within reach."""
    within = [number for number in projects if reach.has(number)]
    return dict(Project.objects.filter(pk__in=within).values_list("pk", "slug"))
