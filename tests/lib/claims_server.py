"""What the tests of the web server's own ways prove: id, sentence, and where the duty comes from."""

from __future__ import annotations

CLAIMS: list[tuple[str, str, str]] = [
    (
        "server.one_write",
        "An answer's head leaves with the first of its body in one write, and before the connection ends in any case.",
        "ASGI 3.0, response start",
    ),
    (
        "server.settled",
        "A worker does not look through what it started with for garbage again, and still finds what calls leave.",
        "bench/README.md",
    ),
    ("server.same_digests", "A key that is prepared once gives the digests of HMAC-SHA256.", "RFC 2104, RFC 4231"),
    (
        "server.deadline",
        "A time limit ends what takes too long with a time-out, and leaves a cancellation a cancellation.",
        "gateway_site/README.md",
    ),
    (
        "server.lean",
        "A worker holds only what it uses: pages are loaded when one is asked for, nothing for its terminal, and "
        "neither the clients nor the servers of the protocol's library.",
        "bench/README.md",
    ),
    (
        "server.connections",
        "A thread that asks the database again and again keeps its connection to SQLite, and gives one of "
        "PostgreSQL's back to the pool.",
        "gateway_site/README.md",
    ),
    (
        "server.leaving",
        "A client's leaving is noticed at once, and one request at a time is read from a connection.",
        "proxy/README.md",
    ),
]
