"""May this key do this? The one decision function that calls, lists and open streams all ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway_site.lib import tracing
from projects.authentication import KeyRecord, Principal, is_expired
from proxy import protocol
from proxy.aggregate.meta import names
from proxy.call import Answer, Call, Event
from proxy.errors import Refusal
from proxy.lifetimes import CACHEABLE, keep_private
from proxy.overlay import show
from proxy.pace import Pace
from proxy.sightings import LISTS, MEMBERS
from proxy.snapshot import Snapshot
from servers import rights
from servers.offers import era_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from proxy.call import CallNext

_REFUSED = {"tool": "unknown_tool", "prompt": "unknown_prompt", "resource": "unknown_resource"}
# Rules that are held against resources before another call has its turn; some 10 ms.
_MAX_DECIDED_AT_ONCE = 10_000


async def authorize(call: Call, call_next: CallNext) -> Answer:
    """Raises Refusal; takes out of lists what could not be called."""
    with tracing.span("mcpgw.authorize"):
        check(call)
        await _check_listened(call)
    answer = await call_next(call)
    if answer.message is not None:
        filter_message(call, answer.message)
    if answer.events is not None and (call.http_method == "GET" or call.method in CACHEABLE):
        answer.events = _filtered(call, answer.events)
    return answer


def decide(call: Call, snapshot: Snapshot, principal: Principal, kind: str, name: str) -> bool:
    """True when the principal may use this tool, prompt or resource of the call's server."""
    if kind == "resource" and call.method == "completion/complete":
        # What is completed is an argument of a template.
        offer = snapshot.rights.offers.get(call.upstream.slug)
        kind = "template" if offer is not None and offer.get("template", name) is not None else kind
    return rights.decide(snapshot.rights, principal, call.upstream.slug, kind, name, era_of(call.modern)).allowed


def check(call: Call) -> None:
    """Raises Refusal with the answer that an unknown name would get."""
    kind, name = call.subject
    if call.aggregate is not None and call.modern and call.method in protocol.REMOVED:
        raise Refusal("unknown_method")
    if call.is_whole:
        # Where nothing has the name that was asked for; what is about all servers is about those of the key.
        if kind and names.find(call) is None:
            raise not_there(kind, name)
    elif call.is_nowhere or not decide(call, call.snapshot, call.principal, kind, name):
        raise missing(call)
    if _is_restricted(call) and not _is_open_to_restricted(call.method):
        raise Refusal("unknown_method")


async def _check_listened(call: Call) -> None:
    """Raises Refusal. They may be many, so that others have their turn between them."""
    pace = Pace()
    for uri in _listened(call):
        if not decide(call, call.snapshot, call.principal, "resource", uri):
            raise not_there("resource", uri)
        await pace.keep()


def check_again(call: Call) -> None:
    """What the server lists now may have changed what is allowed. Raises Refusal like `check`."""
    newest = call.state.snapshots.current(call.principal.project_id)
    kind, name = call.subject
    if newest is None or not decide(call, newest, call.principal, kind, name):
        raise missing(call)


def _is_restricted(call: Call) -> bool:
    """Whether something is kept from the key, by its scopes or by the rules of its role."""
    if call.is_whole:
        return not call.principal.key.unrestricted
    return not rights.is_whole(call.snapshot.rights, call.principal, call.upstream.slug)


def _is_open_to_restricted(method: str) -> bool:
    """Who may use some tools may not use what cannot be told apart by tool: tasks of others, methods of no revision."""
    if method in ("GET", "DELETE", "response"):
        return True
    return protocol.known_parameters(method) is not None and not method.startswith("tasks/")


def missing(call: Call) -> Refusal:
    """What the call is about does not exist, by the name that its client has for it."""
    kind, name = call.subject
    return not_there(kind, call.named or name)


def not_there(kind: str, name: str) -> Refusal:
    """One answer for what does not exist and for what this key may not see."""
    if not kind:
        return Refusal("not_found")
    # 2026-07-28: what was asked for is repeated as data, for resources.
    data = {"uri": name[:256]} if kind == "resource" else None
    return Refusal(_REFUSED[kind], f"Unknown {kind}: {name[:256]}", data=data, reason="not_permitted")


