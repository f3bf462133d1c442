"""What is promised of the command line."""

CLAIMS: list[tuple[str, str, str]] = [
    (
        "connect.passes",
        "A client that only starts programs uses the gateway in either era as it would over HTTP.",
        "docs/cli.md",
    ),
    ("connect.returns", "When the gateway restarts or loses a session, clients over stdio go on.", "docs/cli.md"),
    ("connect.cancels", "What a client over stdio gives up is given up at the server.", "docs/cli.md"),
    (
        "connect.input",
        "What is no message is answered as an error, only messages are printed, and the end of input ends it.",
        "docs/cli.md",
    ),
    ("connect.key", "The key comes from a file or the environment and is neither shown nor sent in the clear.",
     "docs/cli.md"),
]  # fmt: skip
CLAIMS += [
    ("export.whole", "An export holds all that a project has, but secrets and what the gateway learns by itself.",
     "docs/cli.md"),
    ("export.round-trip", "Applying an export changes nothing, and elsewhere makes the same again.", "docs/cli.md"),
    ("export.secrets", "No secret is in an export; references stand for them, and keep them where they are stored.",
     "docs/cli.md"),
    ("apply.asks", "On a terminal apply shows what it would do and asks; a no changes nothing.", "docs/cli.md"),
]  # fmt: skip
CLAIMS += [
    ("import.enkrypt", "The reference system's file makes the equal set-up, at any size.", "docs/cli.md"),
    ("import.report", "An import's report speaks of every part of the file and shows no secret.", "docs/cli.md"),
    ("import.safe", "What somebody else's file says neither runs, nor reads files or variables of this machine.",
     "docs/cli.md"),
    ("import.clients", "A client's file of servers makes them servers of a project.", "docs/cli.md"),
]  # fmt: skip
