"""Which parts of an MCP message hold text, by which surface each came, and the segments of a whole message.

Both eras: 2024-11-05 to 2025-11-25, and 2026-07-28. A method or member that no revision knows is read too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import re2

from guardrails.engine.segments import Kind, Segment, Surface
from guardrails.engine.walk import Binary, escape, visit

Message = Mapping[str, Any]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PARAMS = {
    "completion/complete": Surface.COMPLETION,
    "resources/read": Surface.RESOURCE,
    "resources/subscribe": Surface.RESOURCE,
    "resources/unsubscribe": Surface.RESOURCE,
    "sampling/createMessage": Surface.REQUEST,
    "elicitation/create": Surface.REQUEST,
    "roots/list": Surface.REQUEST,
}
_LISTS = frozenset({"tools/list", "prompts/list", "resources/list", "resources/templates/list"})
# By member of a result, whatever the method.
_RESULTS = {
    "structuredContent": Surface.STRUCTURED,
    "contents": Surface.RESOURCE,
    "messages": Surface.PROMPT,
    "completion": Surface.COMPLETION,
    "inputRequests": Surface.REQUEST,
}
# Only here do these members tell a model about the server; elsewhere a server could hide in them from output rules.
_INTRODUCTIONS = frozenset({"initialize", "server/discover"})
_INTRODUCING = frozenset({"instructions", "serverInfo"})
_OF_A_RESOURCE = frozenset({"resource", "resource_link"})

_ENVELOPE_META = "io.modelcontextprotocol/"
# What the protocol itself puts into `_meta`; client info counts only where the client speaks.
_META_FORMS = {
    "traceparent": re2.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"),
    f"{_ENVELOPE_META}protocolVersion": re2.compile(r"\d{4}-\d{2}-\d{2}"),
    f"{_ENVELOPE_META}logLevel": re2.compile("debug|info|notice|warning|error|critical|alert|emergency"),
}

# Member names that the protocol gives. Where it gives the names, they say nothing.
_NAMES = _words(
    "_meta action annotations arguments argument audience capabilities clientInfo completion content contents context "
    "cacheScope completions costPriority createdAt createMessage cursor data default description destructiveHint "
    "elicitation elicitationId elicitations enum enumNames error execution experimental extensions form format "
    "hasMore hints icons id idempotentHint includeContext input inputRequests inputResponses inputSchema instructions "
    "intelligencePriority isError items lastModified lastUpdatedAt level listChanged logger logging maxTokens maximum "
    "maxItems maxLength message messages metadata method mimeType minimum minItems minLength mode model "
    "modelPreferences name nextCursor notifications openWorldHint outputSchema params pattern pollInterval priority "
    "progress progressToken prompts properties promptsListChanged protocolVersion readOnlyHint reason ref requestId "
    "requestState requestedSchema required resource resourceSubscriptions resources resourcesListChanged "
    "resourceTemplates result resultType role roots sampling serverInfo size sizes speedPriority src status "
    "statusMessage stopReason stopSequences structuredContent subscribe supported supportedVersions systemPrompt task "
    "taskId tasks taskSupport temperature text theme title toolChoice toolUseId tools toolsListChanged total ttl ttlMs "
    "type uri uriTemplate url value values version websiteUrl blob additionalProperties anyOf oneOf allOf not const "
    "$ref $defs $schema $id definitions prefixItems patternProperties propertyNames examples exclusiveMinimum "
    "exclusiveMaximum multipleOf uniqueItems contentMediaType contentEncoding"
)
_TEXTS: dict[str, frozenset[str]] = {
    "type": _words(
        "text image audio resource resource_link tool_use tool_result ref/prompt ref/resource ref/tool object array "
        "string number integer boolean null"
    ),
    "role": frozenset({"user", "assistant"}),
    "resultType": frozenset({"complete", "input_required", "task"}),
    "cacheScope": frozenset({"public", "private"}),
    "level": _words("debug info notice warning error critical alert emergency"),
    "action": frozenset({"accept", "decline", "cancel"}),
    "mode": frozenset({"form", "url", "auto", "required", "none"}),
    "status": _words("working input_required completed failed cancelled"),
    "stopReason": frozenset({"endTurn", "stopSequence", "maxTokens", "toolUse"}),
    "includeContext": frozenset({"none", "thisServer", "allServers"}),
    "audience": frozenset({"user", "assistant"}),
    "taskSupport": frozenset({"forbidden", "optional", "required"}),
    "theme": frozenset({"light", "dark"}),
    "$schema": frozenset({"https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#"}),
    "method": frozenset({"sampling/createMessage", "elicitation/create", "roots/list"}),
    "protocolVersion": frozenset({"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"}),
    "supportedVersions": frozenset({"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"}),
}
_KINDS = {
    **dict.fromkeys(
        _words(
            "type role mimeType id name cursor nextCursor requestState taskId toolUseId progressToken requestId logger "
            "protocolVersion supportedVersions version resultType status cacheScope level action mode stopReason "
            "method elicitationId createdAt lastUpdatedAt lastModified model sizes traceparent tracestate"
        ),
        Kind.ID,
    ),
    **dict.fromkeys(_words("uri url src websiteUrl uriTemplate"), Kind.URL),
}
_METHODS = _words(
    "initialize ping server/discover tools/list tools/call prompts/list prompts/get resources/list "
    "resources/templates/list resources/read resources/subscribe resources/unsubscribe subscriptions/listen "
    "completion/complete logging/setLevel sampling/createMessage elicitation/create roots/list tasks/get tasks/list "
    "tasks/cancel tasks/result tasks/update notifications/initialized notifications/cancelled notifications/progress "
    "notifications/message notifications/roots/list_changed notifications/tools/list_changed "
    "notifications/prompts/list_changed notifications/resources/list_changed notifications/resources/updated "
    "notifications/elicitation/complete notifications/tasks/status notifications/subscriptions/acknowledged"
)
# Other places than these could be rewritten without the message losing its way.
_ROUTES = re2.compile(
    r"/(?:id|method|jsonrpc)"
    r"|/params/(?:name|uri|cursor|taskId|requestState|progressToken|requestId|ref/name|ref/uri|protocolVersion)"
    r"|/params/_meta/(?:progressToken|io\.modelcontextprotocol~1[A-Za-z]+)"
    r"|/result/(?:nextCursor|requestState|taskId|task/taskId|protocolVersion|resultType)"
    r"|/params/task/taskId"
)


@dataclass(frozen=True, slots=True)
class Part:
    """A JSON value in a message. `base` is its pointer from the message.

    `is_free` is false where the protocol gives the member names, true where a tool or its user does.
    `kinds` and `schema` are as in `walk`.
    """

    value: Any
    base: str
    surface: Surface
    is_free: bool = False
    kinds: Mapping[str, str] | None = None
    schema: Any = None


@dataclass(slots=True)
class Reading:
    """What there is to read in a message; `characters` is the length of all segments together."""

    segments: list[Segment] = field(default_factory=list)
    binaries: list[Binary] = field(default_factory=list)
    characters: int = 0


def segments_of(
    message: Message,
    *,
    direction: str,
    method: str,
    modern: bool,
    kinds: Mapping[str, str] | None = None,
    schema: Any = None,
) -> Reading:
    """All text of a JSON-RPC message: pointers lead from the message's root.

    `direction` is "input" for what a client sends, else "output" or "definition". `method` is that of the request, for
    a response too. `kinds` gives kinds by pointer in the arguments; `schema` is the tool's input schema for a call,
    its output schema for a result. Raises Unwalkable for a message that cannot be read whole.
    """
    reading = Reading()
    for part in parts_of(message, direction=direction, method=method, modern=modern, kinds=kinds, schema=schema):
        _read(part, reading)
    return reading


def _read(part: Part, reading: Reading) -> None:
    if part.is_free:
        found = visit(part.value, surface=part.surface, base=part.base, kinds=part.kinds, schema=part.schema)
    else:
        found = visit(
            part.value, surface=part.surface, base=part.base, named=_KINDS, fixed_names=_NAMES, fixed_texts=_TEXTS
        )
    for each in found:
        if isinstance(each, Segment):
            reading.segments.append(each)
            reading.characters += len(each.text)
        else:
            reading.binaries.append(each)


def parts_of(
    message: Message,
    *,
    direction: str,
    method: str,
    modern: bool,
    kinds: Mapping[str, str] | None = None,
    schema: Any = None,
) -> list[Part]:
    """The parts of a message that hold text, each once; together they hold all of it. Arguments as `segments_of`."""
    parts = _envelope(message)
    if "params" in message:
        parts += _of_params(message["params"], str(message.get("method", method)), direction, modern, kinds, schema)
    if "result" in message:
        if direction == "input":
            parts += _of_answer(message["result"], "/result", modern)
        else:
            parts += _of_result(message["result"], "/result", method, modern, schema)
    if "error" in message:
        parts.append(Part(message["error"], "/error", Surface.ERROR))
    return parts


def is_route(pointer: str) -> bool:
    """Whether the protocol finds its way by this place, so that another text there would be another message."""
    return _ROUTES.fullmatch(pointer) is not None


def _envelope(message: Message) -> list[Part]:
    """What is left when the parts are gone: a method of no revision, the sender's own id, unknown members."""
    rest = {name: value for name, value in message.items() if name not in ("params", "result", "error")}
    if rest.get("jsonrpc") == "2.0":
        del rest["jsonrpc"]
    if isinstance(rest.get("method"), str) and rest["method"] in _METHODS:
        del rest["method"]
    return [Part(rest, "", Surface.META)] if rest else []


