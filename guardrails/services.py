"""What can be done to policies, the floor and false positives: one function per act, one transaction each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import RestrictedError
from django.utils import timezone

from audit.recorder import record
from gateway_site.lib import actor
from gateway_site.lib.secrets import Unsealable
from guardrails.exemptions import digest_place, digest_text
from guardrails.models import Check, FindingException, FloorGuardrail, Guardrail, Policy, PolicyVersion
from guardrails.presets import DEFAULT, PRESETS
from guardrails.specs import Spec, spec_of
from guardrails.validation import check_spec, check_storable, split_secrets
from projects.models import Project
from projects.scoping import with_project

C = TypeVar("C", bound=Check)
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
        specs = [_spec_from(entry) for entry in content["guardrails"]]
        fields = {name: content[name] for name in _CHANGEABLE}
        rolled = update_policy(policy=policy, guardrails=specs, **fields)
    record("policy.rolled_back", project_ref=rolled.project_id, project=rolled.project.slug, subject=rolled.slug,
           detail={"to": version, "version": rolled.version})  # fmt: skip
    return rolled


def floor_of() -> list[tuple[Spec, list[str]]]:
    """The operator's checks in their order, each with the names of its secrets."""
    rows = FloorGuardrail.objects.order_by("order", "id")
    return [(_stored_spec(row), sorted(row.secrets)) for row in rows]


def guardrails_of(policy: Policy) -> list[Spec]:
    """What is stored, in its order, without its secrets."""
    with with_project(policy.project_id):
        return [_stored_spec(row) for row in Guardrail.objects.filter(policy=policy).order_by("order", "id")]


def check_guardrail(*, spec: Spec, row: Check | None) -> None:
    """Raises ValidationError, by field, when `row` (None for a new one) could not be changed into this."""
    probe = copy(row) if row is not None else Guardrail()
    _fill(probe, spec, probe.order)


# --- the floor ------------------------------------------------------------------------------------------


@transaction.atomic
def save_floor_guardrail(*, spec: Spec, guardrail: FloorGuardrail | None = None, order: int = 0) -> FloorGuardrail:
    """Makes or changes one of the operator's checks, which every project has. Raises ValidationError."""
    row = guardrail or FloorGuardrail()
    created = row.pk is None
    _fill(row, spec, order)
    row.full_clean()
    row.save()
    record("floor.created" if created else "floor.changed", subject=row.rule_id, detail=_summary(row))
    return row


@transaction.atomic
def delete_floor_guardrail(*, guardrail: FloorGuardrail) -> None:
    record("floor.deleted", subject=guardrail.rule_id, detail=_summary(guardrail))
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
    pairs = _pair(guardrails, rows)
    made: list[str] = []
    changed: list[str] = []
    for (spec, row), order in zip(pairs, _orders(pairs, rows), strict=True):
        # Looked at on a copy, since what is filled in would no longer differ when it is saved.
        if row is not None and not _fill(copy(row), spec, order):
            continue
        save_floor_guardrail(spec=spec, guardrail=row, order=order)
        (made if row is None else changed).append(spec.detector)
    kept = [row.pk for _, row in pairs if row is not None]
    gone = [row for row in rows if row.pk not in kept]
    for row in gone:
        delete_floor_guardrail(guardrail=row)
    return FloorChanges(tuple(made), tuple(changed), tuple(row.detector for row in gone))


def _orders(pairs: Sequence[tuple[Spec, C | None]], rows: Sequence[C]) -> list[int]:
    """Those that the rows have, as long as they are in order and what is new comes after them."""
    paired = [row for _, row in pairs]
    known = [row for row in paired if row is not None]
    if paired[: len(known)] == known and known == [row for row in rows if row in known]:
        last = max((row.order for row in known), default=-1)
        return [row.order for row in known] + [last + 1 + each for each in range(len(pairs) - len(known))]
    return list(range(len(pairs)))


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


# --- what a policy holds --------------------------------------------------------------------------------


def content_of(policy: Policy) -> dict[str, Any]:
    """A policy as its versions keep it: whole, but for secrets, of which there is a keyed digest."""
    rows = Guardrail.objects.filter(policy=policy).order_by("order", "id")
    return {
        "slug": policy.slug,
        "name": policy.name,
        "mode": str(policy.mode),
        "default": policy.is_default,
        "max_characters": policy.max_characters,
        "over_limit": str(policy.over_limit),
        "guardrails": [_entry(row, policy.project_id) for row in rows],
    }


def digest_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of the content's canonical JSON; 64 hex digits."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _entry(row: Guardrail, project_id: int) -> dict[str, Any]:
    return {
        "uid": str(row.uid), "detector": row.detector, "directions": row.directions, "action": str(row.action),
        "threshold": row.threshold, "config": row.config, "categories": row.categories,
        "on_error": str(row.on_error), "timeout": row.timeout, "enabled": row.enabled,
        "secrets": _masked(row, project_id),
    }  # fmt: skip


def _masked(row: Guardrail, project_id: int) -> dict[str, str]:
    key = settings.KEYRING.project_digest_key(project_id)
    try:
        opened = row.secrets
    except Unsealable:
        return {"": "does not open"}
    return {name: f"masked:{digest_text(key, json.dumps(value))[:16]}" for name, value in sorted(opened.items())}


