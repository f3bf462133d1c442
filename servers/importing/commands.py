"""From a command line that somebody else wrote to a command template and the values of its slots.

Whoever can write such a file could have the gateway's machine run anything, so that templates of imports are switched
off unless the operator says that the commands are to be trusted.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from gateway_site.lib.references import literal
from servers import recipes
from servers.importing.report import Names

_LITERAL = re.compile(r"\{[a-z][a-z0-9_]*\}")


class NoCommand(Exception):
    """It cannot be a template; the text says why."""


@dataclass
class Templates:
    """One template for each different command line; what is in the environment is each server's own."""

    trusted: bool = False
    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    _by_command: dict[str, str] = field(default_factory=dict)
    _names: Names = field(default_factory=lambda: Names("command"))

    def template(
        self, server: str, command: str, args: Sequence[str], env: Mapping[str, str], **limits: int
    ) -> tuple[str, dict[str, str]]:
        """The template's slug and the values for its slots, all secret. Raises NoCommand."""
        executable = _executable(command)
        slots, filled = _environment(env)
        literals = {f"literal_{number + 1}": arg for number, arg in enumerate(args) if _LITERAL.search(arg)}
        shown = {arg: f"{{{name}}}" for name, arg in literals.items()}
        recipe = {
            "executable": executable, "args": [shown.get(arg, arg) for arg in args],
            "params": {
                **{slot: {"pattern": r"[^\x00-\x1f\x7f]*", "secret": True, "leading_dash": True} for slot in slots},
                **{name: {"enum": [arg], "default": arg, "leading_dash": True} for name, arg in literals.items()},
            },
            "env": {name: f"{{{slot}}}" for slot, name in slots.items()},
            "enabled": self.trusted, **limits,
        }  # fmt: skip
        _check(recipe, filled)
        key = repr(recipe)
        if key not in self._by_command:
            slug = self._by_command[key] = self._names.slug(f"imported-{server}")
            self.made[slug] = {"slug": slug, **recipe}
        return self._by_command[key], {slot: literal(value) for slot, value in filled.items()}


def _check(recipe: Mapping[str, Any], filled: Mapping[str, str]) -> None:
    """Raises NoCommand."""
    try:
        recipes.check_template(recipe["executable"], recipe["args"], recipe["params"], recipe["env"])
        recipes.check_values(recipe["params"], filled)
    except ValidationError as error:
        raise NoCommand("; ".join(error.messages)) from None


def _executable(command: str) -> str:
    if command in ("python", "python3"):
        return recipes.PYTHON
    found = shutil.which(command) if command else None
    if found is None:
        raise NoCommand("the command is not on this machine")
    return found


def _environment(env: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Slots with the variables that they fill, and their values."""
    slots: dict[str, str] = {}
    for name in env:
        slot = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        slots[slot if slot[:1].isalpha() and slot not in (*slots, "python") else f"variable_{len(slots) + 1}"] = name
    return slots, {slot: env[name] for slot, name in slots.items()}
