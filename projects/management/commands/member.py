"""`manage.py member`: who belongs to a project, and in which role."""

from __future__ import annotations

from typing import Any

from projects import people, services
from projects.commanding import PROJECT, YES, NounCommand, argument, find, find_project, verb
from projects.models import Invitation, Membership, Project
from projects.permissions import Role
from projects.scoping import with_project
from projects.signin import invitations

_ONE = argument("member", help="The e-mail address, or the membership's id.")
_ROLE = argument("--role", choices=Role.values, default=Role.MEMBER.value)


class Command(NounCommand):
    noun = "member"
    help = "Members of projects."

    @verb("All members of a project.", PROJECT)
    def list_(self, project: str | None) -> Any:
        with with_project(find_project(project).pk):
            return [_shown(row) for row in Membership.objects.select_related("user")]

    @verb("One member.", _ONE, PROJECT)
    def show(self, member: str, project: str | None) -> Any:
        return _shown(_find(find_project(project), member))

    @verb("Adds a person, or changes the person's role.", argument("email"), _ROLE, PROJECT)
    def set_(self, email: str, role: str, project: str | None) -> Any:
        found = find_project(project)
        user = people.person_of(email)
        return _shown(services.set_member(project=found, user=user, role=role))

    @verb("A link by which somebody joins, shown once; it works once, for a week.", argument("email"), _ROLE, PROJECT)
    def invite(self, email: str, role: str, project: str | None) -> Any:
        row, token = invitations.invite(project=find_project(project), email=email, role=role)
        # The command does not know under which address people reach the gateway.
        return {**_invited(row), "path": invitations.path_of(token)}

    @verb("Invitations that are open.", PROJECT)
    def invitations(self, project: str | None) -> Any:
        with with_project(find_project(project).pk):
            return [_invited(row) for row in invitations.open_ones()]

    @verb("Ends an invitation.", argument("invitation", help="The e-mail address or the id."), PROJECT)
    def withdraw(self, invitation: str, project: str | None) -> Any:
        with with_project(find_project(project).pk):
            row = find(Invitation.objects.select_related("project"), invitation.lower(), "invitation", "email")
        invitations.withdraw_invitation(invitation=row)
        return _invited(row)

    @verb("Removes a member and revokes the member's keys.", _ONE, PROJECT, YES)
    def remove(self, member: str, project: str | None, yes: bool) -> Any:
        row = _find(find_project(project), member)
        shown = _shown(row)
        self.confirm(f"Remove {row.user.email} and revoke the keys?", yes)
        services.remove_member(membership=row)
        return shown


def _find(project: Project, text: str) -> Membership:
    with with_project(project.pk):
        rows = Membership.objects.select_related("user", "project")
        return find(rows, text.lower(), "member", "user__email")


def _shown(row: Membership) -> dict[str, Any]:
    return {"id": row.pk, "email": row.user.email, "role": str(row.role)}


def _invited(row: Invitation) -> dict[str, Any]:
    return {"id": row.pk, "email": row.email, "role": str(row.role), "expires": row.expires_at}
