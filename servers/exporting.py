"""Projects written down as a declaration: all that they have but secrets, so that applying it changes nothing.

What is written follows the declaration's own fields: one that is added there is exported under the name of the row's
field. What is not written is what the gateway learns by itself: catalogues and the log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC
from typing import Any

import yaml
from django.utils import timezone
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from audit import declaring
from audit.declaring import DeclaredFilter, DeclaredForwarder, DeclaredSchedule
from gateway_site.lib.references import STORED, literal
from guardrails import services as guardrail_services
from guardrails.models import FindingException, Guardrail, Policy
from guardrails.specs import Spec
from projects.models import ApiKey, Membership, Project
from projects.scoping import with_project
from servers import settling
from servers.declaration import (
    DeclaredApproval,
    DeclaredException,
    DeclaredGrant,
    DeclaredGuardrail,
    DeclaredKey,
    DeclaredMember,
    DeclaredOverlay,
    DeclaredPolicy,
    DeclaredProject,
    DeclaredServer,
    DeclaredTemplate,
)
from servers.models import CommandTemplate, Grant, Overlay, Review, Server, State, ToolVersion

# Said even when they are as a new row would have them, since what a file leaves out of these stays as it is.
_SAID = frozenset({
    "input_policy", "output_policy", "argument_kinds", "restore_tokens", "discovery_seconds", "review", "grants",
    "overlays", "exceptions", "default", "mode", "expires_at", "enabled", "slug", "name", "email", "user",
    "label", "approved", "forwarders", "schedules", "filters", "floor",
})  # fmt: skip


@dataclass
class References:
    """How secrets are written: as "what is stored", or by names in the environment, which are then listed."""

    by_environment: bool = False
    names: dict[str, None] = field(default_factory=dict)

    def __call__(self, *place: str) -> str:
        """`place` is project, server or policy, and the secret's own name."""
        if not self.by_environment:
            return STORED
        base = name = re.sub(r"[^A-Z0-9]+", "_", "_".join(place).upper())
        # Two places may come to one name, and one project's secret must not go to another's server.
        number = 1
        while name in self.names:
            number += 1
            name = f"{base}_{number}"
        self.names[name] = None
        return f"env:{name}"


def write(projects: Iterable[Project], references: References, *, whole: bool = False) -> str:
    """YAML that `declared.read` takes, with the command templates that the projects use.

    `whole` also writes what is the operator's: the floor, and all command templates.
    """
    return as_yaml(export(projects, references, whole=whole))


def as_yaml(document: dict[str, Any]) -> str:
    """Reads back as it was. YAML takes a next-line character for a line break, so that with one all is escaped."""
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    return yaml.safe_dump(document, sort_keys=False, width=120) if "\x85" in text else text


def export(projects: Iterable[Project], references: References, *, whole: bool = False) -> dict[str, Any]:
    """The declaration as plain data."""
    declared, used = [], set()
    for project in projects:
        with with_project(project.pk):
            declared.append(_project(project, references))
            used |= set(Server.objects.exclude(template=None).values_list("template_id", flat=True))
    rows = CommandTemplate.objects.all() if whole else CommandTemplate.objects.filter(pk__in=used)
    templates = [_said(DeclaredTemplate, _columns(DeclaredTemplate, row)) for row in rows]
    return {
        "version": 1, **({"floor": _floor(references)} if whole else {}),
        **({"command_templates": templates} if templates else {}), "projects": declared,
    }  # fmt: skip


def older_keys(project: Project) -> int:
    """How many keys are on their way out behind a newer one with the same label; a declaration has one of each."""
    with with_project(project.pk):
        return len(_live_keys()) - len(_newest(_live_keys()))


def _project(project: Project, references: References) -> dict[str, Any]:
    given = _columns(DeclaredProject, project) | {
        # A section holds fields of the project itself.
        name: {inner: _plain(getattr(project, inner)) for inner in section.model_fields}
        for name, section in _sections().items()
    }
    given |= {
        "policies": [_policy(row, references) for row in Policy.objects.order_by("slug")],
        "members": [
            _said(DeclaredMember, {"email": row.user.email, "role": row.role})
            for row in Membership.objects.select_related("user").order_by("user__email")
        ],
        "grants": [_grant(row) for row in Grant.objects.filter(server=None).order_by("id")],
        "servers": [
            _server(row, references)
            for row in Server.objects.select_related("template", "input_policy", "output_policy").order_by("slug")
        ],
        "exceptions": _exceptions(),
        "forwarders": [_said(DeclaredForwarder, each) for each in declaring.written_forwarders(project, references)],
        "schedules": [_said(DeclaredSchedule, each) for each in declaring.written_schedules(project, references)],
        "filters": [_said(DeclaredFilter, each) for each in declaring.written_filters()],
        "keys": [_key(row) for row in _newest(_live_keys())],
    }
    return _said(DeclaredProject, given)


def _sections() -> dict[str, type[BaseModel]]:
    return {name: each.annotation for name, each in DeclaredProject.model_fields.items()
            if isinstance(each.annotation, type) and issubclass(each.annotation, BaseModel)}  # fmt: skip


