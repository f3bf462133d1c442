"""Forms of the servers' admin pages: they gather what is asked for, and services decide."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from gateway_site.lib.secrets import Unsealable
from guardrails.engine.segments import Kind
from projects.choosing import ProjectField
from projects.dress import Dressed
from projects.fields import PairsField, StrictJSONField
from projects.models import ApiKey, Membership, Project, User
from projects.pages import LinesField, ServiceForm
from projects.scoping import with_project
from projects.switcher import MAX_LISTED
from servers import review, services
from servers.models import CommandTemplate, Grant, Overlay, Server, Tool
from servers.texts import visible

UNREADABLE = "The stored secrets do not open with this gateway's key ring; restore it, or delete the server."
_SLOT_TYPES = {"pattern": str, "enum": list, "default": str, "secret": bool, "leading_dash": bool}


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
            "discovery_seconds", "argument_kinds", "restore_tokens", "review",
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
            raise ValidationError(UNREADABLE) from error

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


class GrantForm(ServiceForm[Grant]):
    class Meta:
        model = Grant
        # The admin adds the server, like the policies above.
        fields = ("project", "effect", "role", "pattern", "reason")

    def perform(self, instance: Grant) -> Grant:
        return services.save_grant(grant=instance)


class OverlayForm(ServiceForm[Overlay]):
    hide_arguments = LinesField(required=False, help_text="Arguments that are neither shown nor sent, one a line.")
    pinned = StrictJSONField(empty={}, help_text='Values that are always sent and not shown: {"region": "eu"}.')
    describe_arguments = StrictJSONField(empty={}, help_text='{"query": "What to look for."}')
    rename_arguments = StrictJSONField(empty={}, help_text='From the server\'s name to the one shown: {"q": "query"}.')
    constraint = StrictJSONField(
        empty={}, help_text="A JSON Schema that arguments, by the server's names, must satisfy too."
    )

    class Meta:
        model = Overlay
        # The admin adds the server, like the policies above.
        fields = ("project", "tool", *services.OVERLAID)

    def perform(self, instance: Overlay) -> Overlay:
        return services.save_overlay(overlay=instance)


ACTS = {"approve": review.approve, "reject": review.reject, "roll_back": review.roll_back}


class DecisionForm(Dressed, forms.Form):
    """What is decided, and why."""

    act = forms.ChoiceField(choices=[(name, name) for name in ACTS], widget=forms.HiddenInput)
    reason = forms.CharField(
        required=False, max_length=review.MAX_REASON, widget=forms.TextInput(attrs={"size": 60}),
        help_text="It is on record with the decision.",
    )  # fmt: skip


class WhyForm(Dressed, forms.Form):
    """Who asks for what, by names that are typed or chosen."""

    project = ProjectField()
    key = forms.CharField(required=False, max_length=20, help_text="Its visible id: mgw_ and ten characters.")
    user = forms.CharField(
        required=False, max_length=254, label="or person", help_text="A member, as with a key that has no limits."
    )
    server = forms.CharField(max_length=63)
    kind = forms.ChoiceField(choices=Tool.Kind.choices)
    name = forms.CharField(
        required=False, strip=False, max_length=500, help_text="At its server; empty asks about the server itself."
    )
    offered = ("key", "user", "server", "name")

    def __init__(self, *args: Any, projects: QuerySet[Project], members_only: bool, **kwargs: Any) -> None:
        """`members_only`: who is in none of these projects is told from nobody by nobody."""
        super().__init__(*args, **kwargs)
        self._projects, self._members_only = projects, members_only
        choices = self.fields["project"]
        assert isinstance(choices, ProjectField)  # noqa: S101  declared above
        choices.offer(projects)
        for field in self.offered:
            self.fields[field].widget.attrs |= {"list": f"{field}s", "autocomplete": "off"}

    def project_named(self, slug: str) -> Project | None:
        """One that may be asked about."""
        return self._projects.filter(slug=slug).first() if "\x00" not in slug else None

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        given = self.cleaned_data
        if bool(given.get("key")) == bool(given.get("user")):
            self.add_error("key", "Give either a key or a person.")
        elif given.get("project"):
            self._find(given["project"])
        return cleaned

    def _find(self, project: Project) -> None:
        given, field = self.cleaned_data, "key" if self.cleaned_data["key"] else "user"
        with with_project(project.pk):
            if field == "key":
                rows = ApiKey.objects.select_related("user")
                given["who"] = rows.filter(key_id=given["key"].removeprefix("mgw_")).first()
            else:
                given["who"] = self._person(given["user"].lower())
        if given["who"] is None:
            missing = "The project has no such member." if self._members_only else "There is no such person."
            self.add_error(field, "The project has no such key." if field == "key" else missing)

    def _person(self, email: str) -> User | None:
        """Of the active project's members, or of all people."""
        if not self._members_only:
            return User.objects.filter(email=email).first()
        membership = Membership.objects.select_related("user").filter(user__email=email).first()
        return membership.user if membership else None


def offers_for(project: Project | None, server: str) -> dict[str, list[tuple[str, str]]]:
    """What may be typed into the fields of a WhyForm, by field, each with its words; nothing without a project."""
    if project is None:
        return {}
    with with_project(project.pk):
        keys = ApiKey.objects.select_related("user")[:MAX_LISTED]
        members = Membership.objects.select_related("user")[:MAX_LISTED]
        names = Tool.objects.filter(server__slug=server).values_list("name", "kind")[:MAX_LISTED]
        return {
            "key": [(f"mgw_{key.key_id}", f"{key.label}, {key.user}") for key in keys],
            "user": [(member.user.email, member.role) for member in members],
            "server": [(slug, "") for slug in Server.objects.values_list("slug", flat=True)[:MAX_LISTED]],
            # What shows nothing cannot be chosen by sight.
            "name": [(name, kind) for name, kind in names if visible(name) == name],
        }
