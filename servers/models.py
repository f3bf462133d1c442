"""Stored upstreams: MCP servers of projects, the operator's command templates, and catalogued tools."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from guardrails.engine.segments import Kind
from guardrails.models import Policy
from projects.models import validate_slug
from projects.permissions import Role
from projects.scoping import TenantManager, TenantModel
from servers.texts import visible


class Transport(models.TextChoices):
    HTTP = "http", "Streamable HTTP"
    STDIO = "stdio", "stdio (a command template)"
    SSE = "sse", "HTTP+SSE (2024-11-05)"


class Review(models.TextChoices):
    """Who decides on what a server says of its tools, prompts and resources."""

    REVIEW = "review", "Every new or changed definition waits for an administrator"
    TRUST_FIRST = "trust-first", "What is first seen is approved, later changes wait"
    TRUST = "trust", "Everything is approved and recorded"


class CommandTemplate(models.Model):
    """An operator's recipe for a stdio server: tenants fill its slots and never type a command."""

    slug = models.CharField(max_length=63, unique=True, validators=[validate_slug])
    executable = models.CharField(max_length=500, help_text='Absolute path, or "{python}" for the gateway\'s own.')
    args = models.JSONField(default=list, blank=True, help_text='For example ["-m", "server", "--zone={zone}"].')
    params = models.JSONField(
        default=dict, blank=True, help_text='Slots: {"zone": {"pattern": "[A-Za-z_/]+"}}; also "enum" and "secret".'
    )
    env = models.JSONField(default=dict, blank=True, help_text='For example {"API_TOKEN": "{token}"}.')
    memory_mb = models.PositiveIntegerField(default=1024)
    max_processes = models.PositiveIntegerField(default=32, help_text="Children of one server at one time.")
    idle_seconds = models.PositiveIntegerField(default=900)
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug


def secrets_of(uid: uuid.UUID, sealed: str) -> dict[str, Any]:
    """`{"headers": {...}, "params": {...}}` of the server with this `uid`, opened. Raises Unsealable."""
    if not sealed:
        return {"headers": {}, "params": {}}
    opened: dict[str, Any] = orjson.loads(settings.KEYRING.unseal(sealed, _place(uid)))
    return opened


def _place(uid: uuid.UUID) -> str:
    return f"servers.Server.sealed:{uid}"


