"""What is promised of secrets: how they are kept, and where they never are."""

CLAIMS = [
    (
        "secrets.sealed",
        "A sealed value opens with its ring at its place only, and opens unchanged or not at all.",
        "NIST SP 800-38D",
    ),
    ("secrets.rotation", "A new key of the ring makes new values and leaves old ones readable.", "SECURITY.md"),
    (
        "secrets.keyring-file",
        "The key ring is made once, is its owner's only, and is refused when others can read it.",
        "SECURITY.md",
    ),
    (
        "secrets.upstream",
        "Credentials for upstreams are stored encrypted, bound to their row, and never shown again.",
        "servers/README.md",
    ),
    (
        "secrets.same-host",
        "Credentials that are stored for a server do not follow it to another host.",
        "servers/README.md",
    ),
    ("secrets.logs", "Log lines are JSON and hold no key, bearer token, password or cookie.", "SECURITY.md"),
    ("secrets.canaries", "No secret is in any answer, log line or event.", "SECURITY.md"),
]
