"""Form fields that the admin pages share: JSON that every database takes, and pairs that are never shown again."""

from __future__ import annotations

import json
from typing import Any

import orjson
from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput


class StrictJSONField(forms.JSONField):
    """JSON that every database takes: no NaN, no null characters, no lone surrogates."""

    def __init__(self, *, empty: Any, **options: Any) -> None:
        super().__init__(required=False, **{"initial": empty, **options})
        self._empty = empty

    def to_python(self, value: Any) -> Any:
        if not isinstance(value, str):
            return self._checked(self._empty if value is None else value)
        if not value.strip():
            return self._checked(self._empty)
        if "\\u0000" in value:
            raise ValidationError("Null characters are not allowed.")
        try:
            parsed = orjson.loads(value)
            json.dumps(parsed)
        except (ValueError, RecursionError) as error:
            raise ValidationError("Enter valid JSON.", code="invalid") from error
        return self._checked(parsed)

    def bound_data(self, data: Any, initial: Any) -> Any:
        # What was typed comes back as it was: to parse it for display is to fail on what was just refused.
        return InvalidJSONInput(data or "")

    def _checked(self, value: Any) -> Any:
        if not isinstance(value, type(self._empty)):
            raise ValidationError("Give a list." if self._empty == [] else "Give an object.")
        return type(self._empty)(value)


class WriteOnlyTextarea(forms.Textarea):
    """Never shows its value, not even the one just typed."""

    def format_value(self, value: Any) -> str:
        return ""


class PairsField(forms.CharField):
    """A mapping, one pair on each line. Messages name lines, never what stands there."""

    def __init__(self, *, separator: str, **options: Any) -> None:
        super().__init__(
            required=False,
            widget=WriteOnlyTextarea(attrs={"rows": 3, "cols": 60, "autocomplete": "off"}),
            **options,
        )
        self._separator = separator

    def clean(self, value: Any) -> Any:
        text: str = super().clean(value)
        pairs: dict[str, str] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            name, found, rest = line.partition(self._separator)
            name = name.strip()
            if not found or not name:
                raise ValidationError(f"Line {number} is not of the form name{self._separator}value.")
            if name.lower() in (known.lower() for known in pairs):
                raise ValidationError(f"Line {number} repeats a name.")
            pairs[name] = rest.strip()
        return pairs
