"""Server-sent events: bytes from an upstream to events and back (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


class EventTooLarge(Exception):
    """One event is longer than the limit."""


@dataclass(slots=True)
class RawEvent:
    """One event as it came. `data` is None for an event that carries none, such as a comment or a priming id."""

    data: str | None = None
    id: str | None = None
    event: str | None = None
    retry: str | None = None
    comments: tuple[str, ...] = ()


class EventParser:
    """Takes chunks of any size and gives whole events. `limit` bounds one event, in bytes."""

    __slots__ = ("_chunks", "_event_size", "_first", "_limit", "_lines", "_size", "_skip_newline")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._chunks: list[bytes] = []
        self._size = 0
        self._lines: list[bytes] = []
        self._event_size = 0
        self._skip_newline = False
        self._first = True

    def feed(self, chunk: bytes) -> Iterator[RawEvent]:
        """Raises EventTooLarge."""
        for line in self._split(chunk):
            if line:
                self._event_size += len(line)
                if self._event_size > self._limit:
                    raise EventTooLarge
                self._lines.append(line)
            elif self._lines:
                lines, self._lines, self._event_size = self._lines, [], 0
                yield _parse(lines)

    def _split(self, chunk: bytes) -> Iterator[bytes]:
        if self._skip_newline and chunk:
            # A line that ended in CR at the edge of a chunk may go on with LF.
            chunk = chunk[1:] if chunk[:1] == b"\n" else chunk
            self._skip_newline = False
        if b"\r" in chunk:
            self._skip_newline = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            if self._chunks:
                self._chunks.append(line)
                line = b"".join(self._chunks)
                self._chunks, self._size = [], 0
            if self._first:
                self._first = False
                line = line.removeprefix(b"\xef\xbb\xbf")
            yield line
        if rest:
            self._chunks.append(rest)
            self._size += len(rest)
            if self._size + self._event_size > self._limit:
                raise EventTooLarge


def _parse(lines: list[bytes]) -> RawEvent:
    event = RawEvent()
    data: list[str] = []
    comments: list[str] = []
    for line in lines:
        text = line.decode("utf-8", "replace")
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if not name:
            comments.append(value)
        elif name == "data":
            data.append(value)
        elif name == "id" and "\0" not in value:
            event.id = value
        elif name == "event":
            event.event = value
        elif name == "retry" and value.isascii() and value.isdigit():
            event.retry = value
    if data:
        event.data = "\n".join(data)
    event.comments = tuple(comments)
    return event


def render(event: RawEvent, data: bytes | None) -> bytes:
    """The event's bytes with `data`, which holds no line breaks, in place of its own data."""
    parts: list[bytes] = [b": " + comment.encode() + b"\n" for comment in event.comments]
    if event.event is not None:
        parts.append(b"event: " + event.event.encode() + b"\n")
    if event.id is not None:
        parts.append(b"id: " + event.id.encode() + b"\n")
    if event.retry is not None:
        parts.append(b"retry: " + event.retry.encode() + b"\n")
    if data is not None:
        parts.append(b"data: " + data + b"\n")
    parts.append(b"\n")
    return b"".join(parts)
