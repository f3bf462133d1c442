"""What a server says of its own things, in the words that clients of all servers know: URIs, ids of tasks and requests.

Messages are rewritten as parsed JSON, member by member; what no revision gives a meaning passes as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.aggregate.uris import shown_uri

Message = dict[str, Any]
_RELATED_TASK = "io.modelcontextprotocol/related-task"


@dataclass(frozen=True, slots=True)
class Words:
    """Of one server for one call. `given` are URIs that the client used in the server's own form.

    `seal` makes the id under which the client answers a request of the server; None when there can be none.
    """

    slug: str
    given: Mapping[str, str] = field(default_factory=dict)
    seal: Callable[[str | int], str | None] = lambda _: None

    def uri(self, real: Any) -> Any:
        if not isinstance(real, str):
            return real
        return self.given.get(real) or shown_uri(self.slug, real)

    def task(self, real: Any) -> Any:
        return f"{self.slug}:{real}" if isinstance(real, str) else real


def translate(message: Message, words: Words) -> Message | None:
    """The message for the client; None for a request of the server that cannot be given an id."""
    if "method" in message:
        return _said(message, words)
    changed = dict(message)
    if isinstance(message.get("result"), dict):
        changed["result"] = _result(message["result"], words)
    error = message.get("error")
    data = error.get("data") if isinstance(error, dict) else None
    if isinstance(data, dict) and "uri" in data:
        changed["error"] = {**message["error"], "data": {**data, "uri": words.uri(data["uri"])}}
    return changed


def _said(message: Message, words: Words) -> Message | None:
    """A request or notification of the server."""
    changed = dict(message)
    if "id" in message:
        sealed = words.seal(message["id"]) if isinstance(message["id"], (str, int)) else None
        if sealed is None:
            return None
        changed["id"] = sealed
    params = message.get("params")
    if isinstance(params, dict):
        params = _task(params, words)
        if "uri" in params:
            params["uri"] = words.uri(params["uri"])
        changed["params"] = params
    return changed


def _result(result: Message, words: Words) -> Message:
    changed = _task(result, words)
    if isinstance(changed.get("content"), list):
        changed["content"] = [_block(block, words) for block in changed["content"]]
    if isinstance(changed.get("contents"), list):
        changed["contents"] = [_with_uri(each, words) for each in changed["contents"]]
    if isinstance(changed.get("messages"), list):
        changed["messages"] = [_prompt(each, words) for each in changed["messages"]]
    return changed


def _prompt(message: Any, words: Words) -> Any:
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, dict):
        return {**message, "content": _block(content, words)}
    if isinstance(content, list):
        return {**message, "content": [_block(block, words) for block in content]}
    return message


def _block(block: Any, words: Words) -> Any:
    if not isinstance(block, dict):
        return block
    if block.get("type") == "resource_link":
        return _with_uri(block, words)
    if block.get("type") == "resource" and isinstance(block.get("resource"), dict):
        return {**block, "resource": _with_uri(block["resource"], words)}
    return block


def _with_uri(value: Any, words: Words) -> Any:
    return {**value, "uri": words.uri(value["uri"])} if isinstance(value, dict) and "uri" in value else value


def _task(value: Message, words: Words) -> Message:
    """A copy in which tasks have the names by which they can be asked for."""
    changed = dict(value)
    if "taskId" in changed:
        changed["taskId"] = words.task(changed["taskId"])
    if isinstance(changed.get("task"), dict) and "taskId" in changed["task"]:
        changed["task"] = {**changed["task"], "taskId": words.task(changed["task"]["taskId"])}
    meta = changed.get("_meta")
    related = meta.get(_RELATED_TASK) if isinstance(meta, dict) else None
    if isinstance(related, dict) and "taskId" in related:
        changed["_meta"] = {**changed["_meta"], _RELATED_TASK: {**related, "taskId": words.task(related["taskId"])}}
    return changed
