"""Forms of the guardrails' admin pages: they gather what is asked for, and services decide."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import QuerySet
from django.utils import timezone

from gateway_site.lib.secrets import Unsealable
from guardrails import compiled, services
from guardrails.engine.detector import detectors, providers
from guardrails.engine.rules import DIRECTIONS
from guardrails.models import Check, FindingException, FloorGuardrail, Guardrail, Policy
from guardrails.presets import DEFAULT, PRESETS
from guardrails.specs import Spec
from projects.dress import Dressed
from projects.fields import PairsField, StrictJSONField, WriteOnlyTextarea
from projects.pages import LinesField, ModelForm, ServiceForm
from projects.switcher import MAX_LISTED

C = TypeVar("C", bound=Check)
LONGEST_SAMPLE = 200_000
_FIELDS = ("order", "enabled", "detector", "directions", "action", "threshold", "categories", "config", "on_error",
           "timeout")  # fmt: skip


def detector_choices() -> list[tuple[str, Any]]:
    """Grouped: what runs here, and what asks a service."""
    return [
        (group, sorted((each.name, each.label) for each in registry))
        for group, registry in (("Local", detectors), ("Services", providers))
        if registry.names()
    ]


class CheckForm(ModelForm[C]):
    """A guardrail of a policy or of the floor."""

    detector = forms.ChoiceField(choices=detector_choices)
    directions = forms.MultipleChoiceField(
        choices=[(name, name) for name in DIRECTIONS], initial=["input", "output"],
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip
    categories = LinesField(required=False, help_text="One on each line; none means all.")
    config = StrictJSONField(empty={}, label="Configuration", help_text="What the detector takes.")
    secrets = PairsField(
        separator="=",
        help_text="One on each line, as name=value, for parameters that are secret. They are not shown again; those "
        "that are not named keep what is stored, and name= forgets it.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "secrets" in self.fields:
            # Names only, for the fields that the page makes of them.
            self.fields["secrets"].widget.attrs["data-stored"] = " ".join(secret_names(self.instance) or ())

    def spec(self) -> Spec:
        """What was asked for; call it when the form is valid."""
        given = self.cleaned_data
        return Spec(
            detector=given["detector"], directions=tuple(given["directions"]), action=given["action"],
            threshold=given["threshold"], config={**given["config"], **given["secrets"]},
            categories=tuple(given["categories"]), on_error=given["on_error"], timeout=given["timeout"],
            enabled=given["enabled"], uid=str(self.instance.uid) if self.instance.pk else "",
        )  # fmt: skip

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if not self.errors and not self.cleaned_data.get("DELETE"):
            try:
                self._check()
            except ValidationError as error:
                show(self, error)
                self._say_which_parameters(error)
        return cleaned

    def _say_which_parameters(self, error: ValidationError) -> None:
        """For the page, which shows each beside the field that it made of the parameter."""
        errors = error.error_dict.get("config", []) if hasattr(error, "error_dict") else []
        by_parameter = {str(each.code): each.messages for each in errors if each.code}
        self.fields["config"].widget.attrs["data-errors"] = json.dumps(by_parameter)

    def _check(self) -> None:
        # The row as it is stored: another detector must not be given the secrets of the one before.
        row = type(self.instance)._default_manager.filter(pk=self.instance.pk).first() if self.instance.pk else None
        spec = self.spec()
        same = row is not None and row.detector == spec.detector
        services.check_guardrail(spec=spec, row=row if same else None)


def secret_names(row: Check) -> list[str] | None:
    """Those that are stored; None when they do not open."""
    try:
        return sorted(row.secrets)
    except Unsealable:
        return None


def show(form: forms.BaseForm, error: ValidationError) -> None:
    """Puts a service's refusal where it belongs in a form."""
    by_field = error.error_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.error_list}
    for field, errors in by_field.items():
        form.add_error(field if field in form.fields else None, ValidationError(errors))


class GuardrailForm(CheckForm[Guardrail]):
    class Meta:
        model = Guardrail
        fields = _FIELDS


class FloorForm(CheckForm[FloorGuardrail], ServiceForm[FloorGuardrail]):
    class Meta:
        model = FloorGuardrail
        fields = _FIELDS

    def perform(self, instance: FloorGuardrail) -> FloorGuardrail:
        # A fresh row, because this one holds what was typed, unchecked.
        row = FloorGuardrail.objects.get(pk=instance.pk) if instance.pk else None
        return services.save_floor_guardrail(spec=self.spec(), guardrail=row, order=self.cleaned_data["order"])


