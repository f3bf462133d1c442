"""What the guardrails promise to who stands on either side of the gateway."""

CLAIMS: list[tuple[str, str, str]] = [
    (
        "guard.blocked-not-sent",
        "What is blocked on its way in never reaches the server, whoever found it and however many call at a time.",
        "DESIGN: rules that are never traded away, 2",
    ),
    (
        "guard.every-surface",
        "The same text is found wherever a message can hold it, in both eras.",
        "guardrails/README.md",
    ),
    ("guard.redaction", "Redaction changes what was found and nothing else.", "guardrails/README.md"),
    ("guard.answer", "A blocked call says what kind of thing was found and where, never the value.", "README.md"),
    ("guard.observe", "Observing changes nothing on the wire, and the log has what was found.", "guardrails/README.md"),
    ("guard.definitions", "A tool whose definition is blocked is neither listed nor called.", "guardrails/README.md"),
    (
        "guard.server-requests",
        "A blocked request of a server gets an answer, and the client never sees it.",
        "guardrails/README.md",
    ),
    ("guard.per-project", "One project's policy says nothing about another's calls.", "guardrails/README.md"),
    (
        "guard.tokens",
        "A personal value comes home to the session that sent it, and the server never has it.",
        "guardrails/README.md",
    ),
    (
        "guard.fail-closed",
        "A guardrail that cannot answer blocks, unless its policy says flag; both are in the log.",
        "guardrails/README.md",
    ),
    (
        "guard.loop",
        "A scan of a large message leaves the event loop its turn between parts that are short.",
        "seed, performance",
    ),
    (
        "guard.pieces",
        "What is found does not depend on the pieces in which a text is gone through.",
        "docs/guardrails.md",
    ),
    (
        "guard.memory",
        "Texts of whatever alphabets leave a worker under 200 MB, and the second thousand costs it next to nothing.",
        "seed, performance",
    ),
    ("guard.offline", "Everything that is on by default works without a network.", "guardrails/README.md"),
    (
        "guard.attack-servers",
        "Published attack servers are stopped or flagged where they attack, and harmless ones pass untouched.",
        "docs/guardrails.md",
    ),
]
