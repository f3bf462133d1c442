"""What a reviewer is shown beside a definition: the one that was approved before it, and what to look at."""

from __future__ import annotations

from collections.abc import Iterable

from projects.scoping import with_project
from servers import risks
from servers.models import State, Tool, ToolVersion
from servers.notes import Note

# Names of other servers that a new one is compared with.
_MAX_NAMES = 10_000


def approved_before(version: ToolVersion) -> ToolVersion | None:
    """What was last approved of the tool besides this, rather in the same era than in another."""
    with with_project(version.project_id):
        approved = ToolVersion.objects.filter(tool_id=version.tool_id, state=State.APPROVED)
        others = approved.exclude(digest=version.digest).order_by("-decided_at", "-id")
        candidates = list(others.values_list("pk", "modern", "legacy"))
        same_era = [pk for pk, modern, legacy in candidates
                    if (modern and version.modern) or (legacy and version.legacy)]  # fmt: skip
        best = next(iter(same_era or [pk for pk, *_ in candidates]), None)
        return ToolVersion.objects.filter(pk=best).first() if best is not None else None


def names_elsewhere(tool: Tool) -> list[str]:
    """The names of its kind that other servers of the project list."""
    with with_project(tool.project_id):
        rows = Tool.objects.filter(kind=tool.kind).exclude(server_id=tool.server_id)
        return list(rows.order_by("id").values_list("name", flat=True).distinct()[:_MAX_NAMES])


def notes_on(version: ToolVersion, before: ToolVersion | None, others: Iterable[str]) -> tuple[Note, ...]:
    """`version.tool` is loaded; `before` is what was approved, None when nothing was."""
    return risks.notes(
        version.tool.kind, before.definition if before is not None else None, version.definition, others
    )