class PolicyForm(ServiceForm[Policy]):
    preset = forms.ChoiceField(
        required=False, choices=[(name, name) for name in PRESETS], initial=DEFAULT, label="Begin with",
        help_text="The guardrails of this preset; they can be changed afterwards.",
    )  # fmt: skip

    class Meta:
        model = Policy
        fields = ("project", "slug", "name", "mode", "is_default", "max_characters", "over_limit")

    def perform(self, instance: Policy) -> Policy:
        return self.store(instance, None)

    def store(self, instance: Policy, guardrails: Iterable[Spec] | None) -> Policy:
        """Everything at once, so that one page makes one version."""
        given = {name: self.cleaned_data[name] for name in ("name", "mode", "max_characters", "over_limit")}
        if instance.pk is None:
            return services.create_policy(
                project=instance.project, slug=instance.slug, is_default=self.cleaned_data["is_default"],
                guardrails=services.preset(self.cleaned_data.get("preset") or DEFAULT), **given,
            )  # fmt: skip
        specs = None if guardrails is None else list(guardrails)
        policy = services.update_policy(policy=instance, guardrails=specs, **given)
        if policy.is_default != self.cleaned_data["is_default"]:
            chosen = policy if self.cleaned_data["is_default"] else None
            services.set_default_policy(project=policy.project, policy=chosen)
        return Policy.objects.get(pk=policy.pk)


def _in_thirty_days() -> Any:
    return timezone.now() + timedelta(days=30)


class FindingExceptionForm(ServiceForm[FindingException]):
    detector = forms.ChoiceField(choices=detector_choices)
    server = forms.CharField(required=False, max_length=63, help_text="Its slug; empty means every server.")
    text = forms.CharField(
        required=False, strip=False, max_length=100_000,
        widget=WriteOnlyTextarea(attrs={"rows": 3, "cols": 60, "autocomplete": "off"}),
        help_text="Exactly the characters that were found. Only their keyed digest is stored.",
    )  # fmt: skip
    pointer = forms.CharField(
        required=False, strip=False, max_length=1000, label="or place",
        help_text="Where it was found, as the event says, for one tool: whatever is found there is exempt.",
    )  # fmt: skip
    # The digests, as an event's finding holds them. Named otherwise than the columns, which a service fills.
    of_text = forms.RegexField(r"\A[0-9a-f]{64}\Z", required=False, widget=forms.HiddenInput)
    of_place = forms.RegexField(r"\A[0-9a-f]{64}\Z", required=False, widget=forms.HiddenInput)

    class Meta:
        model = FindingException
        fields = ("project", "server", "tool", "detector", "category", "reason", "expires_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "expires_at" in self.fields:
            self.fields["expires_at"].initial = _in_thirty_days

    def perform(self, instance: FindingException) -> FindingException:
        given = self.cleaned_data
        slug = given["server"]
        server_id = compiled.server_ids(instance.project_id).get(slug) if slug else None
        if slug and server_id is None:
            raise ValidationError({"server": f"The project has no server {slug}."})
        return services.add_exception(
            project=instance.project, detector=given["detector"], category=given["category"], tool=given["tool"],
            server_ref=server_id, server=slug, reason=given["reason"], expires_at=given["expires_at"],
            text=given["text"] or None, pointer=given["pointer"] or None, text_digest=given["of_text"],
            place_digest=given["of_place"],
        )  # fmt: skip


class BenchForm(Dressed, forms.Form):
    """A text to try."""

    policy = forms.ChoiceField()
    direction = forms.ChoiceField(choices=[(name, name) for name in DIRECTIONS])
    text = forms.CharField(
        strip=False, max_length=LONGEST_SAMPLE, widget=forms.Textarea(attrs={"rows": 12, "cols": 100}),
        help_text="A JSON object or list is taken as arguments or as a structured result.",
    )  # fmt: skip

    def __init__(self, *args: Any, policies: QuerySet[Policy], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = list(policies.select_related("project")[: MAX_LISTED + 1])
        stored = [(str(policy.pk), str(policy)) for policy in offered[:MAX_LISTED]]
        if len(offered) > MAX_LISTED:
            self.fields["policy"].help_text = "These are the first ones: switch to a project for its own."
        presets = [(name, name) for name in PRESETS]
        choices = self.fields["policy"]
        assert isinstance(choices, forms.ChoiceField)  # noqa: S101  declared above
        choices.choices = [("Presets", presets), ("Policies", stored)]
        choices.initial = DEFAULT
