"""Makes findings of places in the readings of a text, each place once, and never more than can be handled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from guardrails.engine.detector import Target
from guardrails.engine.findings import Finding
from guardrails.engine.views import View

# Beyond this many in one text, the last one covers the rest, so that redaction leaves nothing out.
MOST = 500


def find_once(
    target: Target, detector: str, category: str, places: Iterable[tuple[View, int, int]], score: float = 1.0
) -> list[Finding]:
    """Findings in the order of the text. Overlapping places become one; the text as it stands goes first."""
    segment = target.segment
    found: list[Finding] = []
    for start, end, how in _merged(places):
        if len(found) == MOST:
            last = found.pop()
            start, end, how = last.start, len(segment.text), last.how
        found.append(Finding(detector, category, score, segment.pointer, start, end, segment.is_key, how))
        if end == len(segment.text) and len(found) == MOST:
            break
    return found


def _merged(places: Iterable[tuple[View, int, int]]) -> Iterator[tuple[int, int, str]]:
    spans = sorted((*view.span(start, end), view.how) for view, start, end in places)
    if not spans:
        return
    begin, stop, how = spans[0]
    for start, end, other in spans[1:]:
        if start < stop or (start, end) == (begin, stop):
            stop = max(stop, end)
            how = min(how, other)
        else:
            yield begin, stop, how
            begin, stop, how = start, end, other
    yield begin, stop, how
