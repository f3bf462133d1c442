"""Where logs are sent: forwarders, how they are doing, how far they came, and what they gave up."""

from __future__ import annotations

import uuid

import orjson
from django.conf import settings
from django.db import models

from projects.models import validate_slug
from projects.scoping import TenantManager, TenantModel


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
