"""One era on the client's side and the other on the server's: what is said is said in the words of the other.

What has no words there is not carried: see proxy/README.md.
"""

from __future__ import annotations

import itertools
import secrets
from typing import TYPE_CHECKING, Any

from proxy.protocol import (
    CAPABILITIES_KEY,
    CLIENT_KEY,
    ENVELOPE_PREFIX,
    LATEST_MODERN,
    LOG_LEVEL_KEY,
    PROTOCOL_VERSION_KEY,
)

if TYPE_CHECKING:
    from proxy.aggregate.passage import Passage
    from proxy.call import Call

Message = dict[str, Any]
_LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
_ONLY_MODERN = ("resultType", "ttlMs", "cacheScope")
_NEEDS_INPUT = (
    "The server asks for input that this client cannot be asked for: the server speaks only protocol versions from "
    "2026-07-28 on, the client only earlier ones."
)


# Of seven digits: longer numbers look like somebody's card or telephone, and guardrails see them too.
_LOWEST, _RANGE = 10**6, 9 * 10**6
_numbers = itertools.count(secrets.randbelow(_RANGE))


def own_id() -> int:
    """For a request of ours on a session that others use too; other workers begin elsewhere."""
    return _LOWEST + next(_numbers) % _RANGE


def speak_legacy(call: Call, passage: Passage) -> None:
    """A modern call for a session that the key's clients share, so that ids are made unique there."""
    message, meta = call.message, call.params.get("_meta")
    if message is None:
        return
    params = {name: value for name, value in call.params.items() if name != "_meta"}
    kept = {name: value for name, value in (meta or {}).items() if not name.startswith(ENVELOPE_PREFIX)}
    passage.log_level = str((meta or {}).get(LOG_LEVEL_KEY, ""))
    identity = own_id()
    if "progressToken" in kept:
        passage.progress_token, kept["progressToken"] = kept["progressToken"], identity
    if kept:
        params["_meta"] = kept
    call.message = {**message, "id": identity, "params": params}


def speak_modern(call: Call, passage: Passage) -> None:
    """A legacy call for a server without sessions: the envelope of each request says what the session would."""
    call.version = LATEST_MODERN
    if call.message is None or passage.session is None or not call.is_request:
        return
    meta = {
        **(call.params.get("_meta") or {}),
        PROTOCOL_VERSION_KEY: LATEST_MODERN,
        CLIENT_KEY: passage.session.client,
        # Nothing that it may ask for could be carried.
        CAPABILITIES_KEY: {},
    }
    if passage.log_level:
        meta[LOG_LEVEL_KEY] = passage.log_level
    call.message = {**call.message, "params": {**call.params, "_meta": meta}}


def hear_legacy(call: Call, passage: Passage, message: Message, method: str) -> Message | None:
    """What a legacy server says, for a modern client; None for what is not for it."""
    if "method" in message:
        return _hear_notice(passage, message)
    changed = {**message, "id": passage.message_id} if message.get("id") is not None else message
    result = message.get("result")
    if isinstance(result, dict):
        result = {"resultType": "complete", **result}
        if method == "resources/read":
            result = {"ttlMs": 0, "cacheScope": "private", **result}
        changed = {**changed, "result": result}
    return changed


def _hear_notice(passage: Passage, message: Message) -> Message | None:
    params = message.get("params")
    if message["method"] == "notifications/message":
        level = params.get("level") if isinstance(params, dict) else None
        return message if _is_wanted(level, passage.log_level) else None
    if message["method"] == "notifications/progress" and isinstance(params, dict):
        if passage.progress_token is None:
            return None
        return {**message, "params": {**params, "progressToken": passage.progress_token}}
    return message


def _is_wanted(level: Any, least: str) -> bool:
    """2026-07-28: only those who ask for log messages get any."""
    return level in _LEVELS and least in _LEVELS and _LEVELS.index(level) >= _LEVELS.index(least)


def hear_modern(message: Message, method: str) -> Message:
    """What a modern server says, for a legacy client."""
    result = message.get("result")
    if not isinstance(result, dict):
        return message
    if result.get("resultType", "complete") == "input_required":
        return _cannot_ask(message, method)
    result = {name: value for name, value in result.items() if name not in _ONLY_MODERN}
    meta = result.get("_meta")
    if isinstance(meta, dict):
        result["_meta"] = {name: value for name, value in meta.items() if not name.startswith(ENVELOPE_PREFIX)}
    return {**message, "result": result}


def _cannot_ask(message: Message, method: str) -> Message:
    if method == "tools/call":
        result = {"content": [{"type": "text", "text": _NEEDS_INPUT}], "isError": True}
        return {"jsonrpc": "2.0", "id": message.get("id"), "result": result}
    return {"jsonrpc": "2.0", "id": message.get("id"), "error": {"code": -31012, "message": _NEEDS_INPUT}}
