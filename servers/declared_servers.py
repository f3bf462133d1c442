"""Servers, their grants and overlays, and command templates of a declaration, brought about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from pydantic import ValidationError as SchemaError

from gateway_site.lib import egress
from gateway_site.lib.references import STORED, resolve, resolve_with
from guardrails.models import Policy
from projects.models import Project
from servers import review, services, settling
from servers.declaration import DeclaredProject, DeclaredServer, DeclaredTemplate, Slot
from servers.declared_rows import named
from servers.models import CommandTemplate, Server
from servers.outcome import Outcome

_DECLARED = "declared in a file"


def apply_template(declared: DeclaredTemplate, outcome: Outcome) -> None:
    template = CommandTemplate.objects.filter(slug=declared.slug).first()
    wanted = {
        **declared.model_dump(exclude={"slug", "params"}),
        "params": {name: slot.model_dump(exclude_defaults=True) for name, slot in declared.params.items()},
    }
    name = f"command_template {declared.slug}"
    if template is None:
        services.save_template(template=CommandTemplate(slug=declared.slug, **wanted))
        outcome.create.append(name)
    elif _assign(template, {**wanted, "params": _as_stored(template.params, wanted["params"])}):
        services.save_template(template=template)
        outcome.update.append(name)


def _as_stored(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is stored, when it says the same with other words."""
    try:
        said = {name: Slot.model_validate(slot).model_dump(exclude_defaults=True) for name, slot in stored.items()}
    except SchemaError:
        return wanted
    return stored if said == wanted else wanted


def _assign(row: Any, wanted: dict[str, Any]) -> bool:
    """Whether anything differed."""
    changed = [attribute for attribute, value in wanted.items() if getattr(row, attribute) != value]
    for attribute in changed:
        setattr(row, attribute, wanted[attribute])
    return bool(changed)


def _guarding(declared: DeclaredServer) -> dict[str, Any]:
    """What the file says of how the server is guarded and read; what it does not mention stays."""
    wanted = {
        "input_policy": named(Policy.objects.all(), "policy", declared.input_policy),
        "output_policy": named(Policy.objects.all(), "policy", declared.output_policy),
        "argument_kinds": dict(declared.argument_kinds),
        "restore_tokens": declared.restore_tokens,
        "discovery_seconds": declared.discovery_seconds,
        "review": declared.review,
    }
    return {name: value for name, value in wanted.items() if name in declared.model_fields_set}


def servers_of(declared: DeclaredProject) -> dict[str, Server]:
    """Those of the file that are there already, by slug."""
    related = ("template", "project", "input_policy", "output_policy")
    slugs = [server.slug for server in declared.servers]
    return {row.slug: row for row in Server.objects.select_related(*related).filter(slug__in=slugs)}


def apply_server(
    project: Project, declared: DeclaredServer, known_servers: dict[str, Server], outcome: Outcome
) -> None:
    server = known_servers.get(declared.slug)
    wanted = {
        "transport": declared.transport,
        "url": declared.url,
        "template": named(CommandTemplate.objects.all(), "command template", declared.template),
        "timeout_seconds": declared.timeout_seconds,
        "enabled": declared.enabled,
        **_guarding(declared),
    }
    known = server.secrets if server is not None else {"headers": {}, "params": {}}
    headers = _headers(declared, known["headers"])
    params = _params(declared, known["params"], wanted["template"])
    name = f"server {project.slug}/{declared.slug}"
    if server is None:
        server = services.new_server(project=project, slug=declared.slug, **wanted)
        server.review = declared.review
        known_servers[server.slug] = services.save_server(server=server, headers=headers or {}, params=params)
        if grants := _grants_of_new(declared):
            services.set_grants(server=server, grants=grants)
        if overlays := _overlays(declared):
            services.set_overlays(server=server, overlays=overlays)
        if "approved" in declared.model_fields_set:
            review.approve_ahead(server=server, approvals=_approvals(declared), reason=_DECLARED)
        outcome.create.append(name)
        return
    if headers is not None and _keeps_a_secret(declared) and _moves(server, wanted):
        raise ValidationError("Headers that are stored are for another host; give them again.")
    differs = _assign(server, wanted) or (headers is not None and headers != known["headers"])
    differs = differs or params != {**server.params, **known["params"]}
    if differs:
        services.save_server(server=server, headers=headers, params=params)
    if "grants" in declared.model_fields_set:
        differs = services.set_grants(server=server, grants=_grants(declared)) or differs
    if "overlays" in declared.model_fields_set:
        differs = services.set_overlays(server=server, overlays=_overlays(declared)) or differs
    if "approved" in declared.model_fields_set:
        ahead = review.approve_ahead(server=server, approvals=_approvals(declared), reason=_DECLARED)
        differs = ahead or differs
    if differs:
        outcome.update.append(name)


def _approvals(declared: DeclaredServer) -> list[settling.Approval]:
    return [settling.Approval(each.kind, each.name, each.digest) for each in declared.approved]


def _grants_of_new(declared: DeclaredServer) -> list[services.GrantSpec]:
    return _grants(declared) if "grants" in declared.model_fields_set else [services.EVERYTHING]


def _grants(declared: DeclaredServer | DeclaredProject) -> list[services.GrantSpec]:
    return [
        services.GrantSpec("allow" if grant.deny is None else "deny", grant.allow or grant.deny or "", grant.role,
                           grant.reason)
        for grant in declared.grants
    ]  # fmt: skip


def apply_grants(project: Project, declared: DeclaredProject, outcome: Outcome) -> None:
    if services.set_project_grants(project=project, grants=_grants(declared)):
        outcome.update.append(f"grants {project.slug}")


def _overlays(declared: DeclaredServer) -> dict[str, dict[str, Any]]:
    found = {overlay.tool: overlay.model_dump(exclude={"tool"}) for overlay in declared.overlays}
    if len(found) != len(declared.overlays):
        raise ValidationError("Two overlays are of one tool.")
    return found


def _headers(declared: DeclaredServer, known: Mapping[str, str]) -> dict[str, str] | None:
    """None when the file says nothing of them: what is stored stays."""
    if declared.headers is None and declared.bearer is None:
        return None
    headers = {name: resolve_with(known, name, value)
               for name, value in (declared.headers or {}).items()}  # fmt: skip
    if declared.bearer == STORED:
        headers["Authorization"] = resolve_with(known, "Authorization", STORED)
    elif declared.bearer is not None:
        headers["Authorization"] = f"Bearer {resolve(declared.bearer)}"
    return headers


def _keeps_a_secret(declared: DeclaredServer) -> bool:
    return STORED in [*(declared.headers or {}).values(), declared.bearer]


def _moves(server: Server, wanted: Mapping[str, Any]) -> bool:
    """Who may change an address must not learn by it what was stored for the old one."""
    return egress.host_of(server.url) != egress.host_of(wanted["url"])


def _params(
    declared: DeclaredServer, known: Mapping[str, str], template: CommandTemplate | None
) -> dict[str, str]:
    """With the secret ones that are stored and that the file does not mention."""
    slots = template.params if template is not None else {}
    kept = {name: value for name, value in known.items() if slots.get(name, {}).get("secret")}
    given = {name: resolve_with(known, name, value)
             for name, value in declared.params.items()}  # fmt: skip
    return {**kept, **given}
