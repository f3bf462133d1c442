"""The audit log's rows. They outlive their subjects: names and ids are plain values, never foreign keys.

Exports and their schedules are a project's own and go with it.
"""

from __future__ import annotations

import uuid
from typing import Any

import orjson
from django.conf import settings
from django.db import models
from django.db.models import Q

from projects.models import validate_slug
from projects.scoping import TenantManager, TenantModel


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


class SubjectKey(models.Model):
    """A person's key in a project, under which their payloads are stored. Erasing the person destroys it."""

    project_ref = models.BigIntegerField()
    # The user's id, and a keyed digest of the address, by which they are found when the user is gone.
    subject = models.CharField(max_length=64)
    address = models.CharField(max_length=20, blank=True)
    # Sealed by the key ring; NULL once it is destroyed.
    wrapped = models.BinaryField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    erased_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["project_ref", "-id"]
        verbose_name = "person with payloads"
        verbose_name_plural = "people with payloads"
        constraints = [
            models.UniqueConstraint(
                fields=["project_ref", "subject"], condition=models.Q(wrapped__isnull=False), name="subject_key_live"
            )
        ]

    def __str__(self) -> str:
        return f"{self.project_ref}/{self.subject}"


class Payload(models.Model):
    """What a call sent or got, encrypted. Its event has the digest of nonce and ciphertext, which erasure empties."""

    id = models.UUIDField(primary_key=True)
    project_ref = models.BigIntegerField()
    # SubjectKey's number.
    subject_key = models.BigIntegerField(db_index=True)
    event_id = models.UUIDField()
    at = models.DateTimeField()
    level = models.CharField(max_length=8)
    # Bytes of what is encrypted.
    size = models.IntegerField()
    nonce = models.BinaryField()
    ciphertext = models.BinaryField()

    class Meta:
        indexes = [models.Index(fields=["project_ref"], name="payload_project")]

    def __str__(self) -> str:
        return f"{self.project_ref}/{self.id}"


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


