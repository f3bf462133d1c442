"""Exports and their schedules, and what people look for again: a project's own, and gone with it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from projects.scoping import TenantManager, TenantModel


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
