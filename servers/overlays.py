"""Overlays: a tool shown to models under another name, with other, fewer or narrower arguments than the server has.

The model sees the overlaid definition and sends what that describes; the server gets its own arguments. Only the
arguments themselves can be renamed, hidden or pinned, not what is inside them. A constraint speaks of the server's own
names, so that it holds whatever the arguments are called here.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from gateway_site.lib import jsontext
from guardrails.engine.walk import escape, unescape
from servers.definitions import problems, schema_problems
from servers.fitting import Fitting, argument_names, obstacles
from servers.schemas import Check, Violation
from servers.texts import quoted

# What clients and models take for the name of a tool or an argument.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MAX_PINNED_BYTES = 64 * 2**10


class OverlayViolation(Exception):
    """The caller gave an argument that it does not have: a hidden or pinned one, or one under the server's name."""

    def __init__(self, pointer: str) -> None:
        super().__init__(f"There is no argument {pointer}")
        self.pointer = pointer


@dataclass(frozen=True)
class Overlay:
    """What is shown of one tool. Empty texts and mappings leave things as the server has them.

    `rename`, `title` and `description` are the tool's. Arguments are named as the server names them: `hide_arguments`
    are never sent, `pinned` ones always with this value; neither is shown. `describe_arguments` gives descriptions,
    `rename_arguments` the names that are shown. `constraint` is a JSON Schema that the server's arguments must
    satisfy too, without references. `hidden` is for who makes lists.
    """

    tool: str
    rename: str = ""
    title: str = ""
    description: str = ""
    hidden: bool = False
    hide_arguments: tuple[str, ...] = ()
    pinned: Mapping[str, Any] = field(default_factory=dict)
    describe_arguments: Mapping[str, str] = field(default_factory=dict)
    rename_arguments: Mapping[str, str] = field(default_factory=dict)
    constraint: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def gone(self) -> frozenset[str]:
        """The server's names of the arguments that are not shown."""
        return frozenset(self.hide_arguments) | self.pinned.keys()

    @cached_property
    def _real_names(self) -> dict[str, str]:
        return {shown: real for real, shown in self.rename_arguments.items()}

    @cached_property
    def _refused(self) -> frozenset[str]:
        """Names that no caller may use."""
        return (self.gone | self.rename_arguments.keys()) - self._real_names.keys()

    @cached_property
    def _check(self) -> Check:
        """Compiled on the first call of an overlay. Raises UnusableSchema."""
        return Check(dict(self.constraint))


def settle(overlay: Overlay, definition: Mapping[str, Any]) -> Overlay:
    """With a pin for each hidden argument that must be given and has a default: servers rarely fill those in.

    What is called with `real_arguments` must be this one; `shown` and `check` see to it themselves.
    """
    schema = _input_schema(definition)
    properties, required = schema.get("properties"), schema.get("required")
    defaults = {
        name: properties[name]["default"]
        for name in overlay.hide_arguments
        if name not in overlay.pinned and isinstance(required, list) and name in required
        and isinstance(properties, dict) and isinstance(properties.get(name), dict) and "default" in properties[name]
    }  # fmt: skip
    return replace(overlay, pinned={**defaults, **overlay.pinned}) if defaults else overlay


# --- is it sound ----------------------------------------------------------------------------------------


def check(overlay: Overlay, definition: Mapping[str, Any]) -> tuple[str, ...]:
    """Why the overlay cannot be laid over this definition, in a person's words; empty when it can."""
    if overlay.tool != definition.get("name") or problems("tool", definition):
        return ("There is no such tool, or its definition cannot be used.",)
    overlay = settle(overlay, definition)
    known = argument_names(_input_schema(definition))
    found = [*_name_problems(overlay), *_argument_problems(overlay, known), *_pin_problems(overlay)]
    found += _constraint_problems(overlay)
    if overlay.gone or overlay.rename_arguments or overlay.describe_arguments:
        found += obstacles(_input_schema(definition), overlay.gone, overlay.rename_arguments)
    # What is wrong so far would only show once more in what comes of it.
    return tuple(dict.fromkeys(found or _outcome_problems(overlay, definition)))


def _name_problems(overlay: Overlay) -> Iterator[str]:
    for name in (*([overlay.rename] if overlay.rename else ()), *overlay.rename_arguments.values()):
        if not _NAME.fullmatch(name):
            yield f"“{quoted(name)}” is no name: 1 to 64 letters of A-Z, a-z, 0-9, “_”, “.” and “-”."


def _argument_problems(overlay: Overlay, known: frozenset[str]) -> Iterator[str]:
    spoken_of = {*overlay.gone, *overlay.describe_arguments, *overlay.rename_arguments}
    for name in sorted(spoken_of - known):
        yield f"There is no argument “{quoted(name)}”."
    for name in sorted(overlay.gone & {*overlay.describe_arguments, *overlay.rename_arguments}):
        yield f"“{quoted(name)}” is not shown, so that it can have no other name or description."
    taken = set(known)
    for name, shown_name in overlay.rename_arguments.items():
        if shown_name in taken and shown_name != name:
            yield f"“{quoted(name)}” cannot be called “{quoted(shown_name)}”: another argument has that name."
        taken.add(shown_name)


