"""The operator's pages for servers, command templates and tools; upstream secrets go in and never out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from gateway_site.lib.secrets import Unsealable
from guardrails.engine.segments import Kind
from projects.fields import PairsField, StrictJSONField
from projects.models import Job, Project
from projects.pages import OperatorOnlyAdmin, ReadOnlyAdmin, ServiceForm, visible
from projects.scoping import with_project
from projects.snippets import name_servers_with
from servers import discovery, services
from servers.models import CommandTemplate, Server, Tool

_UNREADABLE = "The stored secrets do not open with this gateway's key ring; restore it, or delete the server."
_SLOT_TYPES = {"pattern": str, "enum": list, "default": str, "secret": bool, "leading_dash": bool}


def _callable_servers(project: Project) -> list[str]:
    with with_project(project.pk):
        return list(Server.objects.filter(enabled=True).values_list("slug", flat=True))


name_servers_with(_callable_servers)


# --- command templates ------------------------------------------------------------------------------


class CommandTemplateForm(ServiceForm[CommandTemplate]):
    args = StrictJSONField(empty=[], help_text='For example ["-m", "server", "--zone={zone}"].')
    params = StrictJSONField(
        empty={}, label="Slots", help_text='{"zone": {"pattern": "[A-Za-z_/]+"}}; also "enum", "secret".'
    )
    env = StrictJSONField(empty={}, label="Environment", help_text='For example {"API_TOKEN": "{token}"}.')

    class Meta:
        model = CommandTemplate
        fields = (
            "slug", "executable", "args", "params", "env", "memory_mb", "max_processes", "idle_seconds",
            "enabled",
        )  # fmt: skip

    def clean_params(self) -> Any:
        slots = self.cleaned_data["params"]
        for name, slot in slots.items():
            for key, value in slot.items() if isinstance(slot, dict) else ():
                if not isinstance(value, _SLOT_TYPES.get(key, object)):
                    raise ValidationError(f"Slot {name}: {key} has the wrong type.")
            if isinstance(slot, dict) and not all(isinstance(choice, str) for choice in slot.get("enum", ())):
                raise ValidationError(f"Slot {name}: enum is a list of texts.")
        return slots

    def perform(self, instance: CommandTemplate) -> CommandTemplate:
        return services.save_template(template=instance)


@admin.register(CommandTemplate)
class CommandTemplateAdmin(OperatorOnlyAdmin[CommandTemplate]):
    form = CommandTemplateForm
    list_display = ("slug", "executable", "enabled")
    list_filter = ("enabled",)
    search_fields = ("slug",)

    def delete_model(self, request: HttpRequest, obj: CommandTemplate) -> None:
        services.delete_template(template=obj)


# --- servers ----------------------------------------------------------------------------------------


class ServerForm(ServiceForm[Server]):
    params = StrictJSONField(
        empty={},
        label="Slot values",
        help_text='Values for the template\'s slots, as {"zone": "Europe/Paris"}.',
    )
    bearer = forms.CharField(
        required=False,
        label="Bearer token",
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "size": 60}),
        help_text="Sent to the server as Authorization: Bearer. It is not shown again.",
    )
    headers = PairsField(
        separator=":",
        label="Upstream headers",
        help_text="One on each line, as Name: value. They replace all stored headers and are not shown "
        "again; leave this and the token empty to keep what is stored. Another host needs them given again.",
    )
    forget_headers = forms.BooleanField(required=False, label="Forget the stored headers")
    secret_params = PairsField(
        separator="=",
        label="Secret slot values",
        help_text="One on each line, as slot=value, for slots that the template marks secret. They are not "
        "shown again; slots that are not named keep what is stored, and slot= forgets it.",
    )

    argument_kinds = StrictJSONField(
        empty={},
        label="Argument kinds",
        help_text='What tools take, by tool and place: {"query": {"/statement": "sql"}}. '
        f"A kind is one of {', '.join(Kind)}.",
    )

    class Meta:
        model = Server
        # The admin adds the policies while it answers a request: before one, no project's policies can be had.
        fields = (
            "project", "slug", "transport", "url", "template", "params", "timeout_seconds", "enabled",
            "discovery_seconds", "argument_kinds", "restore_tokens",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        secret = self._secret_slots(self.instance.template)
        # A template may have marked a slot secret after its value was stored openly.
        shown = {name: value for name, value in self.instance.params.items() if name not in secret}
        self.initial["params"] = shown

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        secret = self._secret_slots(self.cleaned_data.get("template"))
        self._keep_secrets_out_of_params(secret)
        if set(self.cleaned_data.get("secret_params", {})) - secret:
            self.add_error("secret_params", "A name here is not a secret slot of the template.")
        names = {name.lower() for name in self.cleaned_data.get("headers", {})}
        if self.cleaned_data.get("bearer") and "authorization" in names:
            self.add_error("bearer", "Give Authorization once: as the token or as a header.")
        return cleaned

    def perform(self, instance: Server) -> Server:
        try:
            return services.save_server(server=instance, headers=self._headers(), params=self._params(instance))
        except Unsealable as error:
            raise ValidationError(_UNREADABLE) from error

    def _keep_secrets_out_of_params(self, secret: set[str]) -> None:
        params = self.cleaned_data.get("params", {})
        misplaced = sorted(secret & set(params))
        if misplaced:
            # The page that reports it must not show the value either.
            harmless = {name: value for name, value in params.items() if name not in secret}
            self.data = {**self.data.dict(), "params": json.dumps(harmless)}  # type: ignore[attr-defined]  # a QueryDict
            self.add_error("params", f"{', '.join(misplaced)}: secret values go into their own field below.")

    def _headers(self) -> Mapping[str, str] | None:
        """None keeps what is stored."""
        typed: dict[str, str] = dict(self.cleaned_data["headers"])
        if self.cleaned_data["bearer"]:
            typed["Authorization"] = f"Bearer {self.cleaned_data['bearer']}"
        if typed or self.cleaned_data["forget_headers"]:
            return typed
        return None

    def _params(self, instance: Server) -> Mapping[str, str]:
        # A stored secret is carried on only while its slot is still secret: else it would become readable.
        secret = self._secret_slots(instance.template)
        kept = {name: value for name, value in instance.secrets["params"].items() if name in secret}
        merged = {**self.cleaned_data["params"], **kept, **self.cleaned_data["secret_params"]}
        forgotten = {name for name, value in self.cleaned_data["secret_params"].items() if not value}
        return {name: value for name, value in merged.items() if name not in forgotten}

    @staticmethod
    def _secret_slots(template: CommandTemplate | None) -> set[str]:
        slots = template.params if template else {}
        return {name for name, slot in slots.items() if slot.get("secret")}


@admin.register(Server)
class ServerAdmin(OperatorOnlyAdmin[Server]):
    form = ServerForm
    fieldsets = (
        (None, {"fields": ("project", "slug", "transport", "enabled", "timeout_seconds", "discovery_seconds")}),
        ("HTTP and SSE", {"fields": ("url", "bearer", "headers", "forget_headers")}),
        ("stdio", {"fields": ("template", "params", "secret_params")}),
        ("Guardrails", {"fields": ("input_policy", "output_policy", "argument_kinds", "restore_tokens")}),
        ("State", {"fields": ("stored_secrets", "discovery")}),
    )
    autocomplete_fields = ("project", "template", "input_policy", "output_policy")
    list_display = ("slug", "project", "transport", "target", "enabled")
    list_filter = ("enabled", "transport", "project")
    list_select_related = ("project", "template")
    search_fields = ("slug", "url", "project__slug")
    actions = ("enable_servers", "disable_servers", "read_servers")

    @admin.display(description="reaches")
    def target(self, server: Server) -> str:
        return str(server.template) if server.template else server.url

    @admin.display(description="Stored secrets")
    def stored_secrets(self, server: Server) -> str:
        """Their names only."""
        try:
            secrets = server.secrets
        except Unsealable:
            return _UNREADABLE
        names = {"headers": "headers", "params": "slots"}
        texts = [f"{label}: {', '.join(sorted(secrets[kind]))}" for kind, label in names.items() if secrets[kind]]
        return "; ".join(texts) or "none"

    @admin.display(description="Catalogue")
    def discovery(self, server: Server) -> SafeString:
        """When it was read, what was in the way since, and the newest job, which shows how far it is."""
        read = f"read at {server.discovered_at:%Y-%m-%d %H:%M:%S} UTC" if server.discovered_at else "not read yet"
        error = f"; could not be read: {visible(server.discovery_error)}" if server.discovery_error else ""
        job = Job.objects.filter(kind=discovery.KIND, subject_ref=server.pk, project_id=server.project_id).first()
        if job is None:
            return format_html("{}{}", read, error)
        return format_html(
            '{}{}; <a href="{}">newest job</a>: {}', read, error, reverse("admin:projects_job_change", args=[job.pk]),
            job.get_state_display().lower(),
        )  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: Server | None = None) -> tuple[str, ...]:
        return ("project", "stored_secrets", "discovery") if obj else ("stored_secrets", "discovery")

    def delete_model(self, request: HttpRequest, obj: Server) -> None:
        services.delete_server(server=obj)

    @admin.action(description="Switch the selected servers on")
    def enable_servers(self, request: HttpRequest, queryset: QuerySet[Server]) -> None:
        for server in queryset:
            services.set_server_enabled(server=server, enabled=True)

    @admin.action(description="Switch the selected servers off")
    def disable_servers(self, request: HttpRequest, queryset: QuerySet[Server]) -> None:
        for server in queryset:
            services.set_server_enabled(server=server, enabled=False)

    @admin.action(description="Read the lists of the selected servers now")
    def read_servers(self, request: HttpRequest, queryset: QuerySet[Server]) -> None:
        for server in queryset:
            services.rediscover(server=server)


# --- tools ------------------------------------------------------------------------------------------


@admin.register(Tool)
class ToolAdmin(ReadOnlyAdmin[Tool]):
    """What servers say about themselves: other people's text, shown as text."""

    fields = ("server", "kind", "shown_name", "digest", "first_seen_at", "last_seen_at", "shown_definition")
    list_display = ("shown_name", "kind", "server", "last_seen_at")
    list_filter = ("kind", "server__project")
    list_select_related = ("server__project",)
    search_fields = ("name", "server__slug")

    @admin.display(description="name", ordering="name")
    def shown_name(self, tool: Tool) -> str:
        return visible(tool.name)

    @admin.display(description="definition")
    def shown_definition(self, tool: Tool) -> SafeString:
        return format_html("<pre>{}</pre>", visible(json.dumps(tool.definition, indent=2, ensure_ascii=False)))
