"""What is promised of the pages in a browser."""

CLAIMS: list[tuple[str, str, str]] = [
    (
        "browser.quiet",
        "No page breaks its content policy, raises an error, or asks anybody but the gateway for anything.",
        "docs/admin.md",
    ),
    (
        "browser.policy",
        "Every answer has a content policy, and that of pages is as strict as the theme allows.",
        "docs/admin.md",
    ),
    ("browser.hostile-text", "Markup that others wrote is shown on every page and run on none.", "docs/admin.md"),
    ("browser.narrow", "Every page can be used on a screen of 390 pixels without scrolling sideways.", "docs/admin.md"),
    ("browser.weight", "A page and all that belongs to it is under 300 KB over the wire.", "docs/admin.md"),
    ("browser.readable", "Text has a contrast of 4.5 to its ground, in light and in dark.", "WCAG 2.2 SC 1.4.3"),
    (
        "browser.dates",
        "Dates are written as ISO 8601 orders them, and times with their zone, on every page.",
        "docs/admin.md",
    ),
    ("browser.keys", "What a mouse can do on a page, keys can.", "WCAG 2.2 SC 2.1.1"),
    ("browser.navigation", "The navigation shows everybody what they may open, and nothing else.", "docs/admin.md"),
    (
        "browser.team-admin",
        "Whoever runs a team's project gets, by what stands on the pages alone, from a server to a key, a call, a "
        "blocked tool, what the log has of it, and last week as a file.",
        "docs/admin.md",
    ),
    ("browser.icons", "Every icon that a page names is in the font that it brings.", "docs/admin.md"),
]
