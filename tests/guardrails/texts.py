"""Makes the targets that detectors are asked about."""

from __future__ import annotations

from guardrails.engine.detector import Target
from guardrails.engine.segments import Kind, Segment, Surface


def target(
    text: str, *, kind: Kind = Kind.PROSE, key: str = "", is_key: bool = False, pointer: str = "/params/arguments/text"
) -> Target:
    return Target(Segment(pointer, text, kind, Surface.ARGUMENTS, key, is_key))
