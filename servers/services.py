"""What can be done to servers and command templates: one function per act, one transaction each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Q

from audit.recorder import record
from gateway_site.lib import egress
from gateway_site.lib.secrets import Unsealable
from projects.models import ApiKey, Project, User
from projects.scoping import unscoped, with_project
from projects.versions import bump
from servers import inquiry, overlaying, recipes
from servers.models import CommandTemplate, Grant, Overlay, Server, Tool, Transport
from servers.reading import note_list_changed, read_soon, rediscover, warm

# Acts on servers like those below, kept where the rest of their reading is.
__all__ = ["note_list_changed", "rediscover", "warm"]

R = TypeVar("R", Grant, Overlay)
# Of one server, and of those for all servers: each of both is held against whatever is asked for there.
MAX_GRANTS = 500
# Of one project: all are read when its configuration changes.
MAX_GRANTS_OF_PROJECT = 5_000
# More than servers take, and every process has them in memory.
_MAX_HEADER_CHARACTERS = 32 * 1024
# Said beside why an address is refused.
_REACHABLE = "Servers are reached by public HTTPS; the operator opens others with GATEWAY_EGRESS_ALLOW."
# What an overlay says of its tool.
OVERLAID = ("rename", "title", "description", "hidden", "hide_arguments", "pinned", "describe_arguments",
            "rename_arguments", "constraint")  # fmt: skip
_UNSENDABLE = {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "mcp-session-id"}


@transaction.atomic
def save_template(*, template: CommandTemplate) -> CommandTemplate:
    """Makes or changes an operator's template. Raises ValidationError."""
    recipes.check_template(template.executable, template.args, template.params, template.env)
    created = template.pk is None
    template.full_clean()
    template.save()
    record("template.created" if created else "template.changed", subject=template.slug,
           detail={"executable": template.executable, "args": template.args, "params": template.params})  # fmt: skip
    if not created:
        with unscoped("a template serves many projects"):
            served = list(Server.objects.select_related("project").filter(template=template))
        for server in served:
            read_soon(server)
    return template


@transaction.atomic
def delete_template(*, template: CommandTemplate) -> None:
    """Raises ProtectedError while a server uses it."""
    record("template.deleted", subject=template.slug)
    with unscoped("a template may serve any project"):
        template.delete()


@transaction.atomic
def save_server(
    *, server: Server, headers: Mapping[str, str] | None = None, params: Mapping[str, str] | None = None
) -> Server:
    """Makes or changes a server. `headers` are secrets for the upstream; None keeps what is stored.

    What is stored is kept for the host that it was given for, and no other. `params` fill the template's slots; those
    that the template marks secret are sealed. Raises ValidationError.
    """
    created = server.pk is None
    kept = _stored_secrets(server, needed=headers is None or params is None)
    new_headers = dict(kept["headers"] if headers is None else headers)
    check_headers(new_headers)
    plain, secret = _split_params(server, kept["params"], params)
    server.params = plain
    with with_project(server.project_id):
        _check_transport(server, secret)
        if headers is None and new_headers:
            _keep_headers_at_home(server)
        if new_headers != kept["headers"] or secret != kept["params"]:
            server.secrets = {"headers": new_headers, "params": secret}
        server.full_clean()
        server.save()
    _record("server.created" if created else "server.changed", server)
    read_soon(server)
    return server


@transaction.atomic
def delete_server(*, server: Server) -> None:
    _record("server.deleted", server)
    with with_project(server.project_id):
        server.delete()


@transaction.atomic
def set_server_enabled(*, server: Server, enabled: bool) -> None:
    server.enabled = enabled
    with with_project(server.project_id):
        server.save(update_fields=["enabled"])
    _record("server.enabled" if enabled else "server.disabled", server)
    if enabled:
        read_soon(server)


@dataclass(frozen=True, slots=True)
class GrantSpec:
    """One rule on its way to a server's grants. An empty role stands for every one."""

    effect: str
    pattern: str = "*"
    role: str = ""
    reason: str = ""


EVERYTHING = GrantSpec("allow")


@transaction.atomic
def set_grants(*, server: Server, grants: Sequence[GrantSpec]) -> bool:
    """These are then all the rules of the server. Whether that changed anything. Raises ValidationError."""
    return _replace_grants(server.project, server, grants)


def _replace_grants(project: Project, server: Server | None, grants: Sequence[GrantSpec]) -> bool:
    with with_project(project.pk):
        rows = Grant.objects.filter(server=server).order_by("id")
        before = [GrantSpec(row.effect, row.pattern, row.role, row.reason) for row in rows]
        if before == list(grants):
            return False
        if before:
            rows.delete()
        _check_room(server.pk if server is not None else None, len(grants))
        made = [Grant(project_id=project.pk, server=server, **asdict(spec)) for spec in grants]
        for row in made:
            row.full_clean(exclude=["project", "server"])
        Grant.objects.bulk_create(made)
    # Rows that are made together announce nothing.
    bump(project.pk, keys=False)
    _record_grants(project, server, before, grants)
    return True


