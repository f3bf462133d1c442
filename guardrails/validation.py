"""Whether a guardrail can be what it is asked to be: its detector, directions, categories and configuration."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError

from guardrails.engine.detector import ConfigError, Parameter, find
from guardrails.engine.findings import Action
from guardrails.engine.rules import DIRECTIONS
from guardrails.models import MAX_TIMEOUT
from guardrails.specs import Spec

_LARGEST_CONFIG = 256 * 1024
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def declared(detector: str) -> Any:
    """The class of a detector or provider. Raises ValidationError for a name that none has."""
    try:
        return find(detector)
    except KeyError as error:
        raise ValidationError({"detector": f"There is no detector {detector}."}) from error


def check_spec(spec: Spec) -> None:
    """Raises ValidationError, by the field that is wrong. Makes the detector, so that it has its say."""
    detector = declared(spec.detector)
    check_storable({"config": spec.config, "categories": list(spec.categories)})
    _check_directions(spec, detector)
    _check_categories(spec, detector)
    _check_actions(spec)
    if not (math.isfinite(spec.threshold) and 0.0 <= spec.threshold <= 1.0):
        raise ValidationError({"threshold": "Give a number from 0 to 1."})
    if not (math.isfinite(spec.timeout) and 0.05 <= spec.timeout <= MAX_TIMEOUT):
        raise ValidationError({"timeout": f"Give seconds from 0.05 to {MAX_TIMEOUT:g}."})
    _check_config(spec, detector)


def secret_parameters(detector: str) -> frozenset[str]:
    """The names that the detector declares as secret. Raises ValidationError like declared()."""
    return frozenset(parameter.name for parameter in declared(detector).parameters if parameter.secret)


def split_secrets(spec: Spec) -> tuple[dict[str, Any], dict[str, Any]]:
    """The open part of a configuration and the part that its detector declares as secret. Raises ValidationError."""
    secret = secret_parameters(spec.detector)
    plain = {name: value for name, value in spec.config.items() if name not in secret}
    return plain, {name: value for name, value in spec.config.items() if name in secret}


def check_storable(value: Any) -> None:
    """Raises ValidationError for what some database does not take: NaN, null characters, lone surrogates."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        encoded = text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationError("A value cannot be stored as JSON.") from error
    if "\\u0000" in text or "\x00" in text:
        raise ValidationError("Null characters are not allowed.")
    if len(encoded) > _LARGEST_CONFIG:
        raise ValidationError(f"A configuration has at most {_LARGEST_CONFIG // 1024} KiB.")


def _check_directions(spec: Spec, detector: Any) -> None:
    if not spec.directions or len(set(spec.directions)) != len(spec.directions):
        raise ValidationError({"directions": "Name at least one direction, and each once."})
    unknown = [name for name in spec.directions if name not in DIRECTIONS]
    if unknown:
        raise ValidationError({"directions": f"There is no direction {unknown[0]}; there are {', '.join(DIRECTIONS)}."})
    refused = [name for name in spec.directions if name not in detector.directions]
    if refused:
        able = ", ".join(detector.directions)
        raise ValidationError({"directions": f"{spec.detector} does not look at {refused[0]}, only at {able}."})


def _check_categories(spec: Spec, detector: Any) -> None:
    # A detector that declares none gives what its configuration names.
    unknown = sorted(set(spec.categories) - set(detector.categories)) if detector.categories else []
    if unknown:
        known = ", ".join(detector.categories)
        raise ValidationError({"categories": f"{spec.detector} has no category {unknown[0]}; it has {known}."})


def _check_actions(spec: Spec) -> None:
    if spec.action not in [action.value for action in Action]:
        raise ValidationError({"action": f"There is no action {spec.action}."})
    if spec.on_error not in (Action.BLOCK.value, Action.FLAG.value):
        raise ValidationError({"on_error": "Choose block or flag."})


def _check_config(spec: Spec, detector: Any) -> None:
    parameters: dict[str, Parameter] = {parameter.name: parameter for parameter in detector.parameters}
    for name, value in spec.config.items():
        if name not in parameters:
            known = ", ".join(parameters) or "none"
            raise ValidationError({"config": f"{spec.detector} has no parameter {name}; it has {known}."})
        _check_value(parameters[name], value)
    missing = [name for name, each in parameters.items() if each.required and spec.config.get(name) in (None, "")]
    if missing:
        raise _wrong(missing[0], f"{spec.detector} needs {missing[0]}: {parameters[missing[0]].help}")
    try:
        detector(dict(spec.config))
    except ConfigError as error:
        name = str(error).partition(":")[0].partition(".")[0]
        raise _wrong(name if name in parameters else "", str(error)) from error
    except Exception as error:  # a plug-in may raise anything for a configuration that it did not foresee
        raise ValidationError({"config": f"{spec.detector} cannot be made ({type(error).__name__})."}) from error


def _wrong(parameter: str, text: str) -> ValidationError:
    """An error of the configuration whose code is the parameter that it is about, so that forms can show it there."""
    return ValidationError({"config": ValidationError(text, code=parameter)})


def _check_value(parameter: Parameter, value: Any) -> None:
    """Messages name the parameter and never its value, which may be a secret."""
    name = parameter.name
    if not _is_of_type(parameter.type, value):
        raise _wrong(name, f"{name} has the wrong type: it is of type {parameter.type}.")
    each = value if isinstance(value, list) else [value]
    if parameter.type == "array" and not all(isinstance(item, str) for item in each):
        raise _wrong(name, f"{name} is a list of texts.")
    if parameter.choices and any(item not in parameter.choices for item in each):
        raise _wrong(name, f"{name} is one of {', '.join(parameter.choices)}.")
    if parameter.values and not all(_is_of_type(parameter.values, item) for item in value.values()):
        raise _wrong(name, f"{name} has the wrong type: by name, each is of type {parameter.values}.")
    _check_limits(parameter, value.values() if isinstance(value, dict) else [value])


def _check_limits(parameter: Parameter, values: Iterable[Any]) -> None:
    for value in values:
        if parameter.minimum is not None and not value >= parameter.minimum:
            raise _wrong(parameter.name, f"{parameter.name} is {parameter.minimum:g} at least.")
        if parameter.maximum is not None and not value <= parameter.maximum:
            raise _wrong(parameter.name, f"{parameter.name} is {parameter.maximum:g} at most.")


def _is_of_type(name: str, value: Any) -> bool:
    allowed = _TYPES[name]
    return isinstance(value, allowed) and (not isinstance(value, bool) or bool in allowed)
