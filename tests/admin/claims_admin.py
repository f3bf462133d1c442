"""What is promised of the admin's own pages."""

CLAIMS = [
    ("admin.access", "The admin pages are the operators' and nobody else's.", "README.md"),
    (
        "admin.pages",
        "An operator makes a project, member, server and key in the pages, and wrong input is a form error.",
        "README.md",
    ),
    (
        "admin.people",
        "People are named by e-mail, have their rights from memberships, and one operator always stays.",
        "projects/README.md",
    ),
    ("admin.secrets", "Secrets go into the pages and never come out.", "SECURITY.md"),
    (
        "admin.log",
        "The log is browsed read-only, by time, filters and pages, with a call's two lines together.",
        "audit/README.md",
    ),
    ("admin.setup", "The first operator's link works once, and only while there is no operator.", "README.md"),
]
