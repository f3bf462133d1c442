"""What is promised of the browser's roles and of whose rows anybody sees."""

CLAIMS: list[tuple[str, str, str]] = [
    ("scope.sweep", "No page shows anything of a project in which one has no part, however it is asked.",
     "projects/README.md"),
    ("scope.writes", "No page changes anything of such a project, or takes anything of it into one's own.",
     "projects/README.md"),
    ("scope.walls", "Pages and the request's own scope each keep tenants apart when the other fails.",
     "projects/README.md"),
    ("scope.database", "PostgreSQL itself keeps a member's request to its projects, whatever SQL it runs.",
     "projects/README.md"),
    ("scope.roles", "Pages open by the one table of roles, and show whoever may only look nothing to press.",
     "projects/README.md"),
    ("scope.check", "A page that says neither by which action it opens nor that it is the operator's is refused.",
     "projects/README.md"),
    ("scope.switcher", "Who has several projects looks at one or at all of them, also in forms.", "projects/README.md"),
    ("scope.lists", "A list takes as many queries for thirty rows as for three, and counts no further than is paged.",
     "projects/README.md"),
]  # fmt: skip
