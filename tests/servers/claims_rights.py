"""What rights, review and the pages over them promise."""

from __future__ import annotations

CLAIMS: list[tuple[str, str, str]] = [
    ("rights.default-deny", "A new server is nobody's until someone grants it.", "servers/README.md"),
    ("rights.deny-wins", "A denial wins over every allowance, in any order, at its own server.", "servers/README.md"),
    ("rights.why", "Every decision says why in a sentence, for administrators only.", "servers/README.md"),
    (
        "review.modes",
        "By its review, what a server says waits, is approved at first sight, or is approved and recorded.",
        "servers/README.md",
    ),
    (
        "review.first-sight",
        "Only a server's first whole list is trusted at first sight, once for each era and kind.",
        "servers/README.md",
    ),
    ("review.waiting", "What waits for review or is unknown can be neither listed nor used.", "servers/README.md"),
    (
        "review.waiting-sticks",
        "A tool that was seen changed waits until someone decides, whatever its server says meanwhile.",
        "servers/README.md",
    ),
    (
        "review.decisions",
        "To approve, reject and roll back is on record with who and why, and goes by what is stored.",
        "servers/README.md",
    ),
    ("review.schema-check", "What cannot be offered at all is rejected, whoever is trusted.", "servers/README.md"),
    (
        "review.bounded",
        "No server fills a table, whatever it calls itself and however often it changes.",
        "servers/README.md",
    ),
    (
        "review.notes",
        "A change is on record with what a reviewer should look at, compared with what was approved.",
        "servers/README.md",
    ),
    ("review.trusted", "Changes of a trusted server pass, and are recorded.", "servers/README.md"),
    (
        "review.rug-pull",
        "A definition that changes in any place is taken out and refused from the next call on, in every era.",
        "servers/README.md",
    ),
    ("review.tenants", "Projects decide each for itself, on rows of their own.", "servers/README.md"),
]
