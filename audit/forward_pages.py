"""The operator's pages for forwarders and for what they gave up."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path

from audit import destinations, exporters, forward_status, forwarders
from audit.forwarding import registry
from audit.models import DeadLetter, Forwarder, ForwardState
from gateway_site.lib.display import visible
from gateway_site.lib.secrets import Unsealable
from projects.pages import OperatorOnlyAdmin, ReadOnlyAdmin, ServiceForm, is_operator
from projects.project_filter import ProjectFilter

_SECRET_NAMES = {"signing_key": "signing key", "authorization": "authorization"}


def _kinds() -> list[tuple[str, str]]:
    return [(each.name, each.label) for each in registry]


def _formats() -> list[tuple[str, str]]:
    return [("", "As usual for the kind"), *((each.name, each.label) for each in exporters.registry)]


class ForwarderForm(ServiceForm[Forwarder]):
    kind = forms.ChoiceField(choices=_kinds)
    format = forms.ChoiceField(choices=_formats, required=False)
    address = forms.CharField(
        max_length=2000, widget=forms.TextInput(attrs={"size": 60}),
        help_text="syslog+tls://host:6514, syslog://host:514 or https://host/path. No secret belongs into it.",
    )  # fmt: skip
    authorization = forms.CharField(
        required=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "size": 60}),
        help_text="The whole value of the Authorization header, for example Bearer …. It is not shown again; empty "
        "keeps what is stored. Another host needs it given again.",
    )  # fmt: skip
    forget_authorization = forms.BooleanField(required=False)
    new_signing_key = forms.BooleanField(required=False, help_text="The old one ends at once.")
    from_start = forms.BooleanField(
        required=False, label="From the log's first event", help_text="Else from what is sealed from now on."
    )
    signing_key = ""

    class Meta:
        model = Forwarder
        fields = ("project", "name", "kind", "format", "address", "ca_bundle", "enabled")

    def perform(self, instance: Forwarder) -> Forwarder:
        given = self.cleaned_data
        if instance.pk is None:
            made, self.signing_key = forwarders.create_forwarder(
                project=instance.project, name=instance.name, kind=instance.kind, address=instance.address,
                format=instance.format, ca_bundle=instance.ca_bundle, authorization=given["authorization"],
                enabled=instance.enabled, from_start=given["from_start"],
            )  # fmt: skip
            return made
        if not self.changed_data:
            return instance
        instance.format = instance.format or registry.get(instance.kind).default_format
        is_given = given["authorization"] or given["forget_authorization"]
        changed, self.signing_key = forwarders.change_forwarder(
            forwarder=instance, authorization=given["authorization"] if is_given else None,
            new_signing_key=given["new_signing_key"],
        )  # fmt: skip
        return changed


@admin.register(Forwarder)
class ForwarderAdmin(OperatorOnlyAdmin[Forwarder]):
    """Those of projects; what the settings name is shown by `manage.py audit forward`."""

    form = ForwarderForm
    change_form_template = "admin/audit/forwarder/change_form.html"
    autocomplete_fields = ("project",)
    list_display = ("name", "project", "kind", "format", "to", "enabled", "standing")
    list_filter = ("enabled", "kind", ("project", ProjectFilter))
    list_select_related = ("project",)
    search_fields = ("name", "project__slug")
    actions = ("resend_dead_letters",)

    @admin.display(description="to")
    def to(self, forwarder: Forwarder) -> str:
        return destinations.shown(forwarder.address)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Looks up together how those on the page are doing."""
        response = super().changelist_view(request, extra_context)
        shown = getattr(response, "context_data", None) or {}
        if "cl" in shown:
            listed = list(shown["cl"].result_list)
            states = ForwardState.objects.filter(forwarder__in=[each.pk for each in listed])
            by_forwarder = {state.forwarder_id: state.pk for state in states}
            standings = forward_status.standings_of(states)
            for each in listed:
                each.known_standing = standings.get(by_forwarder.get(each.pk, 0), "")
        return response

    @admin.display(description="standing")
    def standing(self, forwarder: Any) -> str:
        known = getattr(forwarder, "known_standing", None)
        return visible(str(forward_status.standing_of(forwarders.state_of(forwarder)) if known is None else known))

    @admin.display(description="Stored secrets")
    def stored_secrets(self, forwarder: Forwarder) -> str:
        """Their names only."""
        try:
            return ", ".join(_SECRET_NAMES.get(name, name) for name in sorted(forwarder.secrets)) or "none"
        except Unsealable:
            return "They do not open with this gateway's key ring; give new ones, or delete the forwarder."

    def get_fields(self, request: HttpRequest, obj: Forwarder | None = None) -> tuple[str, ...]:
        fields = ("project", "name", "kind", "format", "address", "ca_bundle", "authorization")
        if obj is None:
            return (*fields, "from_start", "enabled")
        return (*fields, "forget_authorization", "new_signing_key", "enabled", "stored_secrets", "standing")

    def get_readonly_fields(self, request: HttpRequest, obj: Forwarder | None = None) -> tuple[str, ...]:
        return ("project", "kind", "stored_secrets", "standing") if obj else ()

    def save_model(self, request: HttpRequest, obj: Forwarder, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        request.new_key = form.signing_key  # type: ignore[attr-defined]  # lives as long as the request does

    def response_add(self, request: HttpRequest, obj: Forwarder, post_url_continue: str | None = None) -> HttpResponse:
        return self._show_once(request, obj) or super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Forwarder) -> HttpResponse:
        return self._show_once(request, obj) or super().response_change(request, obj)

    def delete_model(self, request: HttpRequest, obj: Forwarder) -> None:
        forwarders.delete_forwarder(forwarder=obj)

    def get_urls(self) -> list[URLResolver | URLPattern]:  # type: ignore[override]  # the stubs know patterns only
        test = path("<int:pk>/test/", self.admin_site.admin_view(self.test_view), name="audit_forwarder_test")
        return [test, *super().get_urls()]

    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Sends a test line. Not an action, because an action is a transaction and the receiver may take its time."""
        if not is_operator(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        tried = forwarders.test_forwarder(forwarder=get_object_or_404(Forwarder, pk=pk))
        text = "The test line was taken." if tried.taken else f"The test line was not taken: {tried.text}."
        self.message_user(request, text, messages.SUCCESS if tried.taken else messages.ERROR)
        return redirect("admin:audit_forwarder_change", pk)

    @admin.action(description="Send the dead letters of the selected forwarders again")
    def resend_dead_letters(self, request: HttpRequest, queryset: QuerySet[Forwarder]) -> None:
        count = sum(forwarders.resend(forwarder=forwarder) for forwarder in queryset)
        self.message_user(request, f"{count} dead letters are sent again.")

    def _show_once(self, request: HttpRequest, obj: Forwarder) -> HttpResponse | None:
        """Rendered into the answer itself: no redirect, so nothing has to remember the key."""
        key = request.new_key  # type: ignore[attr-defined]  # set by save_model
        if not key:
            return None
        context = {
            **self.admin_site.each_context(request), "title": "Copy the signing key now", "forwarder": obj,
            "signing_key": key, "opts": self.opts,
        }  # fmt: skip
        response = TemplateResponse(request, "admin/audit/forwarder/issued.html", context)
        response["Cache-Control"] = "no-store"
        return response


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin[DeadLetter]):
    fields = list_display = ("forwarder", "log", "first", "last", "reason", "attempts", "at", "is_wanted")
    list_filter = ("is_wanted", "reason")
    list_select_related = ("state__forwarder__project",)
    sortable_by = ()
    actions = ("resend_selected",)

    @admin.display(description="forwarder")
    def forwarder(self, letter: DeadLetter) -> str:
        state = letter.state
        return str(state.forwarder) if state.forwarder_id else "GATEWAY_AUDIT_FORWARD"

    @admin.display(description="log")
    def log(self, letter: DeadLetter) -> int:
        return letter.project_ref

    @admin.action(description="Send the selected dead letters again")
    def resend_selected(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        by_state: dict[int, list[DeadLetter]] = {}
        for letter in queryset.select_related("state"):
            by_state.setdefault(letter.state_id, []).append(letter)
        for letters in by_state.values():
            if letters[0].state.forwarder is None:
                raise ValidationError("Those of GATEWAY_AUDIT_FORWARD: `manage.py audit forward --resend`.")
            forwarders.resend(forwarder=letters[0].state.forwarder, only=[letter.pk for letter in letters])
