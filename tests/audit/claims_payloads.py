"""What is promised of payloads, of erasure and of retention."""

CLAIMS: list[tuple[str, str, str]] = [
    (
        "audit.payload-levels",
        "A project keeps of its calls no payloads, redacted ones or all, and a change takes effect within a second.",
        "docs/audit.md",
    ),
    (
        "audit.payload-with-event",
        "A payload is committed with its event, or the call is refused: no event names one that never was.",
        "docs/audit.md",
    ),
    (
        "audit.payload-bound",
        "A payload opens in its own project, for its own event, under its person's key only.",
        "docs/audit.md",
    ),
    (
        "audit.payload-readers",
        "A payload is read by who may read the project's log, operators not excepted, and the log says who.",
        "docs/audit.md",
    ),
    (
        "audit.erasure",
        "Erasing a person destroys their key, leaves the proof valid, and is itself an event.",
        "docs/audit.md",
    ),
    (
        "audit.retention",
        "Retention drops whole months of one project's log through a signed event, and nothing more.",
        "docs/audit.md",
    ),
    (
        "audit.retention-proof",
        "A log whose beginning was dropped is intact by its signed event, and any other deletion is still found.",
        "docs/audit.md",
    ),
]
