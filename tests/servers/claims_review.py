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
    (
        "risks.notes",
        "Whatever changed in a definition is noted for its reviewer, with what it lets in or tells a model.",
        "servers/README.md",
    ),
    (
        "risks.names",
        "A name that passes for another server's is noted, be it by look-alikes, marks or one slip.",
        "servers/README.md",
    ),
    (
        "risks.comparison",
        "Two versions stand side by side in lines, every difference seen, what shows nothing spelled out.",
        "servers/README.md",
    ),
]
