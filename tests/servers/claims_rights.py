"""What the product promises about rights and the review of definitions."""

from __future__ import annotations

CLAIMS: list[tuple[str, str, str]] = [
    ("rights.default-deny", "A new server is nobody's until someone grants it.", "servers/README.md"),
    ("rights.deny-wins", "A denial wins over every allowance, for its role and its server.", "servers/README.md"),
    ("rights.why", "Every decision says why, to administrators only.", "servers/README.md"),
    ("review.waiting", "What waits for review, or is unknown, is neither listed nor called.", "servers/README.md"),
    ("review.first-sight", "Of a server that is trusted at first sight, only its first list is.", "servers/README.md"),
    ("review.trusted", "Changes of a trusted server pass, and are recorded.", "servers/README.md"),
    (
        "review.rug-pull",
        "A definition that changes in any place is taken out and refused from the next call on, in every era.",
        "servers/README.md",
    ),
]
