"""What is promised when processes are killed, and when the store of the log is away or full."""

CLAIMS: list[tuple[str, str, str]] = [
    (
        "audit.kills",
        "Twenty rounds of kill -9 of gateway, sealer and worker, and one of the database, leave the log complete.",
        "audit/README.md",
    ),
    (
        "store.refuses",
        "While nothing can be recorded, every call is refused within two seconds with 503 and -31006, and not made.",
        "audit/README.md",
    ),
    (
        "store.full",
        "A full disk is a store that is away: whatever cannot be recorded is not done, and nothing recorded is lost.",
        "audit/README.md",
    ),
    (
        "store.answers-withheld",
        "An answer whose outcome cannot be recorded is withheld, and its outcome is written when the store is back.",
        "audit/README.md",
    ),
    (
        "store.recovers",
        "When the store is back, calls, sessions and streams go on without a restart.",
        "audit/README.md",
    ),
]
