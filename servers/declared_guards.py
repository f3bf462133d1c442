"""The floor, policies and false positives of a declaration, brought about."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from gateway_site.lib.references import STORED, resolve
from guardrails import services
from guardrails.exemptions import digest_place, digest_text
from guardrails.models import FindingException, Policy
from guardrails.presets import DEFAULT, PRESETS
from guardrails.specs import Spec
from guardrails.validation import secret_parameters
from projects.models import Project
from servers.declaration import Declaration, DeclaredException, DeclaredGuardrail, DeclaredPolicy, DeclaredProject
from servers.models import Server
from servers.outcome import Outcome


def apply_floor(declaration: Declaration, outcome: Outcome) -> None:
    done = services.set_floor(guardrails=[_spec(each) for each in declaration.floor])
    outcome.create += [f"floor {name}" for name in done.created]
    outcome.update += [f"floor {name}" for name in done.changed]
    outcome.delete += [f"floor {name}" for name in done.deleted]


def check_default(declared: DeclaredProject) -> None:
    slugs = [policy.slug for policy in declared.policies]
    if len(set(slugs)) != len(slugs) or declared.policy in slugs:
        raise ValidationError("Two policies have one slug.")
    if len([policy for policy in declared.policies if policy.default]) + bool(declared.policy) > 1:
        raise ValidationError("A project has one default policy.")


def policies_of(declared: DeclaredProject) -> list[DeclaredPolicy]:
    """Those that are to be rows; the preset that every project has without a choice of its own needs none."""
    if declared.policy is None or declared.policy == DEFAULT:
        return declared.policies
    return [*declared.policies, DeclaredPolicy(slug=declared.policy, preset=declared.policy, default=True)]


def apply_policy(project: Project, declared: DeclaredPolicy, outcome: Outcome) -> None:
    mode = declared.mode or (PRESETS[declared.preset].mode.value if declared.preset else "enforce")
    fields: dict[str, Any] = {
        "name": declared.name, "mode": mode, "max_characters": declared.max_characters,
        "over_limit": declared.over_limit,
    }  # fmt: skip
    specs = [*(services.preset(declared.preset) if declared.preset else ()),
             *(_spec(each) for each in declared.guardrails)]  # fmt: skip
    name = f"policy {project.slug}/{declared.slug}"
    policy = Policy.objects.filter(slug=declared.slug).first()
    if policy is None:
        services.create_policy(
            project=project, slug=declared.slug, guardrails=specs, is_default=bool(declared.default), **fields
        )
        outcome.create.append(name)
        return
    known, was_default = policy.version, policy.is_default
    policy = services.update_policy(policy=policy, guardrails=specs, **fields)
    if declared.default is not None and declared.default != was_default:
        services.set_default_policy(project=project, policy=policy if declared.default else None)
    elif policy.version == known:
        return
    outcome.update.append(name)


def _spec(declared: DeclaredGuardrail) -> Spec:
    secret = secret_parameters(declared.detector)
    config = {
        name: resolve(value) if name in secret and isinstance(value, str) else value
        for name, value in declared.config.items()
        # What a guardrail's configuration leaves out stays.
        if not (name in secret and value == STORED)
    }
    given = declared.model_dump(exclude={"config", "directions", "categories"})
    return Spec(
        config=config, directions=tuple(declared.directions), categories=tuple(declared.categories), **given
    )


def unset_default(project: Project, outcome: Outcome) -> None:
    current = Policy.objects.filter(is_default=True).first()
    if current is not None:
        services.set_default_policy(project=project, policy=None)
        outcome.update.append(f"policy {project.slug}/{current.slug}")


def apply_exceptions(project: Project, declared: DeclaredProject, outcome: Outcome) -> None:
    """An exception is made and ended, never changed; those that have expired are neither."""
    now = timezone.now()
    slugs = dict(Server.objects.values_list("pk", "slug"))
    rows = {
        (row.detector, row.category, row.tool, slugs.get(row.server_ref or 0, ""), row.text_digest, row.place_digest,
         row.reason, row.expires_at): row
        for row in FindingException.objects.filter(expires_at__gt=now)
        if row.server_ref is None or row.server_ref in slugs
    }  # fmt: skip
    wanted = {_exception_key(project, each): each for each in declared.exceptions if each.expires_at > now}
    for key in rows.keys() - wanted.keys():
        services.remove_exception(exception=rows[key])
        outcome.delete.append(f"exception {project.slug}/{rows[key].detector}")
    for key, each in wanted.items():
        if key in rows:
            continue
        server = Server.objects.filter(slug=each.server).first() if each.server else None
        if each.server and server is None:
            raise ValidationError(f"There is no server {each.server}.")
        services.add_exception(
            project=project, server_ref=server.pk if server else None, **each.model_dump()
        )
        outcome.create.append(f"exception {project.slug}/{each.detector}")


def _exception_key(project: Project, declared: DeclaredException) -> tuple[Any, ...]:
    key = settings.KEYRING.project_digest_key(project.pk)
    text, place = declared.text_digest, declared.place_digest
    if declared.text is not None:
        text = digest_text(key, declared.text)
    if declared.pointer is not None:
        place = digest_place(key, declared.tool, declared.pointer)
    return (declared.detector, declared.category, declared.tool, declared.server, text, place, declared.reason,
            declared.expires_at)  # fmt: skip


def prune_policies(project: Project, declared: DeclaredProject, outcome: Outcome) -> None:
    slugs = [policy.slug for policy in policies_of(declared)]
    for policy in Policy.objects.exclude(slug__in=slugs):
        outcome.delete.append(f"policy {project.slug}/{policy.slug}")
        if policy.is_default:
            services.set_default_policy(project=project, policy=None)
        services.delete_policy(policy=policy)
