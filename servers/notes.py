"""One thing that a person should look at before a definition is offered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """`code` is one of a few words for filters and tests, `text` a sentence, `pointer` (RFC 6901) the place.

    The place is in the definition as it is now; of what is gone it is where that was.
    """

    code: str
    text: str
    pointer: str
