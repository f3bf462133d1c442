"""The log's own rows, which are only ever read by their models: events, seals, checkpoints, retentions."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.models import Q


class ReadOnlyLog(RuntimeError):
    """A line of the log was to be changed or deleted."""


class LineQuerySet(models.QuerySet[Any]):
    def update(self, **kwargs: Any) -> int:
        raise ReadOnlyLog("The log is never changed.")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise ReadOnlyLog("The log is never deleted.")

    def bulk_create(self, *args: Any, **kwargs: Any) -> list[Any]:
        raise ReadOnlyLog("The log is written by audit.recorder and audit.sealer only.")

    def bulk_update(self, *args: Any, **kwargs: Any) -> int:
        raise ReadOnlyLog("The log is never changed.")


class Line(models.Model):
    """A row that is only ever read by its model. The database refuses changes too (migration 0003)."""

    objects = models.Manager.from_queryset(LineQuerySet)()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        raise ReadOnlyLog("The log is written by audit.recorder and audit.sealer only.")

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise ReadOnlyLog("The log is never deleted.")


# Values that most calls have, by column: they are in no index of it, since a page of them is found along the time.
COMMON: dict[str, list[str | int]] = {
    "subject": [""], "actor": [""], "actor_id": [""], "server": [""], "reason": [""],
    "kind": ["mcp.call.intent", "mcp.call.outcome"], "method": ["", "tools/call"], "decision": ["", "ok"],
    "upstream_status": [200], "policy_version": [], "rpc_code": [],
}  # fmt: skip
NUMBERS = ("upstream_status", "policy_version", "rpc_code")


def _along(column: str, name: str) -> models.Index:
    """Leads to a project's events with one value of a column, in the order of time."""
    common = COMMON[column]
    condition = ~Q(**{f"{column}__in": common}) if common else Q()
    if column in NUMBERS:
        condition = Q(**{f"{column}__isnull": False}) & condition
    return models.Index(fields=["project_ref", column, "at"], name=name, condition=condition)


def _by_id(column: str, name: str) -> models.Index:
    # The intent of a call has the same one as its outcome, and is found by that.
    return models.Index(fields=[column], name=name, condition=~Q(kind="mcp.call.intent") & ~Q(**{column: ""}))


BROWSED = [
    models.Index(fields=["project_ref", "at"], name="event_time"),
    *(_along(column, f"event_{column}"[:24]) for column in COMMON),
    *(_by_id(column, f"event_{column}") for column in ("request_id", "trace_id")),
]


class Event(Line):
    """One line of the log. A call has two: its intent, before anything leaves, and its outcome."""

    ord = models.BigAutoField(primary_key=True)
    id = models.UUIDField(default=uuid.uuid4, editable=False)
    at = models.DateTimeField(db_index=True)
    kind = models.CharField(max_length=40)
    project_ref = models.BigIntegerField(null=True)
    project = models.CharField(max_length=63, blank=True)
    actor_kind = models.CharField(max_length=12)
    actor_id = models.CharField(max_length=64, blank=True)
    actor = models.CharField(max_length=254, blank=True)
    # Intent and outcome of one call share it.
    call_id = models.UUIDField(null=True, db_index=True)
    request_id = models.CharField(max_length=36, blank=True)
    trace_id = models.CharField(max_length=32, blank=True)
    session = models.CharField(max_length=32, blank=True)
    server_ref = models.BigIntegerField(null=True)
    server = models.CharField(max_length=63, blank=True)
    method = models.CharField(max_length=128, blank=True)
    subject = models.CharField(max_length=512, blank=True)
    decision = models.CharField(max_length=16, blank=True)
    reason = models.CharField(max_length=64, blank=True)
    policy_version = models.BigIntegerField(null=True)
    http_status = models.SmallIntegerField(null=True)
    rpc_code = models.IntegerField(null=True)
    upstream_status = models.SmallIntegerField(null=True)
    bytes_in = models.BigIntegerField(null=True)
    bytes_out = models.BigIntegerField(null=True)
    duration_us = models.BigIntegerField(null=True)
    params_digest = models.CharField(max_length=64, blank=True)
    result_digest = models.CharField(max_length=64, blank=True)
    payload_ref = models.UUIDField(null=True)
    # SHA-256 of the payload as it is stored, so that the proof outlives an erased payload.
    payload_digest = models.CharField(max_length=64, blank=True)
    # Of an intent: the process that the call lives in.
    writer = models.UUIDField(null=True)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ["-ord"]
        indexes = [models.Index(fields=["project_ref", "-ord"], name="event_project_page"), *BROWSED]
        # The moment belongs to it because PostgreSQL keeps each month in a partition of its own. A line that is
        # tried again has both.
        constraints = [models.UniqueConstraint(fields=["id", "at"], name="event_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}".strip()


class Seal(Line):
    """The place of an event in its project's chain. `project_ref` is 0 for events without a project."""

    pk = models.CompositePrimaryKey("project_ref", "seq")
    project_ref = models.BigIntegerField()
    seq = models.BigIntegerField()
    event_id = models.UUIDField(unique=True)
    event_ord = models.BigIntegerField()
    leaf = models.BinaryField()
    chain = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.project_ref}/{self.seq}"


class Checkpoint(Line):
    """A signed state of a project's chain. `root` is that of the leaves since the checkpoint before."""

    id = models.BigAutoField(primary_key=True)
    project_ref = models.BigIntegerField()
    size = models.BigIntegerField()
    root = models.BinaryField()
    chain = models.BinaryField()
    at = models.DateTimeField()
    # The signature of the project's checkpoint before; empty in the first.
    previous = models.BinaryField()
    key_id = models.CharField(max_length=16)
    signature = models.BinaryField()
    # Where the signing key changes: the public key that follows, and its signature over the same.
    next_key = models.BinaryField(default=b"")
    next_signature = models.BinaryField(default=b"")

    class Meta:
        indexes = [
            models.Index(fields=["project_ref", "id"], name="checkpoint_log"),
            models.Index(fields=["project_ref", "size", "id"], name="checkpoint_size"),
        ]
        constraints = [models.UniqueConstraint(fields=["project_ref", "previous"], name="checkpoint_follows_one")]

    def __str__(self) -> str:
        return f"{self.project_ref}/{self.size}"


class Retention(Line):
    """A signed statement that the events up to `last` of a project's log are dropped (audit.retained)."""

    # That of its event, audit.retained, which stands in the same log.
    id = models.UUIDField(primary_key=True)
    project_ref = models.BigIntegerField()
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    before = models.DateTimeField()
    # One line, as it is signed.
    statement = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project_ref", "last"], name="retention_once")]

    def __str__(self) -> str:
        return f"{self.project_ref}/{self.first}-{self.last}"
