"""Promises about the address of all servers of a project."""

from __future__ import annotations

_PAGE = "proxy/README.md"
CLAIMS: list[tuple[str, str, str]] = [
    ("aggregate.names", "A name at the address of all servers leads to one tool or prompt of one server only.", _PAGE),
    ("aggregate.uris", "Resources have a URI there that names their server; their own one works where it is one's.",
     _PAGE),
    ("aggregate.words", "What servers say of resources, tasks and requests can be used at the same address.", _PAGE),
    ("aggregate.sessions", "A session there is its key's, goes on in every worker, and ends everywhere when ended.",
     _PAGE),
    ("aggregate.cursors", "A cursor is good for its key and its state of its list; any other gets one answer.", _PAGE),
    ("aggregate.asked", "What a server asks its client is answered to that server's own session only.", _PAGE),
    ("aggregate.bridge", "Clients of either era use servers of either era.", _PAGE),
    ("aggregate.all-servers", "One address and key list and call what all servers of a project offer.", "README.md"),
    ("aggregate.no-oracle", "What is unknown, foreign, not approved or not permitted there gets one answer.", _PAGE),
    ("aggregate.one-down", "A server that does not answer leaves the others working, and lists say so.", _PAGE),
    ("aggregate.on-record", "A call there is on record with the real server and name, before it leaves.", _PAGE),
    ("aggregate.fresh", "A list there has servers asked again whose list is old, and their news held back.", _PAGE),
    ("aggregate.guarded", "Definitions there are judged by their server's policy, as at its own address.", _PAGE),
    ("aggregate.kept-verdicts", "A list there outlives neither the exception nor the failed check that let it through.",
     _PAGE),
    ("aggregate.cheap", "A list of all servers comes from what is kept encoded.", _PAGE),
    ("overlays.everywhere", "A tool is listed and called as its overlay says, at every address, and in no other way.",
     "servers/README.md"),
    ("aggregate.rights-now", "What a key may not use any more neither speaks to an old session there nor hears of it.",
     _PAGE),
    ("aggregate.cancelled", "A cancellation carries an id there and nothing else, and no text to who has no such call.",
     _PAGE),
    ("aggregate.parts-on-record", "Each server that a stream, a notice or an end there reaches is on record before.",
     _PAGE),
    ("aggregate.shares", "No tenant has another's sessions there ended, and what was ended stays so.", _PAGE),
    ("aggregate.stream-places", "A stream there takes a place for each server, and listens to 64 at most.", _PAGE),
    ("aggregate.streams", "One stream has what the servers of a session say, and nothing of others.", _PAGE),
]
