"""What the tests of tokens, the vault and the verdict cache prove: id, sentence, and where the duty comes from."""

from __future__ import annotations

CLAIMS: list[tuple[str, str, str]] = [
    (
        "guardrails.token-spelling",
        "A token is found in every spelling that models and renderers give it, and half a token is text.",
        "guardrails/README.md",
    ),
    (
        "guardrails.token-restoring",
        "A value is put back escaped as its token was, is not read again, and everything else stays the same object.",
        "guardrails/README.md",
    ),
    (
        "guardrails.token-round-trip",
        "What was replaced by tokens comes back exactly.",
        "guardrails/README.md",
    ),
    (
        "guardrails.token-isolation",
        "A token gives its value to the session that issued it, and there to that side alone which was given it.",
        "guardrails/README.md",
    ),
    (
        "guardrails.vault-sealed",
        "The vault holds values encrypted, bound to session and token, and names neither session, server nor value.",
        "NIST SP 800-38D",
    ),
    (
        "guardrails.vault-expiry",
        "A value is gone when it was not used for as long as the settings say, or when its session is forgotten.",
        "guardrails/README.md",
    ),
    (
        "guardrails.vault-bounds",
        "A full vault refuses, and makes room only by the longest unused session of the same project.",
        "guardrails/README.md",
    ),
    (
        "guardrails.vault-fails-closed",
        "A vault that cannot be reached or does not answer in time is an error, and is back as soon as Redis is.",
        "guardrails/README.md",
    ),
    (
        "guardrails.vault-shared",
        "Workers that issue the same value at one time issue one token.",
        "guardrails/README.md",
    ),
    (
        "guardrails.verdict-cache",
        "What a detector found in a text is looked up under all that it depends on, and holds none of the text.",
        "guardrails/README.md",
    ),
    (
        "guardrails.verdict-cache-tenants",
        "A project finds what it has stored itself, and nothing that others do pushes that out.",
        "guardrails/README.md",
    ),
]
