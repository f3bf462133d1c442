"""Forwarders of tests: what they are to send, a turn of one, and what came of it."""

from __future__ import annotations

from typing import Any

from prometheus_client import generate_latest

from audit import forward_work, forwarders
from audit.models import DeadLetter, Event, Forwarder, ForwardState
from projects.models import Project
from tests.audit.receivers import subjects
from tests.audit.sealing import seal_all, write


def join_threads() -> None:
    for each in forward_work._running.values():
        each.thread.join(20)


def forwarder_to(address: str, project: Project, **fields: Any) -> Forwarder:
    """From what is sealed after now; its own creation is the first of it."""
    seal_all()
    given = {"name": "siem", "kind": "webhook", "format": "syslog", **fields}
    made, _ = forwarders.create_forwarder(project=project, address=address, **given)
    return made


def some(count: int, project: Project, start: int = 0) -> list[str]:
    """Sealed events of the project; their subjects."""
    made = write(count, start, project_ref=project.pk, project=project.slug)
    seal_all()
    return [each.subject for each in made]


def turn(forwarder: Forwarder) -> int:
    return forward_work.take_turn(state(forwarder).pk)


def state(forwarder: Forwarder) -> ForwardState:
    return forwarders.state_of(forwarder)


def come_back() -> None:
    """As after the pause."""
    ForwardState.objects.update(retry_at=None)


def tools(lines: list[bytes]) -> list[str]:
    return [subject for subject in subjects(lines) if subject.startswith("tool-")]


def kinds(prefix: str = "audit.forward_") -> list[str]:
    return list(Event.objects.filter(kind__startswith=prefix).order_by("ord").values_list("kind", flat=True))


def letters() -> list[tuple[int, int, str, int]]:
    return list(DeadLetter.objects.order_by("first").values_list("first", "last", "reason", "attempts"))


def metrics() -> dict[str, float]:
    lines = generate_latest().decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines)
        if name.startswith("mcpgw_audit_forward_") and "_created" not in name
    }
