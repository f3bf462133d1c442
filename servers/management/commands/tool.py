"""`manage.py tool`: what servers list, who may use it, how it is shown, and decisions on definitions."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError

from projects.commanding import PROJECT, USAGE, YES, NounCommand, argument, find, find_by_id, find_project, verb
from projects.models import Project
from projects.permissions import Role
from projects.scoping import with_project
from servers import review, services
from servers.management.commands.server import find_server
from servers.models import Grant, Overlay, State, Tool, ToolVersion

_SERVER = argument("--server", "-s", metavar="SLUG", help="Its slug or id.")
_TOOL = (argument("server", help="Its slug or id."), argument("tool", help="Its name at the server, or the tool's id."))
_KIND = argument("--kind", choices=Tool.Kind.values, default=Tool.Kind.TOOL.value)
_VERSION = argument("--digest", help="The beginning of a version's digest; else the one that waits.")
_REASON = argument("--reason", default="")
_RULE = (
    argument("pattern", help='A glob of tools; also "prompt:*" and "resource:docs://*".'), _SERVER,
    argument("--role", choices=Role.values, default="", help="Only for this role."), _REASON, PROJECT,
)  # fmt: skip


class Command(NounCommand):
    noun = "tool"
    help = "Tools, prompts and resources of servers: who may use them, how they are shown, what is approved."

    @verb("What servers list.", _SERVER, argument("--state", choices=State.values), PROJECT)
    def list_(self, server: str | None, state: str | None, project: str | None) -> Any:
        found = find_project(project)
        only = find_server(found, server) if server is not None else None
        with with_project(found.pk):
            rows = Tool.objects.select_related("server__project")
            rows = rows.filter(server=only) if only is not None else rows
            return [_shown(row) for row in (rows.filter(state=state) if state is not None else rows)]

    @verb("One tool with its definition and versions.", *_TOOL, _KIND, PROJECT)
    def show(self, server: str, tool: str, kind: str, project: str | None) -> Any:
        row = _find(find_project(project), server, tool, kind)
        with with_project(row.project_id):
            versions = ToolVersion.objects.filter(tool=row).order_by("-id")
            return {**_shown(row), "definition": row.definition, "versions": [_version(each) for each in versions]}

    @verb("Approves what waits, or a version.", *_TOOL, _KIND, _VERSION, _REASON, PROJECT)
    def approve(self, server: str, tool: str, kind: str, digest: str | None, reason: str, project: str | None) -> Any:
        row = _find(find_project(project), server, tool, kind)
        review.approve(version=_find_version(row, digest), reason=reason)
        return _again(row)

    @verb("Approves everything of a server that waits.", argument("server"), _REASON, PROJECT)
    def approve_waiting(self, server: str, reason: str, project: str | None) -> Any:
        number = review.approve_waiting(server=find_server(find_project(project), server), reason=reason)
        return {"approved": number}

    @verb("Rejects what waits, or a version.", *_TOOL, _KIND, _VERSION, _REASON, PROJECT)
    def reject(self, server: str, tool: str, kind: str, digest: str | None, reason: str, project: str | None) -> Any:
        row = _find(find_project(project), server, tool, kind)
        review.reject(version=_find_version(row, digest), reason=reason)
        return _again(row)

    @verb("Goes back to one version alone.", *_TOOL, _KIND, argument("--digest", required=True), _REASON, PROJECT)
    def roll_back(self, server: str, tool: str, kind: str, digest: str, reason: str, project: str | None) -> Any:
        row = _find(find_project(project), server, tool, kind)
        review.roll_back(version=_find_version(row, digest), reason=reason)
        return _again(row)

    # --- rules ------------------------------------------------------------------------------------------

    @verb("Who may use what.", _SERVER, PROJECT)
    def rules(self, server: str | None, project: str | None) -> Any:
        found = find_project(project)
        only = find_server(found, server) if server is not None else None
        with with_project(found.pk):
            rows = Grant.objects.select_related("server")
            return [_rule(row) for row in (rows.filter(server=only) if only is not None else rows)]

    @verb("Allows what matches, at one server or at all.", *_RULE)
    def allow(self, **given: Any) -> Any:
        return self._add(Grant.Effect.ALLOW, **given)

    @verb("Denies what matches, at one server or at all; denials win.", *_RULE)
    def deny(self, **given: Any) -> Any:
        return self._add(Grant.Effect.DENY, **given)

    @verb("Takes a rule away.", argument("rule", help="Its id."), PROJECT)
    def remove_rule(self, rule: str, project: str | None) -> Any:
        with with_project(find_project(project).pk):
            row = find_by_id(Grant.objects.select_related("server", "project"), rule, "rule")
        shown = _rule(row)
        services.delete_grant(grant=row)
        return shown

    def _add(
        self, effect: str, *, pattern: str, server: str | None, role: str, reason: str, project: str | None
    ) -> Any:
        found = find_project(project)
        only = find_server(found, server) if server is not None else None
        grant = Grant(project=found, server=only, effect=effect, pattern=pattern, role=role, reason=reason)
        return _rule(services.save_grant(grant=grant))

    # --- overlays ---------------------------------------------------------------------------------------

    @verb("How tools are shown to models.", _SERVER, PROJECT)
    def overlays(self, server: str | None, project: str | None) -> Any:
        found = find_project(project)
        only = find_server(found, server) if server is not None else None
        with with_project(found.pk):
            rows = Overlay.objects.select_related("server")
            return [_overlay(row) for row in (rows.filter(server=only) if only is not None else rows)]

    @verb("Shows a tool in another way.", argument("server"), argument("tool", help="Its name at the server."),
          argument("overlay", metavar="JSON", help='As apply has it: {"rename": "find"}.'), PROJECT)  # fmt: skip
    def overlay(self, server: str, tool: str, overlay: str, project: str | None) -> Any:
        at = find_server(find_project(project), server)
        with with_project(at.project_id):
            row = Overlay.objects.filter(server=at, tool=tool).first()
        row = row or Overlay(project=at.project, server=at, tool=tool)
        for name, value in _fields(overlay).items():
            setattr(row, name, value)
        row.server, row.project = at, at.project
        return _overlay(services.save_overlay(overlay=row))

    @verb("Shows a tool as its server has it.", argument("server"), argument("tool"), PROJECT, YES)
    def remove_overlay(self, server: str, tool: str, project: str | None, yes: bool) -> Any:
        at = find_server(find_project(project), server)
        with with_project(at.project_id):
            row = find(Overlay.objects.filter(server=at).select_related("server", "project"), tool, "overlay", "tool")
        self.confirm(f"Show {tool} as its server has it?", yes)
        shown = _overlay(row)
        services.delete_overlay(overlay=row)
        return shown


def _find(project: Project, server: str, tool: str, kind: str) -> Tool:
    at = find_server(project, server)
    with with_project(project.pk):
        return find(Tool.objects.select_related("server__project").filter(server=at, kind=kind), tool, kind, "name")


def _find_version(tool: Tool, digest: str | None) -> ToolVersion:
    """Raises CommandError when it is not one."""
    with with_project(tool.project_id):
        rows = ToolVersion.objects.filter(tool=tool)
        rows = rows.filter(state=State.WAITING) if digest is None else rows.filter(digest__startswith=digest)
        found = list(rows[:2])
    if len(found) != 1:
        which = "one version that waits" if digest is None else "one version of that digest"
        raise CommandError(f"There is not exactly {which}; `tool show` has all of them.")
    return found[0]


def _fields(text: str) -> dict[str, Any]:
    """Raises CommandError."""
    try:
        given = json.loads(text)
        unknown = sorted(set(given) - set(services.OVERLAID))
    except (ValueError, TypeError) as error:
        raise CommandError(f"An overlay is a JSON object: {error}", returncode=USAGE) from None
    if unknown or not isinstance(given, dict):
        raise CommandError(f"An overlay has {', '.join(services.OVERLAID)}.", returncode=USAGE)
    return given


def _again(row: Tool) -> dict[str, Any]:
    with with_project(row.project_id):
        return _shown(Tool.objects.select_related("server").get(pk=row.pk))


def _shown(row: Tool) -> dict[str, Any]:
    return {"id": row.pk, "server": row.server.slug, "kind": str(row.kind), "name": row.name, "state": str(row.state),
            "last_seen_at": row.last_seen_at}  # fmt: skip


def _version(row: ToolVersion) -> dict[str, Any]:
    return {"digest": row.digest, "state": str(row.state), "decided_by": row.decided_by, "reason": row.reason,
            "problems": row.problems, "first_seen_at": row.first_seen_at}  # fmt: skip


def _rule(row: Grant) -> dict[str, Any]:
    return {"id": row.pk, "effect": str(row.effect), "pattern": row.pattern, "role": str(row.role) or "all",
            "server": row.server.slug if row.server else "all", "reason": row.reason}  # fmt: skip


def _overlay(row: Overlay) -> dict[str, Any]:
    return {"id": row.pk, "server": row.server.slug, "tool": row.tool,
            **{name: getattr(row, name) for name in services.OVERLAID}}  # fmt: skip
