"""What the product promises about services that it asks."""

CLAIMS: list[tuple[str, str, str]] = [
    (
        "guardrails.provider-fails-closed",
        "Whatever a service does but answer as documented is an error in time, and never a verdict.",
        "guardrails/README.md",
    ),
    (
        "guardrails.provider-verdicts",
        "Exactly what a service detected becomes findings, at the places that it gives.",
        "guardrails/README.md",
    ),
    (
        "guardrails.provider-requests",
        "A provider sends the documented request with its own key, and nothing of the caller but the texts.",
        "guardrails/README.md",
    ),
    (
        "guardrails.provider-privacy",
        "No error of a provider holds a text, an answer or a key.",
        "guardrails/README.md",
    ),
    (
        "guardrails.provider-bounds",
        "Texts, requests and answers of a provider are bounded, and what is too much is refused and not shortened.",
        "guardrails/README.md",
    ),
    (
        "guardrails.provider-breaker",
        "A service that fails again and again is left alone for a while, for one project only.",
        "guardrails/README.md",
    ),
    (
        "guardrails.provider-connections",
        "Connections to services are kept, few, checked, and never redirected.",
        "guardrails/README.md",
    ),
    (
        "guardrails.provider-plugins",
        "A provider is one file, of ours or of an installed package.",
        "guardrails/README.md",
    ),
]
