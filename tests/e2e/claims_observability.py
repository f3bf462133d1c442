"""What is promised of log lines, metrics and traces."""

CLAIMS = [
    ("observability.logs", "Every request leaves one JSON line with its ids.", "README.md"),
    ("observability.metrics-token", "Metrics are shown to those with the token only.", "README.md"),
    ("observability.metrics-workers", "Metrics are those of all workers together.", "README.md"),
    ("observability.metrics-failing", "A server that fails is counted as long as there is one.", "README.md"),
    ("observability.metrics-refusals", "Refusals are counted by code.", "README.md"),
    ("observability.traces", "A client's trace is joined and goes on upstream.", "W3C Trace Context"),
    (
        "observability.trace-inspected",
        "Of a client's trace context servers get what was inspected, and collectors its ids.",
        "W3C Trace Context, security considerations",
    ),
]
