"""What can be done to policies, the floor and false positives: one function per act, one transaction each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import RestrictedError
from django.utils import timezone

from audit.recorder import record
from gateway_site.lib import actor
from guardrails.contents import content_of, digest_of, spec_from, stored_spec, summary_of
from guardrails.exemptions import digest_place, digest_text
from guardrails.filling import fill, orders_of, pair
from guardrails.models import Check, FindingException, FloorGuardrail, Guardrail, Policy, PolicyVersion
from guardrails.presets import DEFAULT, PRESETS
from guardrails.specs import Spec, spec_of
from guardrails.validation import check_storable
from projects.models import Project
from projects.scoping import with_project

MAX_GUARDRAILS = 50
MAX_POLICIES = 100
LONGEST_EXCEPTION = timedelta(days=366)
_CHANGEABLE = frozenset({"name", "mode", "max_characters", "over_limit"})


# --- policies -------------------------------------------------------------------------------------------


def preset(name: str) -> tuple[Spec, ...]:
    """The guardrails of a preset, for a policy to begin with. Raises ValidationError for an unknown name."""
    if name not in PRESETS:
        raise ValidationError(f"There is no preset {name}; there are {', '.join(PRESETS)}.")
    return tuple(spec_of(rule) for rule in PRESETS[name].rules)


@transaction.atomic
def create_policy(
    *,
    project: Project,
    slug: str,
    guardrails: Sequence[Spec] | None = None,
    is_default: bool = False,
    **fields: Any,
) -> Policy:
    """`fields` are name, mode, max_characters and over_limit; without `guardrails` it has those of `balanced`.

    Raises ValidationError.
    """
    _check_fields(fields)
    with with_project(project.pk):
        if Policy.objects.count() >= MAX_POLICIES:
            raise ValidationError(f"A project has at most {MAX_POLICIES} policies.")
        newest = PolicyVersion.objects.filter(slug=slug).order_by("-version").first()
        # The number goes on where a policy of this name ended, so that an event's version is never two things.
        policy = Policy(project=project, slug=slug, version=(newest.version if newest else 0) + 1, **fields)
        policy.full_clean()
        if is_default:
            _end_default(project)
            policy.is_default = True
        policy.save()
        _replace_guardrails(policy, preset(DEFAULT) if guardrails is None else guardrails)
        _write_version(policy)
    _record("policy.created", policy)
    return policy


@transaction.atomic
def update_policy(*, policy: Policy, guardrails: Sequence[Spec] | None = None, **changes: Any) -> Policy:
    """`changes` as for create_policy; `guardrails` replace the whole list, None leaves it.

    What changes nothing makes no version and no event. Raises ValidationError.
    """
    _check_fields(changes)
    with with_project(policy.project_id):
        stored = _lock(policy)
        before = content_of(stored)
        for field, value in changes.items():
            setattr(stored, field, value)
        stored.full_clean()
        if guardrails is not None:
            _replace_guardrails(stored, guardrails)
        if content_of(stored) == before:
            return stored
        stored.version += 1
        stored.save()
        _write_version(stored)
    _record("policy.changed", stored)
    return stored


def set_guardrails(*, policy: Policy, guardrails: Sequence[Spec]) -> Policy:
    """Replaces the whole list, in this order. Raises ValidationError."""
    return update_policy(policy=policy, guardrails=guardrails)


@transaction.atomic
def delete_policy(*, policy: Policy) -> None:
    """Raises ValidationError while it is the project's default or a server names it. Its versions stay."""
    with with_project(policy.project_id):
        stored = _lock(policy)
        if stored.is_default:
            raise ValidationError("This is the project's default; choose another default first.")
        _record("policy.deleted", stored)
        try:
            stored.delete()
        except RestrictedError as error:
            raise ValidationError("A server names this policy; give the server another one first.") from error


@transaction.atomic
def set_default_policy(*, project: Project, policy: Policy | None) -> None:
    """None goes back to the preset `balanced`, which is every project's default without a choice of its own."""
    with with_project(project.pk):
        stored = _lock(policy) if policy is not None else None
        if stored is not None and stored.is_default:
            return
        _end_default(project)
        if stored is None:
            return
        stored.is_default = True
        stored.version += 1
        stored.save()
        _write_version(stored)
    _record("policy.changed", stored)


