"""The readings of one text: as it stands, normalised, and decoded; each maps its characters back to the text.

Everything takes time in proportion to the text. What is decoded is decoded again, to a depth of three and within a
budget, so that nothing small unfolds into something large.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from guardrails.engine.decoding import decodings
from guardrails.engine.folding import fold, is_plain
from guardrails.engine.pieces import Places, Reading
from guardrails.engine.turns import give_way

MAX_DEPTH = 3
MAX_VIEWS = 32
# Decoded characters of all views together: so many for each character of the text, and some more.
_BUDGET_TIMES = 3
_BUDGET_MORE = 4096
# What `how` says of the view that stands for everything that is not read any more.
UNREAD = "unread"
_FOLDED = "folded"


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One reading. `how` is "" for the text as it stands, else the ways that led to it in turn, as "base64+rot13".

    Character i of `text` comes from the original's characters `starts[i]` to `ends[i]`; both are None where every
    character stands for itself. A decoded run comes from the whole of what was decoded. A view with `how` "unread" is
    empty, and says that there was more to decode than is read.
    """

    text: str
    how: str = ""
    starts: Places | None = None
    ends: Places | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The original's characters behind [start, end) of this view."""
        if self.starts is None or self.ends is None:
            return start, end
        start = max(0, min(start, len(self.starts) - 1))
        end = max(end, start + 1)
        return int(self.starts[start:end].min()), int(self.ends[start:end].max())


def views(text: str) -> tuple[View, ...]:
    """The text as it stands, then each reading that differs from those before it."""
    found = [View(text)]
    depths = [0]
    seen = {text}
    room = _BUDGET_TIMES * len(text) + _BUDGET_MORE
    # The list grows while it is gone through: what was decoded is decoded again.
    for view, depth in zip(found, depths, strict=False):
        for reading in _readings(view):
            give_way()
            if reading.text in seen:
                continue
            room -= len(reading.text) if reading.how != _FOLDED else 0
            if room < 0 or len(found) >= MAX_VIEWS or (depth == MAX_DEPTH and reading.how != _FOLDED):
                found.append(View("", UNREAD))
                return tuple(found)
            seen.add(reading.text)
            found.append(_through(view, reading))
            # Folded is as plain as it stood, not a step into it.
            depths.append(depth if reading.how == _FOLDED else depth + 1)
    return tuple(found)


def _readings(view: View) -> Iterator[Reading]:
    text = view.text
    if not view.how.endswith(_FOLDED) and not (text.isascii() and is_plain(text.encode())):
        folded = fold(text)
        if folded is not None and folded.text:
            yield folded
    yield from decodings(text, view.how)


def _through(view: View, reading: Reading) -> View:
    """A reading of a view, as a view of the original."""
    how = f"{view.how}+{reading.how}" if view.how else reading.how
    if view.starts is None or view.ends is None:
        return View(reading.text, how, reading.starts, reading.ends)
    first, last = reading.starts, np.maximum(reading.ends - 1, reading.starts)
    last = np.minimum(last, len(view.starts) - 1)
    first = np.minimum(first, len(view.starts) - 1)
    # A reversed view runs down, all others up, so that the ends of a part tell its span.
    starts = np.minimum(view.starts[first], view.starts[last])
    ends = np.maximum(view.ends[first], view.ends[last])
    return View(reading.text, how, starts, ends)
