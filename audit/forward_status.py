"""How each forwarder is doing, for the command and for the pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection
from django.db.models import Sum
from django.db.models.functions import Coalesce

from audit import destinations, forward_queue, forward_work, forwarders
from audit.forward_queue import Name
from audit.models import DeadLetter, Forwarder, ForwardState
from projects.models import Project
from projects.scoping import unscoped, with_project


@dataclass(frozen=True, slots=True)
class Standing:
    """Numbers of events. `fault` is empty when the last batch was taken."""

    waiting: int
    dead: int
    fault: str
    failures: int

    def __str__(self) -> str:
        parts = [f"{self.waiting} waiting"]
        if self.fault:
            parts.append(f"failing: {self.fault}, {self.failures} times")
        if self.dead:
            parts.append(f"{self.dead} dead")
        return "; ".join(parts)


def standing_of(state: ForwardState) -> Standing:
    letters = DeadLetter.objects.filter(state=state)
    ends = letters.aggregate(last=Coalesce(Sum("last"), 0), first=Coalesce(Sum("first"), 0))
    return Standing(
        _waiting(state), ends["last"] - ends["first"] + letters.count(), state.fault if state.failing_since else "",
        state.failures,
    )  # fmt: skip


def _waiting(state: ForwardState) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum((SELECT max(seal.seq) FROM audit_seal AS seal"
            " WHERE seal.project_ref = place.project_ref) - place.seq), 0)"
            " FROM audit_forwardposition AS place WHERE place.state_id = %s"
            " AND EXISTS (SELECT 1 FROM audit_seal AS seal WHERE seal.project_ref = place.project_ref"
            " AND seal.seq > place.seq)",
            [state.pk],
        )
        return int(cursor.fetchone()[0])


@dataclass(frozen=True, slots=True)
class Row:
    """One forwarder for the command: of a project, or of the settings."""

    name: Name
    state: ForwardState
    of: Forwarder | destinations.Setting

    def resend(self) -> int:
        if isinstance(self.of, Forwarder):
            return forwarders.resend(forwarder=self.of)
        return forwarders.resend_of_setting(setting=self.of)


def every(project: Project | None = None) -> Iterator[Row]:
    """Those of the project, or all. Raises BadDestination."""
    with with_project(project.pk) if project else unscoped("the operator asks for all"):
        found = list(Forwarder.objects.select_related("project"))
    for forwarder in found:
        yield Row(forward_work.name_of(forwarder), forwarders.state_of(forwarder), forwarder)
    for setting in destinations.of_settings() if project is None else ():
        state = forward_queue.begin_setting(setting)
        yield Row(forward_work.name_of_setting(setting.destination), state, setting)