@transaction.atomic
def set_project_grants(*, project: Project, grants: Sequence[GrantSpec]) -> bool:
    """These are then all the rules that hold for every server of the project; otherwise like set_grants."""
    return _replace_grants(project, None, grants)


@transaction.atomic
def save_grant(*, grant: Grant) -> Grant:
    """Makes or changes one rule, of one server or of all. Raises ValidationError."""
    with with_project(grant.project_id):
        before = _stored(grant)
        _check_own_server(grant)
        if before is None or before.server_id != grant.server_id:
            _check_room(grant.server_id, 1)
        grant.full_clean()
        grant.save()
        _record_grant("grant.changed" if before else "grant.created", grant, before)
    return grant


def _check_room(server_id: int | None, number: int) -> None:
    """For so many more rules of a server of the active project, or for all its servers. Raises ValidationError."""
    own = Q(server_id=server_id) if server_id is not None else Q(server=None)
    there = Grant.objects.aggregate(all=Count("pk"), own=Count("pk", filter=own))
    if there["own"] + number > MAX_GRANTS:
        what = "A server has" if server_id is not None else "For all its servers a project has"
        raise ValidationError(f"{what} at most {MAX_GRANTS:,} rules.")
    if there["all"] + number > MAX_GRANTS_OF_PROJECT:
        raise ValidationError(f"A project has at most {MAX_GRANTS_OF_PROJECT:,} rules.")


@transaction.atomic
def save_overlay(*, overlay: Overlay) -> Overlay:
    """Makes or changes how a tool is shown. Raises ValidationError, also when it does not fit what is approved."""
    with with_project(overlay.project_id):
        before = _stored(overlay)
        _check_own_server(overlay)
        overlay.full_clean()
        overlaying.check(overlay)
        overlay.save()
        _record_overlay("overlay.changed" if before else "overlay.created", overlay, before)
    return overlay


@transaction.atomic
def delete_overlay(*, overlay: Overlay) -> None:
    with with_project(overlay.project_id):
        _record_overlay("overlay.deleted", overlay, None)
        overlay.delete()


@transaction.atomic
def set_overlays(*, server: Server, overlays: Mapping[str, Mapping[str, Any]]) -> bool:
    """These, by tool, are then all overlays of the server. Whether that changed anything. Raises ValidationError."""
    with with_project(server.project_id):
        known = {row.tool: row for row in Overlay.objects.filter(server=server)}
    gone = [row for tool, row in known.items() if tool not in overlays]
    wanted = [(known.get(tool), Overlay(project_id=server.project_id, server=server, tool=tool, **fields))
              for tool, fields in overlays.items()]  # fmt: skip
    changed = [(row, overlay) for row, overlay in wanted if row is None or _shown_by(row) != _shown_by(overlay)]
    for each in gone:
        delete_overlay(overlay=each)
    for row, overlay in changed:
        if row is not None:
            overlay.pk, overlay._state.adding = row.pk, False
        save_overlay(overlay=overlay)
    return bool(gone or changed)


@transaction.atomic
def delete_grant(*, grant: Grant) -> None:
    with with_project(grant.project_id):
        _record_grant("grant.deleted", grant, None)
        grant.delete()


def why(
    *, project: Project, who: ApiKey | User, server: str, kind: str = Tool.Kind.TOOL, name: str = ""
) -> inquiry.Reply:
    """May this key, or this person with a key without limits, use it, and why. Without a name: the server itself.

    `server` is a slug, `kind` tool, prompt, resource or template. The reply is for administrators only.
    """
    return inquiry.ask(project, who, inquiry.Inquiry(server, kind, name))


def new_server(*, project: Project, slug: str, **fields: Any) -> Server:
    """An unsaved server, for save_server."""
    return Server(project=project, slug=slug, **fields)


def _stored_secrets(server: Server, needed: bool) -> dict[str, Any]:
    """What is stored; nothing when it does not open and is not needed, so that it can be replaced."""
    try:
        return server.secrets
    except Unsealable as error:
        if needed and server.sealed and server.transport != Transport.STDIO:
            raise ValidationError({"headers": "The stored secrets do not open any more; give them again."}) from error
        return {"headers": {}, "params": {}}


def _keep_headers_at_home(server: Server) -> None:
    """Who may change an address must not learn by it what was stored for the old one. Raises ValidationError."""
    stored = Server.objects.select_for_update().get(pk=server.pk)
    # Other headers than those that are stored by now were read before another change, which may have moved the host.
    if _host_of(stored) != _host_of(server) or stored.sealed != server.sealed:
        raise ValidationError(
            {"headers": "Give the headers again, or forget them: those that are stored are for another host."}
        )


