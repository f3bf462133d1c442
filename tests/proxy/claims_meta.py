"""Promises about our own few tools in place of all servers' tools."""

from __future__ import annotations

_PAGE = "proxy/README.md"
CLAIMS: list[tuple[str, str, str]] = [
    ("meta.option", "A key is shown a few tools of ours in place of all servers' when its administrator says so.",
     "README.md"),
    ("meta.names", "They are listed by the names of the reference system where it has them; neutral ones work too.",
     _PAGE),
    ("meta.rights", "They show and call what the key may use and nothing else; all else is unknown, in one answer.",
     _PAGE),
    ("meta.pipeline", "Each call of a batch is authorised, limited, guarded and on record like any other.", _PAGE),
    ("meta.stops", "A batch ends with the first call that fails, is blocked or not permitted.", _PAGE),
    ("meta.whole", "What a tool gives comes back whole: every kind of content, structure, and that it failed.", _PAGE),
    ("meta.findings", "What guardrails find is told by codes and places, never by text.", _PAGE),
    ("meta.secrets", "What they say of a server holds no address, header or parameter.", _PAGE),
    ("meta.cache", "What is cached is shown of the key's servers; administrators, and no others, can clear it.", _PAGE),
    ("meta.timeouts", "Calls are counted of the own project, and it is said where and since when.", _PAGE),
    ("meta.search", "A search finds tools by their words, the best first, within its limits.", _PAGE),
]
