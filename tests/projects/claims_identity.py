"""What is promised of keys, roles, members and tenants."""

CLAIMS = [
    (
        "identity.key-format",
        "A key is 64 characters with a visible id and a checksum that catches every slip of one character.",
        "projects/README.md",
    ),
    (
        "identity.key-digest",
        "Only an HMAC of a key is stored, made with a pepper that is not in the database.",
        "projects/README.md",
    ),
    ("identity.pepper-ring", "A new pepper leaves old keys open; a removed one closes its keys.", "projects/README.md"),
    (
        "identity.bad-credential",
        "Every bad credential gets the same answer and costs the same work, whatever its fault.",
        "RFC 6750 section 3",
    ),
    (
        "identity.live-keys",
        "Only keys that are neither disabled nor revoked, of active members, work.",
        "projects/README.md",
    ),
    ("identity.expiry", "A key ends at its expiry.", "projects/README.md"),
    ("identity.networks", "A key with networks works from these only.", "projects/README.md"),
    (
        "identity.scopes",
        "A key reaches the servers, tools, prompts and resources that its globs name, whatever a server calls its own.",
        "projects/README.md",
    ),
    (
        "identity.credential-stripped",
        "The caller's credential, cookies and other headers never reach an upstream.",
        "MCP security best practices, token passthrough",
    ),
    (
        "permissions.table",
        "What a role may do stands in one table; an unknown role or action is refused.",
        "projects/README.md",
    ),
    ("permissions.auditor", "An auditor reads the log and may not call tools.", "projects/README.md"),
    (
        "services.validation",
        "An act with impossible values is refused with the field's name and changes nothing.",
        "projects/README.md",
    ),
    ("services.last-owner", "A project keeps at least one owner, also when two leave at once.", "projects/README.md"),
    (
        "services.remove-member",
        "Removing a member revokes that member's keys of the project for good.",
        "projects/README.md",
    ),
    (
        "services.rotation",
        "A rotated key has a successor with the same rights and goes on for a limited overlap.",
        "projects/README.md",
    ),
    (
        "tenancy.fails-closed",
        "A tenant's rows can be read and written under its scope only, by every way of the ORM.",
        "projects/README.md",
    ),
    (
        "tenancy.outsider",
        "Another project's servers look as if they did not exist, by every method, path and era.",
        "README.md",
    ),
    (
        "tenancy.shared-upstream",
        "Two tenants on one upstream share no session, connection, list or answer.",
        "README.md",
    ),
]
