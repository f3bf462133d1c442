"""What is promised of servers, their catalogue, and the files that declare them."""

CLAIMS = [
    (
        "servers.validation",
        "A server with an address, header or slot value that may not be is not made.",
        "servers/README.md",
    ),
    (
        "stdio.launch",
        "A stdio server starts with the operator's command, its own home and an environment of named variables only.",
        "servers/README.md",
    ),
    (
        "events.parser",
        "Streams are read as the standard says, however they are cut, within a limit for each event.",
        "WHATWG HTML section 9.2",
    ),
    (
        "catalogue.schema",
        "Arguments are held to the tool's schema; a violation says where, never what.",
        "MCP 2026-07-28, tools",
    ),
    ("catalogue.unusable", "A schema that cannot be evaluated refuses the call.", "JSON Schema 2020-12"),
    ("catalogue.no-fetch", "A schema never makes the gateway fetch anything.", "MCP security best practices"),
    (
        "catalogue.bounded",
        "Neither a hostile schema nor hostile arguments cost more than milliseconds.",
        "MCP 2026-07-28, tools",
    ),
    ("catalogue.headers", "Parameter headers must agree with the arguments.", "MCP 2026-07-28, custom headers"),
    (
        "catalogue.table",
        "A server's list is learnt, replaced and forgotten for that server and configuration alone.",
        "servers/README.md",
    ),
    (
        "discovery.declared",
        "A server is asked only for the lists that its capabilities declare.",
        "MCP 2026-07-28, capabilities",
    ),
    (
        "upstream.streams",
        "An upstream's stream is passed on as it comes, within its limits, and ends as the standard says.",
        "servers/README.md",
    ),
    ("apply.declares", "A YAML file brings about projects, members, servers, templates and keys.", "README.md"),
    ("apply.idempotent", "Applying the same file again changes nothing.", "README.md"),
    ("apply.dry-run", "A dry run prints what a run would do, and does nothing.", "README.md"),
    ("apply.keys-once", "A new key is printed once and kept nowhere.", "README.md"),
    ("apply.errors", "An error names its place, repeats no value, and leaves nothing behind.", "README.md"),
    ("apply.references", "Secrets in a file may be references to the environment and to other files.", "README.md"),
    ("apply.prune", "What a file leaves out is deleted only when asked, in declared projects only.", "README.md"),
]
