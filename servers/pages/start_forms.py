"""The few questions of the first day; services decide what comes of the answers."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction

from projects import services as projects
from projects.dress import Dressed
from projects.fields import PairsField
from projects.models import Project, User
from projects.permissions import Role
from projects.scoping import with_project
from servers import services
from servers.models import CommandTemplate, Grant, Review, Server, Transport

_MOST_COMMANDS = 100
_SLUG = {"invalid": "Use small letters, digits and hyphens only, as in team-one."}


class ProjectStart(Dressed, forms.Form):
    """A first project, of which whoever makes it is the owner."""

    slug = forms.SlugField(
        max_length=63, label="Name in addresses", help_text="Small letters, digits and hyphens.", error_messages=_SLUG
    )
    name = forms.CharField(max_length=200, required=False, label="Name for people")

    def perform(self, owner: User) -> Project:
        """Raises ValidationError."""
        with transaction.atomic():
            project = projects.create_project(slug=self.cleaned_data["slug"], name=self.cleaned_data["name"])
            projects.set_member(project=project, user=owner, role=Role.OWNER)
        return project


class ServerStart(Dressed, forms.Form):
    """A server by its address or by an operator's command; one of both."""

    slug = forms.SlugField(
        max_length=63, label="Name", help_text="Clients see it: small letters, digits, hyphens.", error_messages=_SLUG
    )
    url = forms.CharField(
        required=False, max_length=2_000, label="Address", widget=forms.URLInput(attrs={"size": 60}),
        help_text="Of a server that speaks streamable HTTP, such as https://mcp.example.com/mcp.",
    )  # fmt: skip
    bearer = forms.CharField(
        required=False, label="Bearer token", widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="If the server wants one. It is stored encrypted and not shown again.",
    )  # fmt: skip
    template = forms.ModelChoiceField(
        CommandTemplate.objects.filter(enabled=True), required=False, to_field_name="slug", label="or a command",
        empty_label="none", help_text="What the operator of this gateway lets projects run.",
    )  # fmt: skip
    params = PairsField(separator="=", label="Values of the command")
    trust = forms.BooleanField(
        required=False, initial=True, label="Approve what it lists now",
        help_text="Later changes wait for review all the same. Without this its tools wait for you now.",
    )  # fmt: skip
    allow = forms.BooleanField(
        required=False, initial=True, label="Let every member use all of it",
        help_text="Without this nobody may, until a rule says who.",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Without commands to choose from, asks for an address only."""
        super().__init__(*args, **kwargs)
        asked = _asked_for()
        if asked:
            self.fields["params"].help_text = f"One on each line, with = behind the name. {asked}"
        else:
            del self.fields["template"], self.fields["params"]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if "template" not in self.fields:
            if not self.cleaned_data.get("url"):
                self.add_error("url", "Give the address of the server.")
        elif bool(self.cleaned_data.get("url")) == bool(self.cleaned_data.get("template")):
            self.add_error("url", "Give either an address or a command.")
        return cleaned

    def perform(self, project: Project) -> Server:
        """Raises ValidationError."""
        given = self.cleaned_data
        template = given.get("template")
        row = services.new_server(
            project=project, slug=given["slug"], url=given["url"], template=template,
            transport=Transport.STDIO if template else Transport.HTTP,
            review=Review.TRUST_FIRST if given["trust"] else Review.REVIEW,
        )  # fmt: skip
        headers = {"Authorization": f"Bearer {given['bearer']}"} if given["bearer"] else {}
        with transaction.atomic(), with_project(project.pk):
            server = services.save_server(
                server=row, headers=headers, params=given["params"] if template else {}
            )
            if given["allow"]:
                services.save_grant(grant=Grant(project_id=project.pk, server=server))
        return server


def _asked_for() -> str:
    """What each command asks for, in words; nothing where there is none."""
    rows = CommandTemplate.objects.filter(enabled=True)[:_MOST_COMMANDS]
    return " ".join(f"{each.slug} asks for {_slots(each) or 'nothing'}." for each in rows)


def _slots(template: CommandTemplate) -> str:
    return ", ".join(f"{name} (kept secret)" if slot.get("secret") else name for name, slot in template.params.items())


class KeyStart(Dressed, forms.Form):
    """A key of one's own, for everything that one may use."""

    label = forms.CharField(max_length=100, initial="my laptop", help_text="Where you will use it.")


def show(form: forms.Form, error: ValidationError) -> None:
    """A service's no beside the field that it is about."""
    by_field = error.error_dict if hasattr(error, "error_dict") else {None: error.error_list}
    for field, errors in by_field.items():
        form.add_error(field if field in form.fields else None, ValidationError(errors))
