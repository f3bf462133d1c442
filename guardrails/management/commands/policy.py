"""`manage.py policy`: policies and their guardrails, the operator's floor, and known false positives."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from guardrails import services
from guardrails.engine.rules import Mode
from guardrails.models import FindingException, FloorGuardrail, Policy, PolicyVersion
from guardrails.presets import DEFAULT, PRESETS
from guardrails.specs import Spec
from projects.commanding import (
    PROJECT,
    USAGE,
    YES,
    NounCommand,
    argument,
    changes,
    find,
    find_by_id,
    find_project,
    verb,
)
from projects.models import Project
from projects.scoping import with_project

_ONE = argument("policy", help="Its slug or id.")
_MODE = argument("--mode", choices=[mode.value for mode in Mode])
_GUARDRAIL = argument(
    "--guardrail", action="append", metavar="JSON",
    help='One of its guardrails, as in the file of apply: {"detector": "pii", "action": "redact"}; may be given again.',
)  # fmt: skip


class Command(NounCommand):
    noun = "policy"
    help = "Policies of projects, the operator's floor and known false positives."

    @verb("All policies of a project.", PROJECT)
    def list_(self, project: str | None) -> Any:
        with with_project(find_project(project).pk):
            return [_shown(row) for row in Policy.objects.all()]

    @verb("One policy with its guardrails.", _ONE, PROJECT)
    def show(self, policy: str, project: str | None) -> Any:
        return _whole(_find(find_project(project), policy))

    @verb("Makes a policy.", argument("slug"), argument("--name", default=""),
          argument("--preset", choices=sorted(PRESETS), default=DEFAULT), _MODE, PROJECT)  # fmt: skip
    def create(self, slug: str, name: str, preset: str, mode: str | None, project: str | None) -> Any:
        mode = mode or PRESETS[preset].mode.value
        return _whole(services.create_policy(
            project=find_project(project), slug=slug, name=name, mode=mode, guardrails=services.preset(preset)
        ))  # fmt: skip

    @verb("Changes a policy.", _ONE, argument("--name"), _MODE, argument("--max-characters", type=int),
          argument("--over-limit", choices=("block", "flag")), PROJECT)  # fmt: skip
    def update(self, policy: str, project: str | None, **given: Any) -> Any:
        return _whole(services.update_policy(policy=_find(find_project(project), policy), **changes(**given)))

    @verb("Replaces a policy's guardrails, in this order.", _ONE, _GUARDRAIL, PROJECT)
    def set_guardrails(self, policy: str, guardrail: list[str] | None, project: str | None) -> Any:
        specs = [_spec(text) for text in guardrail or ()]
        return _whole(services.set_guardrails(policy=_find(find_project(project), policy), guardrails=specs))

    @verb("Makes a policy the project's default.", _ONE, PROJECT)
    def default(self, policy: str, project: str | None) -> Any:
        found = find_project(project)
        services.set_default_policy(project=found, policy=_find(found, policy))
        return _whole(_find(found, policy))

    @verb(f"Goes back to the default of all projects, {DEFAULT}.", PROJECT)
    def no_default(self, project: str | None) -> Any:
        services.set_default_policy(project=find_project(project), policy=None)

    @verb("What a policy was, newest first.", _ONE, PROJECT)
    def versions(self, policy: str, project: str | None) -> Any:
        found = find_project(project)
        row = _find(found, policy)
        with with_project(found.pk):
            rows = PolicyVersion.objects.filter(slug=row.slug).order_by("-version")
            return [{"version": each.version, "at": each.at, "author": each.author} for each in rows]

    @verb("Makes an older version the newest.", _ONE, argument("version", type=int), PROJECT)
    def roll_back(self, policy: str, version: int, project: str | None) -> Any:
        return _whole(services.roll_back(policy=_find(find_project(project), policy), version=version))

    @verb("Deletes a policy that nothing uses.", _ONE, PROJECT, YES)
    def delete(self, policy: str, project: str | None, yes: bool) -> Any:
        row = _find(find_project(project), policy)
        self.confirm(f"Delete {row}?", yes)
        shown = _shown(row)
        services.delete_policy(policy=row)
        return shown

    # --- the floor --------------------------------------------------------------------------------------

    @verb("The operator's guardrails, which every project has.")
    def floor(self) -> Any:
        return [_check(row) for row in FloorGuardrail.objects.all()]

    @verb("Adds one to the floor.", argument("guardrail", metavar="JSON", help='{"detector": "secrets"}'),
          argument("--order", type=int, default=0))  # fmt: skip
    def add_floor(self, guardrail: str, order: int) -> Any:
        return _check(services.save_floor_guardrail(spec=_spec(guardrail), order=order))

    @verb("Takes one from the floor.", argument("id"), YES)
    def remove_floor(self, id: str, yes: bool) -> Any:
        row = find_by_id(FloorGuardrail.objects.all(), id, "floor guardrail")
        self.confirm(f"Take {row} from every project?", yes)
        shown = _check(row)
        services.delete_floor_guardrail(guardrail=row)
        return shown

    # --- false positives --------------------------------------------------------------------------------

    @verb("Findings that are none.", PROJECT)
    def exceptions(self, project: str | None) -> Any:
        with with_project(find_project(project).pk):
            return [_excused(row) for row in FindingException.objects.all()]

    @verb("Says that a finding at a place of a tool is none.", argument("detector"), argument("tool"),
          argument("pointer", help="The place, as a JSON pointer."), argument("--category", default=""),
          argument("--reason", required=True), argument("--days", type=float, default=90.0), PROJECT)  # fmt: skip
    def excuse(
        self, detector: str, tool: str, pointer: str, category: str, reason: str, days: float, project: str | None
    ) -> Any:
        return _excused(services.add_exception(
            project=find_project(project), detector=detector, tool=tool, pointer=pointer, category=category,
            reason=reason, expires_at=timezone.now() + timedelta(days=days),
        ))  # fmt: skip

    @verb("Takes that back.", argument("id"), PROJECT)
    def unexcuse(self, id: str, project: str | None) -> Any:
        with with_project(find_project(project).pk):
            row = find_by_id(FindingException.objects.select_related("project"), id, "exception")
        shown = _excused(row)
        services.remove_exception(exception=row)
        return shown


def _find(project: Project, text: str) -> Policy:
    with with_project(project.pk):
        return find(Policy.objects.select_related("project"), text, "policy")


def _spec(text: str) -> Spec:
    """Raises CommandError. Secrets come by the file of apply, which takes them by reference."""
    try:
        given = json.loads(text)
        given |= {name: tuple(given[name]) for name in ("directions", "categories") if name in given}
        return Spec(**given)
    except (ValueError, TypeError) as error:
        raise CommandError(f"A guardrail is a JSON object of detector, directions, action …: {error}",
                           returncode=USAGE) from None  # fmt: skip


def _shown(row: Policy) -> dict[str, Any]:
    return {"id": row.pk, "slug": row.slug, "name": row.name, "mode": str(row.mode), "default": row.is_default,
            "version": row.version}  # fmt: skip


def _whole(row: Policy) -> dict[str, Any]:
    guardrails = [
        {"detector": spec.detector, "directions": list(spec.directions), "action": spec.action,
         "threshold": spec.threshold, "categories": list(spec.categories), "enabled": spec.enabled,
         "config": dict(spec.config)}
        for spec in services.guardrails_of(row)
    ]  # fmt: skip
    return {**_shown(row), "max_characters": row.max_characters, "over_limit": str(row.over_limit),
            "guardrails": guardrails}  # fmt: skip


def _check(row: FloorGuardrail) -> dict[str, Any]:
    return {"id": row.pk, "detector": row.detector, "directions": row.directions, "action": str(row.action),
            "threshold": row.threshold, "enabled": row.enabled}  # fmt: skip


def _excused(row: FindingException) -> dict[str, Any]:
    return {"id": row.pk, "detector": row.detector, "category": row.category, "tool": row.tool, "reason": row.reason,
            "expires_at": row.expires_at}  # fmt: skip
