"""The audit log's rows. They outlive their subjects: names and ids are plain values, never foreign keys."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models


class ReadOnlyLog(RuntimeError):
    """A line of the log was to be changed or deleted."""


class EventQuerySet(models.QuerySet["Event"]):
    def update(self, **kwargs: Any) -> int:
        raise ReadOnlyLog("Events are never changed.")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise ReadOnlyLog("Events are never deleted.")

    def bulk_create(self, *args: Any, **kwargs: Any) -> list[Event]:
        raise ReadOnlyLog("Events are written by audit.recorder only.")

    def bulk_update(self, *args: Any, **kwargs: Any) -> int:
        raise ReadOnlyLog("Events are never changed.")


class Event(models.Model):
    """One line of the log. A call has two: its intent, before anything leaves, and its outcome."""

    ord = models.BigAutoField(primary_key=True)
    id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
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
    detail = models.JSONField(default=dict)

    objects = models.Manager.from_queryset(EventQuerySet)()

    class Meta:
        ordering = ["-ord"]
        indexes = [models.Index(fields=["project_ref", "-ord"], name="event_project_page")]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}".strip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        raise ReadOnlyLog("Events are written by audit.recorder only.")

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise ReadOnlyLog("Events are never deleted.")
