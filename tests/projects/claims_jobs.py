"""What is promised of background work."""

CLAIMS: list[tuple[str, str, str]] = [
    ("jobs.once", "Who asks twice gets the same job, and a job is settled once.", "projects/README.md"),
    (
        "jobs.lease",
        "A job whose worker is lost is done by another, and a lost lease writes nothing.",
        "projects/README.md",
    ),
    ("jobs.fair", "No project's jobs keep those of another waiting.", "projects/README.md"),
    ("jobs.admin", "Jobs are seen while they run, and failed ones can be run again.", "projects/README.md"),
    (
        "jobs.killed",
        "When a worker is killed in the middle of a job, the job is done within a minute, once.",
        "projects/README.md",
    ),
]
