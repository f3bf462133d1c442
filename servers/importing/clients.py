"""A client's `mcpServers` file (Claude, Cursor; VS Code's `servers`) as servers of one project of ours."""

from __future__ import annotations

import re
from typing import Any

from servers.importing.commands import NoCommand, Templates
from servers.importing.remote import NoAddress, remote
from servers.importing.report import Names, Node, Report

_FROM_CLIENT = re.compile(r"\$\{[^}]+\}")
_REMOTE = {"http": "http", "streamable-http": "http", "streamable_http": "http", "sse": "sse"}


def read(raw: Any, project: str, *, trust_commands: bool = False) -> tuple[dict[str, Any], Report]:
    """The declaration as plain data, and what became of each part. Raises ValueError for what is not such a file."""
    root, report = Node(raw), Report()
    listed = root["mcpServers"] if root["mcpServers"] else root["servers"]
    if not isinstance(listed.value, dict):
        raise ValueError("it has no mcpServers")
    templates, names = Templates(trusted=trust_commands), Names("server")
    servers = []
    for name, node in listed.members():
        slug = names.slug(name)
        try:
            how = _remote(node, report) if node["url"].text() else _command(node, slug, templates, report)
        except (NoCommand, NoAddress) as error:
            report.left_out(node, f"{slug} is not made: {error}")
            continue
        off = {"enabled": False} if node["disabled"].is_on() else {}
        report.mapped(node["disabled"] if off else node, f"server {slug}" + (", switched off" if off else ""))
        servers.append({"slug": slug, **how, **off})
    report.finish(root)
    made = list(templates.made.values())
    declaration = {"version": 1, **({"command_templates": made} if made else {}),
                   "projects": [{"slug": project, "servers": servers}]}  # fmt: skip
    return declaration, report


def _remote(node: Node, report: Report) -> dict[str, Any]:
    """Raises NoCommand and NoAddress."""
    said = node["type"].text() or node["transport"].text() or "http"
    if said not in _REMOTE:
        raise NoCommand("its transport is not known")
    for place in ("url", "type", "transport"):
        if node[place]:
            report.mapped(node[place], f"transport {_REMOTE[said]}")
    how = remote(_REMOTE[said], node["url"].text(), _values(node["headers"], report))
    report.mapped(node["headers"], "stored sealed", True)
    return how


def _command(node: Node, slug: str, templates: Templates, report: Report) -> dict[str, Any]:
    """Raises NoCommand."""
    if not node["command"].text():
        raise NoCommand("it has neither a command nor an address")
    args = [each.text() for each in node["args"].items()]
    template, params = templates.template(slug, node["command"].text(), args, _values(node["env"], report))
    text = f"command template {template}" + ("" if templates.trusted else ", switched off: look at it first")
    report.changed(node["command"], text)
    report.mapped(node["args"], "fixed in the template", True)
    report.mapped(node["env"], "secret slots of the template", True)
    if node["type"]:
        report.mapped(node["type"], "transport stdio")
    return {"transport": "stdio", "template": template, "params": params}


def _values(node: Node, report: Report) -> dict[str, str]:
    """Without those that a client takes from its own environment or asks its person for: here they are not known."""
    found = {}
    for name, each in node.members():
        if _FROM_CLIENT.search(str(each.value)):
            report.left_out(each, "the client fills it in; give it to the server here")
        else:
            found[name] = str(each.value)
    return found
