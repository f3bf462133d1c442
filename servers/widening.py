"""What a changed input schema lets in that it did not let in before, and what else became of its arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from guardrails.engine.walk import escape
from servers.definitions import canonical
from servers.notes import Note
from servers.texts import quoted

NEW, REMOVED, OPTIONAL, REQUIRED = "argument-new", "argument-removed", "argument-optional", "argument-required"
WIDENED, CHANGED, DEFAULT = "schema-widened", "schema-changed", "default-changed"
DESCRIPTION, TITLE = "description-changed", "title-changed"

_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_LOWER = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"})
_UPPER = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"})
# Without them anything goes; with a schema, what fits it.
_REST = frozenset(
    {"additionalProperties", "unevaluatedProperties", "additionalItems", "unevaluatedItems", "items", "propertyNames"}
)
# A value that fits one of these must, so that without them more fits.
_DEMANDS = frozenset({"pattern", "format", "multipleOf", "uniqueItems", "not", "contains", "const", "enum", "allOf"})
_MAPS = frozenset({"patternProperties", "$defs", "definitions", "dependentSchemas"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_ANNOTATIONS = {"description": DESCRIPTION, "title": TITLE, "default": DEFAULT}
_MISSING: Any = object()


class _Pair(NamedTuple):
    """The schema of one place before and after. `path` are the names of the arguments down to it."""

    old: Any
    new: Any
    pointer: str
    path: tuple[str, ...]

    def below(self, old: Any, new: Any, *steps: str, name: str = "") -> _Pair:
        pointer = self.pointer + "".join(f"/{escape(step)}" for step in steps)
        return _Pair(old, new, pointer, (*self.path, name) if name else self.path)

    def note(self, code: str, text: str, *steps: str) -> Note:
        return Note(code, text, self.below(None, None, *steps).pointer)

    @property
    def subject(self) -> str:
        return f"“{quoted('.'.join(self.path))}”" if self.path else "The input"


def schema_notes(old: Any, new: Any, pointer: str) -> Iterator[Note]:
    """What became of an input schema, at every place where the two differ. Both nest to a bounded depth."""
    waiting = [_Pair(old, new, pointer, ())]
    while waiting:
        pair = waiting.pop()
        if _same(pair.old, pair.new):
            continue
        old, new = _as_object(pair.old), _as_object(pair.new)
        if old is None or new is None:
            yield pair.note(CHANGED, f"{pair.subject} is described in another way.")
            continue
        pair = pair._replace(old=old, new=new)
        yield from _argument_notes(pair)
        for keyword in [name for name in {**old, **new} if name not in ("properties", "required")]:
            if not _same(old.get(keyword, _MISSING), new.get(keyword, _MISSING)):
                inner = list(_inner_pairs(pair, keyword))
                waiting += inner
                yield from _keyword_notes(pair, keyword, bool(inner))
        waiting += _properties(pair)


def _same(old: Any, new: Any) -> bool:
    if old is _MISSING or new is _MISSING:
        return old is new
    return canonical(old) == canonical(new)


def _as_object(schema: Any) -> dict[str, Any] | None:
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    return schema if isinstance(schema, dict) else None


# --- arguments ------------------------------------------------------------------------------------------


def _argument_notes(pair: _Pair) -> Iterator[Note]:
    old, new = _map(pair.old, "properties"), _map(pair.new, "properties")
    was, is_now = _required(pair.old), _required(pair.new)
    for name in [each for each in new if each not in old]:
        must = "must be given" if name in is_now else "may be given"
        yield pair.note(NEW, f"{_called(pair, name)} is new and {must}.", "properties", name)
    for name in [each for each in old if each not in new]:
        yield pair.note(REMOVED, f"{_called(pair, name)} is gone.", "properties", name)
    for name in sorted(was ^ is_now):
        if name in is_now and (name in old or name not in new):
            yield pair.note(REQUIRED, f"{_called(pair, name)} must be given now.", "properties", name)
        elif name in was and (name in new or name not in old):
            yield pair.note(OPTIONAL, f"{_called(pair, name)} need not be given any more.", "properties", name)
    yield from _untold(pair, "properties", dict, old.keys() == new.keys() == set())
    yield from _untold(pair, "required", list, was == is_now)


def _untold(pair: _Pair, member: str, proper: type, is_silent: bool) -> Iterator[Note]:
    """For what differs and is seen neither in the names of arguments nor in which of them must be given."""
    old, new = pair.old.get(member, _MISSING), pair.new.get(member, _MISSING)
    is_proper = all(each is _MISSING or isinstance(each, proper) for each in (old, new))
    if not _same(old, new) and (is_silent or not is_proper):
        yield pair.note(CHANGED, f"{pair.subject} has another “{member}”.", member)


def _called(pair: _Pair, name: str) -> str:
    return f"“{quoted('.'.join((*pair.path, name)))}”"


def _properties(pair: _Pair) -> Iterator[_Pair]:
    old, new = _map(pair.old, "properties"), _map(pair.new, "properties")
    for name in old.keys() & new.keys():
        yield pair.below(old[name], new[name], "properties", name, name=name)


def _map(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = schema.get(name)
    return value if isinstance(value, dict) else {}


def _required(schema: Mapping[str, Any]) -> set[str]:
    names = schema.get("required")
    return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()


# --- keywords -------------------------------------------------------------------------------------------


def _inner_pairs(pair: _Pair, keyword: str) -> Iterator[_Pair]:
    """The schemas inside a keyword that both have."""
    old, new = pair.old.get(keyword), pair.new.get(keyword)
    if keyword in _MAPS and isinstance(old, dict) and isinstance(new, dict):
        for name in old.keys() & new.keys():
            yield pair.below(old[name], new[name], keyword, name)
    elif keyword in _LISTS and isinstance(old, list) and isinstance(new, list):
        for index, (one, other) in enumerate(zip(old, new, strict=False)):
            yield pair.below(one, other, keyword, str(index))
    elif keyword in _REST and isinstance(old, dict) and isinstance(new, dict):
        yield pair.below(old, new, keyword, name="[]" if "tems" in keyword else "*")


def _keyword_notes(pair: _Pair, keyword: str, is_told_inside: bool) -> Iterator[Note]:
    old, new = pair.old.get(keyword, _MISSING), pair.new.get(keyword, _MISSING)
    if keyword in _ANNOTATIONS:
        yield pair.note(_ANNOTATIONS[keyword], f"{pair.subject} has another {keyword}.", keyword)
    elif _lets_more_in(pair, keyword):
        yield pair.note(WIDENED, f"{pair.subject} takes more than before: {_told(keyword, old, new)}.", keyword)
    elif not is_told_inside or _extent(old) != _extent(new):
        yield pair.note(CHANGED, f"{pair.subject} is described in another way: {_told(keyword, old, new)}.", keyword)


def _extent(value: Any) -> Any:
    """What belongs to a map or a list besides the schemas in it."""
    return set(value) if isinstance(value, dict) else len(value) if isinstance(value, list) else None


def _told(keyword: str, old: Any, new: Any) -> str:
    return f"{quoted(keyword)}, {_spelled(old)} before, is {_spelled(new)} now"


def _spelled(value: Any) -> str:
    return "nothing" if value is _MISSING else quoted(canonical(value).decode("utf-8", "replace"))


def _lets_more_in(pair: _Pair, keyword: str) -> bool:
    old, new = pair.old.get(keyword, _MISSING), pair.new.get(keyword, _MISSING)
    if keyword == "type":
        return bool(_types(new) - _types(old))
    if keyword in ("enum", "const"):
        return _values_grew(pair)
    if keyword in _LOWER or keyword in _UPPER:
        return _bound_gave_way(old, new, keyword in _LOWER)
    if keyword in _REST:
        return old is not _MISSING and old is not True and (new is _MISSING or new is True or old is False)
    if keyword in ("anyOf", "oneOf"):
        return old is not _MISSING and (new is _MISSING or _length(new) > _length(old))
    if keyword == "allOf":
        return _length(new) < _length(old)
    if keyword == "patternProperties":
        return isinstance(new, dict) and not new.keys() <= _map(pair.old, keyword).keys()
    return keyword in _DEMANDS and (new is _MISSING or new is False)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0


def _types(value: Any) -> frozenset[str]:
    """Those that are let in; numbers hold integers."""
    if value is _MISSING:
        return _TYPES
    listed = frozenset(each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str))
    return listed | {"integer"} if "number" in listed else listed


def _values_grew(pair: _Pair) -> bool:
    """Whether a value is let in now that the list of values, or the one value, did not hold."""
    old, new = _values(pair.old), _values(pair.new)
    return old is not None and (new is None or not new <= old)


def _values(schema: Mapping[str, Any]) -> set[bytes] | None:
    if "const" in schema:
        return {canonical(schema["const"])}
    listed = schema.get("enum")
    return {canonical(value) for value in listed} if isinstance(listed, list) else None


def _bound_gave_way(old: Any, new: Any, is_lower: bool) -> bool:
    if not isinstance(old, (int, float)):
        return False
    if not isinstance(new, (int, float)):
        return True
    return new < old if is_lower else new > old
