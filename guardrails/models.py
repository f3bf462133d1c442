"""Stored guardrails: policies and their checks, their history, the operator's floor, and known false positives."""

from __future__ import annotations

import uuid
from typing import Any

import orjson
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from guardrails.engine.findings import Action
from guardrails.engine.rules import MAX_CHARACTERS, Mode
from projects.models import validate_slug
from projects.scoping import TenantManager, TenantModel

MODES = [(Mode.ENFORCE.value, "enforce"), (Mode.OBSERVE.value, "observe: record only, change nothing")]
ACTIONS = [(action.value, action.value) for action in Action]
WHEN_UNABLE = [(Action.BLOCK.value, "block"), (Action.FLAG.value, "flag: let it pass and record it")]
MAX_TIMEOUT = 60.0
# Beyond this a text takes longer than a call may wait.
MOST_CHARACTERS = 16 * 1024 * 1024


class Policy(TenantModel):
    """A named, ordered set of guardrails. At most one of a project is its default; without one it is a preset."""

    slug = models.CharField(max_length=63, validators=[validate_slug])
    name = models.CharField(max_length=200, blank=True)
    mode = models.CharField(max_length=7, choices=MODES, default=Mode.ENFORCE.value)
    version = models.PositiveIntegerField(default=0, editable=False)
    is_default = models.BooleanField(
        "project default", default=False, help_text="For servers of the project that name no policy of their own."
    )
    max_characters = models.PositiveIntegerField(
        default=MAX_CHARACTERS,
        validators=[MinValueValidator(1024), MaxValueValidator(MOST_CHARACTERS)],
        help_text="Text of one message beyond this is not scanned.",
    )
    over_limit = models.CharField(
        "over the limit", max_length=5, choices=WHEN_UNABLE, default=Action.BLOCK.value,
        help_text="What happens to a message that is too long to be scanned whole.",
    )  # fmt: skip
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = TenantManager["Policy"]()

    class Meta:
        ordering = ["project_id", "slug"]
        verbose_name_plural = "policies"
        constraints = [
            models.UniqueConstraint(fields=["project", "slug"], name="policy_slug_in_project"),
            models.UniqueConstraint(fields=["project"], condition=Q(is_default=True), name="one_default_policy"),
        ]

    def __str__(self) -> str:
        return f"{self.project}/{self.slug}"


def any_direction() -> list[str]:
    return ["input", "output"]


class Check(models.Model):
    """What a guardrail of a policy and one of the floor have in common."""

    uid = models.UUIDField(default=uuid.uuid4, editable=False, unique=True)
    order = models.PositiveIntegerField(default=0)
    enabled = models.BooleanField(default=True)
    detector = models.CharField(max_length=64)
    directions = models.JSONField(default=any_direction)
    action = models.CharField(max_length=8, choices=ACTIONS, default=Action.BLOCK.value)
    threshold = models.FloatField(
        default=0.5, validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="0 to 1; a finding below it is dropped.",
    )  # fmt: skip
    categories = models.JSONField(default=list, blank=True, help_text="Only these; none means all.")
    config = models.JSONField(default=dict, blank=True)
    on_error = models.CharField(
        "when it cannot answer", max_length=5, choices=WHEN_UNABLE, default=Action.BLOCK.value
    )
    timeout = models.FloatField(
        default=3.0, validators=[MinValueValidator(0.05), MaxValueValidator(MAX_TIMEOUT)], help_text="Seconds."
    )
    sealed = models.TextField(blank=True, editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.detector}: {self.action}"

    def get_inline_title(self) -> str:
        """What the admin's theme heads its part of a page with."""
        switched_off = "" if self.enabled else " (off)"
        return f"{self} in {', '.join(self.directions)} from {self.threshold:g}{switched_off}"

    @property
    def secrets(self) -> dict[str, Any]:
        """The parameters that the detector declares as secret, opened. Raises Unsealable."""
        if not self.sealed:
            return {}
        opened: dict[str, Any] = orjson.loads(settings.KEYRING.unseal(self.sealed, self._place))
        return opened

    @secrets.setter
    def secrets(self, value: dict[str, Any]) -> None:
        self.sealed = settings.KEYRING.seal(orjson.dumps(value), self._place) if value else ""

    @property
    def _place(self) -> str:
        return f"guardrails.{type(self).__name__}.sealed:{self.uid}"

    @property
    def rule_id(self) -> str:
        """What findings, measurements and events call it; stays while the row does."""
        return f"{self.detector}-{self.uid.hex[:12]}"


class Guardrail(Check, TenantModel):
    """One check of a policy."""

    policy = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="+")

    objects = TenantManager["Guardrail"]()

    class Meta:
        ordering = ["policy_id", "order", "id"]


class FloorGuardrail(Check):
    """One check of the operator's: for every project, whatever its policies say and in whichever mode they are."""

    class Meta:
        ordering = ["order", "id"]
        verbose_name = "floor guardrail"

    @property
    def rule_id(self) -> str:
        return f"floor.{super().rule_id}"


class PolicyVersion(TenantModel):
    """A policy as it was after one change. Never changed, and kept when the policy is deleted."""

    slug = models.CharField(max_length=63)
    version = models.PositiveIntegerField()
    content = models.JSONField()
    digest = models.CharField(max_length=64)
    author = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    objects = TenantManager["PolicyVersion"]()

    class Meta:
        ordering = ["project_id", "slug", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["project", "slug", "version"], name="policy_version_in_project")
        ]

    def __str__(self) -> str:
        return f"{self.slug} version {self.version}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Only ever inserts. Raises IntegrityError for a row that is stored already."""
        super().save(*args, **{**kwargs, "force_insert": True})


class FindingException(TenantModel):
    """A finding that is none ("false positive"): one value or one place, in a scope, until a day.

    Exactly one of `text_digest` and `place_digest` is set; `guardrails.exemptions` makes both.
    """

    server_ref = models.BigIntegerField(null=True, blank=True, help_text="Empty means every server.")
    server = models.CharField(max_length=63, blank=True, help_text="Its name when the exception was made.")
    tool = models.CharField(max_length=500, blank=True, help_text="Empty means every tool, prompt and resource.")
    detector = models.CharField(max_length=64)
    category = models.CharField(max_length=64, blank=True, help_text="Empty means every category of the detector.")
    text_digest = models.CharField(max_length=64, blank=True)
    place_digest = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=500)
    created_by = models.CharField(max_length=300, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    objects = TenantManager["FindingException"]()

    class Meta:
        ordering = ["project_id", "-id"]
        verbose_name = "false positive"
        constraints = [
            models.CheckConstraint(
                condition=Q(text_digest="") ^ Q(place_digest=""), name="exception_of_a_value_or_a_place"
            )
        ]

    def __str__(self) -> str:
        return f"{self.detector} {self.category or 'any'} in {self.tool or 'any tool'}"
