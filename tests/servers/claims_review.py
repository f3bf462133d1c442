"""What definitions under review promise."""

CLAIMS = [
    (
        "definitions.digest",
        "Any change of a definition, by one byte in any member, is another digest; the order of members is none.",
        "servers/README.md",
    ),
    (
        "definitions.linter",
        "A definition that is too large, too deep, too costly or refers elsewhere is not offered, and it is said why.",
        "servers/README.md",
    ),
    (
        "definitions.bounded",
        "To judge a definition takes milliseconds, whatever its server put into it.",
        "servers/README.md",
    ),
]
