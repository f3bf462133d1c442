"""What people, and files ahead of them, decide on what servers list: approved, rejected, rolled back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import transaction
from django.utils import timezone

from gateway_site.lib.actor import current as acting
from projects.scoping import with_project
from servers.models import Server, State, Tool, ToolVersion
from servers.settling import Approval, approved_ahead, lock, record_on, record_version, settle, touch

MAX_REASON = 500


@transaction.atomic
def approve(*, version: ToolVersion, reason: str = "") -> None:
    """The tool may be used again when the server says this, or something else that was approved.

    Raises ValidationError for what cannot be offered at all, or is not kept any more.
    """
    with _deciding(version) as (server, tool, current):
        _check_offerable(current)
        _mark(current, State.APPROVED, reason)
        _finish(server, tool, current, reason)


@transaction.atomic
def reject(*, version: ToolVersion, reason: str = "") -> None:
    """While the server says this, the tool is neither listed nor called. Raises ValidationError when it is gone."""
    with _deciding(version) as (server, tool, current):
        _mark(current, State.REJECTED, reason)
        _finish(server, tool, current, reason)


@transaction.atomic
def roll_back(*, version: ToolVersion, reason: str = "") -> None:
    """Only this definition of the tool is approved from now on, so that later approvals are taken back.

    Raises ValidationError for what cannot be offered at all, or is not kept any more.
    """
    reason = reason or "rolled back"
    with _deciding(version) as (server, tool, current):
        _check_offerable(current)
        others = list(ToolVersion.objects.filter(tool=tool).exclude(pk=current.pk))
        for other in others:
            _mark(other, State.REJECTED, reason)
        _mark(current, State.APPROVED, reason)
        _finish(server, tool, current, reason, taken_back=[other.digest for other in others])


@transaction.atomic
def approve_waiting(*, server: Server, reason: str = "") -> int:
    """Everything of the server that waits and can be offered. How many definitions that were."""
    with with_project(server.project_id):
        waiting = ToolVersion.objects.filter(tool__server=server, state=State.WAITING, problems=[])
        versions = list(waiting.select_related("tool"))
    for version in versions:
        approve(version=version, reason=reason)
    return len(versions)


@transaction.atomic
def approve_ahead(*, server: Server, approvals: Sequence[Approval], reason: str = "") -> bool:
    """Approves these definitions: those that wait now, and the others as soon as the server says them.

    What was rejected stays so, and nothing that was approved is taken back. Of a server that was never read nothing
    else is trusted at first sight any more. Whether anything changed. Raises ValidationError.
    """
    with with_project(server.project_id):
        locked = lock(server.pk)
        seen = _seen_versions(locked)
        wanted = set(approvals)
        waiting = [pk for approval, (pk, state) in seen.items() if approval in wanted and state == State.WAITING]
        for version in ToolVersion.objects.filter(pk__in=waiting).order_by("id"):
            approve(version=version, reason=reason)
        before = set(approved_ahead(locked))
        ahead = before | (wanted - seen.keys())
        is_news = ahead != before or (locked.approved_ahead is None and not locked.first_lists)
        if is_news:
            _store_ahead(locked, sorted(ahead), reason)
        server.approved_ahead = locked.approved_ahead
        return is_news or bool(waiting)


def _seen_versions(server: Server) -> dict[Approval, tuple[int, str]]:
    rows = ToolVersion.objects.filter(tool__server=server)
    columns = ("tool__kind", "tool__name", "digest", "pk", "state")
    return {Approval(*place): (pk, state) for *place, pk, state in rows.values_list(*columns)}


def _store_ahead(server: Server, approvals: Sequence[Approval], reason: str) -> None:
    server.approved_ahead = [asdict(each) for each in approvals]
    server.save(update_fields=["approved_ahead"])
    names = [f"{each.kind}:{each.name[:80]} {each.digest[:16]}" for each in approvals[:100]]
    detail = {"count": len(approvals), "reason": reason, "names": names}
    record_on(server, "definitions.approved_ahead", subject=server.slug, decision=State.APPROVED, detail=detail)


@contextmanager
def _deciding(version: ToolVersion) -> Iterator[tuple[Server, Tool, ToolVersion]]:
    """The rows as they are stored now, and nobody else's until the end of the transaction."""
    with with_project(version.project_id):
        try:
            server = lock(Tool.objects.values_list("server_id", flat=True).get(pk=version.tool_id))
            current = ToolVersion.objects.select_related("tool").get(pk=version.pk)
        except ObjectDoesNotExist:
            raise ValidationError("This definition is not kept any more.") from None
        yield server, current.tool, current


def _check_offerable(version: ToolVersion) -> None:
    if version.problems:
        raise ValidationError(f"It cannot be offered: {'; '.join(version.problems)}")


def _mark(version: ToolVersion, state: str, reason: str) -> None:
    actor = acting()
    version.state, version.reason = state, reason[:MAX_REASON]
    version.decided_by, version.decided_at = (actor.label or actor.kind)[:254], timezone.now()
    version.save(update_fields=["state", "reason", "decided_by", "decided_at"])


def _finish(server: Server, tool: Tool, version: ToolVersion, reason: str, **detail: Any) -> None:
    _refresh(tool)
    record_version(f"definition.{version.state}", server, tool, version, reason=reason, **detail)
    touch(server)


def _refresh(tool: Tool) -> None:
    """Stores the tool's state anew, from those of its versions."""
    if settle(tool, dict(ToolVersion.objects.filter(tool=tool).values_list("digest", "state"))):
        tool.save(update_fields=["state"])
