"""Whose pages a signed-in person may open: operators all of them, members those that their role has an action for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from projects.models import Membership, Project, User
from projects.permissions import AUDIT_READ, CONFIG_READ, Role, allows
from projects.scoping import unscoped

# The actions that open pages to members. Which pages these are is said by each page (projects.pages.ActionAdmin).
OPENING = (AUDIT_READ, CONFIG_READ)


@dataclass(frozen=True)
class Reach:
    """Projects by number. `is_all` also takes in those that are gone, and what belongs to none."""

    is_all: bool = False
    projects: frozenset[int] = frozenset()

    def has(self, project_id: int | None) -> bool:
        return self.is_all or (project_id is not None and project_id in self.projects)

    def __bool__(self) -> bool:
        return self.is_all or bool(self.projects)


NOTHING = Reach()


def is_operator(user: Any) -> bool:
    return isinstance(user, User) and user.is_active and user.is_superuser


def reach_of(user: Any, action: str) -> Reach:
    """Where a person may do it now; nothing for whoever has not signed in."""
    if not isinstance(user, User) or not user.is_active:
        return NOTHING
    if user.is_superuser:
        return Reach(is_all=True)
    roles = [role for role in Role if allows(role, action)]
    with unscoped("a person's memberships are of many projects"):
        found = Membership.objects.filter(user=user, role__in=roles).values_list("project_id", flat=True)
        return Reach(projects=frozenset(found))


def may_enter(user: Any) -> bool:
    """Whether any page opens to them. Staff who are no operators get in, and are refused by each page."""
    if not isinstance(user, User) or not user.is_active:
        return False
    return user.is_staff or any(reach_of(user, action) for action in OPENING)


def slugs_of(reach: Reach, limit: int) -> dict[int, str]:
    """Names by number, in the order of the names."""
    projects = Project.objects.all() if reach.is_all else Project.objects.filter(pk__in=reach.projects)
    return dict(projects.order_by("slug").values_list("pk", "slug")[:limit])