def _pin_problems(overlay: Overlay) -> Iterator[str]:
    for name, value in overlay.pinned.items():
        try:
            size = len(jsontext.encode(value))
        except (TypeError, ValueError, RecursionError):
            yield f"The value of “{quoted(name)}” cannot be written as JSON."
            continue
        if size > _MAX_PINNED_BYTES:
            yield f"The value of “{quoted(name)}” has {size:,} bytes; {_MAX_PINNED_BYTES:,} are allowed."


def _constraint_problems(overlay: Overlay) -> Iterator[str]:
    if overlay.constraint:
        constraint = dict(overlay.constraint)
        yield from (f"The constraint {problem}" for problem in schema_problems(constraint))
        yield from (f"The constraint cannot be used: {reason}" for reason in
                    obstacles(constraint, overlay.gone, overlay.rename_arguments, may_refer=False))  # fmt: skip


def _outcome_problems(overlay: Overlay, definition: Mapping[str, Any]) -> Iterator[str]:
    schema = _input_schema(definition)
    fitting = Fitting(schema, overlay.hide_arguments, overlay.pinned, overlay.rename_arguments, {})
    for name, value in overlay.pinned.items():
        if not fitting.takes(name, value):
            yield f"The server's schema does not take the value of “{quoted(name)}”."
    required = schema.get("required")
    for name in sorted(set(overlay.hide_arguments) - overlay.pinned.keys()):
        if isinstance(required, list) and name in required:
            yield f"“{quoted(name)}” must be given: pin a value, or show it."
    if fitting.fit(dict(overlay.constraint)) is False:
        yield "The constraint can never be satisfied with what is hidden and pinned."
    elif fitting.fit(schema) is False:
        yield "The server's schema can never be satisfied with what is hidden and pinned."
    yield from (f"As shown: {problem}" for problem in problems("tool", shown(overlay, definition)))


# --- what is seen and sent ------------------------------------------------------------------------------


def shown(overlay: Overlay, definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition that models see; shares nothing with the one given. The overlay must be sound for it.

    A schema that lets unknown arguments in says nothing of those that are gone, whose names it would have to tell;
    they are refused all the same.
    """
    overlay = settle(overlay, definition)
    result: dict[str, Any] = copy.deepcopy(dict(definition))
    texts = {"name": overlay.rename, "title": overlay.title, "description": overlay.description}
    result |= {member: text for member, text in texts.items() if text}
    annotations = result.get("annotations")
    if overlay.title and isinstance(annotations, dict) and "title" in annotations:
        annotations["title"] = overlay.title
    result["inputSchema"] = _shown_schema(overlay, definition)
    return result


def _shown_schema(overlay: Overlay, definition: Mapping[str, Any]) -> dict[str, Any]:
    schema = _input_schema(definition)
    if not (overlay.gone or overlay.rename_arguments or overlay.describe_arguments):
        narrower = {"allOf": [*schema.get("allOf", ()), dict(overlay.constraint)]} if overlay.constraint else {}
        return copy.deepcopy({**schema, **narrower})
    fitting = Fitting(
        schema, overlay.hide_arguments, overlay.pinned, overlay.rename_arguments, overlay.describe_arguments
    )
    return fitting.whole(dict(overlay.constraint))


def real_arguments(overlay: Overlay, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the server gets for what the model sent. The overlay is a settled one. Raises OverlayViolation."""
    real = {}
    for name, value in arguments.items():
        if name in overlay._refused:
            raise OverlayViolation(f"/{escape(name)}")
        real[overlay._real_names.get(name, name)] = value
    return real | copy.deepcopy(dict(overlay.pinned))


def violation(overlay: Overlay, arguments: Mapping[str, Any]) -> Violation | None:
    """Where the server's arguments break the constraint; `shown_pointer` tells it to the client.

    Raises UnusableSchema when to look would take too long.
    """
    return overlay._check.violation(arguments) if overlay.constraint else None


def shown_pointer(overlay: Overlay, pointer: str) -> str:
    """A place in the server's arguments as the client knows it; "/", the whole, for what it does not see."""
    _, _, rest = pointer.partition("/")
    name, slash, inner = rest.partition("/")
    name = unescape(name)
    if name in overlay.gone:
        return "/"
    return f"/{escape(overlay.rename_arguments.get(name, name))}{slash}{inner}"


def _input_schema(definition: Mapping[str, Any]) -> dict[str, Any]:
    schema = definition.get("inputSchema")
    return schema if isinstance(schema, dict) else {}