def _host_of(server: Server) -> egress.Host | None:
    """None for what is reached by no address."""
    return None if server.transport == Transport.STDIO else egress.host_of(server.url)


def _split_params(
    server: Server, kept: Mapping[str, str], params: Mapping[str, str] | None
) -> tuple[dict[str, str], dict[str, str]]:
    slots = server.template.params if server.template else {}
    # A value stays sealed or is dropped: a slot that is no longer secret must be filled anew.
    still_secret = {name: value for name, value in kept.items() if slots.get(name, {}).get("secret")}
    values = {**server.params, **still_secret} if params is None else dict(params)
    secret = {name: value for name, value in values.items() if slots.get(name, {}).get("secret")}
    return {name: value for name, value in values.items() if name not in secret}, secret


def _check_transport(server: Server, secret: Mapping[str, str]) -> None:
    if server.transport == Transport.STDIO:
        if server.template is None:
            raise ValidationError({"template": "stdio_not_allowed: choose a command template."})
        if server.url:
            raise ValidationError({"url": "A stdio server has no URL."})
        recipes.check_values(server.template.params, {**server.params, **secret})
        return
    if server.template is not None or server.params:
        raise ValidationError({"template": "Only a stdio server has a command template."})
    try:
        egress.check_url(server.url)
    except egress.EgressDenied as error:
        raise ValidationError({"url": f"egress_denied: {error}. {_REACHABLE}"}) from error


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises ValidationError for what cannot be sent to a server; never repeats a value."""
    if sum(len(name) + len(str(value)) for name, value in headers.items()) > _MAX_HEADER_CHARACTERS:
        raise ValidationError({"headers": f"These are more than {_MAX_HEADER_CHARACTERS // 1024} KiB."})
    for name, value in headers.items():
        if not name.isascii() or not name.replace("-", "").isalnum() or name.lower() in _UNSENDABLE:
            raise ValidationError({"headers": f"The header {name!r} may not be set."})
        if not isinstance(value, str) or any(ord(char) < 32 or ord(char) > 126 for char in value):
            raise ValidationError({"headers": f"The value of {name} must be printable ASCII."})


def _record(kind: str, server: Server) -> None:
    record(kind, project_ref=server.project_id, project=server.project.slug, subject=server.slug,
           server_ref=server.pk, server=server.slug,
           detail={"transport": server.transport, "url": server.url, "enabled": server.enabled,
                   "input_policy": server.input_policy.slug if server.input_policy else None,
                   "output_policy": server.output_policy.slug if server.output_policy else None,
                   "argument_kinds": server.argument_kinds, "restore_tokens": server.restore_tokens,
                   "review": server.review})  # fmt: skip


def _record_grants(
    project: Project, server: Server | None, before: Sequence[GrantSpec], after: Sequence[GrantSpec]
) -> None:
    slug = server.slug if server is not None else ""
    record("grants.changed", project_ref=project.pk, project=project.slug, subject=slug or project.slug,
           server_ref=server.pk if server is not None else None, server=slug,
           detail={"before": [asdict(spec) for spec in before], "after": [asdict(spec) for spec in after]})  # fmt: skip


def _record_grant(kind: str, grant: Grant, before: Grant | None) -> None:
    server = grant.server
    detail = _said_by(grant) if before is None else {"before": _said_by(before), "after": _said_by(grant)}
    record(kind, project_ref=grant.project_id, project=grant.project.slug, subject=grant.pattern,
           server_ref=server.pk if server else None, server=server.slug if server else "", detail=detail)  # fmt: skip


def _said_by(grant: Grant) -> dict[str, str]:
    return {"effect": grant.effect, "pattern": grant.pattern, "role": grant.role, "reason": grant.reason,
            "server": grant.server.slug if grant.server else ""}  # fmt: skip


def _record_overlay(kind: str, overlay: Overlay, before: Overlay | None) -> None:
    server = overlay.server
    shown = _shown_by(overlay)
    detail = shown if before is None else {"before": _shown_by(before), "after": shown}
    record(kind, project_ref=overlay.project_id, project=overlay.project.slug, subject=overlay.tool,
           server_ref=server.pk, server=server.slug, detail=detail)  # fmt: skip


def _shown_by(overlay: Overlay) -> dict[str, Any]:
    return {name: getattr(overlay, name) for name in OVERLAID}


def _stored(row: R) -> R | None:
    """As it was before, None for a new one. Raises ValidationError when it is gone, or another project's."""
    if row.pk is None:
        return None
    stored = type(row)._default_manager.filter(pk=row.pk).first()
    if stored is None:
        raise ValidationError("It is not there any more.")
    return stored


def _check_own_server(row: Grant | Overlay) -> None:
    """Runs under the project's scope. Raises ValidationError."""
    if row.server_id is not None and not Server.objects.filter(pk=row.server_id).exists():
        raise ValidationError({"server": "The project has no such server."})
