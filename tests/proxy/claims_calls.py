"""What is promised of calls: who may make them, in which session, from what is kept, and how many."""

CLAIMS = [
    (
        "sessions.sealed",
        "A legacy session is bound to its key, server and configuration; for all else it does not exist.",
        "MCP 2025-11-25, session management",
    ),
    (
        "sessions.any-worker",
        "A legacy session goes on in every worker, without a store and without stickiness.",
        "README.md",
    ),
    (
        "authorize.listing-is-calling",
        "What a key can list is what it can call, and a filtered list is private.",
        "proxy/README.md",
    ),
    (
        "authorize.no-oracle",
        "What a key may not use is refused as if it did not exist, and the upstream is not asked.",
        "proxy/README.md",
    ),
    (
        "revocation.versions",
        "A change by any door raises its project's version, in the order of the commits, and wakes the workers.",
        "projects/README.md",
    ),
    (
        "revocation.one-second",
        "What ends a right takes effect in every worker within a second and ends the streams that it opened.",
        "README.md",
    ),
    (
        "revocation.snapshots",
        "What is kept in memory follows every change, and is refused when it cannot be confirmed.",
        "proxy/README.md",
    ),
    (
        "revocation.open-calls",
        "An open call is decided again with every change, by the function that let it in.",
        "proxy/README.md",
    ),
    (
        "changes.heard",
        "Open streams hear within a second when what their key may see has changed, and hear of nothing else.",
        "proxy/README.md",
    ),
    (
        "changes.upstream",
        "A server that says that its lists changed is believed, read again, and what is new waits for review.",
        "proxy/README.md",
    ),
    ("upstream.answers", "What asks for no answer gets none passed on.", "proxy/README.md"),
    ("wire.requests", "What asks for an answer has an id, or is refused.", "JSON-RPC 2.0"),
    (
        "cache.shared",
        "With Redis a list that one worker has read is read by no other, and is sealed there.",
        "proxy/README.md",
    ),
    (
        "cache.lifetimes",
        "Nothing is kept longer than its setting and its server say, and clients are told no more than that.",
        "proxy/README.md",
    ),
    (
        "cache.cleared",
        "What is cleared is dropped by every worker within a second, read again, and written down as an act.",
        "servers/README.md",
    ),
    (
        "cache.status",
        "Every process can tell what is kept of each server, since when, and until when.",
        "servers/README.md",
    ),
    (
        "cache.keys",
        "Entries of two contexts that differ in anything never share a key, and no label of a metric is a tenant's.",
        "gateway_site/README.md",
    ),
    (
        "cache.single-flight",
        "Calls that need a server's list at the same time have it read once.",
        "proxy/README.md",
    ),
    (
        "hostile.held-back",
        "What counts is what a key may do when its request is whole, not when it began.",
        "proxy/README.md",
    ),
    ("hostile.trailers", "Trailers become no headers and take no memory.", "RFC 9110 section 6.5.1"),
    ("hostile.bodies", "Every body is bounded before it is stored, on pages too.", "RFC 9110 section 15.5.14"),
    ("hostile.scope", "A key for some tools reaches nothing round them.", "projects/README.md"),
    ("hostile.flood", "A flood over the rate is refused unread, and counted rather than written.", "proxy/README.md"),
    ("limits.shares", "No key and no project can take what the others need of a worker.", "proxy/README.md"),
]