def _policy(row: Policy, references: References) -> dict[str, Any]:
    specs = guardrail_services.guardrails_of(row)
    rows = Guardrail.objects.filter(policy=row).order_by("order", "id")
    guardrails = [
        _guardrail(spec, sorted(guardrail.secrets), references, row.project.slug, f"{row.slug} {place}")
        for place, (spec, guardrail) in enumerate(zip(specs, rows, strict=True), 1)
    ]
    given = _columns(DeclaredPolicy, row) | {"guardrails": guardrails, "default": row.is_default}
    return _said(DeclaredPolicy, given)


def _floor(references: References) -> list[dict[str, Any]]:
    return [_guardrail(spec, secrets, references, f"floor {place}")
            for place, (spec, secrets) in enumerate(guardrail_services.floor_of(), 1)]  # fmt: skip


def _guardrail(spec: Spec, secrets: Iterable[str], references: References, *place: str) -> dict[str, Any]:
    given = {name: getattr(spec, name) for name in DeclaredGuardrail.model_fields}
    given |= {"directions": list(spec.directions), "categories": list(spec.categories)}
    hidden = {name: references(*place, name) for name in secrets}
    return _said(DeclaredGuardrail, given | {"config": {**spec.config, **hidden}})


def _server(row: Server, references: References) -> dict[str, Any]:
    secrets, place = row.secrets, (row.project.slug, row.slug)
    hidden: dict[str, dict[str, str]] = {
        kind: {name: references(*place, name) for name in sorted(secrets[kind])} for kind in ("headers", "params")
    }
    given = _columns(DeclaredServer, row) | {
        "template": row.template.slug if row.template else None,
        "params": {**{name: literal(value) for name, value in row.params.items()}, **hidden["params"]},
        "headers": hidden["headers"] or None,
        "input_policy": row.input_policy.slug if row.input_policy else None,
        "output_policy": row.output_policy.slug if row.output_policy else None,
        "grants": [_grant(each) for each in Grant.objects.filter(server=row).order_by("id")],
        "overlays": [
            _said(DeclaredOverlay, _columns(DeclaredOverlay, each))
            for each in Overlay.objects.filter(server=row).order_by("tool")
        ],
        **_approved(row),
    }
    return _said(DeclaredServer, given)


def _approved(row: Server) -> dict[str, Any]:
    """Nothing of a server that was never read, since a file that says what is approved lets nothing else be trusted."""
    ahead = settling.approved_ahead(row)
    if row.review == Review.TRUST or (row.approved_ahead is None and not row.first_lists):
        return {}
    versions = ToolVersion.objects.filter(tool__server=row)
    states = {settling.Approval(*place): state for *place, state in
              versions.values_list("tool__kind", "tool__name", "digest", "state")}  # fmt: skip
    approved = {each for each, state in states.items() if state == State.APPROVED} | (set(ahead) - states.keys())
    return {"approved": [_said(DeclaredApproval, asdict(each)) for each in sorted(approved)]}


def _grant(row: Grant) -> dict[str, Any]:
    return _said(DeclaredGrant, {str(row.effect): row.pattern, "role": str(row.role), "reason": row.reason})


def _exceptions() -> list[dict[str, Any]]:
    slugs = dict(Server.objects.values_list("pk", "slug"))
    rows = FindingException.objects.filter(expires_at__gt=timezone.now()).order_by("id")
    return [
        _said(DeclaredException, _columns(DeclaredException, row) | {
            "server": slugs.get(row.server_ref or 0, ""), "expires_at": row.expires_at.astimezone(UTC).isoformat(),
        })
        for row in rows if row.server_ref is None or row.server_ref in slugs
    ]  # fmt: skip


def _live_keys() -> list[ApiKey]:
    now = timezone.now()
    rows = ApiKey.objects.select_related("user").filter(revoked_at=None).order_by("user__email", "label", "-id")
    return [row for row in rows if row.expires_at is None or row.expires_at > now]


def _newest(keys: Iterable[ApiKey]) -> list[ApiKey]:
    found: dict[tuple[str, str], ApiKey] = {}
    for key in keys:
        found.setdefault((key.user.email, key.label), key)
    return list(found.values())


def _key(row: ApiKey) -> dict[str, Any]:
    ends = row.expires_at.astimezone(UTC).isoformat() if row.expires_at else None
    given = _columns(DeclaredKey, row)
    given |= {"user": row.user.email, "expires_at": ends, "enabled": row.disabled_at is None}
    return _said(DeclaredKey, given)


def _columns(model: type[BaseModel], row: Any) -> dict[str, Any]:
    """The declared fields that the row has under the same name; those that lead to other rows are the caller's."""
    known = {each.name for each in row._meta.concrete_fields if not each.is_relation}
    return {name: _plain(getattr(row, name)) for name in model.model_fields if name in known}


def _plain(value: Any) -> Any:
    """Without the classes of choices, which YAML does not know."""
    return str(value) if isinstance(value, str) else value


def _said(model: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    """In the declaration's order, without what goes without saying."""
    fields = model.model_fields
    return {name: given[name] for name in fields if name in given and (
        name in _SAID or given[name] != _default(fields[name]))}  # fmt: skip


def _default(info: Any) -> Any:
    default = info.get_default(call_default_factory=True)
    return None if default is PydanticUndefined else default
