"""What is promised of the figures of calls."""

CLAIMS = [
    (
        "figures.exact",
        "Figures count every call once, and each number is what the log lists under its address.",
        "audit/README.md",
    ),
    ("figures.bounded", "Figures of a project are read from few rows, whatever is in its log.", "audit/README.md"),
    ("figures.remade", "Figures are made again from the log when they are lost.", "audit/README.md"),
]
