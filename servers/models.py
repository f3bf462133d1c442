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

from guardrails.engine.segments import Kind
from guardrails.models import Policy
from projects.models import validate_slug
from projects.scoping import TenantManager, TenantModel


class Transport(models.TextChoices):
    HTTP = "http", "Streamable HTTP"
    STDIO = "stdio", "stdio (a command template)"
    SSE = "sse", "HTTP+SSE (2024-11-05)"


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
    created_at = models.DateTimeField(auto_now_add=True)
    # The configuration that the catalogue was read from, and when it is to be read again.
    discovered_hash = models.CharField(max_length=16, blank=True, editable=False)
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
    def secrets(self) -> dict[str, Any]:
        """`{"headers": {...}, "params": {...}}`, opened. Raises Unsealable."""
        if not self.sealed:
            return {"headers": {}, "params": {}}
        opened: dict[str, Any] = orjson.loads(settings.KEYRING.unseal(self.sealed, self._place))
        return opened

    @secrets.setter
    def secrets(self, value: dict[str, Any]) -> None:
        self.sealed = settings.KEYRING.seal(orjson.dumps(value), self._place) if any(value.values()) else ""

    @property
    def _place(self) -> str:
        return f"servers.Server.sealed:{self.uid}"

    @property
    def config_hash(self) -> str:
        """Changes whenever what is started or called changes; 16 hex digits."""
        template = self.template
        recipe = [template.executable, template.args, template.params, template.env, template.memory_mb,
                  template.max_processes, template.idle_seconds] if template else []  # fmt: skip
        parts = [str(self.uid), self.transport, self.url, self.params, self.sealed, recipe]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _check_kinds(by_tool: Any) -> None:
    shape = 'Give an object of tools, each with places and kinds: {"query": {"/statement": "sql"}}.'
    if not isinstance(by_tool, dict) or not all(isinstance(places, dict) for places in by_tool.values()):
        raise ValidationError({"argument_kinds": shape})
    for places in by_tool.values():
        for pointer, kind in places.items():
            if pointer and not pointer.startswith("/"):
                raise ValidationError({"argument_kinds": "A place is a JSON pointer (RFC 6901), such as /statement."})
            if kind not in list(Kind):
                raise ValidationError({"argument_kinds": f"A kind is one of {', '.join(Kind)}."})


class Tool(TenantModel):
    """A catalogued definition: a tool, prompt, resource or resource template of a server."""

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
    first_seen_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(auto_now=True)

    objects = TenantManager["Tool"]()

    class Meta:
        ordering = ["server_id", "kind", "name"]
        constraints = [models.UniqueConstraint(fields=["server", "kind", "name"], name="one_definition_per_name")]

    def __str__(self) -> str:
        return f"{self.server}: {self.name}"


