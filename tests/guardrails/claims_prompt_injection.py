"""What the tests of prompt injection and of the n-gram models prove: id, sentence, and where the duty comes from."""

from __future__ import annotations

CLAIMS: list[tuple[str, str, str]] = [
    (
        "guardrails.injection-found",
        "Instructions to the model are found in plain text, in many languages, and in the middle of a long text.",
        "OWASP LLM01:2025 Prompt Injection",
    ),
    (
        "guardrails.injection-quiet",
        "Harmless sentences with the words that attacks use, and honest tool definitions, are not found.",
        "guardrails/training/README.md",
    ),
    (
        "guardrails.injection-disguised",
        "An instruction in a disguise is found under the disguise's name, at the characters that hold it.",
        "OWASP LLM01:2025 Prompt Injection",
    ),
    (
        "guardrails.hidden-text",
        "Text that nobody sees is found: shapeless characters, overrides of direction, terminal codes, markup.",
        "Unicode Technical Report 36",
    ),
    (
        "guardrails.role-markers",
        "Forged turns and system tags are found; where templates are written or quoted they count for less.",
        "guardrails/injection/roles.py",
    ),
    (
        "guardrails.concealment",
        "Requests to keep something from the user are found, in several languages.",
        "guardrails/injection/concealment.py",
    ),
    (
        "guardrails.exfiltration",
        "Images, links, tool calls and copies that carry data away are found.",
        "guardrails/injection/exfiltration.py",
    ),
    (
        "guardrails.tool-poisoning",
        "Definitions that prefer themselves, speak ill of others, skip safeguards or add claiming members are found.",
        "OWASP MCP Top 10, MCP03 Tool Poisoning",
    ),
    (
        "guardrails.ngrams",
        "A model scores a window by its own n-grams alone, alone or among others, and survives being saved.",
        "guardrails/engine/ngrams.py",
    ),
    (
        "guardrails.training-licences",
        "Rows that may not be trained on are not read for training, and what we generate is the same each time.",
        "guardrails/training/README.md",
    ),
]
