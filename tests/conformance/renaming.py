"""Names of one server as they are at the address of all servers, for a suite that knows only the server's own.

In requests the name of a tool or prompt gets its prefix, in the body and in the header that repeats it, right or wrong.
In answers names and URIs lose theirs, and white space keeps their length, so that no other byte of an answer moves.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable

_NAMED = ("tools/call", "prompts/get")
_ENCODED = re.compile(rb"=\?base64\?(.*)\?=", re.IGNORECASE)
_MARKERS = (b'"name":"', b'"uri":"', b'"uriTemplate":"')


class Renaming:
    """For one server by its slug."""

    def __init__(self, slug: str) -> None:
        self._name, self._uri = f"{slug}__".encode(), f"mcp+{slug}+".encode()
        self._shown = re.compile(
            rb'"(name|uri|uriTemplate)":"(?:%s|%s)([^"]*)"' % (re.escape(self._name), re.escape(self._uri))
        )

    def request(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        """Head and body of a request whose body came whole."""
        try:
            message = json.loads(body)
            params, method = message["params"], message["method"]
            holder = params["ref"] if method == "completion/complete" else params
            is_named = holder.get("type") == "ref/prompt" or method in _NAMED
        except (ValueError, KeyError, TypeError, AttributeError):
            return head, body
        if not is_named or not isinstance(holder.get("name"), str):
            return head, body
        holder["name"] = self._name.decode() + holder["name"]
        head = re.sub(rb"(?im)^(mcp-name:[ \t]*)([^\r\n]*?)([ \t]*)(?=\r?$)", self._header, head)
        body = json.dumps(message).encode()
        return re.sub(rb"(?im)^(content-length:[ \t]*)\d+", rb"\g<1>%d" % len(body), head), body

    def _header(self, match: re.Match[bytes]) -> bytes:
        before, value, after = match.groups()
        encoded = _ENCODED.fullmatch(value)
        if encoded is None:
            return before + self._name + value + after
        try:
            decoded = base64.b64decode(encoded[1], validate=True)
        except ValueError:
            return match[0]
        return before + b"=?base64?" + base64.b64encode(self._name + decoded) + b"?=" + after

    def answers(self) -> Callable[[bytes], bytes]:
        """For one connection: takes pieces of any size and gives what is whole of them."""
        held = b""

        def rename(piece: bytes) -> bytes:
            nonlocal held
            text = held + piece
            end = _whole(text) if piece else len(text)
            held = text[end:]
            return self._shown.sub(self._own, text[:end])

        return rename

    def _own(self, match: re.Match[bytes]) -> bytes:
        own = b'"%s":"%s"' % (match[1], match[2])
        return own + b" " * (len(match[0]) - len(own))


def _whole(text: bytes) -> int:
    """Up to where no name or URI is cut off."""
    end = len(text)
    for length in range(max(map(len, _MARKERS)), 0, -1):
        if any(len(marker) > length and text.endswith(marker[:length]) for marker in _MARKERS):
            end -= length
            break
    for marker in _MARKERS:
        start = text.rfind(marker)
        if 0 <= start < end and text.find(b'"', start + len(marker), end) < 0:
            end = start
    return end
