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
        "review.aside",
        "What a server lists is written down aside, one list of a project at a time, and keeps nobody else waiting.",
        "proxy/README.md",
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
    (
        "overlays.exact",
        "What fits the schema that is shown is what the server's schema and the constraint take, and nothing else.",
        "servers/README.md",
    ),
    (
        "overlays.refused",
        "An argument that is hidden, pinned or renamed cannot be given under the server's own name.",
        "servers/README.md",
    ),
    (
        "overlays.sound",
        "An overlay that cannot hold is refused with the reason, and none changes the definition it is laid over.",
        "servers/README.md",
    ),
]
