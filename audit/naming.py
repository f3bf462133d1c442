"""What stands in an event for a text that must not be written down: equal texts of one project can be told equal."""

from __future__ import annotations

import re

from gateway_site.lib import mac

_FORM = re.compile("#[0-9a-f]{16}")


def digest_name(key: bytes, text: str) -> str:
    """`#` and 16 hex digits of HMAC-SHA256; `key` is the project's, so that equal texts differ between tenants."""
    return "#" + mac.digest(key, b"name\0" + text.encode("utf-8", "surrogatepass")).hex()[:16]


def is_digest(text: str) -> bool:
    """Whether it looks like one; no text of a caller's that does is ever written down as it is."""
    return _FORM.fullmatch(text) is not None
