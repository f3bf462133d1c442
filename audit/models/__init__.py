"""The audit log's rows. They outlive their subjects: names and ids are plain values, never foreign keys."""

from __future__ import annotations

from audit.models.exports import Export, ExportSchedule, SavedFilter
from audit.models.forwarders import DeadLetter, Forwarder, ForwardPosition, ForwardState
from audit.models.log import (
    BROWSED,
    COMMON,
    NUMBERS,
    Checkpoint,
    Event,
    Line,
    LineQuerySet,
    ReadOnlyLog,
    Retention,
    Seal,
)
from audit.models.payloads import Payload, SubjectKey
from audit.models.upkeep import AnchorPosition, CallFigure, FindingMark, IndexState, SealerState, Term, Writer

__all__ = [
    "BROWSED", "COMMON", "NUMBERS", "AnchorPosition", "CallFigure", "Checkpoint", "DeadLetter", "Event", "Export",
    "ExportSchedule", "FindingMark", "ForwardPosition", "ForwardState", "Forwarder", "IndexState", "Line",
    "LineQuerySet", "Payload", "ReadOnlyLog", "Retention", "SavedFilter", "Seal", "SealerState", "SubjectKey", "Term",
    "Writer",
]  # fmt: skip
