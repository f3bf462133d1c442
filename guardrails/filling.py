"""Writing guardrails as they are asked for into rows: which row continues which, and which secrets stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from django.core.exceptions import ValidationError

from gateway_site.lib.secrets import Unsealable
from guardrails.contents import stored_spec
from guardrails.models import Check
from guardrails.specs import Spec
from guardrails.validation import check_spec, split_secrets

C = TypeVar("C", bound=Check)


def pair(specs: Sequence[Spec], rows: Sequence[C]) -> list[tuple[Spec, C | None]]:
    """Each guardrail that is asked for with the row that it continues: by uid, else the first alike."""
    free = {str(row.uid): row for row in rows}
    by_uid = {spec.uid: free.pop(spec.uid) for spec in specs if spec.uid in free}
    pairs: list[tuple[Spec, C | None]] = []
    for spec in specs:
        row = by_uid.pop(spec.uid, None)
        if row is None:
            alike = (uid for uid, each in free.items() if stored_spec(each).likeness == spec.likeness)
            row = free.pop(next(alike, ""), None)
        # Secrets belong to a detector: another one must not get them.
        pairs.append((spec, row if row is not None and row.detector == spec.detector else None))
    return pairs


def orders_of(pairs: Sequence[tuple[Spec, C | None]], rows: Sequence[C]) -> list[int]:
    """Those that the rows have, as long as they are in order and what is new comes after them."""
    paired = [row for _, row in pairs]
    known = [row for row in paired if row is not None]
    if paired[: len(known)] == known and known == [row for row in rows if row in known]:
        last = max((row.order for row in known), default=-1)
        return [row.order for row in known] + [last + 1 + each for each in range(len(pairs) - len(known))]
    return list(range(len(pairs)))


def fill(row: Check, spec: Spec, order: int) -> bool:
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