def _of_params(
    params: Any, method: str, direction: str, modern: bool, kinds: Mapping[str, str] | None, schema: Any
) -> list[Part]:
    if not isinstance(params, dict):
        return [Part(params, "/params", Surface.META)]
    surface = Surface.NOTIFICATION if method.startswith("notifications/") else _PARAMS.get(method, Surface.META)
    parts: list[Part] = []
    rest: dict[str, Any] = {}
    for name, value in params.items():
        place = f"/params/{escape(name)}"
        if name == "arguments":
            parts.append(Part(value, place, Surface.ARGUMENTS, True, kinds, schema if method == "tools/call" else None))
        elif name == "_meta":
            parts += _of_meta(value, place, modern, direction)
        elif name == "inputResponses":
            parts += _of_answers(value, place, modern)
        elif name == "data" and method == "notifications/message":
            parts.append(Part(value, place, surface, True))
        elif name == "content" and method.startswith("tasks/"):
            parts += _of_content(value, place, Surface.CONTENT)
        else:
            rest[name] = value
    return [*parts, Part(rest, "/params", surface)] if rest else parts


def _of_result(result: Any, base: str, method: str, modern: bool, schema: Any) -> list[Part]:
    if not isinstance(result, dict):
        return [Part(result, base, Surface.META, True)]
    is_list = method in _LISTS
    parts: list[Part] = []
    rest: dict[str, Any] = {}
    for name, value in result.items():
        place = f"{base}/{escape(name)}"
        if name == "_meta":
            parts += _of_meta(value, place, modern, "output")
        elif name == "content" and not is_list:
            parts += _of_content(value, place, Surface.ERROR if result.get("isError") is True else Surface.CONTENT)
        elif name == "structuredContent" and not is_list:
            parts.append(Part(value, place, Surface.STRUCTURED, True, None, schema))
        elif name in _RESULTS and not is_list:
            parts.append(Part(value, place, _RESULTS[name]))
        elif name in _INTRODUCING and method in _INTRODUCTIONS:
            parts.append(Part(value, place, Surface.INSTRUCTIONS))
        elif name == "result" and method.startswith("tasks/"):
            parts += _of_result(value, place, "tools/call", modern, schema)
        elif name == "error" and method.startswith("tasks/"):
            parts.append(Part(value, place, Surface.ERROR))
        else:
            rest[name] = value
    surface = Surface.DEFINITION if is_list else Surface.PROMPT if method == "prompts/get" else Surface.META
    return [*parts, Part(rest, base, surface)] if rest else parts


