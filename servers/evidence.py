"""What a reviewer is shown beside a definition: the one that was approved before it, and what to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from projects.scoping import with_project
from servers import risks
from servers.models import State, Tool, ToolVersion
from servers.notes import Note

# Names of other servers that a new one is compared with.
_MAX_NAMES = 10_000


def approved_before(version: ToolVersion) -> ToolVersion | None:
    """What was last approved of the tool besides this, rather in the same era than in another."""
    with with_project(version.project_id):
        return approved_before_each([version]).get(version.pk)


def approved_before_each(versions: Sequence[ToolVersion]) -> dict[int, ToolVersion]:
    """The same of several, by their numbers, within the caller's scope: two queries for all of them."""
    approved = ToolVersion.objects.filter(tool__in={each.tool_id for each in versions}, state=State.APPROVED)
    by_tool: dict[int, list[tuple[int, str, bool, bool]]] = {}
    columns = ("tool_id", "pk", "digest", "modern", "legacy")
    for tool_id, *row in approved.order_by("-decided_at", "-id").values_list(*columns):
        by_tool.setdefault(tool_id, []).append((row[0], row[1], row[2], row[3]))
    best = {each.pk: _best(each, by_tool.get(each.tool_id, [])) for each in versions}
    rows = ToolVersion.objects.in_bulk({pk for pk in best.values() if pk is not None})
    return {pk: rows[found] for pk, found in best.items() if found in rows}


def _best(version: ToolVersion, approved: list[tuple[int, str, bool, bool]]) -> int | None:
    others = [row for row in approved if row[1] != version.digest]
    same_era = [row for row in others if (row[2] and version.modern) or (row[3] and version.legacy)]
    return next((row[0] for row in same_era or others), None)


def names_elsewhere(tool: Tool) -> list[str]:
    """The names of its kind that other servers of the project list."""
    return names_elsewhere_each([tool])[tool.pk]


def names_elsewhere_each(tools: Iterable[Tool]) -> dict[int, list[str]]:
    """The same of several, by their numbers: one query for each project and kind."""
    known: dict[tuple[int, str], dict[str, set[int]]] = {}
    found = {}
    for tool in tools:
        place = (tool.project_id, tool.kind)
        if place not in known:
            known[place] = _names_of(*place)
        found[tool.pk] = [name for name, servers in known[place].items() if servers - {tool.server_id}]
    return found


def _names_of(project_id: int, kind: str) -> dict[str, set[int]]:
    """Names with the servers that list them, in the order in which they were first seen."""
    names: dict[str, set[int]] = {}
    with with_project(project_id):
        rows = Tool.objects.filter(kind=kind).order_by("id").values_list("name", "server_id")
        for name, server_id in rows[:_MAX_NAMES]:
            names.setdefault(name, set()).add(server_id)
    return names


def notes_on(version: ToolVersion, before: ToolVersion | None, others: Iterable[str]) -> tuple[Note, ...]:
    """`version.tool` is loaded; `before` is what was approved, None when nothing was."""
    return risks.notes(
        version.tool.kind, before.definition if before is not None else None, version.definition, others
    )
