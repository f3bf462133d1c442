"""What a file declares is brought about: idempotent, all or nothing. Projects, members and keys; the rest by parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from audit import declaring
from gateway_site.lib.secrets import Unsealable
from guardrails.presets import DEFAULT
from projects import people
from projects import services as project_services
from projects.models import ApiKey, Membership, Project, User
from projects.scoping import unscoped, with_project
from projects.versions import raised_once
from servers import services
from servers.declaration import (
    Declaration,
    DeclarationError,
    DeclaredKey,
    DeclaredMember,
    DeclaredProject,
    parse,
    read,
)
from servers.declared_guards import (
    apply_exceptions,
    apply_floor,
    apply_policy,
    check_default,
    policies_of,
    prune_policies,
    unset_default,
)
from servers.declared_servers import apply_grants, apply_server, apply_template, servers_of
from servers.models import Server
from servers.outcome import Outcome, Progress
from servers.reading import left_to_schedule

__all__ = ["Declaration", "DeclarationError", "Outcome", "apply", "parse", "read"]

# So many servers are read by and by, not all at once.
_MANY = 100


def apply(
    declaration: Declaration, *, dry_run: bool = False, prune: bool = False, progress: Progress | None = None
) -> Outcome:
    """All or nothing. `prune` also deletes members, servers and policies of declared projects that the file leaves out.

    `progress` is told how many servers of how many are done. Raises DeclarationError.
    """
    outcome = Outcome(progress=progress, servers=sum(len(each.servers) for each in declaration.projects))
    with transaction.atomic(), raised_once(), left_to_schedule() if outcome.servers > _MANY else nullcontext():
        _lock_servers(declaration)
        if "floor" in declaration.model_fields_set:
            _at("floor", apply_floor, declaration, outcome)
        for template in declaration.command_templates:
            _at(f"command_templates.{template.slug}", apply_template, template, outcome)
        for project in declaration.projects:
            _apply_project(project, outcome, prune)
        if dry_run:
            # What would happen is found by doing it, so that a dry run cannot differ from a run.
            transaction.set_rollback(True)
            outcome.keys.clear()
            outcome.signing_keys.clear()
    return outcome


def _lock_servers(declaration: Declaration) -> None:
    """All rows first and the counter of versions after them, as who notes what one server lists takes them."""
    slugs = [project.slug for project in declaration.projects]
    with unscoped("a file may declare several projects"):
        list(Server.objects.select_for_update(of=("self",)).filter(project__slug__in=slugs).order_by("pk"))


def _at(place: str, function: Any, *args: Any) -> Any:
    try:
        return function(*args)
    except ValidationError as error:
        raise DeclarationError(f"{place}: {'; '.join(error.messages)}") from None
    except Unsealable:
        raise DeclarationError(f"{place}: what is stored does not open with this gateway's key ring") from None


def _apply_project(declared: DeclaredProject, outcome: Outcome, prune: bool) -> None:
    place = f"projects.{declared.slug}"
    project = Project.objects.filter(slug=declared.slug).first()
    if project is None:
        project = _at(place, lambda: project_services.create_project(slug=declared.slug, name=declared.name))
        outcome.create.append(f"project {declared.slug}")
    wanted = {
        "name": declared.name or project.name,
        "enabled": declared.enabled,
        **declared.audit.model_dump(include=declared.audit.model_fields_set),
    }
    changes = {attribute: value for attribute, value in wanted.items() if getattr(project, attribute) != value}
    if changes:
        _at(place, lambda: project_services.update_project(project=project, **changes))
        outcome.update.append(f"project {declared.slug}")
    with with_project(project.pk):
        for member in declared.members:
            _at(f"{place}.members.{member.email}", _apply_member, project, member, outcome)
        # Before the servers, which name them.
        _at(f"{place}.policy", check_default, declared)
        for policy in policies_of(declared):
            _at(f"{place}.policies.{policy.slug}", apply_policy, project, policy, outcome)
        if declared.policy == DEFAULT:
            unset_default(project, outcome)
        if "grants" in declared.model_fields_set:
            _at(f"{place}.grants", apply_grants, project, declared, outcome)
        known = servers_of(declared)
        for server in declared.servers:
            _at(f"{place}.servers.{server.slug}", apply_server, project, server, known, outcome)
            outcome.advance()
        if "exceptions" in declared.model_fields_set:
            _at(f"{place}.exceptions", apply_exceptions, project, declared, outcome)
        for key in declared.keys:
            _at(f"{place}.keys.{key.label}", _apply_key, project, key, outcome)
        _apply_audit(project, declared, outcome, prune)
        if prune:
            _at(place, _prune, project, declared, outcome)


def _apply_audit(project: Project, declared: DeclaredProject, outcome: Outcome, prune: bool) -> None:
    """What becomes of the project's log. A file that does not speak of a part has left nothing out of it."""
    acts: dict[str, Callable[..., None]] = {
        "forwarders": declaring.apply_forwarders, "schedules": declaring.apply_schedules,
        "filters": declaring.apply_filters,
    }  # fmt: skip
    for part, act in acts.items():
        wanted, pruned = getattr(declared, part), prune and part in declared.model_fields_set
        _at(f"projects.{project.slug}.{part}", act, project, wanted, outcome, pruned)


