"""How far those came who keep the log up, and what is searched by."""

from __future__ import annotations

from django.db import models


class SealerState(models.Model):
    """How far the sealer came, in one row: every event up to here has its seal."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    # The last event's transaction and number; SQLite knows the number only.
    txid = models.BigIntegerField(default=0)
    ord = models.BigIntegerField(default=0)
    signing_key = models.CharField(max_length=16, blank=True)

    def __str__(self) -> str:
        return f"{self.txid}/{self.ord}"


class AnchorPosition(models.Model):
    """The newest checkpoint that an anchor took."""

    anchor = models.CharField(max_length=40, primary_key=True)
    checkpoint_id = models.BigIntegerField(default=0)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.anchor


class Writer(models.Model):
    """A process that has calls open. Its row is its right to write their outcomes; who takes the row closes them."""

    id = models.UUIDField(primary_key=True)
    # Where its process can be looked for: the machine and its process numbers, the number, and when it began.
    place = models.CharField(max_length=200)
    pid = models.BigIntegerField()
    began = models.BigIntegerField()
    seen_at = models.DateTimeField()
    beats = models.BigIntegerField(default=0)
    suspected_at = models.DateTimeField(null=True)
    # No call that is open began before.
    open_since = models.DateTimeField()
    is_stopped = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.place} {self.pid}"


class Term(models.Model):
    """A value that a column of a log has had, once for itself (an empty word) and once for each word of it.

    `project_ref` is 0 for what belongs to no project. Made from the sealed log, and made again from it when lost.
    """

    project_ref = models.BigIntegerField()
    column = models.CharField(max_length=16)
    word = models.CharField(max_length=64)
    value = models.CharField(max_length=512)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project_ref", "column", "word", "value"], name="term_once",
                # Words are looked for by how they begin, whatever the database's language.
                opclasses=["int8_ops", "varchar_pattern_ops", "varchar_pattern_ops", "varchar_pattern_ops"],
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.column} {self.value}"


class FindingMark(models.Model):
    """That an event has a finding with this code: a detector, or a detector and a category."""

    pk = models.CompositePrimaryKey("project_ref", "code", "at", "event_ord")
    project_ref = models.BigIntegerField()
    code = models.CharField(max_length=128)
    at = models.DateTimeField()
    event_ord = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.project_ref} {self.code}"


class CallFigure(models.Model):
    """How many calls of a project ended how, in one minute, hour or day (UTC); `at` is its beginning.

    Of all calls, of a server, of a tool, or of those, at a server too, that took so long; `subject` is then the number
    of the class of durations (audit.figures). Made from the sealed log like terms, and kept for days.
    """

    class Span(models.TextChoices):
        MINUTE = "m"
        HOUR = "h"
        DAY = "d"

    class Level(models.TextChoices):
        ALL = "a"
        SERVER = "s"
        TOOL = "t"
        TOOK = "d"
        SERVER_TOOK = "e"

    pk = models.CompositePrimaryKey("project_ref", "span", "level", "at", "server", "subject")
    project_ref = models.BigIntegerField()
    span = models.CharField(max_length=1, choices=Span.choices)
    level = models.CharField(max_length=1, choices=Level.choices)
    at = models.DateTimeField()
    server = models.CharField(max_length=63)
    subject = models.CharField(max_length=512)
    calls = models.BigIntegerField()
    refused = models.BigIntegerField()
    blocked_in = models.BigIntegerField()
    blocked_out = models.BigIntegerField()
    errors = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["span", "level", "at"], name="figure_age")]

    def __str__(self) -> str:
        return f"{self.project_ref} {self.level}{self.span} {self.server} {self.subject}".strip()


class IndexState(models.Model):
    """How far the sealed log is in terms, marks and figures: all up to this checkpoint, in one row."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    checkpoint_id = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.checkpoint_id)
