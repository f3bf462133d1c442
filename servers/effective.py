"""Who may use one thing of a server: every key of the project and every member, each with the reason."""

from __future__ import annotations

from dataclasses import dataclass

from projects.authentication import Principal, as_person, is_expired, load_keys
from projects.models import Membership, Project, User
from projects.scoping import with_project
from servers import resolve, rights
from servers.models import Overlay, Server, Tool
from servers.rights import Decision

_MAX_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Effective:
    """`key` is the visible id of one, "" for a member as with a key that has no limits of its own."""

    person: str
    role: str
    key: str
    label: str
    decision: Decision


def who_may(project: Project, server: Server, kind: str, name: str, only: User | None = None) -> list[Effective]:
    """By the function that decides for calls; of one person when `only` is given. At most 200, members first."""
    with with_project(project.pk):
        offering = [server] if server.enabled and resolve.upstream_of(server) is not None else []
        found = rights.load(offering)
        is_hidden = kind == Tool.Kind.TOOL and Overlay.objects.filter(server=server, tool=name, hidden=True).exists()
        members = Membership.objects.filter(user__is_active=True).select_related("user").order_by("user__email")
        keys = sorted(load_keys(project.pk).values(), key=lambda each: (each.user, each.label))
        if only is not None:
            members, keys = members.filter(user=only), [each for each in keys if each.user_id == only.pk]
        records = [as_person(project.pk, each.user_id, each.user.email, each.role) for each in members[:_MAX_SHOWN]]
    records += [each for each in keys if not is_expired(each)]
    return [
        Effective(each.user, each.role, "" if each.is_person else each.key_id, each.label,
                  _decide(found, Principal(project.pk, each), server.slug, kind, name, is_hidden))
        for each in records[:_MAX_SHOWN]
    ]  # fmt: skip


def _decide(
    found: rights.Rights, principal: Principal, server: str, kind: str, name: str, is_hidden: bool
) -> Decision:
    decision = rights.explain(found, principal, server, kind, name)
    if decision.allowed and is_hidden:
        return Decision(False, "hidden", "An overlay hides this tool.")
    return decision
