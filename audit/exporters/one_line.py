"""Texts that stay on one line, whatever somebody put into them."""

from __future__ import annotations

import re

# What some reader takes for the end of a line or of the text, and what UTF-8 cannot hold.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def on_one_line(text: str) -> str:
    """With control characters, line and paragraph ends and lone surrogates written as `\\u` and four hex digits."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
