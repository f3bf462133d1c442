"""What detectors take, as JSON Schemas that forms are made from. No database."""

from __future__ import annotations

from typing import Any

from guardrails.engine.detector import Parameter, detectors, providers

# Of a default that is a list.
_MOST_TOLD = 8


def config_schemas() -> dict[str, dict[str, Any]]:
    """By the name of the detector or provider.

    Secret parameters have a field of their own and stand in `x-secrets`; `x-directions` and `x-categories` are what the
    guardrail may look at and for.
    """
    return {each.name: _schema(each) for registry in (detectors, providers) for each in registry}


def _schema(detector: Any) -> dict[str, Any]:
    parameters: tuple[Parameter, ...] = detector.parameters
    open_ = [each for each in parameters if not each.secret]
    return {
        "type": "object",
        "properties": {each.name: _member(each) for each in open_},
        "required": [each.name for each in open_ if each.required],
        "x-secrets": {each.name: each.help for each in parameters if each.secret},
        "x-directions": list(detector.directions),
        "x-categories": list(detector.categories),
    }


def _member(parameter: Parameter) -> dict[str, Any]:
    """The default is told and not filled in: what is not given is not stored, and follows the detector."""
    choices = {"enum": list(parameter.choices)} if parameter.choices else {}
    limits = {"minimum": parameter.minimum, "maximum": parameter.maximum}
    limits = {name: limit for name, limit in limits.items() if limit is not None}
    member: dict[str, Any] = {"type": parameter.type, "description": _told(parameter)}
    if parameter.type == "array":
        # What can be chosen can be chosen once.
        return {**member, "items": {"type": "string", **choices}, **({"uniqueItems": True} if choices else {})}
    if parameter.values == "array":
        return {**member, "additionalProperties": {"type": "array", "items": {"type": "string"}}}
    if parameter.values:
        return {**member, "additionalProperties": {"type": parameter.values, **limits}}
    return {**member, **choices, **limits}


def _told(parameter: Parameter) -> str:
    """The help, the limits and the default."""
    told = [parameter.help]
    if parameter.minimum is not None and parameter.maximum is not None:
        told.append(f"From {parameter.minimum:g} to {parameter.maximum:g}.")
    elif parameter.minimum is not None:
        told.append(f"At least {parameter.minimum:g}.")
    elif parameter.maximum is not None:
        told.append(f"At most {parameter.maximum:g}.")
    if parameter.default not in (None, "", [], {}):
        told.append(f"By default {_in_words(parameter.default)}.")
    return " ".join(told)


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return _in_words([f"{name} {each}" for name, each in value.items()])
    if isinstance(value, (list, tuple)):
        more = [f"{len(value) - _MOST_TOLD} more"] if len(value) > _MOST_TOLD else []
        return ", ".join([*map(str, value[:_MOST_TOLD]), *more])
    return str(value)
