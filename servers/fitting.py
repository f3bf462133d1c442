"""An input schema in terms of the arguments that are shown: others are put in, left out or renamed, as if evaluated.

A schema applies to the arguments at its root and wherever a keyword applies another schema to the same value: allOf,
anyOf, oneOf, not, if, then, else, dependentSchemas, $ref. At each of these places a pinned argument is judged now, and
what it decides is put in as true or false. References are made to lead to definitions, where nothing changes.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

import re2

from guardrails.engine.walk import at, escape, unescape
from servers.schemas import DIALECTS, REFERENCES, Check, UnusableSchema, parts_of

_LISTS = ("allOf", "anyOf", "oneOf")
_SINGLES = ("not", "if", "then", "else")
_ANCHORS = ("$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "$recursiveAnchor")
# Each takes up to some ten milliseconds.
_MAX_JUDGED = 200
_HEADER = "x-mcp-header"
_QUIET = re2.Options()
_QUIET.log_errors = False


# --- what can be fitted ---------------------------------------------------------------------------------


def argument_names(schema: Mapping[str, Any]) -> frozenset[str]:
    """The names that the schema gives arguments, at every place where it speaks of them."""
    return frozenset(name for place in _in_place(schema) for name in _map(place, "properties"))


def obstacles(
    schema: Mapping[str, Any], gone: frozenset[str], renamed: Mapping[str, str], *, may_refer: bool = True
) -> Iterator[str]:
    """What of a schema cannot be said in terms of other arguments, in words; nothing when all can."""
    everywhere = list(_schemas(schema))
    if not may_refer and any(not {*REFERENCES, "$id", "$schema"}.isdisjoint(each) for each in everywhere):
        yield "It refers to schemas, or names itself."
    if any(not each.keys().isdisjoint(_ANCHORS) for each in everywhere):
        yield "The schema has anchors or dynamic references, which arguments that change do not go with."
    if any(each is not schema and isinstance(each.get("$id"), str) for each in everywhere):
        yield "A schema inside the schema has an identity of its own ($id)."
    names = {*gone, *renamed, *renamed.values()}
    for place in _in_place(schema):
        if names and not {"propertyNames", "const", "enum"}.isdisjoint(place):
            yield "The schema speaks of all arguments together (propertyNames, const or enum)."
        for pattern in _map(place, "patternProperties"):
            if any(_matches(pattern, name) for name in {*renamed, *renamed.values()}):
                yield "The schema describes an argument that is renamed by a pattern for its name."


def _in_place(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schemas that apply to the arguments themselves, each once."""
    waiting: list[Any] = [schema]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if not isinstance(each, dict) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        for name in _LISTS:
            waiting += each[name] if isinstance(each.get(name), list) else []
        waiting += [each.get(name) for name in _SINGLES]
        for name in ("dependentSchemas", "dependencies"):
            waiting += _map(each, name).values()
        waiting.append(_target(schema, each.get("$ref")))


def _schemas(schema: Any) -> Iterator[dict[str, Any]]:
    waiting = [schema]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
        waiting += parts_of(each)


