"""Answers what is asked of all servers together; what is about one of them goes on to it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from guardrails.engine.lent import VaultUnavailable
from proxy.aggregate import feed, notices
from proxy.aggregate.about import client_capabilities, describe, plain_info
from proxy.aggregate.lists import answer_list
from proxy.aggregate.meta import names
from proxy.aggregate.meta.answering import answer_ours, list_ours
from proxy.aggregate.passage import Passage
from proxy.aggregate.sealed import Session, seal_session
from proxy.call import Answer, Call
from proxy.errors import KINDS, Refusal
from proxy.inspection import owner_of
from proxy.protocol import MODERN, SERVER_KEY, agreed_version
from proxy.sightings import LISTS

if TYPE_CHECKING:
    from proxy.call import CallNext

_TTL_MS = 60_000


def answer(call: Call, call_next: CallNext) -> Awaitable[Answer]:
    """Raises Refusal. At the address of one server it is not there."""
    return call_next(call) if call.aggregate is None else _answer(call, call.aggregate, call_next)


async def _answer(call: Call, passage: Passage, call_next: CallNext) -> Answer:
    session = passage.session
    if session is not None:
        await call.state.aggregate.sessions.confirm(call, session)
    if not call.is_whole:
        _note_subscription(call, passage)
        return await call_next(call)
    if call.is_request:
        ours = names.find(call)
        if ours is not None:
            return await answer_ours(call, ours)
        if call.method == "tools/list" and names.has_ours(call):
            return list_ours(call)
        if call.method in LISTS:
            return await answer_list(call)
        if call.modern:
            return await _answer_modern(call, call_next)
        return await _answer_legacy(call, session)
    if session is None:
        # 2026-07-28 has no notifications from clients over HTTP.
        return Answer(202)
    return await _take(call, session, call_next)


async def _answer_modern(call: Call, call_next: CallNext) -> Answer:
    if call.method == "server/discover":
        said = await describe(call)
        said["_meta"] = {SERVER_KEY: said.pop("serverInfo")}
        complete = {"resultType": "complete", "ttlMs": _TTL_MS, "cacheScope": "private"}
        return _result(call, {"supportedVersions": list(MODERN), **said, **complete})
    if call.method == "subscriptions/listen":
        return await feed.listen(call, call_next)
    raise Refusal("unknown_method")


async def _answer_legacy(call: Call, session: Session | None) -> Answer:
    if call.method == "initialize":
        return await _initialize(call)
    if call.method == "ping":
        return _result(call, {})
    if call.method == "logging/setLevel" and session is not None:
        level = call.params.get("level")
        if level not in notices.LEVELS:
            raise Refusal("invalid_params", "params.level must be a level of RFC 5424")
        await notices.set_level(call, session, level)
        return _result(call, {})
    # With any other status than this a client of this era takes its session to be over.
    kind = KINDS["unknown_method"]
    error = {"code": kind.code, "message": kind.message}
    return Answer(
        200, {"jsonrpc": "2.0", "id": call.message_id, "error": error}, headers={"X-Refused": "unknown_method"}
    )


async def _initialize(call: Call) -> Answer:
    params = call.params
    session = Session(
        uuid.uuid4().hex, agreed_version(params.get("protocolVersion")), time.time(),
        client_capabilities(params.get("capabilities")), plain_info(params.get("clientInfo")),
    )  # fmt: skip
    sealed = seal_session(session, call.principal)
    made = _result(call, {"protocolVersion": session.version, **await describe(call)})
    made.headers["Mcp-Session-Id"] = sealed
    return made


async def _take(call: Call, session: Session, call_next: CallNext) -> Answer:
    """What asks for no answer: a notification, an answer to nothing, the stream, the end."""
    if call.http_method == "GET":
        return await feed.watch(call, session, call_next)
    if call.http_method == "DELETE":
        await call.state.aggregate.sessions.end(call, session)
        await _forget(call)
        return Answer(200)
    if call.method == "notifications/cancelled":
        await notices.cancel(call, session)
    elif call.method == "notifications/roots/list_changed":
        await notices.tell_all(call, session, {"method": call.method})
    return Answer(202)


async def _forget(call: Call) -> None:
    """What stands for values in this session stands for nothing any more."""
    try:
        await call.state.guards.vault.forget(owner_of(call))
    except VaultUnavailable:
        # They end by themselves.
        pass


def _note_subscription(call: Call, passage: Passage) -> None:
    """So that the server's notices name the resource as its subscriber does."""
    if passage.session is None or call.method not in ("resources/subscribe", "resources/unsubscribe"):
        return
    uri = call.params["uri"]
    subscribed = call.state.aggregate.sessions.client(call.principal.project_id, passage.session).subscribed
    if call.method == "resources/unsubscribe":
        subscribed.pop((call.upstream.slug, uri), None)
    elif len(subscribed) < _MAX_SUBSCRIBED:
        subscribed[call.upstream.slug, uri] = call.named


_MAX_SUBSCRIBED = 1_000


def _result(call: Call, result: dict[str, Any]) -> Answer:
    return Answer(200, {"jsonrpc": "2.0", "id": call.message_id, "result": result})
