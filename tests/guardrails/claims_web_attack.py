"""What the tests of attacks in values prove: id, sentence, and where the duty comes from."""

from __future__ import annotations

CLAIMS: list[tuple[str, str, str]] = [
    (
        "guardrails.web-attack-families",
        "SQL, NoSQL, script, shell, path, SSRF, template, object, XXE, LDAP and XPath attacks in an argument are found "
        "under their names.",
        "guardrails/README.md",
    ),
    (
        "guardrails.web-attack-spellings",
        "An attack is found in other capitals, with comments for spaces, and percent-encoded, twice too.",
        "guardrails/README.md",
    ),
    (
        "guardrails.web-attack-kinds",
        "A statement for a database, a command for a shell, source code and prose that shows examples are no attacks.",
        "guardrails/README.md",
    ),
    (
        "guardrails.web-attack-addresses",
        "A URL to the server's own machine, network or cloud is found however its address is spelled, unless allowed.",
        "OWASP Server-Side Request Forgery Prevention Cheat Sheet",
    ),
    (
        "guardrails.web-attack-paths",
        "A path that leaves its directory or names what is worth stealing is found, and with roots what is not below.",
        "guardrails/README.md",
    ),
    (
        "guardrails.web-attack-names",
        "An operator as a member's name is an attack where a plain value belongs, and none in a filter.",
        "guardrails/README.md",
    ),
    (
        "guardrails.web-attack-outputs",
        "In what servers say only stolen cookies, shells that call home and their like are found.",
        "guardrails/README.md",
    ),
    (
        "guardrails.web-attack-config",
        "Which attacks are looked for is configured, and a category that is none is refused by name.",
        "guardrails/README.md",
    ),
    (
        "guardrails.web-attack-linear",
        "Attacks are looked for in time that grows with the text: every pattern is RE2's, and none is lost to memory.",
        "guardrails/README.md",
    ),
    (
        "guardrails.libinjection",
        "The SQL and HTML checks of libinjection hold with several threads at once, and read past zero bytes.",
        "guardrails/README.md",
    ),
    (
        "guardrails.web-attack-training",
        "The weights come from a script of the project that draws the same data each time and needs numpy alone.",
        "guardrails/README.md",
    ),
]
