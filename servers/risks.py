"""What a person should look at before a new or a changed definition is offered. Nothing here decides anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

import re2

from guardrails.detectors.prompt_injection import PromptInjection
from guardrails.engine.detector import Context, Target
from guardrails.engine.folding import hidden_places
from guardrails.engine.segments import Segment
from guardrails.engine.surfaces import segments_of
from guardrails.engine.walk import Unwalkable, escape
from servers.definitions import canonical
from servers.notes import Note
from servers.shadowing import confusable_names, same_name
from servers.texts import quoted
from servers.widening import schema_notes

MAX_NOTES = 200
_MAX_NAMES = 5
# A person looks again, so that less is told than what a guardrail would stop.
_LEAST_SCORE = 0.35
_BASE = "/result/tools/0"
_HIDDEN = "HIDDEN_TEXT"
_SIGNS = {
    "INJECTION": "reads like an order to a model that calls off what it was told.",
    "JAILBREAK": "reads like an attempt to talk a model out of its rules.",
    "TOOL_POISONING": "steers a model towards this tool, away from others, or past its safeguards.",
    "CONCEALMENT": "asks a model to keep something from the person whom it serves.",
    "EXFILTRATION": "asks a model to read or to send what may be none of this tool's business.",
    "ROLE_MARKER": "imitates a message of the system or of another speaker.",
    _HIDDEN: "holds something that a person does not see.",
}
_HINTS = {
    "readOnlyHint": ("that it only reads", "that it may change things"),
    "destructiveHint": ("that it may destroy", "that it destroys nothing"),
    "idempotentHint": ("that calling it twice does no more than once", "that calling it twice may do more than once"),
    "openWorldHint": ("that it reaches the outside world", "that it stays within its own domain"),
}
_MEMBERS = {
    "description": ("description-changed", "The description is another."),
    "title": ("title-changed", "The title is another."),
    "outputSchema": ("output-changed", "The output schema is another."),
    "icons": ("icons-changed", "The icons are others."),
    "_meta": ("meta-changed", "The metadata of the server's own is other."),
}
_LINK = re2.compile(
    r"(?i)\b(?:[a-z][a-z0-9+.-]{1,15}://|mailto:|data:[a-z]+/|javascript:|www\.)[^\s\"'<>`]+"
    r"|[a-z0-9._%+-]{1,64}@[a-z0-9-]+(?:\.[a-z0-9-]+)+"
)
# Members that are addresses by their nature, or names of dialects, and are told elsewhere.
_ADDRESSES = frozenset({"$schema", "$ref", "$id", "uri", "uriTemplate", "src"})
_Texts = dict[tuple[str, bool], Segment]


def notes(
    kind: str, before: Mapping[str, Any] | None, after: Mapping[str, Any], others: Iterable[str] = ()
) -> tuple[Note, ...]:
    """What changed and what is worth a second look, most telling first; at most MAX_NOTES and one that says so.

    `before` is the definition that was approved, None for a first one; what it had already is not told again.
    `others` are the names, of this kind, that other servers of the project offer. Two definitions with two digests
    have at least one note.
    """
    found = list(islice(_all_notes(kind, before, after, others), MAX_NOTES + 1))
    if len(found) <= MAX_NOTES:
        return tuple(found)
    return (*found[:MAX_NOTES], Note("more", "There is more to see than is listed here.", ""))


def _all_notes(
    kind: str, before: Mapping[str, Any] | None, after: Mapping[str, Any], others: Iterable[str]
) -> Iterator[Note]:
    yield from _name_notes(kind, after, others)
    try:
        old, new = _texts(before or {}), _texts(after)
    except Unwalkable as error:
        yield Note("unreadable", f"The definition cannot be looked at whole: {error}.", "")
        return
    fresh = {place for place, segment in new.items() if place not in old or old[place].text != segment.text}
    yield from _sign_notes(new, fresh)
    yield from _hidden_notes(new, fresh)
    yield from _link_notes(old, new)
    if before is not None:
        yield from _change_notes(kind, before, after)


# --- names ----------------------------------------------------------------------------------------------


def _name_notes(kind: str, after: Mapping[str, Any], others: Iterable[str]) -> Iterator[Note]:
    member = {"resource": "uri", "template": "uriTemplate"}.get(kind, "name")
    name, others = after.get(member), list(others)
    if not isinstance(name, str):
        return
    for _ in islice(same_name(name, others), 1):
        yield Note("name-shadows", "Another server offers the same name.", f"/{member}")
    if member == "name":
        for other in islice(confusable_names(name, others), _MAX_NAMES):
            yield Note("name-confusable", f"The name passes for “{quoted(other)}” of another server.", f"/{member}")


# --- texts ----------------------------------------------------------------------------------------------


def _texts(definition: Mapping[str, Any]) -> _Texts:
    """By place, as a list of the server would show them. Raises Unwalkable."""
    message = {"result": {"tools": [definition]}}
    read = segments_of(message, direction="output", method="tools/list", modern=True)
    return {(segment.pointer.removeprefix(_BASE), segment.is_key): segment for segment in read.segments}


@lru_cache(maxsize=1)
def _detector() -> PromptInjection:
    return PromptInjection({})


def _sign_notes(texts: _Texts, fresh: set[tuple[str, bool]]) -> Iterator[Note]:
    """What the guardrail of definitions finds. All texts are judged together, as a name can make another worse."""
    if not fresh:
        return
    findings = _detector().judge([Target(segment) for segment in texts.values()], Context("definition"))
    told = set()
    for finding in sorted(findings, key=lambda each: -each.score):
        pointer = finding.pointer.removeprefix(_BASE)
        key = finding.category, pointer
        if finding.score >= _LEAST_SCORE and key not in told and (pointer, finding.is_key) in fresh:
            told.add(key)
            code = "hidden-text" if finding.category == _HIDDEN else "imperative"
            yield Note(code, f"This text {_SIGNS.get(finding.category, 'reads like an attack.')}", pointer)


def _hidden_notes(texts: _Texts, fresh: set[tuple[str, bool]]) -> Iterator[Note]:
    for place, segment in texts.items():
        hidden = hidden_places(segment.text) if place in fresh else []
        if hidden:
            codes = sorted({f"U+{ord(segment.text[each]):04X}" for each in hidden})
            listed = ", ".join(codes[:_MAX_NAMES]) + (" and others" if len(codes) > _MAX_NAMES else "")
            what = "name" if segment.is_key else "text"
            yield Note("hidden-unicode", f"This {what} holds {len(hidden)} × what shows nothing: {listed}.", place[0])


def _link_notes(old: _Texts, new: _Texts) -> Iterator[Note]:
    """Each address once. Of a first definition all are new."""
    known = {link for _, link in _links(old)}
    for pointer, link in _links(new):
        if link not in known:
            known.add(link)
            yield Note("link-new", f"This text names an address: {quoted(link)}", pointer)


def _links(texts: _Texts) -> Iterator[tuple[str, str]]:
    for (pointer, is_key), segment in texts.items():
        if is_key or segment.key not in _ADDRESSES:
            yield from ((pointer, match.group(0).rstrip(".,;:!?)]}")) for match in _LINK.finditer(segment.text))


# --- changes --------------------------------------------------------------------------------------------


def _change_notes(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Note]:
    """At least one for every member that differs."""
    for member in {**before, **after}:
        if member in before and member in after and canonical(before[member]) == canonical(after[member]):
            continue
        old, new = before.get(member), after.get(member)
        if member == "annotations":
            found = list(_annotation_notes(old, new))
        elif member == "inputSchema" and kind == "tool":
            found = list(islice(schema_notes(old, new, "/inputSchema"), MAX_NOTES + 1))
        elif member == "arguments" and kind == "prompt":
            found = list(_prompt_notes(old, new))
        else:
            code, text = _MEMBERS.get(member, ("changed", f"“{quoted(member)}” is another."))
            found = [Note(code, text, f"/{escape(member)}")]
        yield from found or [Note("changed", f"“{quoted(member)}” is another.", f"/{escape(member)}")]


def _annotation_notes(old: Any, new: Any) -> Iterator[Note]:
    old, new = (each if isinstance(each, dict) else {} for each in (old, new))
    for name in {**old, **new}:
        if name in old and name in new and canonical(old[name]) == canonical(new[name]):
            continue
        yield Note("annotation-changed", _annotation_text(name, old.get(name), new.get(name)),
                   f"/annotations/{escape(name)}")  # fmt: skip


def _annotation_text(name: str, old: Any, new: Any) -> str:
    said = _HINTS.get(name)
    if said is not None and isinstance(new, bool):
        return f"It now says {said[not new]}."
    if said is not None and isinstance(old, bool):
        return f"It no longer says {said[not old]}."
    return f"The annotation “{quoted(name)}” is another."


def _prompt_notes(old: Any, new: Any) -> Iterator[Note]:
    """A prompt lists its arguments; they are compared as if a schema described them."""
    places = {name: index for listed in (old, new) for name, index, _ in _listed(listed)}
    for note in schema_notes(_as_schema(old), _as_schema(new), ""):
        _, _, name, *rest = [*note.pointer.split("/"), ""]
        index = places.get(name.replace("~1", "/").replace("~0", "~"))
        yield Note(note.code, note.text, "/".join(["/arguments", *([str(index), *rest] if index is not None else [])])
                   .rstrip("/"))  # fmt: skip


def _as_schema(listed: Any) -> dict[str, Any]:
    arguments = list(_listed(listed))
    properties = {
        name: {member: value for member, value in argument.items() if member not in ("name", "required")}
        for name, _, argument in arguments
    }
    return {"properties": properties, "required": [name for name, _, each in arguments if each.get("required") is True]}


def _listed(arguments: Any) -> Iterator[tuple[str, int, dict[str, Any]]]:
    for index, argument in enumerate(arguments if isinstance(arguments, list) else ()):
        if isinstance(argument, dict) and isinstance(argument.get("name"), str):
            yield argument["name"], index, argument