@transaction.atomic
def roll_back(*, policy: Policy, version: int) -> Policy:
    """A new version with an older one's content. Secrets are not in versions: those that are stored now stay.

    Raises ValidationError for a version that there is not, or one whose guardrails cannot be made any more.
    """
    with with_project(policy.project_id):
        older = PolicyVersion.objects.filter(slug=policy.slug, version=version).first()
        if older is None:
            raise ValidationError(f"{policy.slug} has no version {version}.")
        content: dict[str, Any] = older.content
        specs = [spec_from(entry) for entry in content["guardrails"]]
        fields = {name: content[name] for name in _CHANGEABLE}
        rolled = update_policy(policy=policy, guardrails=specs, **fields)
    record("policy.rolled_back", project_ref=rolled.project_id, project=rolled.project.slug, subject=rolled.slug,
           detail={"to": version, "version": rolled.version})  # fmt: skip
    return rolled


def floor_of() -> list[tuple[Spec, list[str]]]:
    """The operator's checks in their order, each with the names of its secrets."""
    rows = FloorGuardrail.objects.order_by("order", "id")
    return [(stored_spec(row), sorted(row.secrets)) for row in rows]


def guardrails_of(policy: Policy) -> list[Spec]:
    """What is stored, in its order, without its secrets."""
    with with_project(policy.project_id):
        return [stored_spec(row) for row in Guardrail.objects.filter(policy=policy).order_by("order", "id")]


def check_guardrail(*, spec: Spec, row: Check | None) -> None:
    """Raises ValidationError, by field, when `row` (None for a new one) could not be changed into this."""
    probe = copy(row) if row is not None else Guardrail()
    fill(probe, spec, probe.order)


# --- the floor ------------------------------------------------------------------------------------------


@transaction.atomic
def save_floor_guardrail(*, spec: Spec, guardrail: FloorGuardrail | None = None, order: int = 0) -> FloorGuardrail:
    """Makes or changes one of the operator's checks, which every project has. Raises ValidationError."""
    row = guardrail or FloorGuardrail()
    created = row.pk is None
    fill(row, spec, order)
    row.full_clean()
    row.save()
    record("floor.created" if created else "floor.changed", subject=row.rule_id, detail=summary_of(row))
    return row


@transaction.atomic
def delete_floor_guardrail(*, guardrail: FloorGuardrail) -> None:
    record("floor.deleted", subject=guardrail.rule_id, detail=summary_of(guardrail))
    guardrail.delete()


@dataclass(frozen=True, slots=True)
class FloorChanges:
    """By their detectors."""

    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


@transaction.atomic
def set_floor(*, guardrails: Sequence[Spec]) -> FloorChanges:
    """These are then all of the operator's checks, in this order. Each change is an event. Raises ValidationError."""
    rows = list(FloorGuardrail.objects.select_for_update().order_by("order", "id"))
    pairs = pair(guardrails, rows)
    made: list[str] = []
    changed: list[str] = []
    for (spec, row), order in zip(pairs, orders_of(pairs, rows), strict=True):
        # Looked at on a copy, since what is filled in would no longer differ when it is saved.
        if row is not None and not fill(copy(row), spec, order):
            continue
        save_floor_guardrail(spec=spec, guardrail=row, order=order)
        (made if row is None else changed).append(spec.detector)
    kept = [row.pk for _, row in pairs if row is not None]
    gone = [row for row in rows if row.pk not in kept]
    for row in gone:
        delete_floor_guardrail(guardrail=row)
    return FloorChanges(tuple(made), tuple(changed), tuple(row.detector for row in gone))



# --- false positives ------------------------------------------------------------------------------------


