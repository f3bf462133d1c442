"""What is promised of the log in the browser."""

CLAIMS = [
    (
        "browse.readers",
        "Who may read a project's log sees all of it and nothing of any other; nobody else sees anything.",
        "audit/README.md",
    ),
    (
        "browse.auditor",
        "An auditor signs in, finds the log, and no other page.",
        "audit/README.md",
    ),
    (
        "browse.pages",
        "Pages follow one another without gap, repetition or count, whatever is written meanwhile.",
        "audit/README.md",
    ),
    ("browse.filters", "Each column that matters is a filter, alone and with others.", "audit/README.md"),
    ("browse.search", "The log is searched by words, or how they begin, along an index.", "audit/README.md"),
    ("browse.bounded", "What no index leads to ends in time and says what to do.", "audit/README.md"),
    ("browse.verify", "One event is verified in the browser, and its proof checked elsewhere.", "docs/audit.md"),
    (
        "browse.tail",
        "Whoever follows the log live sees a call within a second, nothing foreign, and nothing once they may not.",
        "audit/README.md",
    ),
    ("browse.saved", "A filter is kept for oneself or shared with the project's readers.", "audit/README.md"),
    ("browse.markup", "What others write into the log stays text wherever it is shown.", "SECURITY.md"),
]