class Server(TenantModel):
    """An upstream MCP server of a project."""

    uid = models.UUIDField(default=uuid.uuid4, editable=False, unique=True)
    slug = models.CharField(max_length=63, validators=[validate_slug])
    transport = models.CharField(max_length=5, choices=Transport.choices, default=Transport.HTTP)
    url = models.CharField(max_length=2000, blank=True)
    template = models.ForeignKey(CommandTemplate, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    params = models.JSONField(default=dict, blank=True, help_text="Values for the template's slots.")
    sealed = models.TextField(blank=True, editable=False)
    timeout_seconds = models.PositiveIntegerField(
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(3600)],
        help_text="How long a call may stay silent before it is given up."
    )
    enabled = models.BooleanField(default=True)
    # A policy in use cannot be deleted: the server would silently get another one.
    input_policy = models.ForeignKey(
        Policy, null=True, blank=True, on_delete=models.RESTRICT, related_name="+",
        help_text="For what is sent to the server; empty means the project's default.",
    )  # fmt: skip
    output_policy = models.ForeignKey(
        Policy, null=True, blank=True, on_delete=models.RESTRICT, related_name="+",
        help_text="For what the server answers and says of itself; empty means the project's default.",
    )  # fmt: skip
    argument_kinds = models.JSONField(
        default=dict, blank=True,
        help_text='What tools take, by tool and place: {"query": {"/statement": "sql"}}. '
        "Guardrails then read the text as such.",
    )  # fmt: skip
    restore_tokens = models.BooleanField(
        default=False, help_text="This server gets the personal values back that tokens in its arguments stand for."
    )
    discovery_seconds = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(60), MaxValueValidator(30 * 86_400)],
        help_text="How often its lists are read for the catalogue; empty means as often as for all servers.",
    )  # fmt: skip
    review = models.CharField(max_length=11, choices=Review.choices, default=Review.REVIEW)
    created_at = models.DateTimeField(auto_now_add=True)
    # What a file has approved before it was seen: [{"kind", "name", "digest"}]. None when no file has said so.
    approved_ahead = models.JSONField(null=True, blank=True, editable=False)
    # Of which kinds the server's list has been seen to its end, by era: {"modern": ["tool", "prompt"]}.
    first_lists = models.JSONField(default=dict, blank=True, editable=False)
    # Every change of the catalogue raises it.
    catalogue_version = models.BigIntegerField(default=0, editable=False)
    # What the server last said of itself, by era: {"modern": {"server_info", "capabilities", "instructions"}}.
    about = models.JSONField(default=dict, blank=True, editable=False)
    # The configuration that the catalogue was read from, and when it is to be read again.
    discovered_hash = models.CharField(max_length=16, blank=True, editable=False)
    # When its lists were last read to their end.
    discovered_at = models.DateTimeField(null=True, blank=True, editable=False)
    discovery_due_at = models.DateTimeField(null=True, blank=True, editable=False, db_index=True)
    discovery_error = models.CharField(max_length=200, blank=True, editable=False)

    objects = TenantManager["Server"]()

    class Meta:
        ordering = ["project_id", "slug"]
        constraints = [models.UniqueConstraint(fields=["project", "slug"], name="server_slug_in_project")]

    def __str__(self) -> str:
        return f"{self.project}/{self.slug}"

    def clean(self) -> None:
        """Raises ValidationError for argument kinds that no guardrail could use."""
        super().clean()
        _check_kinds(self.argument_kinds)

    @property
    def review_in_force(self) -> str:
        """Where a file has said what is approved, nothing else is trusted at first sight."""
        is_said = self.approved_ahead is not None and self.review == Review.TRUST_FIRST
        return Review.REVIEW if is_said else self.review

    @property
    def secrets(self) -> dict[str, Any]:
        """See `secrets_of`."""
        return secrets_of(self.uid, self.sealed)

    @secrets.setter
    def secrets(self, value: dict[str, Any]) -> None:
        self.sealed = settings.KEYRING.seal(orjson.dumps(value), _place(self.uid)) if any(value.values()) else ""

    @property
    def config_hash(self) -> str:
        """Changes whenever what is started or called changes; 16 hex digits."""
        template = self.template
        recipe = [template.executable, template.args, template.params, template.env, template.memory_mb,
                  template.max_processes, template.idle_seconds] if template else []  # fmt: skip
        parts = [str(self.uid), self.transport, self.url, self.params, self.sealed, recipe]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


# Every process has them in memory.
_MAX_KINDS_BYTES = 64 * 1024


def _check_kinds(by_tool: Any) -> None:
    shape = 'Give an object of tools, each with places and kinds: {"query": {"/statement": "sql"}}.'
    if not isinstance(by_tool, dict) or not all(isinstance(places, dict) for places in by_tool.values()):
        raise ValidationError({"argument_kinds": shape})
    if len(json.dumps(by_tool)) > _MAX_KINDS_BYTES:
        raise ValidationError({"argument_kinds": f"This is more than {_MAX_KINDS_BYTES // 1024} KiB."})
    for places in by_tool.values():
        for pointer, kind in places.items():
            if pointer and not pointer.startswith("/"):
                raise ValidationError({"argument_kinds": "A place is a JSON pointer (RFC 6901), such as /statement."})
            if kind not in list(Kind):
                raise ValidationError({"argument_kinds": f"A kind is one of {', '.join(Kind)}."})


class State(models.TextChoices):
    APPROVED = "approved"
    WAITING = "waiting", "waiting for review"
    REJECTED = "rejected"