def _spec_from(entry: Mapping[str, Any]) -> Spec:
    return Spec(
        detector=entry["detector"], directions=tuple(entry["directions"]), action=entry["action"],
        threshold=entry["threshold"], config=entry["config"], categories=tuple(entry["categories"]),
        on_error=entry["on_error"], timeout=entry["timeout"], enabled=entry["enabled"], uid=entry["uid"],
    )  # fmt: skip


def _stored_spec(row: Check) -> Spec:
    return Spec(
        detector=row.detector, directions=tuple(row.directions), action=str(row.action), threshold=row.threshold,
        config=row.config, categories=tuple(row.categories), on_error=str(row.on_error), timeout=row.timeout,
        enabled=row.enabled, uid=str(row.uid),
    )  # fmt: skip


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
    for order, (spec, row) in enumerate(_pair(specs, rows)):
        guardrail = row or Guardrail(project_id=policy.project_id, policy=policy)
        try:
            changed = _fill(guardrail, spec, order)
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


def _pair(specs: Sequence[Spec], rows: Sequence[C]) -> list[tuple[Spec, C | None]]:
    """Each guardrail that is asked for with the row that it continues: by uid, else the first alike."""
    free = {str(row.uid): row for row in rows}
    by_uid = {spec.uid: free.pop(spec.uid) for spec in specs if spec.uid in free}
    pairs: list[tuple[Spec, C | None]] = []
    for spec in specs:
        row = by_uid.pop(spec.uid, None)
        if row is None:
            alike = (uid for uid, each in free.items() if _stored_spec(each).likeness == spec.likeness)
            row = free.pop(next(alike, ""), None)
        # Secrets belong to a detector: another one must not get them.
        pairs.append((spec, row if row is not None and row.detector == spec.detector else None))
    return pairs


def _fill(row: Check, spec: Spec, order: int) -> bool:
    """Writes what is asked for into the row; whether anything differed. Raises ValidationError."""
    plain, given = split_secrets(spec)
    kept = _kept_secrets(row, given)
    secrets = {name: value for name, value in {**kept, **given}.items() if value not in ("", None)}
    check_spec(replace(spec, config={**plain, **secrets}))
    _keep_secrets_at_home(row, plain, kept, given)
    wanted = {
        "detector": spec.detector, "directions": list(spec.directions), "action": spec.action,
        "threshold": float(spec.threshold), "config": plain, "categories": list(spec.categories),
        "on_error": spec.on_error, "timeout": float(spec.timeout), "enabled": spec.enabled, "order": order,
    }  # fmt: skip
    changed = row.pk is None or secrets != kept or any(getattr(row, name) != value for name, value in wanted.items())
    for name, value in wanted.items():
        setattr(row, name, value)
    if secrets != kept:
        row.secrets = secrets
    return changed


def _keep_secrets_at_home(
    row: Check, plain: Mapping[str, Any], kept: Mapping[str, Any], given: Mapping[str, Any]
) -> None:
    """Who may change an address must not learn by it what was stored for the old one."""
    moved = [name for name in ("url", "base_url") if plain.get(name) != row.config.get(name)]
    if row.pk is not None and moved and set(kept) - set(given):
        raise ValidationError(f"Give the secrets again, since {moved[0]} changes.")


def _kept_secrets(row: Check, given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return row.secrets
    except Unsealable as error:
        if not given:
            raise ValidationError("The stored secrets do not open any more; give them again.") from error
        return {}


def _write_version(policy: Policy) -> None:
    content = content_of(policy)
    PolicyVersion.objects.create(
        project_id=policy.project_id, slug=policy.slug, version=policy.version, content=content,
        digest=digest_of(content), author=_author(),
    )  # fmt: skip


def _author() -> str:
    who = actor.current()
    return (who.label or who.kind)[:300]


def _summary(row: Check) -> dict[str, Any]:
    return {
        "detector": row.detector, "directions": row.directions, "action": str(row.action),
        "threshold": row.threshold, "on_error": str(row.on_error), "enabled": row.enabled,
    }  # fmt: skip


def _record(kind: str, policy: Policy) -> None:
    with with_project(policy.project_id):
        rows = Guardrail.objects.filter(policy=policy).order_by("order", "id")
        detail = {
            "version": policy.version, "digest": digest_of(content_of(policy)), "mode": str(policy.mode),
            "default": policy.is_default, "guardrails": [_summary(row) for row in rows],
        }  # fmt: skip
    record(kind, project_ref=policy.project_id, project=policy.project.slug, subject=policy.slug,
           policy_version=policy.version, detail=detail)  # fmt: skip


def _record_exception(kind: str, exception: FindingException) -> None:
    record(kind, project_ref=exception.project_id, project=exception.project.slug, subject=exception.detector,
           server_ref=exception.server_ref, server=exception.server,
           detail={"category": exception.category, "tool": exception.tool, "reason": exception.reason,
                   "of": "a value" if exception.text_digest else "a place",
                   "expires_at": exception.expires_at.isoformat()})  # fmt: skip