@transaction.atomic
def add_exception(
    *,
    project: Project,
    detector: str,
    expires_at: datetime,
    reason: str,
    text: str | None = None,
    pointer: str | None = None,
    text_digest: str = "",
    place_digest: str = "",
    category: str = "",
    tool: str = "",
    server_ref: int | None = None,
    server: str = "",
) -> FindingException:
    """Makes a finding none: of one `text` (the matched characters), or at one place (`tool` and `pointer`).

    A digest, as an event holds it, may stand for either. `expires_at` is at most LONGEST_EXCEPTION away. Texts are
    not kept. Raises ValidationError.
    """
    key = settings.KEYRING.project_digest_key(project.pk)
    if text is not None:
        text_digest = digest_text(key, text)
    if pointer is not None:
        if not tool:
            raise ValidationError({"tool": "A place is one of a tool: name the tool."})
        place_digest = digest_place(key, tool, pointer)
    if bool(text_digest) == bool(place_digest):
        raise ValidationError("Say either which text or which place the exception is for.")
    now = timezone.now()
    if not now < expires_at <= now + LONGEST_EXCEPTION:
        raise ValidationError({"expires_at": f"Choose a time within {LONGEST_EXCEPTION.days} days from now."})
    exception = FindingException(
        project=project, detector=detector, category=category, tool=tool, server_ref=server_ref, server=server,
        text_digest=text_digest, place_digest=place_digest, reason=reason, expires_at=expires_at,
        created_by=_author(),
    )  # fmt: skip
    with with_project(project.pk):
        exception.full_clean()
        exception.save()
    _record_exception("exception.added", exception)
    return exception


@transaction.atomic
def remove_exception(*, exception: FindingException) -> None:
    _record_exception("exception.removed", exception)
    with with_project(exception.project_id):
        exception.delete()


# --- writing --------------------------------------------------------------------------------------------


def _check_fields(fields: Mapping[str, Any]) -> None:
    unknown = sorted(fields.keys() - _CHANGEABLE)
    if unknown:
        raise ValidationError(f"A policy's {', '.join(unknown)} cannot be changed.")
    check_storable(fields)


def _lock(policy: Policy) -> Policy:
    """The row as it is now, held until the end of the transaction."""
    return Policy.objects.select_for_update().get(pk=policy.pk)


def _end_default(project: Project) -> None:
    for current in Policy.objects.select_for_update().filter(is_default=True):
        current.is_default = False
        current.version += 1
        current.save()
        _write_version(current)
        _record("policy.changed", current)


def _replace_guardrails(policy: Policy, specs: Sequence[Spec]) -> None:
    if len(specs) > MAX_GUARDRAILS:
        raise ValidationError(f"A policy has at most {MAX_GUARDRAILS} guardrails.")
    rows = list(Guardrail.objects.filter(policy=policy).order_by("order", "id"))
    kept = []
    for order, (spec, row) in enumerate(pair(specs, rows)):
        guardrail = row or Guardrail(project_id=policy.project_id, policy=policy)
        try:
            changed = fill(guardrail, spec, order)
            if changed:
                guardrail.full_clean()
                guardrail.save()
        except ValidationError as error:
            raise ValidationError([f"Guardrail {order + 1} ({spec.detector}): {text}" for text in error.messages]) \
                from error  # fmt: skip
        kept.append(guardrail.pk)
    for row in rows:
        if row.pk not in kept:
            row.delete()



def _write_version(policy: Policy) -> None:
    content = content_of(policy)
    PolicyVersion.objects.create(
        project_id=policy.project_id, slug=policy.slug, version=policy.version, content=content,
        digest=digest_of(content), author=_author(),
    )  # fmt: skip


def _author() -> str:
    who = actor.current()
    return (who.label or who.kind)[:300]



def _record(kind: str, policy: Policy) -> None:
    with with_project(policy.project_id):
        rows = Guardrail.objects.filter(policy=policy).order_by("order", "id")
        detail = {
            "version": policy.version, "digest": digest_of(content_of(policy)), "mode": str(policy.mode),
            "default": policy.is_default, "guardrails": [summary_of(row) for row in rows],
        }  # fmt: skip
    record(kind, project_ref=policy.project_id, project=policy.project.slug, subject=policy.slug,
           policy_version=policy.version, detail=detail)  # fmt: skip


def _record_exception(kind: str, exception: FindingException) -> None:
    record(kind, project_ref=exception.project_id, project=exception.project.slug, subject=exception.detector,
           server_ref=exception.server_ref, server=exception.server,
           detail={"category": exception.category, "tool": exception.tool, "reason": exception.reason,
                   "of": "a value" if exception.text_digest else "a place",
                   "expires_at": exception.expires_at.isoformat()})  # fmt: skip
