"""What is promised of the reading of servers' lists."""

CLAIMS: list[tuple[str, str, str]] = [
    (
        "discovery.both-eras",
        "A server is read in every era that it speaks, and what it takes badly in one does not hide the other.",
        "servers/README.md",
    ),
    (
        "discovery.verbatim",
        "A definition is kept as the server said it, and an odd one costs only itself.",
        "servers/README.md",
    ),
    (
        "discovery.bounded",
        "Pages, entries, bytes and seconds of a reading are bounded, and what was cut is not taken for whole.",
        "servers/README.md",
    ),
    (
        "discovery.errors",
        "Trouble with a server is its own, readable where the server is, and repeats no secret.",
        "servers/README.md",
    ),
    (
        "discovery.stored",
        "A reading is stored as a whole or not at all, and only while it is of the server as it is.",
        "servers/README.md",
    ),
    (
        "discovery.when",
        "Servers are read when they change, say so, are asked for, are due, and after a deploy.",
        "servers/README.md",
    ),
]
