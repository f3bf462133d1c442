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
    (
        "overlays.acts",
        "An overlay is stored when it fits what is approved of its tool, and on record with before and after.",
        "servers/README.md",
    ),
    ("overlays.tenants", "An overlay is of a server and a tool of its own project.", "servers/README.md"),
    ("grants.acts", "Who may use what is changed on record, with what was before.", "servers/README.md"),
    ("grants.tenants", "A rule is of its own project, and of no server of another.", "servers/README.md"),
    ("apply.catalogue", "A file says how a server is reviewed, used by whom, and how tools are shown.", "README.md"),
    (
        "admin.review",
        "What waits is found first, seen beside what was approved, and decided on as it was seen.",
        "README.md",
    ),
    ("admin.hostile-text", "What servers say is only text on every page, with nothing in it hidden.", "README.md"),
    ("admin.grants", "Rules are changed in the pages one by one, and a server that is nobody's says so.", "README.md"),
    ("admin.overlays", "An overlay is seen before it is stored, and fits or is refused.", "README.md"),
    ("admin.tenants", "No page mixes rows of two projects.", "README.md"),
    (
        "authorize.many",
        "Many resources, rules and templates are held against each other within bounds, and nobody else waits for it.",
        "proxy/README.md",
    ),
]