def _of_content(content: Any, base: str, surface: Surface) -> list[Part]:
    """Runs of blocks with one surface are one part; pointers count through the whole list."""
    if not isinstance(content, list):
        return [Part(content, base, surface)]
    return [Part(block, f"{base}/{index}", _surface_of(block, surface)) for index, block in enumerate(content)]


def _surface_of(block: Any, surface: Surface) -> Surface:
    kind = block.get("type") if isinstance(block, dict) else None
    if isinstance(kind, str) and kind in _OF_A_RESOURCE and surface is Surface.CONTENT:
        return Surface.RESOURCE
    return surface


def _of_answers(answers: Any, base: str, modern: bool) -> list[Part]:
    """2026-07-28: what a client answers to the requests of an input-required result, by the server's names."""
    if not isinstance(answers, dict):
        return [Part(answers, base, Surface.REQUEST, True)]
    parts = [Part(dict.fromkeys(answers), base, Surface.REQUEST, True)]
    for name, answer in answers.items():
        parts += _of_answer(answer, f"{base}/{escape(name)}", modern)
    return parts


def _of_answer(answer: Any, base: str, modern: bool) -> list[Part]:
    """What a client answers to sampling, elicitation and roots. A form's members are its own."""
    if not isinstance(answer, dict):
        return [Part(answer, base, Surface.REQUEST, True)]
    parts: list[Part] = []
    rest = dict(answer)
    if "_meta" in rest:
        parts += _of_meta(rest.pop("_meta"), f"{base}/_meta", modern, "input")
    if "action" in rest and "content" in rest:
        parts.append(Part(rest.pop("content"), f"{base}/content", Surface.REQUEST, True))
    return [*parts, Part(rest, base, Surface.REQUEST)]


def _of_meta(meta: Any, base: str, modern: bool, direction: str) -> list[Part]:
    """All but what the protocol itself puts there, as long as that looks as the protocol writes it."""
    if not isinstance(meta, dict):
        return [Part(meta, base, Surface.META, True)]
    rest = {name: value for name, value in meta.items() if not _is_reserved(name, value, modern, direction)}
    return [Part(rest, base, Surface.META, True)] if rest else []


def _is_reserved(name: str, value: Any, modern: bool, direction: str) -> bool:
    """Only what can say nothing else: a version, a level, a trace, a number. The client's name and capabilities can."""
    form = _META_FORMS.get(name)
    if form is None or (name.startswith(_ENVELOPE_META) and not modern):
        return False
    return isinstance(value, str) and form.fullmatch(value) is not None
