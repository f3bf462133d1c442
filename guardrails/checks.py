"""System checks that refuse a set-up in which the guardrails that come with the gateway could not run."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ValidationError

from guardrails.presets import PRESETS
from guardrails.specs import spec_of


@register(deploy=True)
def presets_can_be_made(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Every rule of every preset names a detector that there is, with a configuration that it takes.

    With `manage.py check --deploy` only: loading all detectors would slow every command.
    """
    from guardrails.validation import check_spec

    errors: list[CheckMessage] = []
    for name, policy in PRESETS.items():
        for rule in policy.rules:
            try:
                check_spec(spec_of(rule))
            except ValidationError as error:
                text = f"The rule {rule.id} of the preset {name} cannot be made: {' '.join(error.messages)}"
                errors.append(Error(text, id="guardrails.E001"))
    return errors
