"""What a policy holds: as its versions keep it, and as it is asked for again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from gateway_site.lib.secrets import Unsealable
from guardrails.exemptions import digest_text
from guardrails.models import Check, Guardrail, Policy
from guardrails.specs import Spec


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


def summary_of(row: Check) -> dict[str, Any]:
    """A check as events tell of it."""
    return {
        "detector": row.detector, "directions": row.directions, "action": str(row.action),
        "threshold": row.threshold, "on_error": str(row.on_error), "enabled": row.enabled,
    }  # fmt: skip


def spec_from(entry: Mapping[str, Any]) -> Spec:
    """Of a guardrail in `content_of`."""
    return Spec(
        detector=entry["detector"], directions=tuple(entry["directions"]), action=entry["action"],
        threshold=entry["threshold"], config=entry["config"], categories=tuple(entry["categories"]),
        on_error=entry["on_error"], timeout=entry["timeout"], enabled=entry["enabled"], uid=entry["uid"],
    )  # fmt: skip


def stored_spec(row: Check) -> Spec:
    """Without its secrets."""
    return Spec(
        detector=row.detector, directions=tuple(row.directions), action=str(row.action), threshold=row.threshold,
        config=row.config, categories=tuple(row.categories), on_error=str(row.on_error), timeout=row.timeout,
        enabled=row.enabled, uid=str(row.uid),
    )  # fmt: skip


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
