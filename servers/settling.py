"""How a tool of a server stands: one writer at a time, its state from its versions, and changes on record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F

from audit.recorder import record
from projects.scoping import with_project
from projects.versions import bump
from servers.models import Server, State, Tool, ToolVersion


@dataclass(frozen=True, slots=True, order=True)
class Approval:
    """One definition by what it is: its kind, its name at the server, and its digest (servers.definitions)."""

    kind: str
    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Known:
    """A version of a tool as it is stored, without its definition."""

    pk: int
    digest: str
    state: str
    decided_by: str
    modern: bool
    legacy: bool
    problems: list[str]


def approved_ahead(server: Server) -> list[Approval]:
    return [Approval(**each) for each in server.approved_ahead or ()]


def lock(server_id: int) -> Server:
    """Only one list or decision at a time is written down of a server."""
    rows = Server.objects.select_for_update(of=("self",)).select_related("project")
    return rows.get(pk=server_id)


def said_of(tool: Tool) -> set[str]:
    """The digests of what the server says of it by now."""
    return {tool.modern_digest, tool.legacy_digest} - {""} or {tool.digest}


def settle(tool: Tool, states: Mapping[str, str]) -> bool:
    """The tool's state from those of its versions, by digest; whether it is another one now.

    While anything waits, the tool waits, whatever its server says by now.
    """
    if State.WAITING in states.values():
        state = State.WAITING
    else:
        settled = all(states.get(digest) == State.APPROVED for digest in said_of(tool))
        state = State.APPROVED if settled else State.REJECTED
    before, tool.state = tool.state, state
    return before != state


def touch(server: Server) -> None:
    """Workers see the change of the catalogue with the next version of the project."""
    with with_project(server.project_id):
        Server.objects.filter(pk=server.pk).update(
            catalogue_version=F("catalogue_version") + 1, about=server.about, first_lists=server.first_lists
        )
    bump(server.project_id, keys=False)


def record_version(kind: str, server: Server, tool: Tool, version: ToolVersion | Known, **detail: Any) -> None:
    shown = {name: value for name, value in detail.items() if value}
    about = {"kind": tool.kind, "digest": version.digest, "problems": version.problems}
    record_on(server, kind, subject=tool.name, decision=version.state, detail={**about, **shown})


def record_on(server: Server, kind: str, *, subject: str, decision: str, detail: dict[str, Any]) -> None:
    record(
        kind, project_ref=server.project_id, project=server.project.slug, server_ref=server.pk, server=server.slug,
        subject=subject, decision=decision, detail=detail,
    )  # fmt: skip
