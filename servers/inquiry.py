"""Why a key or a person may use something or not, asked afresh and answered in a sentence, for administrators."""

from __future__ import annotations

from dataclasses import dataclass, field

from projects.authentication import Principal, as_person, is_expired, load_keys
from projects.models import ApiKey, Membership, Project, User
from projects.scoping import with_project
from servers import resolve, rights
from servers.models import Overlay, Tool
from servers.offers import Offered
from servers.rights import Decision


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Without a name it is about the server itself. The key may be any, or one of a person that has no limits."""

    server: str
    kind: str = Tool.Kind.TOOL
    name: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """`usable` is all that may be used at that server, by kind and name."""

    decision: Decision
    usable: tuple[Offered, ...] = field(default=(), repr=False)


def ask(project: Project, who: ApiKey | User, inquiry: Inquiry) -> Reply:
    """From what is stored now, by the function that decides for calls."""
    with with_project(project.pk):
        if not project.enabled:
            return _no("The project is switched off.")
        principal = _principal_of_key(project, who) if isinstance(who, ApiKey) else _principal_of_user(project, who)
        if isinstance(principal, str):
            return _no(principal)
        found = rights.load(server for server, _ in resolve.callable_servers())
        hidden = set(Overlay.objects.filter(server__slug=inquiry.server, hidden=True).values_list("tool", flat=True))
    kind = inquiry.kind if inquiry.name else ""
    decision = rights.explain(found, principal, inquiry.server, kind, inquiry.name)
    if decision.allowed and kind == Tool.Kind.TOOL and inquiry.name in hidden:
        decision = Decision(False, "hidden", "An overlay hides this tool.")
    usable = rights.usable(found, principal, inquiry.server)
    return Reply(decision, tuple(each for each in usable if each.kind != Tool.Kind.TOOL or each.name not in hidden))


def _no(text: str) -> Reply:
    return Reply(Decision(False, "nobody", text))


def _principal_of_key(project: Project, key: ApiKey) -> Principal | str:
    """Or why the key opens nothing."""
    if key.project_id != project.pk:
        return "The project has no such key."
    record = load_keys(project.pk).get(key.key_id)
    if key.revoked_at is not None:
        return f"The key {key.label!r} is revoked."
    if key.disabled_at is not None:
        return f"The key {key.label!r} is switched off."
    if record is None:
        return f"{key.user} is no active member of the project, so that the key {key.label!r} opens nothing."
    if is_expired(record):
        return f"The key {key.label!r} has expired."
    return Principal(project.pk, record)


def _principal_of_user(project: Project, user: User) -> Principal | str:
    """With a key that has no limits of its own, or why there can be none."""
    membership = Membership.objects.filter(user=user, user__is_active=True).first()
    if membership is None:
        return f"{user} is no active member of the project."
    return Principal(project.pk, as_person(project.pk, user.pk, user.email, membership.role))
