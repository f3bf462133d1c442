"""A text with its place in a message, and what kind of text it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a text is meant to be, which decides how detectors read it."""

    PROSE = "prose"
    CODE = "code"
    SQL = "sql"
    SHELL = "shell"
    PATH = "path"
    URL = "url"
    ID = "id"


class Surface(StrEnum):
    """Which part of MCP a text came by."""

    ARGUMENTS = "arguments"
    CONTENT = "content"
    STRUCTURED = "structured"
    RESOURCE = "resource"
    PROMPT = "prompt"
    ERROR = "error"
    META = "meta"
    NOTIFICATION = "notification"
    REQUEST = "request"
    COMPLETION = "completion"
    INSTRUCTIONS = "instructions"
    DEFINITION = "definition"


@dataclass(frozen=True, slots=True)
class Segment:
    """One string leaf or one member name of a JSON value.

    `pointer` (RFC 6901) leads from the message to the leaf, or to the member whose name this is. `key` is the nearest
    member name above the leaf, "" when there is none.
    """

    pointer: str
    text: str
    kind: Kind
    surface: Surface
    key: str = ""
    is_key: bool = False
