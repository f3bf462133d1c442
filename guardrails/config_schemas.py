"""What detectors take, as JSON Schemas that forms are made from. No database."""

from __future__ import annotations

from typing import Any

from guardrails.engine.detector import Parameter, detectors, providers


def config_schemas() -> dict[str, dict[str, Any]]:
    """By the name of the detector or provider. Secret parameters have a field of their own and are only named."""
    return {each.name: _schema(each.parameters) for registry in (detectors, providers) for each in registry}


def _schema(parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    open_ = [each for each in parameters if not each.secret]
    return {
        "type": "object",
        "properties": {each.name: _member(each) for each in open_},
        "required": [each.name for each in open_ if each.required],
        "x-secrets": [each.name for each in parameters if each.secret],
    }


def _member(parameter: Parameter) -> dict[str, Any]:
    member: dict[str, Any] = {"type": parameter.type, "description": parameter.help}
    if parameter.type == "array":
        member["items"] = {"type": "string", **({"enum": list(parameter.choices)} if parameter.choices else {})}
    elif parameter.choices:
        member["enum"] = list(parameter.choices)
    return member
