"""Where pages lead on: from a tool to the rule that blocks it and to its calls, from a refused call to why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

from audit.naming import is_digest
from audit.pages.links import link_events_with
from projects.models import Project
from servers.models import Grant, Server, Tool

_SPECIAL = re.compile(r"([*?\[])")
_NOT_PERMITTED = "not_permitted"


def pattern_of(tool: Tool) -> str:
    """What names it and nothing else in a rule."""
    name = _SPECIAL.sub(r"[\1]", tool.name)
    return name if tool.kind == Tool.Kind.TOOL else f"{tool.kind}:{name}"


def block_address(tool: Tool, server: Server) -> str:
    """The form of a rule that denies it to everybody."""
    asked = {"project": str(server.project_id), "server": str(server.pk), "effect": str(Grant.Effect.DENY),
             "pattern": pattern_of(tool)}  # fmt: skip
    return f"{reverse('admin:servers_grant_add')}?{urlencode(asked)}"


def calls_address(tool: Tool, server: Server) -> str:
    asked = {"project": server.project.slug, "server": server.slug, "subject": tool.name, "within": "7d"}
    return f"{reverse('admin:audit_event_changelist')}?{urlencode(asked)}"


def link_to_why(event: Any) -> Iterator[tuple[str, str]]:
    """From an event of a call that no rule let through."""
    if event.reason != _NOT_PERMITTED or event.actor_kind != "key" or not event.server:
        return
    project = Project.objects.filter(pk=event.project_ref or 0).first()
    if project is None:
        return
    named = {} if is_digest(event.subject) else {"name": event.subject}
    asked = {"project": project.slug, "key": f"mgw_{event.actor_id}", "server": event.server, "kind": "tool", **named}
    yield f"{reverse('admin:servers_grant_why')}?{urlencode(asked)}", "Why was it not let through?"


link_events_with(link_to_why)
