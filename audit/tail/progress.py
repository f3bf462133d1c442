"""How far jobs are: one look at their table for all who listen in a process, and what moved since the last."""

from __future__ import annotations

from typing import NamedTuple

from django.db.models import Q

from audit.exports import KIND as EXPORTING
from projects import jobs
from projects.models import Job
from projects.permissions import AUDIT_EXPORT, CONFIG_READ
from projects.scoping import unscoped

# Open jobs that are followed; of more than that the newest.
MOST = 500


class Moved(NamedTuple):
    """A job as it is now. `subject` is the id of what it is about, as Job.subject_ref; texts may be a server's."""

    id: int
    kind: str
    project_ref: int
    subject: int
    state: str
    done: int
    total: int
    text: str


def action_of(kind: str) -> str:
    """What opens a job of this kind to a person, as it opens the page that shows it."""
    return AUDIT_EXPORT if kind == EXPORTING else CONFIG_READ


class Jobs:
    """What was seen of them. Used by one thread at a time; raises django.db.Error."""

    def __init__(self) -> None:
        self._open: dict[int, Moved] = {}
        self._newest = 0

    def begin(self) -> None:
        """From now on; what is open now is known already, since pages show it."""
        with unscoped("one reader for all listeners"):
            self._newest = Job.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
            self._know(_found(Q(state__in=jobs.OPEN)))

    def read(self) -> list[Moved]:
        """Those that began, went on or ended since the last time, the oldest first."""
        with unscoped("one reader for all listeners"):
            # Those that run are few, and older than all that wait; others were new, or open, the last time.
            running = _found(Q(state=Job.State.RUNNING))
            found = running | _found(Q(pk__gt=self._newest) | Q(pk__in=set(self._open) - set(running)))
        moved = [found[number] for number in sorted(found) if self._open.get(number) != found[number]]
        self._know(found)
        return moved

    def _know(self, found: dict[int, Moved]) -> None:
        self._open = {number: each for number, each in found.items() if each.state in jobs.OPEN}
        self._newest = max(self._newest, *found) if found else self._newest


def _found(wanted: Q) -> dict[int, Moved]:
    """By number, the newest of them."""
    rows = Job.objects.filter(wanted).order_by("-pk").values_list(
        "pk", "kind", "project_id", "subject_ref", "state", "progress_done", "progress_total", "progress_text"
    )  # fmt: skip
    return {row[0]: Moved(*row) for row in rows[:MOST]}
