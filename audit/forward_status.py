"""How each forwarder is doing, for the command and for the pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, Sum

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
    return standings_of([state])[state.pk]


def standings_of(states: Iterable[ForwardState]) -> dict[int, Standing]:
    """By the state's number, for a list of any length with two queries."""
    by_number = {state.pk: state for state in states}
    waiting = _waiting(list(by_number))
    letters = DeadLetter.objects.filter(state__in=by_number).order_by().values_list("state_id")
    dead: dict[int, int] = dict(letters.annotate(events=Sum("last") - Sum("first") + Count("pk")))
    return {
        number: Standing(
            waiting.get(number, 0), dead.get(number, 0), state.fault if state.failing_since else "", state.failures
        )
        for number, state in by_number.items()
    }  # fmt: skip


def _waiting(states: Sequence[int]) -> dict[int, int]:
    if not states:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT place.state_id, sum((SELECT max(seal.seq) FROM audit_seal AS seal"  # noqa: S608  as many places as states
            " WHERE seal.project_ref = place.project_ref) - place.seq)"
            f" FROM audit_forwardposition AS place WHERE place.state_id IN ({', '.join(['%s'] * len(states))})"
            " AND EXISTS (SELECT 1 FROM audit_seal AS seal WHERE seal.project_ref = place.project_ref"
            " AND seal.seq > place.seq) GROUP BY place.state_id",
            list(states),
        )
        return {state: int(events) for state, events in cursor.fetchall()}


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