class Tool(TenantModel):
    """A catalogued definition: a tool, prompt, resource or resource template of a server, as it was last seen.

    It may be listed and called while its state is approved. One that was seen with another definition than those
    approved waits until somebody decides, whatever the server says meanwhile.
    """

    class Kind(models.TextChoices):
        TOOL = "tool"
        PROMPT = "prompt"
        RESOURCE = "resource"
        TEMPLATE = "template"

    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.TOOL)
    name = models.CharField(max_length=500)
    definition = models.JSONField(default=dict)
    digest = models.CharField(max_length=64)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    # What the server's newest whole list says of it, by era; empty when it is not in it.
    modern_digest = models.CharField(max_length=64, blank=True, editable=False)
    legacy_digest = models.CharField(max_length=64, blank=True, editable=False)
    first_seen_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(auto_now=True)

    objects = TenantManager["Tool"]()

    class Meta:
        ordering = ["server_id", "kind", "name"]
        constraints = [models.UniqueConstraint(fields=["server", "kind", "name"], name="one_definition_per_name")]
        # Counted on every first page, among all that projects ever listed.
        indexes = [
            models.Index(fields=["project", "server"], condition=models.Q(state=State.WAITING), name="tool_waiting")
        ]

    def __str__(self) -> str:
        return f"{self.server}: {visible(self.name)}"


class ToolVersion(TenantModel):
    """One definition that a tool was seen with, and what was decided on it."""

    tool = models.ForeignKey(Tool, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64)
    definition = models.JSONField(default=dict)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    # In which eras the server showed it.
    modern = models.BooleanField(default=False, editable=False)
    legacy = models.BooleanField(default=False, editable=False)
    problems = models.JSONField(default=list, help_text="Why it cannot be offered at all; empty when it can.")
    decided_by = models.CharField(max_length=254, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    first_seen_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(default=timezone.now)

    objects = TenantManager["ToolVersion"]()

    class Meta:
        ordering = ["tool_id", "-id"]
        constraints = [models.UniqueConstraint(fields=["tool", "digest"], name="one_version_per_digest")]

    def __str__(self) -> str:
        return f"{self.tool} ({self.digest[:12]})"


class Grant(TenantModel):
    """Allows or denies what matches, to a role or to all; deny wins, and what nothing allows is denied."""

    class Effect(models.TextChoices):
        ALLOW = "allow"
        DENY = "deny"

    server = models.ForeignKey(
        Server, null=True, blank=True, on_delete=models.CASCADE, related_name="+", help_text="Empty: every server."
    )
    effect = models.CharField(max_length=5, choices=Effect.choices, default=Effect.ALLOW)
    role = models.CharField(max_length=10, choices=Role.choices, blank=True, help_text="Empty: every role.")
    pattern = models.CharField(
        max_length=500, default="*",
        help_text='The name of a tool, "prompt:name" or "resource:uri"; * stands for anything. Deny wins over allow.',
    )  # fmt: skip
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TenantManager["Grant"]()

    class Meta:
        # As pages call it: one that denies grants nothing.
        verbose_name = "rule"
        ordering = ["project_id", "server_id", "id"]

    def __str__(self) -> str:
        return f"{self.effect} {self.pattern}"


class Overlay(TenantModel):
    """How one tool is shown to models: another name or description, arguments hidden, pinned or constrained."""

    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="+")
    tool = models.CharField(max_length=128, help_text="The tool's name at its server.")
    rename = models.CharField(max_length=64, blank=True)
    title = models.CharField(max_length=200, blank=True)
    description = models.TextField(max_length=4000, blank=True)
    hidden = models.BooleanField(default=False, help_text="Neither listed nor callable.")
    hide_arguments = models.JSONField(default=list, blank=True, help_text='For example ["debug"].')
    pinned = models.JSONField(default=dict, blank=True, help_text='Values that are always sent: {"region": "eu"}.')
    describe_arguments = models.JSONField(default=dict, blank=True, help_text='{"query": "What to look for."}')
    rename_arguments = models.JSONField(default=dict, blank=True, help_text='From the real name: {"q": "query"}.')
    constraint = models.JSONField(
        default=dict, blank=True, help_text="A JSON Schema that arguments, by their real names, must satisfy too."
    )

    objects = TenantManager["Overlay"]()

    class Meta:
        ordering = ["server_id", "tool"]
        constraints = [models.UniqueConstraint(fields=["server", "tool"], name="one_overlay_per_tool")]

    def __str__(self) -> str:
        return f"{self.server}: {visible(self.tool)}"
