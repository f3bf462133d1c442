"""What is promised of exports."""

CLAIMS: list[tuple[str, str, str]] = [
    (
        "exports.forms",
        "Every kind of event gives a line in every form, which its own readers and the standard's schema take.",
        "docs/audit.md",
    ),
    ("exports.formulas", "No cell of a CSV export is taken for a formula.", "docs/audit.md"),
    (
        "exports.filters",
        "An export holds the events that its filters choose, and no other project's.",
        "docs/audit.md",
    ),
    (
        "exports.manifest",
        "The manifest counts the events, names their range and root, and is signed with the digests of all files.",
        "docs/audit.md",
    ),
    (
        "exports.resumed",
        "An export whose worker is killed goes on after its last finished part and comes out byte for byte the same.",
        "docs/audit.md",
    ),
    ("exports.turns", "An export that takes long is made in several turns, with progress to see.", "docs/audit.md"),
    (
        "exports.download",
        "Owners, admins and auditors of the project download an export until it expires, and each time is on record.",
        "docs/audit.md",
    ),
    (
        "exports.isolated",
        "Another project's export answers as one that never was, and its files belong to nobody else.",
        "docs/audit.md",
    ),
    ("exports.expire", "What expired or was deleted leaves no file behind, on record.", "docs/audit.md"),
    (
        "exports.schedules",
        "A schedule's exports follow each other without gap or overlap, whatever fails in between.",
        "docs/audit.md",
    ),
    (
        "exports.places",
        "A schedule writes only into folders that the operator allows, and to buckets that may be reached.",
        "docs/audit.md",
    ),
    ("exports.signed-requests", "Requests to buckets are signed as the standard's examples are.", "AWS Signature V4"),
    ("exports.secrets", "No secret of a caller, server or schedule is in an export, event or page.", "SECURITY.md"),
    ("exports.command", "The command makes every form into a folder, or has a worker make it.", "docs/audit.md"),
]
