"""A request that is under way: what became of it so far, and how its answer is read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gateway_site.connect.link import Link, Reply
from gateway_site.connect.messages import Message

STREAM_PAUSE = 1.0
# A stream that was open for so long was worth opening.
SETTLED_SECONDS = 5.0
# What a listener may have missed, by what it listens to.
_MISSED = {"toolsListChanged": "notifications/tools/list_changed",
           "promptsListChanged": "notifications/prompts/list_changed",
           "resourcesListChanged": "notifications/resources/list_changed"}  # fmt: skip


class SessionGone(Exception):
    """The gateway does not know the session."""


class AskAgain(Exception):
    """Nothing was done, and the same request has better prospects after `pause` seconds."""

    def __init__(self, pause: float | None = None) -> None:
        super().__init__()
        self.pause = pause


@dataclass
class Exchange:
    """A request that is under way."""

    message: Message
    task: asyncio.Task[None] | None = None
    is_answered: bool = False
    # How often it has been sent for another reason than that nobody was there.
    repeats: int = 0
    last_event_id: str | None = None
    pause: float = STREAM_PAUSE
    acknowledged: bool = False


def check(link: Link, reply: Reply) -> None:
    """Raises AskAgain."""
    if reply.status == 401 and link.renew_key():
        raise AskAgain
    if reply.asks_to_come_back:
        raise AskAgain(reply.retry_after)


def key_of(message_id: Any) -> tuple[type, Any] | None:
    """1, "1" and true are three ids."""
    return (type(message_id), message_id) if type(message_id) in (str, int) else None


def content_of(data: bytes) -> dict[str, Any]:
    """Empty for what is no message."""
    try:
        content = orjson.loads(data)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def code_of(content: Mapping[str, Any]) -> Any:
    error = content.get("error")
    return error.get("code") if isinstance(error, dict) else None


def may_be_missed(acknowledgement: Mapping[str, Any]) -> Iterator[bytes]:
    """While nobody listened, anything may have changed; the client heard the first acknowledgement already."""
    params = acknowledgement.get("params") or {}
    for name, honoured in (params.get("notifications") or {}).items():
        if honoured and name in _MISSED:
            notice = {"jsonrpc": "2.0", "method": _MISSED[name], "params": {"_meta": params.get("_meta") or {}}}
            yield orjson.dumps(notice)


def in_words(status: int) -> str:
    if status in (200, 202, 204):
        return "The gateway gave no answer"
    if 300 <= status < 400:
        return f"The address leads elsewhere (HTTP {status}); give the gateway's own"
    if status == 413:
        return "The message is larger than the gateway takes"
    return f"The gateway answered with HTTP {status}"
