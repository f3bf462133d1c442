"""What is promised when something is killed, hangs or is down."""

CLAIMS = [
    (
        "faults.acknowledged",
        "No answer is lost from the log and no call is made without its intent, whatever is killed.",
        "audit/README.md",
    ),
    ("faults.worker-killed", "A killed worker is replaced, and calls go on.", "README.md"),
    ("faults.runner-killed", "A killed runner is started again, and the next call works.", "README.md"),
    ("faults.child-killed", "A killed stdio child is started again, and the next call works.", "README.md"),
    ("faults.child-silent", "A child that never answers costs its own calls only.", "README.md"),
    ("faults.no-mix-ups", "Many clients with the same ids get their own answers.", "README.md"),
    ("faults.database-down", "Without its database the gateway refuses in time and recovers by itself.", "README.md"),
    ("supervisor.ends", "The gateway ends as a whole within its time, children too.", "README.md"),
]