class SavedFilter(TenantModel):
    """What somebody looks for again, under a name. `query` is that of the list's address, name and value."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    query = models.JSONField(default=dict)
    is_shared = models.BooleanField(default=False, help_text="Whoever may read this project's log sees it.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TenantManager["SavedFilter"]()

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["project", "user", "name"], name="one_filter_of_a_name")]

    def __str__(self) -> str:
        return self.name


class ExportSchedule(TenantModel):
    """Exports that are made by themselves and brought to where they are kept, each going on where the last ended."""

    class Every(models.TextChoices):
        DAY = "day", "every day"
        WEEK = "week", "every week, on Mondays"

    class Destination(models.TextChoices):
        DIRECTORY = "directory"
        S3 = "s3", "S3-compatible bucket"

    uid = models.UUIDField(default=uuid.uuid4, editable=False, unique=True)
    form = models.CharField(max_length=40)
    # Server, tool, user and outcome; the time is the schedule's own.
    filters = models.JSONField(default=dict, blank=True)
    every = models.CharField(max_length=5, choices=Every.choices, default=Every.DAY)
    destination = models.CharField(max_length=9, choices=Destination.choices, default=Destination.DIRECTORY)
    directory = models.CharField(
        max_length=500, blank=True, help_text="A folder inside of one that the operator allows for it."
    )
    endpoint = models.CharField(max_length=300, blank=True, help_text="For example https://s3.eu-west-1.amazonaws.com")
    region = models.CharField(max_length=60, blank=True, default="us-east-1")
    bucket = models.CharField(max_length=63, blank=True)
    prefix = models.CharField(max_length=300, blank=True, help_text="Before each name, for example audit/acme/")
    key_id = models.CharField("access key id", max_length=128, blank=True)
    sealed = models.TextField(blank=True, editable=False)
    enabled = models.BooleanField(default=True)
    next_at = models.DateTimeField(db_index=True)
    # The number of the first event that was in no export of this schedule.
    next_seq = models.BigIntegerField(default=1, editable=False)
    last_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.CharField(max_length=200, blank=True, editable=False)
    created_by = models.CharField(max_length=254, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TenantManager["ExportSchedule"]()

    class Meta:
        ordering = ["project_id", "id"]

    def __str__(self) -> str:
        return f"{self.form} {self.get_every_display()} to {self.place}"

    @property
    def place(self) -> str:
        """Where it goes, without what opens it."""
        return self.directory if self.destination == self.Destination.DIRECTORY else f"{self.bucket}/{self.prefix}"

    @property
    def secret(self) -> str:
        """The secret access key, opened. Raises Unsealable."""
        return settings.KEYRING.unseal(self.sealed, self._place).decode() if self.sealed else ""

    @secret.setter
    def secret(self, value: str) -> None:
        self.sealed = settings.KEYRING.seal(value.encode(), self._place) if value else ""

    @property
    def _place(self) -> str:
        return f"audit.ExportSchedule.sealed:{self.uid}"


class Export(TenantModel):
    """A file of the log that was asked for. Its job (projects.jobs) tells how far it is; its file goes in time."""

    class State(models.TextChoices):
        WAITING = "waiting", "being made"
        READY = "ready"
        FAILED = "failed"
        EXPIRED = "expired"

    uid = models.UUIDField(default=uuid.uuid4, editable=False, unique=True)
    form = models.CharField(max_length=40)
    filters = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    requested_by = models.CharField(max_length=254, blank=True)
    schedule = models.ForeignKey(ExportSchedule, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # The numbers that it is made from, fixed when the work begins.
    first_seq = models.BigIntegerField(null=True)
    last_seq = models.BigIntegerField(null=True)
    events = models.BigIntegerField(null=True)
    # Over the leaves of its events, and of the archive: both in hexadecimal.
    root = models.CharField(max_length=64, blank=True)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    size = models.BigIntegerField(null=True)
    error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    began_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True, db_index=True)

    objects = TenantManager["Export"]()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.form} of {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def file_name(self) -> str:
        """What the file is called where it goes; tells whose it is and what is in it."""
        return f"{self.project.slug}-{self.form}-{self.first_seq}-{self.last_seq}-{self.uid.hex[:8]}.zip"


class Forwarder(TenantModel):
    """Where a project sends its log as it is sealed. Those of the whole gateway are settings and have no row here."""

    uid = models.UUIDField(default=uuid.uuid4, editable=False, unique=True)
    name = models.CharField(max_length=63, validators=[validate_slug])
    kind = models.CharField(max_length=40, help_text="How it is sent; the kinds are the files of audit/forwarding.")
    format = models.CharField(max_length=40, help_text="What a line looks like.")
    address = models.CharField(max_length=2000)
    ca_bundle = models.TextField(
        blank=True, max_length=65_536, verbose_name="CA certificates",
        help_text="PEM; the receiver's certificate must be by one of these. Empty: the machine's own.",
    )  # fmt: skip
    sealed = models.TextField(blank=True, editable=False)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TenantManager["Forwarder"]()

    class Meta:
        ordering = ["project_id", "name"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="forwarder_name_in_project")]

    def __str__(self) -> str:
        return f"{self.project}/{self.name}"

    @property
    def secrets(self) -> dict[str, str]:
        """`signing_key` and `authorization`, as far as there are any, opened. Raises Unsealable."""
        if not self.sealed:
            return {}
        opened: dict[str, str] = orjson.loads(settings.KEYRING.unseal(self.sealed, self._place))
        return opened

    @secrets.setter
    def secrets(self, value: dict[str, str]) -> None:
        kept = {name: text for name, text in value.items() if text}
        self.sealed = settings.KEYRING.seal(orjson.dumps(kept), self._place) if kept else ""

    @property
    def _place(self) -> str:
        return f"audit.Forwarder.sealed:{self.uid}"


class ForwardState(models.Model):
    """How a forwarder is doing, and who sends for it now. Of a project's forwarder, or of one of the settings."""

    forwarder = models.OneToOneField(Forwarder, null=True, on_delete=models.CASCADE, related_name="+")
    # Of one that the settings name: a digest of its address, which may hold what is nobody's business.
    setting = models.CharField(max_length=16, null=True, unique=True)  # noqa: DJ001  null is unique any number of times
    lease_owner = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True)
    # Since when it fails, how often in a row, what was the last fault, and when it is tried again.
    failing_since = models.DateTimeField(null=True)
    failures = models.IntegerField(default=0)
    fault = models.CharField(max_length=40, blank=True)
    retry_at = models.DateTimeField(null=True)
    # When an event last said so, and whether the recovery is still to be told.
    told_at = models.DateTimeField(null=True)
    is_told = models.BooleanField(default=False)
    sent_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.setting or f"forwarder {self.forwarder_id}"


class ForwardPosition(models.Model):
    """How far a forwarder came in one log: everything up to `seq` was taken, or is in the dead-letter list."""

    state = models.ForeignKey(ForwardState, on_delete=models.CASCADE, related_name="positions")
    project_ref = models.BigIntegerField()
    seq = models.BigIntegerField(default=0)
    # What is on its way ends here, so that it is the same the next time that it is sent.
    until = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["state", "project_ref"], name="forward_position_of_log")]

    def __str__(self) -> str:
        return f"{self.project_ref}/{self.seq}"


class DeadLetter(models.Model):
    """A range of a log's events that a forwarder gave up: the receiver refused them, or failed for too long."""

    state = models.ForeignKey(ForwardState, on_delete=models.CASCADE, related_name="dead_letters")
    project_ref = models.BigIntegerField()
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    reason = models.CharField(max_length=40)
    attempts = models.IntegerField(default=1)
    at = models.DateTimeField()
    # Somebody asked to send it again.
    is_wanted = models.BooleanField(default=False)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["state", "project_ref", "last"], name="dead_letter_end")]

    def __str__(self) -> str:
        return f"{self.project_ref}/{self.first}-{self.last}"
