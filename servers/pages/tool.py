"""The page of one tool, prompt or resource: what it takes, who may use it and why, how it is shown, its versions."""

from __future__ import annotations

import json
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache

from projects.access import Reach
from projects.opening import opens, person_of
from projects.pages import reach_of
from projects.permissions import AUDIT_READ, CONFIG_READ
from projects.scoping import with_project
from servers import overlaying
from servers.comparison import compare
from servers.effective import Effective, who_may
from servers.evidence import approved_before, names_elsewhere, notes_on
from servers.models import Overlay, Server, State, Tool, ToolVersion
from servers.pages.finding import context_of, may_write, server_of, trail
from servers.pages.schema_rows import rows_of
from servers.pages.ways import block_address, calls_address
from servers.texts import quoted, visible

_HINTS = {
    "readOnlyHint": "reads only", "destructiveHint": "may destroy", "idempotentHint": "the same when repeated",
    "openWorldHint": "reaches other systems",
}  # fmt: skip
_MAX_VERSIONS = 20


@opens(CONFIG_READ)
@never_cache
def show(request: HttpRequest, reach: Reach, project: str, server: str, number: int) -> HttpResponse:
    row = server_of(reach, project, server)
    with with_project(row.project_id):
        tool = Tool.objects.filter(server=row, pk=number).first() if number < 2**63 else None
        if tool is None:
            raise Http404
        tool.server = row
        versions = list(ToolVersion.objects.filter(tool=tool)[:_MAX_VERSIONS])
        overlay = Overlay.objects.filter(server=row, tool=tool.name).first() if tool.kind == Tool.Kind.TOOL else None
        shown = overlaying.shown(overlay) if overlay is not None else []
    is_admin = may_write(request, row.project)
    # What others may do is for administrators; everybody learns of their own.
    people = who_may(row.project, row, tool.kind, tool.name, None if is_admin else person_of(request))
    waiting = next((each for each in versions if each.state == State.WAITING), None)
    context = context_of(
        request, quoted(tool.name), trail(row.project, row), tool=tool, server=row, is_admin=is_admin,
        description=_text(tool.definition.get("description")), heading=_text(tool.definition.get("title")),
        takes=rows_of(tool.definition.get("inputSchema")), gives=rows_of(tool.definition.get("outputSchema")),
        hints=_hints(tool.definition), definition=visible(json.dumps(tool.definition, indent=2, ensure_ascii=False)),
        people=[_person(each) for each in people], versions=versions, overlay=overlay,
        overlaid=[compare(said, seen) for said, seen in shown], waiting=_compared(tool, waiting) if waiting else None,
        playground=_playground(row, tool), deny=block_address(tool, row) if is_admin else "",
        calls=calls_address(tool, row) if reach_of(request, AUDIT_READ).has(row.project_id) else "",
    )  # fmt: skip
    return render(request, "admin/servers/pages/tool.html", context)


def _text(value: Any) -> str:
    return visible(value) if isinstance(value, str) else ""


def _hints(definition: dict[str, Any]) -> list[str]:
    """As the server says; nobody has checked it."""
    said = definition.get("annotations")
    return [words if said[name] else f"not: {words}" for name, words in _HINTS.items()
            if isinstance(said, dict) and isinstance(said.get(name), bool)]  # fmt: skip


def _person(each: Effective) -> dict[str, Any]:
    return {
        "person": each.person, "role": each.role, "key": f"mgw_{each.key}…" if each.key else "", "label": each.label,
        "allowed": each.decision.allowed, "why": visible(each.decision.why),
    }  # fmt: skip


def _compared(tool: Tool, version: ToolVersion) -> dict[str, Any]:
    version.tool = tool
    before = approved_before(version)
    notes = notes_on(version, before, names_elsewhere(tool))
    return {
        "version": version, "before": before, "lines": compare(before.definition if before else None,
                                                               version.definition),
        "notes": [(visible(note.text), visible(note.pointer)) for note in notes],
    }  # fmt: skip


def _playground(server: Server, tool: Tool) -> str:
    if tool.kind != Tool.Kind.TOOL or tool.state != State.APPROVED:
        return ""
    asked = urlencode({"project": server.project.slug, "server": server.slug, "tool": tool.name})
    return f"{reverse('playground')}?{asked}"
