"""From an operator's command template and a tenant's values to an argv: typed slots, no shell, no surprises."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError

_SLOT = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_FORBIDDEN_ENV = re.compile(r"LD_.*|DYLD_.*|PYTHON.*|NODE_OPTIONS|BASH_ENV|ENV|IFS|SHELLOPTS|PERL5.*|RUBY.*")
_FORBIDDEN_VALUE = re.compile(r"[\x00-\x1f\x7f]")
_SLOT_KEYS = {"pattern", "enum", "secret", "default", "leading_dash"}
PYTHON = "{python}"


def resolve_executable(executable: str) -> str:
    """The absolute path of the executable. Raises ValidationError when it is relative, absent or not executable."""
    path = sys.executable if executable == PYTHON else executable
    if not Path(path).is_absolute():
        raise ValidationError({"executable": "template_slot_invalid: give an absolute path."})
    if shutil.which(path) is None:
        raise ValidationError({"executable": f"{path} is not an executable file."})
    return path


def check_template(executable: str, args: Any, params: Any, env: Any) -> None:
    """Raises ValidationError naming the field."""
    resolve_executable(executable)
    if not isinstance(args, list) or not all(isinstance(arg, str) for arg in args):
        raise ValidationError({"args": "Give a list of texts."})
    if not isinstance(params, dict):
        raise ValidationError({"params": "Give an object of slots."})
    for name, slot in params.items():
        _check_slot(name, slot)
    if not isinstance(env, dict) or not all(isinstance(value, str) for value in env.values()):
        raise ValidationError({"env": "Give an object of texts."})
    for name in env:
        if _FORBIDDEN_ENV.fullmatch(name) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValidationError({"env": f"The variable {name} may not be set."})
    for text in [*args, *env.values()]:
        for slot in _SLOT.findall(text):
            if slot not in params and slot != "python":
                raise ValidationError({"params": f"The slot {slot} is used but not declared."})


def _check_slot(name: str, slot: Any) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name == "python":
        raise ValidationError({"params": f"{name!r} is not a slot name."})
    if not isinstance(slot, dict) or not set(slot) <= _SLOT_KEYS or not ({"pattern", "enum"} & set(slot)):
        raise ValidationError({"params": f"Slot {name} needs a pattern or an enum."})
    enum = slot.get("enum", [])
    if not isinstance(enum, list) or not all(isinstance(value, str) for value in enum):
        raise ValidationError({"params": f"Slot {name}: enum is a list of texts."})
    try:
        re.compile(slot.get("pattern", ""))
    except (re.error, TypeError) as error:
        raise ValidationError({"params": f"Slot {name}: {error}"}) from error


def check_values(params: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Raises ValidationError naming the slot; never echoes a value, which may be a secret."""
    unknown = set(values) - set(params)
    if unknown:
        has = f"It has {', '.join(sorted(params))}." if params else "It has none."
        raise ValidationError({"params": f"template_slot_invalid: unknown slot {sorted(unknown)[0]}. {has}"})
    for name, slot in params.items():
        value = values.get(name, slot.get("default"))
        if value is None:
            raise ValidationError({"params": f"template_slot_invalid: {name} needs a value: {name}=…"})
        if not isinstance(value, str) or not _fits(slot, value):
            raise ValidationError({"params": f"template_slot_invalid: {name} does not have the declared form."})


def _fits(slot: Mapping[str, Any], value: str) -> bool:
    if _FORBIDDEN_VALUE.search(value) or len(value) > 4096:
        return False
    if value.startswith("-") and not slot.get("leading_dash", False):
        return False
    if "enum" in slot and value not in slot["enum"]:
        return False
    return "pattern" not in slot or re.fullmatch(slot["pattern"], value) is not None


def fill(text: str, values: Mapping[str, str]) -> str:
    """One pass, so that a value that looks like a slot stays a value."""
    return _SLOT.sub(lambda match: sys.executable if match[1] == "python" else values[match[1]], text)