def _target(root: Any, reference: Any) -> Any:
    """Of a reference within the document; None of any other."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    try:
        return at(root, unquote(reference[1:]))
    except LookupError:
        return None


def _map(schema: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = schema.get(name)
    return value if isinstance(value, dict) else {}


def _matches(pattern: str, name: str) -> bool:
    """What cannot be told counts as a match."""
    try:
        return re2.compile(pattern, _QUIET).search(name) is not None
    except (re2.error, UnicodeError):
        return True


# --- fitting --------------------------------------------------------------------------------------------


class Fitting:
    """One schema and what becomes of its arguments. The schema has no obstacles; it is copied, never changed."""

    def __init__(
        self,
        schema: Mapping[str, Any],
        hidden: tuple[str, ...],
        pinned: Mapping[str, Any],
        renamed: Mapping[str, str],
        described: Mapping[str, str],
    ) -> None:
        self._pinned, self._renamed, self._described = pinned, renamed, described
        self._absent = frozenset(hidden) - pinned.keys()
        self._gone = self._absent | pinned.keys()
        self._defs = "definitions" if "definitions" in schema else "$defs"
        self._root: dict[str, Any] = _referring_to_definitions(dict(schema), self._defs)
        # By reference: that to its target in terms of the arguments shown.
        self._fitted: dict[str, str] = {}
        self._judged = 0

    def whole(self, constraint: dict[str, Any]) -> dict[str, Any]:
        """The schema that is shown. One that nothing can satisfy is an object that may not be."""
        fitted = self.fit(self._root)
        narrower = self.fit(constraint) if constraint else True
        if not isinstance(fitted, dict) or narrower is False:
            return {"type": "object", "not": {}}
        if self._root.get(self._defs):
            fitted[self._defs] = copy.deepcopy(self._root[self._defs])
        self._describe(fitted)
        if constraint:
            fitted["allOf"] = [*fitted.get("allOf", ()), narrower]
        _drop_unused(fitted, self._defs)
        return fitted

    def takes(self, name: str, value: Any) -> bool:
        """Whether the schema, where it describes this argument at its root, lets the value in."""
        return all(self._accepts(each, value) for each in _descriptions(self._root, name))

    def fit(self, schema: Any) -> Any:
        """A schema that applies to the arguments, in terms of those shown; False when nothing can satisfy it."""
        if not isinstance(schema, dict):
            return schema
        if not all(self._accepts(each, value) for name, value in self._pinned.items()
                   for each in _descriptions(schema, name)):  # fmt: skip
            return False
        if self._absent.intersection(_names(schema, "required")):
            return False
        fitted = {name: copy.deepcopy(value) for name, value in schema.items() if name not in _REWRITTEN}
        if "properties" in schema:
            fitted["properties"] = self._properties(schema)
        if "required" in schema:
            fitted["required"] = [self._shown(name) for name in _names(schema, "required") if name not in self._gone]
        for name in _LISTS:
            if isinstance(schema.get(name), list):
                fitted[name] = [self.fit(each) for each in schema[name]]
        fitted |= {name: self.fit(schema[name]) for name in _SINGLES if name in schema}
        if isinstance(schema.get("$ref"), str):
            fitted["$ref"] = self._reference(schema["$ref"])
        self._fit_dependencies(schema, fitted)
        return False if self._is_impossible(fitted) else self._with_counts(schema, fitted)

    def _is_impossible(self, fitted: Mapping[str, Any]) -> bool:
        branches = [fitted[name] for name in ("anyOf", "oneOf") if isinstance(fitted.get(name), list)]
        return (
            any(each is False for each in fitted.get("allOf", ()))
            or any(all(each is False for each in listed) for listed in branches)
            or _target(self._root, fitted.get("$ref")) is False
        )

    def _shown(self, name: str) -> str:
        return self._renamed.get(name, name)

    def _properties(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        properties = _map(schema, "properties")
        return {self._shown(name): copy.deepcopy(each) for name, each in properties.items() if name not in self._gone}

    def _describe(self, fitted: dict[str, Any]) -> None:
        """Where an argument is first spoken of."""
        for name, text in self._described.items():
            for place in _in_place(fitted):
                properties = _map(place, "properties")
                known = properties.get(self._shown(name), False)
                if known is not False:
                    properties[self._shown(name)] = {**(known if isinstance(known, dict) else {}), "description": text}
                    break

    def _fit_dependencies(self, schema: Mapping[str, Any], fitted: dict[str, Any]) -> None:
        """Of a pinned argument always, of an absent one never."""
        always: list[Any] = []
        for keyword in ("dependentRequired", "dependentSchemas", "dependencies"):
            for name, wanted in _map(schema, keyword).items():
                demand = self.fit({"required": wanted} if isinstance(wanted, list) else wanted)
                if name in self._pinned:
                    always.append(demand)
                elif name not in self._absent:
                    self._put_dependency(fitted, keyword, self._shown(name), demand)
        if always:
            fitted["allOf"] = [*fitted.get("allOf", ()), *always]

    def _put_dependency(self, fitted: dict[str, Any], keyword: str, name: str, demand: Any) -> None:
        if keyword == "dependentRequired" and demand is not False:
            fitted.setdefault(keyword, {})[name] = demand["required"]
            return
        # A list that asks for what never comes can only be said as a schema.
        place = fitted.setdefault("dependencies" if keyword == "dependencies" else "dependentSchemas", {})
        if place.get(name) is not False:
            place[name] = demand

    def _with_counts(self, schema: Mapping[str, Any], fitted: dict[str, Any]) -> Any:
        """The limits on how many arguments there are, less those that are always there."""
        for name in ("minProperties", "maxProperties"):
            if isinstance(schema.get(name), (int, float)):
                fitted[name] = schema[name] - len(self._pinned)
        if fitted.get("maxProperties", 0) < 0:
            return False
        if "minProperties" in fitted:
            fitted["minProperties"] = max(0, fitted["minProperties"])
        return fitted

    def _reference(self, reference: str) -> str:
        """To the same in terms of the arguments shown, which is made once."""
        if reference not in self._fitted and reference.startswith("#"):
            name = _fresh_name(self._root[self._defs], f"{_names_of(reference)[1]}.arguments")
            self._fitted[reference] = f"#/{self._defs}/{quote(escape(name))}"
            self._root[self._defs][name] = True
            self._root[self._defs][name] = self.fit(_target(self._root, reference))
        return self._fitted.get(reference, reference)

    def _accepts(self, schema: Any, value: Any) -> bool:
        """A schema that cannot be evaluated lets nothing in."""
        self._judged += 1
        if self._judged > _MAX_JUDGED:
            return False
        refers = any("$ref" in each for each in _schemas(schema))
        wanted = ("$schema", self._defs) if refers else ("$schema",)
        around = {name: self._root[name] for name in wanted if name in self._root}
        try:
            return Check({**around, "allOf": [schema]}).violation(value) is None
        except UnusableSchema:
            return False


_REWRITTEN = frozenset(
    {"properties", "required", *_LISTS, *_SINGLES, "$ref", "dependentRequired", "dependentSchemas", "dependencies",
     "$defs", "definitions", "default", "examples", "minProperties", "maxProperties"}
)  # fmt: skip


def _names(schema: Mapping[str, Any], keyword: str) -> list[str]:
    names = schema.get(keyword)
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _descriptions(schema: Mapping[str, Any], name: str) -> list[Any]:
    """The schemas for one argument, of those that this one has itself."""
    properties = _map(schema, "properties")
    found = [properties[name]] if name in properties else []
    found += [each for pattern, each in _map(schema, "patternProperties").items() if _matches(pattern, name)]
    return found or [schema["additionalProperties"]] if found or "additionalProperties" in schema else []


# --- references -----------------------------------------------------------------------------------------


def _referring_to_definitions(schema: dict[str, Any], defs: str) -> dict[str, Any]:
    """A copy of which all references lead to its definitions, with copies there of whatever else they led to."""
    schema = copy.deepcopy(schema)
    definitions = _map(schema, defs)
    others = [name for name in ("$defs", "definitions") if name != defs and _map(schema, name)]
    moved: dict[str, str] = {}
    original = {name: value for name, value in copy.deepcopy(schema).items() if name not in ("$schema", "$id", defs)}
    waiting: list[Any] = [schema]
    while waiting:
        for each in _schemas(waiting.pop()):
            reference = each.get("$ref")
            if not isinstance(reference, str) or reference.startswith(DIALECTS):
                continue
            container, name, rest = _names_of(reference)
            if container == defs and name:
                continue
            if name and (container in others or container == "properties"):
                source = f"/{container}/{escape(name)}"
            else:
                source, rest = "", unquote(reference[1:])
            if source not in moved:
                moved[source] = _fresh_name(definitions, name if source else "arguments")
                definitions[moved[source]] = _without_headers(copy.deepcopy(at(original, source)))
                waiting.append(definitions[moved[source]])
            each["$ref"] = f"#/{defs}/{quote(escape(moved[source]))}{quote(rest)}"
    for name in others:
        del schema[name]
    if definitions:
        schema[defs] = definitions
    return schema


def _names_of(reference: str) -> tuple[str, str, str]:
    """Of "#/a/b/c/d": "a", "b" and "/c/d"."""
    _, container, name, *rest = [*unquote(reference).split("/", 3), "", "", ""]
    return container, unescape(name), f"/{rest[0]}" if rest[0] else ""


def _fresh_name(definitions: Mapping[str, Any], wish: str) -> str:
    name, number = wish, 1
    while name in definitions:
        number += 1
        name = f"{wish}.{number}"
    return name


def _without_headers(schema: Any) -> Any:
    """The protocol allows headers of arguments only where the arguments themselves are described."""
    for each in _schemas(schema):
        each.pop(_HEADER, None)
    return schema


def _drop_unused(schema: dict[str, Any], defs: str) -> None:
    """Definitions that only the arguments had that are gone now would still tell of them."""
    definitions = schema.pop(defs, {})
    used: set[str] = set()
    waiting: list[Any] = [schema]
    while waiting:
        for each in _schemas(waiting.pop()):
            container, name, _ = _names_of(each["$ref"]) if isinstance(each.get("$ref"), str) else ("", "", "")
            if container == defs and name in definitions and name not in used:
                used.add(name)
                waiting.append(definitions[name])
    if used:
        schema[defs] = {name: each for name, each in definitions.items() if name in used}
