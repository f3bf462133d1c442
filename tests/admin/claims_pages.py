"""What is promised of the pages that are more than a table."""

CLAIMS = [
    (
        "pages.readers",
        "Each page opens to whoever's role has its action in the project, and is to everybody else an unknown address.",
        "servers/README.md",
    ),
    ("pages.markup", "What servers and callers say is text on every page.", "servers/README.md"),
    (
        "pages.dashboard",
        "The first page says how calls of the chosen project ended, how its servers are, and what to do next; each "
        "number leads to the log filtered to exactly that.",
        "servers/README.md",
    ),
    (
        "pages.server",
        "A server's page tries the connection by the real handshake and shows each step, and how far its reading is.",
        "servers/README.md",
    ),
    ("pages.tool", "A tool's page shows what it takes, and who may use it and why.", "servers/README.md"),
    (
        "pages.inbox",
        "What waits for review in all of a person's projects is on one page; decisions are about what was shown.",
        "servers/README.md",
    ),
    ("pages.caches", "Caches are shown and dropped in the browser.", "servers/README.md"),
    (
        "pages.start",
        "From signing in, a project, a server with its tools, a key and the first call are a few forms apart.",
        "servers/README.md",
    ),
    (
        "pages.kits",
        "With a key come settings for each client, shown once; the page says when the first call has come.",
        "projects/README.md",
    ),
    (
        "pages.playground",
        "A call from the playground takes the way of every call, as the person who makes it.",
        "proxy/README.md",
    ),
    (
        "pages.waiting",
        "A page that waits for somebody's server holds no connection of the database, and one project has few of them.",
        "servers/README.md",
    ),
    (
        "pages.live-jobs",
        "How far readings, exports and other jobs are is pushed to whoever their pages are open to, at most once in a "
        "second for each; pages ask only where there is no socket.",
        "audit/README.md",
    ),
    (
        "pages.growth",
        "What a page asks of the database and sends does not grow with what there is: lists and choices end, and what "
        "is beyond them is searched for or typed.",
        "docs/admin.md",
    ),
    (
        "pages.live",
        "Pages of every role are brought what they show when it is another, which is what they would be answered and "
        "ends with the right to it; they ask only where they get no socket.",
        "audit/README.md",
    ),
]  # fmt: skip
