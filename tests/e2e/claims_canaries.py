"""What the sweep of all surfaces proves."""

CLAIMS: list[tuple[str, str, str]] = [
    (
        "canaries.everywhere",
        "No secret of the gateway, its callers or its servers, and no personal value in a call, is on any surface.",
        "SECURITY.md",
    ),
]
