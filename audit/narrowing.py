"""Which logs can have what is looked for, by the values that they are known to have had.

Whoever sees many logs asks most of them in vain, and each is a walk along indexes. The index of values follows the log
by seconds; where it is further behind, no log is left out. What it does not name is asked of all logs in one statement
of their own: one that walks along many has its time in planning each walk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from audit.models import Checkpoint, Event, IndexState, Term
from audit.question import Question
from audit.statements import statement_of_presence

_BEHIND = timedelta(seconds=10)


def is_level() -> bool:
    """Whether the newest event is hardly younger than what the index has reached."""
    state = IndexState.objects.first()
    reached = Checkpoint.objects.filter(pk=state.checkpoint_id).values_list("at", flat=True).first() if state else None
    if reached is None:
        return False
    newest = Event.objects.filter(at__lt=timezone.now() + timedelta(days=1)).order_by("-at")
    at = newest.values_list("at", flat=True).first()
    return at is None or at - reached < _BEHIND


def logs_with(column: str, values: Iterable[str], refs: Iterable[int]) -> Mapping[int, set[str]]:
    """The logs that had any of these values in the column, with those that they had."""
    rows = Term.objects.filter(project_ref__in=list(refs), column=column, word="", value__in=list(values))
    found: dict[int, set[str]] = {}
    for ref, value in rows.values_list("project_ref", "value"):
        found.setdefault(ref, set()).add(value)
    return found


def present(question: Question, column: str, values: Mapping[int, Any]) -> set[int]:
    """Of these logs with a value each, those that have an event with it in the question's window of time."""
    asked = {ref: value for ref, value in values.items() if ref}
    if not asked:
        return set(values)
    statement, parameters = statement_of_presence(question, column, asked)
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        # What belongs to no project has no number to ask for.
        return {ref for (ref,) in cursor.fetchall()} | {ref for ref in values if not ref}
