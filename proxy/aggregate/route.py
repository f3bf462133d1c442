"""Leads a call about one thing to the server that has it, under its real name; what is not found stays where it is.

A call that stays at the whole is refused there like anything unknown, so that there is one answer for what does not
exist, is not approved, and is not for this key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.aggregate.meta import names
from proxy.aggregate.sealed import open_asked
from proxy.aggregate.table import visible
from proxy.aggregate.uris import real_uri
from servers.offers import era_of
from servers.rights import decide
from servers.upstream import Upstream

if TYPE_CHECKING:
    from proxy.call import Call

_RESOURCES = frozenset({"resources/read", "resources/subscribe", "resources/unsubscribe"})
_EVENT_ID = "~"


# Where a server may have what nobody has seen yet.
_LISTED = {"tool": ("tools",), "prompt": ("prompts",), "resource": ("resources", "resourceTemplates")}


async def lead(call: Call) -> None:
    """Changes the call's upstream and message. Servers that were never asked what they have are asked first."""
    if names.find(call) is not None:
        return
    route(call)
    kind, _ = call.subject
    if not kind or not call.is_whole:
        return
    fresh, before = call.state.aggregate.freshness, call.snapshot
    for member in _LISTED[kind]:
        await fresh.await_first_sight(call, visible(call), member)
    if call.snapshot is not before:
        call.policy_version = call.snapshot.version
        route(call)


def route(call: Call) -> None:
    """Like `lead`, by what is known."""
    method, params = call.method, call.params
    if method == "tools/call":
        _lead_by_name(call, "tool", params)
    elif method == "prompts/get":
        _lead_by_name(call, "prompt", params)
    elif method in _RESOURCES:
        _lead_by_uri(call, params.get("uri"))
    elif method == "completion/complete":
        _lead_by_reference(call, params.get("ref"))
    elif method.startswith("tasks/"):
        _lead_by_task(call, params.get("taskId"))
    elif method == "response":
        _lead_answer(call)
    elif method == "GET" and call.last_event_id is not None:
        _lead_by_event(call, call.last_event_id)


def find_uri(call: Call, uri: str) -> tuple[Upstream, str] | None:
    """The server and its own URI, of one in its own form too when only one server that may be asked has it."""
    found = real_uri(uri)
    if found is not None:
        slug, real = found
        return (call.snapshot.upstreams[slug], real) if _may_use(call, slug, "resource", real) else None
    having = [slug for slug in call.snapshot.upstreams if _has(call, slug, uri)]
    return (call.snapshot.upstreams[having[0]], uri) if len(having) == 1 else None


def _has(call: Call, slug: str, uri: str) -> bool:
    """Whether the server lists the resource, or a template of it."""
    offer = call.snapshot.rights.offers.get(slug)
    if offer is None or not _may_use(call, slug, "resource", uri):
        return False
    listed = offer.get("resource", uri) or offer.get("template", uri)
    if listed is not None:
        return bool(listed.current) and listed.may_be_used
    return offer.may_have(uri)


def _may_use(call: Call, slug: str, kind: str, name: str) -> bool:
    snapshot, era = call.snapshot, era_of(call.modern)
    return slug in snapshot.upstreams and decide(snapshot.rights, call.principal, slug, kind, name, era).allowed


def _find_name(call: Call, kind: str, shown: Any) -> tuple[str, str] | None:
    """The server and the real name of what this key may use and the server lists."""
    place = call.state.aggregate.names(call.snapshot).get((kind, shown)) if isinstance(shown, str) else None
    return place if place is not None and _may_use(call, place[0], kind, place[1]) else None


def _lead_by_name(call: Call, kind: str, params: dict[str, Any]) -> None:
    place = _find_name(call, kind, params.get("name"))
    if place is not None:
        _lead(call, place[0], params["name"], {**params, "name": place[1]})


def _lead_by_uri(call: Call, uri: Any) -> None:
    found = find_uri(call, uri) if isinstance(uri, str) else None
    if found is not None:
        upstream, real = found
        _lead(call, upstream.slug, uri, {**call.params, "uri": real})
        if real == uri and call.aggregate is not None:
            call.aggregate.given[real] = uri


def _lead_by_reference(call: Call, reference: Any) -> None:
    if not isinstance(reference, dict):
        return
    if reference.get("type") == "ref/prompt":
        place = _find_name(call, "prompt", reference.get("name"))
        if place is not None:
            _lead(call, place[0], reference["name"], {**call.params, "ref": {**reference, "name": place[1]}})
    elif isinstance(reference.get("uri"), str):
        found = find_uri(call, reference["uri"])
        if found is not None:
            reference = {**reference, "uri": found[1]}
            _lead(call, found[0].slug, call.params["ref"]["uri"], {**call.params, "ref": reference})


def _lead_by_task(call: Call, task: Any) -> None:
    slug, separator, real = task.partition(":") if isinstance(task, str) else ("", "", "")
    if separator and _may_use(call, slug, "", ""):
        _lead(call, slug, task, {**call.params, "taskId": real})


def _lead_answer(call: Call) -> None:
    """The client's answer goes to the server's own session, which the id names."""
    passage = call.aggregate
    if passage is None or passage.session is None or call.message is None:
        return
    asked = open_asked(call.message_id, call.principal, passage.session)
    upstream = call.snapshot.upstreams.get(asked.slug) if asked is not None else None
    if asked is None or upstream is None or upstream.config_hash != asked.config_hash:
        return
    if _may_use(call, asked.slug, "", ""):
        passage.asked = asked
        call.message = {**call.message, "id": asked.id}
        call.upstream = upstream


def _lead_by_event(call: Call, event_id: str) -> None:
    slug, separator, real = event_id.partition(_EVENT_ID)
    if separator and _may_use(call, slug, "", ""):
        call.upstream, call.last_event_id = call.snapshot.upstreams[slug], real


def shown_event_id(slug: str, event_id: str) -> str:
    """By which a client takes up the stream of one server again."""
    return f"{slug}{_EVENT_ID}{event_id}"


def _lead(call: Call, slug: str, named: str, params: dict[str, Any]) -> None:
    if call.aggregate is not None and call.message is not None:
        call.named = named
        call.upstream = call.snapshot.upstreams[slug]
        call.message = {**call.message, "params": params}
