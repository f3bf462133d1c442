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
