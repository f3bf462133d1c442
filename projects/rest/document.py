"""What the OpenAPI document says besides what the library writes: problems, headers and preconditions."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from projects.rest import etags, once
from projects.rest.problems import KINDS, MEDIA_TYPE, ProblemDocument
from projects.rest.routes import TRAITS

_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {"required": True, "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                     "description": "Names the request in the log."},
    "RateLimit-Policy": {"schema": {"type": "string"}, "description": "draft-ietf-httpapi-ratelimit-headers-10"},
    "RateLimit": {"schema": {"type": "string"}, "description": "What is left, and for how long."},
    "Location": {"schema": {"type": "string"}, "description": "Where it is."},
    "ETag": {"schema": {"type": "string"}, "description": "For If-Match."},
    "Idempotent-Replayed": {"schema": {"type": "string", "enum": ["true"]},
                            "description": "It was done before, when the same was sent with the same key."},
    "Retry-After": {"schema": {"type": "string"}, "description": "Seconds."},
}  # fmt: skip
_ALWAYS = (401, 429, 500, 503)


def finish(document: Any) -> None:
    components = document["components"]
    components["schemas"] |= _problem_schemas()
    components["headers"] = _HEADERS
    statuses = sorted({status for status, _ in KINDS.values()})
    components["responses"] = {_name(status): _problem(status) for status in statuses}
    for operations in document["paths"].values():
        for method, operation in operations.items():
            _finish(method, operation)


def _finish(method: str, operation: dict[str, Any]) -> None:
    traits = operation.pop(TRAITS)
    action = traits["action"]
    if action is not None:
        operation["x-action"] = action
        operation["description"] = f"{operation.get('description', '')}\n\nAction: `{action}`.".strip()
    if traits.get("kept"):
        text = "The same key gives the same answer for 24 hours."
        operation["parameters"].append(_header(once.HEADER, once.PATTERN, text, required=False))
    if traits.get("matched"):
        text = "The ETag of what was read."
        operation["parameters"].append(_header(etags.HEADER, etags.PATTERN, text, required=True))
    answers: dict[str, Any] = {}
    for status, answer in operation["responses"].items():
        names = ["X-Request-ID", "RateLimit-Policy", "RateLimit", *_own_headers(int(status), traits)]
        answers[str(status)] = {**answer, "headers": _headers(names)}
        if traits.get("archive"):
            answers[str(status)]["content"] = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}
    for status in _problems_of(method, operation, traits):
        answers[str(status)] = {"$ref": f"#/components/responses/{_name(status)}"}
    operation["responses"] = dict(sorted(answers.items()))


def _headers(names: list[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _name(status: int) -> str:
    return HTTPStatus(status).phrase.replace(" ", "")


def _own_headers(status: int, traits: dict[str, Any]) -> Iterator[str]:
    if status == HTTPStatus.CREATED:
        yield "Location"
    if traits.get("kept"):
        yield "Idempotent-Replayed"
    if traits.get("tagged") or traits.get("matched"):
        yield "ETag"


def _problems_of(method: str, operation: dict[str, Any], traits: dict[str, Any]) -> Iterator[int]:
    yield from _ALWAYS
    if traits["action"] is not None:
        yield 403
    places = {each["in"] for each in operation["parameters"]}
    if "path" in places:
        yield 404
    # A parameter that there is not is refused everywhere.
    yield 422
    if "requestBody" in operation:
        yield from (400, 408, 413, 415)
    if method != "get" or traits.get("archive"):
        yield 409
    if traits.get("archive"):
        yield 410
    if traits.get("matched"):
        yield from (412, 428)


def _problem(status: int) -> dict[str, Any]:
    kinds = ", ".join(f"`{kind}`" for kind, (each, _) in KINDS.items() if each == status)
    return {
        "description": f"{HTTPStatus(status).phrase}: {kinds}",
        "headers": _headers(["X-Request-ID", *(["Retry-After"] if status in (429, 503) else [])]),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
    }


def _problem_schemas() -> dict[str, Any]:
    schema = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    return {**schema.pop("$defs"), "ProblemDocument": schema}


def _header(name: str, pattern: str, description: str, *, required: bool) -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern}
    return {"in": "header", "name": name, "schema": schema, "required": required, "description": description}
