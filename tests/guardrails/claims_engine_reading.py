"""What the tests of reading and rewriting messages prove: id, sentence, and where the duty comes from."""

from __future__ import annotations

CLAIMS: list[tuple[str, str, str]] = [
    (
        "guardrails.walk",
        "Every text, member name and long number of a JSON value is read with a pointer that leads back to it.",
        "RFC 6901",
    ),
    (
        "guardrails.walk-bounds",
        "A value of any size or shape is read whole in linear time, or refused.",
        "guardrails/README.md",
    ),
    (
        "guardrails.replace",
        "Rewriting a place copies the way to it and leaves everything else the same objects.",
        "guardrails/README.md",
    ),
    (
        "guardrails.surfaces",
        "A text is read wherever a message of either era can carry it, in both directions.",
        "MCP 2025-11-25 and 2026-07-28",
    ),
    (
        "guardrails.binaries",
        "Binary content is reported by type and size, and read when it is a text in disguise.",
        "MCP 2025-11-25, tools, image content",
    ),
    (
        "guardrails.kinds",
        "What kind a text is follows from the override, then the schema, then the name, then its look.",
        "guardrails/README.md",
    ),
    (
        "guardrails.views",
        "A text that is hidden, encoded or written in look-alikes is also read in plain.",
        "guardrails/README.md",
    ),
    (
        "guardrails.views-span",
        "What is found in any reading of a text maps to the characters that hold it.",
        "guardrails/README.md",
    ),
    (
        "guardrails.views-bounds",
        "Readings of a text are bounded in number, size and time, whatever the text.",
        "guardrails/README.md",
    ),
    (
        "guardrails.redact",
        "Redaction replaces what was found and nothing else, in leaves, names, numbers and encoded content.",
        "guardrails/README.md",
    ),
    (
        "guardrails.redact-schema",
        "A redacted value still satisfies its schema, or the message is not redacted at all.",
        "MCP 2025-11-25, tools, output schema",
    ),
]