def _listened(call: Call) -> list[str]:
    """The resources of one server whose changes a listening call asks for."""
    if call.method != "subscriptions/listen" or call.is_whole:
        return []
    wanted = call.params.get("notifications", {})
    uris = wanted.get("resourceSubscriptions", []) if isinstance(wanted, dict) else []
    return [uri for uri in uris if isinstance(uri, str)] if isinstance(uris, list) else []


def still_allowed(call: Call, snapshot: Snapshot | None) -> bool:
    """Whether an open call would be let in again under the project's newest configuration."""
    if snapshot is None or not snapshot.enabled:
        return False
    key = _newest_key(call, snapshot)
    if key is None or is_expired(key) or not key.allows_address(call.address):
        return False
    if call.is_whole:
        parts = call.aggregate.parts if call.aggregate is not None else ()
        return all(still_allowed(part, snapshot) for part in parts)
    upstream = snapshot.upstreams.get(call.upstream.slug)
    if upstream is None or upstream.server_id != call.upstream.server_id:
        return False
    if call.upstream.config_hash != upstream.config_hash and call.is_stream:
        return False
    principal = Principal(call.principal.project_id, key)
    return _stays(snapshot, principal, call.upstream.slug, *call.subject) and _may_go_on_listening(
        call, snapshot, principal
    )


def _newest_key(call: Call, snapshot: Snapshot) -> KeyRecord | None:
    """Of a person only the call itself knows the role: whatever was changed of members or keys ends it."""
    key = call.principal.key
    if key.is_person:
        return key if snapshot.keys_version == call.snapshot.keys_version else None
    return snapshot.keys.get(key.key_id)


def _stays(snapshot: Snapshot, principal: Principal, server: str, kind: str, name: str) -> bool:
    decision = rights.decide(snapshot.rights, principal, server, kind, name)
    return decision.allowed or decision.code in rights.OF_REVIEW


def _may_go_on_listening(call: Call, snapshot: Snapshot, principal: Principal) -> bool:
    """All open calls are decided on in one go: one that is long to decide on ends, and may be asked for anew."""
    uris, server = _listened(call), call.upstream.slug
    if not uris or _grounds(snapshot, principal, server) == _grounds(call.snapshot, call.principal, server):
        return True
    denied, allowed = snapshot.rights.rules_for(server, principal.key.role)
    if len(uris) * (len(denied) + len(allowed) + len(principal.key.tools)) > _MAX_DECIDED_AT_ONCE:
        return False
    return all(_stays(snapshot, principal, server, "resource", uri) for uri in uris)


def _grounds(snapshot: Snapshot, principal: Principal, server: str) -> tuple[Any, ...]:
    """All that says which resources may be listened to; what is listed of them has no part in it."""
    key = principal.key
    return key.role, key.servers, key.tools, snapshot.rights.rules_for(server, key.role)


def filter_message(call: Call, message: dict[str, Any]) -> None:
    """Takes out of a list what this key may not use; what comes through a key is for nobody else."""
    result = message.get("result")
    if not isinstance(result, dict):
        return
    # On a resumed stream the method of an answer is not known, so any list is one.
    method = call.method
    members = [LISTS[method]] if method in LISTS else []
    if call.http_method == "GET":
        members = [member for member in MEMBERS if isinstance(result.get(member), list)]
    if members or method in CACHEABLE:
        keep_private(result)
    for member in members:
        kind, name_of = MEMBERS[member]
        entries = result.get(member)
        if isinstance(entries, list):
            seen = [entry for entry in entries if _may_see(call, kind, entry, name_of)]
            result[member] = show(call, seen) if kind == "tool" else seen


def _may_see(call: Call, kind: str, entry: Any, name_of: str) -> bool:
    name = entry.get(name_of) if isinstance(entry, dict) else None
    if not isinstance(name, str) or (kind, name) in call.unapproved:
        return False
    newest = call.state.snapshots.current(call.principal.project_id)
    return newest is not None and decide(call, newest, call.principal, kind, name)


async def _filtered(call: Call, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    try:
        async for event in events:
            if event.message is not None:
                filter_message(call, event.message)
            yield event
    finally:
        await events.aclose()