def _apply_member(project: Project, declared: DeclaredMember, outcome: Outcome) -> None:
    user = people.person_of(declared.email)
    name = f"member {project.slug}/{user.email}"
    membership = Membership.objects.filter(user=user).first()
    if membership is None:
        outcome.create.append(name)
    elif membership.role != declared.role:
        outcome.update.append(name)
    else:
        return
    project_services.set_member(project=project, user=user, role=declared.role)


def _apply_key(project: Project, declared: DeclaredKey, outcome: Outcome) -> None:
    user = User.objects.filter(email=declared.user.lower()).first()
    if user is None:
        raise ValidationError(f"{declared.user} is not a member.")
    name = f"key {project.slug}/{user.email}/{declared.label}"
    rights: dict[str, Any] = {
        "servers": declared.servers, "tools": declared.tools, "surface": declared.surface,
        "networks": declared.networks,
    }  # fmt: skip
    key = _live_key(user, declared.label)
    if key is not None:
        if "expires_at" in declared.model_fields_set:
            rights["expires_at"] = declared.expires_at
        changes = {attribute: value for attribute, value in rights.items() if getattr(key, attribute) != value}
        if changes:
            project_services.update_key(key=key, **changes)
        is_switched = "enabled" in declared.model_fields_set and declared.enabled != (key.disabled_at is None)
        if is_switched:
            project_services.set_key_enabled(key=key, enabled=declared.enabled)
        if changes or is_switched:
            outcome.update.append(name)
        return
    expires_at = _end_of(declared)
    if expires_at is not None and expires_at <= timezone.now():
        return
    key, text = project_services.issue_key(
        project=project, user=user, label=declared.label, expires_at=expires_at, **rights
    )
    if not declared.enabled:
        project_services.set_key_enabled(key=key, enabled=False)
    outcome.create.append(name)
    outcome.keys.append({"project": project.slug, "user": user.email, "label": declared.label, "key": text})


def _end_of(declared: DeclaredKey) -> datetime | None:
    days = declared.expires_in_days
    return declared.expires_at if days is None else timezone.now() + timedelta(days=days)


def _live_key(user: User, label: str) -> ApiKey | None:
    now = timezone.now()
    candidates: Iterable[ApiKey] = ApiKey.objects.filter(user=user, label=label, revoked_at=None).order_by("-id")
    return next((key for key in candidates if key.expires_at is None or key.expires_at > now), None)


def _prune(project: Project, declared: DeclaredProject, outcome: Outcome) -> None:
    for server in Server.objects.exclude(slug__in=[server.slug for server in declared.servers]):
        outcome.delete.append(f"server {project.slug}/{server.slug}")
        services.delete_server(server=server)
    prune_policies(project, declared, outcome)
    emails = [member.email.lower() for member in declared.members]
    for membership in Membership.objects.exclude(user__email__in=emails).select_related("user", "project"):
        outcome.delete.append(f"member {project.slug}/{membership.user.email}")
        project_services.remove_member(membership=membership)
