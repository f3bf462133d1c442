"""From an overlay's row to what is laid over the definitions of its tool that are approved."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError

from gateway_site.lib import jsontext
from servers import offers, overlays
from servers.definitions import schema_problems
from servers.models import Overlay, Server, Tool

# The argument members of a row, with what they hold.
_SHAPES: dict[str, tuple[type, type]] = {
    "hide_arguments": (list, str), "pinned": (dict, object), "describe_arguments": (dict, str),
    "rename_arguments": (dict, str), "constraint": (dict, object),
}  # fmt: skip
_MAX_BYTES = 2**17


def read(row: Overlay) -> overlays.Overlay:
    """As it is laid over a definition."""
    return overlays.Overlay(
        tool=row.tool, rename=row.rename, title=row.title, description=row.description, hidden=row.hidden,
        hide_arguments=tuple(row.hide_arguments), pinned=row.pinned, describe_arguments=row.describe_arguments,
        rename_arguments=row.rename_arguments, constraint=row.constraint,
    )  # fmt: skip


def definitions(row: Overlay) -> list[dict[str, Any]]:
    """What is approved of its tool and shown now, once for the eras that agree. Runs under the project's scope."""
    server = Server.objects.get(pk=row.server_id)
    offered = offers.load([server])[server.slug].get(Tool.Kind.TOOL, row.tool)
    texts = dict.fromkeys(offered.definitions.values()) if offered is not None else {}
    return [jsontext.decode(text) for text in texts]


def problems(row: Overlay) -> list[str]:
    """Why it does not fit what is approved; nothing when it does, or when nothing is approved yet."""
    overlay = read(row)
    return list(dict.fromkeys(text for each in definitions(row) for text in overlays.check(overlay, each)))


def shown(row: Overlay) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What the server says and what models see, for each definition that it fits."""
    overlay = read(row)
    return [(each, overlays.shown(overlay, each)) for each in definitions(row) if not overlays.check(overlay, each)]


def check(row: Overlay) -> None:
    """Raises ValidationError. Against a tool that nobody approved yet only what holds for any is checked."""
    _check_shapes(row)
    _check_name(row)
    found = [f"The constraint {problem}" for problem in schema_problems(row.constraint)] if row.constraint else []
    found = found or problems(row)
    if found:
        raise ValidationError(found)


def _check_shapes(row: Overlay) -> None:
    for name, (outer, inner) in _SHAPES.items():
        value = getattr(row, name)
        if not isinstance(value, outer):
            raise ValidationError({name: "Give a list." if outer is list else "Give an object."})
        held: list[Any] = [*value.values()] if isinstance(value, dict) else [*value]  # type: ignore[misc]  # a list
        if not all(isinstance(each, inner) for each in held):
            raise ValidationError({name: "Give texts."})
        _check_storable(name, value)


def _check_storable(name: str, value: Any) -> None:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        raise ValidationError({name: "It cannot be written as JSON."}) from None
    if b"\\u0000" in text:
        raise ValidationError({name: "Null characters are not allowed."})
    if len(text) > _MAX_BYTES:
        raise ValidationError({name: f"It has {len(text):,} bytes; {_MAX_BYTES:,} are allowed."})


def _check_name(row: Overlay) -> None:
    """Two tools of one server cannot be shown under one name."""
    if not row.rename or row.rename == row.tool:
        return
    others = Overlay.objects.filter(server_id=row.server_id).exclude(tool=row.tool)
    renamed = set(others.exclude(rename="").values_list("tool", flat=True))
    tools = Tool.objects.filter(server_id=row.server_id, kind=Tool.Kind.TOOL, name=row.rename)
    if others.filter(rename=row.rename).exists() or tools.exclude(name__in=renamed).exists():
        raise ValidationError({"rename": "Another tool of the server is shown under this name."})
