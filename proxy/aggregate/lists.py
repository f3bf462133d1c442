"""Answers with the lists of all servers together: a page of them, from what is kept encoded."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

import orjson

from gateway_site.lib.jsontext import encode
from proxy.aggregate.about import SERVER_INFO
from proxy.aggregate.sealed import open_cursor, seal_cursor
from proxy.aggregate.table import Listing, visible
from proxy.call import Answer
from proxy.protocol import SERVER_KEY
from proxy.sightings import LISTS

if TYPE_CHECKING:
    from proxy.call import Call

_TTL_MS = 60_000
_MAX_RESULTS = 8
_UNAVAILABLE = "securemcp/unavailable"


async def answer_list(call: Call) -> Answer:
    """Raises Refusal for a cursor that is not of this key and list."""
    member, fresh = LISTS[call.method], call.state.aggregate.freshness
    slugs = visible(call)
    await fresh.await_first_sight(call, slugs, member)
    await fresh.look_after(call, slugs, member)
    listing = await call.state.aggregate.tables.listing(call, member)
    number = 0
    if call.params.get("cursor") is not None:
        number = open_cursor(call.params["cursor"], call.principal, member, listing.digest)
    result, digest = _result(call, member, listing, number, _unavailable(call, slugs))
    body = b'{"jsonrpc":"2.0","id":' + encode(call.message_id) + b',"result":' + result + b"}"
    return Answer(200, body=body, digest=digest)


def _unavailable(call: Call, slugs: list[str]) -> tuple[str, ...]:
    """Servers that did not answer the last time, and those that never have."""
    upstreams, offers, connections = call.snapshot.upstreams, call.snapshot.rights.offers, call.state.connections
    return tuple(
        slug for slug in slugs
        if connections.is_failing(upstreams[slug].server_id) or not (offers[slug].lists or offers[slug].entries)
    )  # fmt: skip


def _result(call: Call, member: str, listing: Listing, number: int, unavailable: tuple[str, ...]) -> tuple[bytes, str]:
    page, is_last = listing.pages[number], number + 1 == len(listing.pages)
    place = (unavailable, "" if is_last else call.principal.key.key_id)
    known = page.results.get(place)
    if known is None:
        rest: dict[str, Any] = {"_meta": {_UNAVAILABLE: list(unavailable)} if unavailable else {}}
        if not is_last:
            rest["nextCursor"] = seal_cursor(call.principal, member, listing.digest, number + 1)
        if call.modern:
            rest["_meta"][SERVER_KEY] = SERVER_INFO
            # What is not whole is not to be kept.
            ttl = 0 if unavailable else _TTL_MS
            rest |= {"resultType": "complete", "ttlMs": ttl, "cacheScope": "private"}
        if not rest["_meta"]:
            del rest["_meta"]
        more = encode(rest)[1:-1]
        result = b'{"' + member.encode() + b'":' + page.entries + (b"," if more else b"") + more + b"}"
        known = page.results[place] = (result, digest_of(call, result))
        while len(page.results) > _MAX_RESULTS:
            page.results.popitem(last=False)
    return known


def digest_of(call: Call, result: bytes) -> str:
    """As the log makes it of any result; made once for each page, since it takes longer than all the rest."""
    data = orjson.dumps(orjson.loads(result), option=orjson.OPT_SORT_KEYS)
    return hmac.digest(call.snapshot.digest_key, data, "sha256").hex()
