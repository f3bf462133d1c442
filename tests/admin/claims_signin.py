"""What is promised of signing in to the pages."""

CLAIMS = [
    (
        "signin.second-factor",
        "Operators, owners and admins reach nothing with their password alone, nor do others who have a second factor.",
        "projects/README.md",
    ),
    (
        "signin.set-up",
        "Who must have a second factor and has none sets one up, keeps recovery codes, and is in.",
        "projects/README.md",
    ),
    ("signin.codes", "A code works once; wrong ones make the next wait.", "RFC 6238 section 5.2"),
    (
        "signin.secrets",
        "Secrets of authenticator apps are sealed to their row, recovery codes and session keys stored as digests.",
        "projects/README.md",
    ),
    (
        "signin.passkeys",
        "A passkey signs in alone or after the password, at the host name that it was made for and at no other.",
        "WebAuthn level 3, sections 7.1 and 7.2",
    ),
    (
        "signin.lock-out",
        "Too many wrong passwords or codes of an account from an address close it there for a while; nobody is told.",
        "projects/README.md",
    ),
    (
        "signin.again",
        "What matters is asked for again after ten minutes, and what was posted meanwhile is not done.",
        "projects/README.md",
    ),
    ("signin.sessions", "People see where they are signed in and end it; a new password ends all others.", "README.md"),
    (
        "signin.invitations",
        "A link that works once and for a week lets one address into one project with one role.",
        "projects/README.md",
    ),
]
