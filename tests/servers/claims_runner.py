"""What is promised of the runner and its children."""

CLAIMS = [
    ("runner.modern", "Many modern clients share one child and no answer is mixed up.", "servers/runner/README.md"),
    (
        "runner.legacy",
        "A legacy session has a child of its own, which may ask back and ends with its session.",
        "servers/runner/README.md",
    ),
    ("runner.sse", "Servers of the 2024-11-05 transport work for clients of both eras.", "MCP 2024-11-05, transports"),
    ("runner.faults", "A child that dies, hangs, floods or lies costs its own calls only.", "servers/runner/README.md"),
    (
        "runner.process",
        "The runner's socket is its owner's only, and no child outlives the runner.",
        "servers/runner/README.md",
    ),
    (
        "runner.messages",
        "Ids, progress and cancellation are routed to the caller that they belong to.",
        "servers/runner/README.md",
    ),
]
