"""What kind of text a leaf is meant to be: from an override, its schema, its name, and only then from its look."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import re2

from guardrails.engine.segments import Kind

_LOOKED_AT = 4096
_LONGEST_ID = 512
_SHORT_NAME = 64

_FORMATS = {
    "uri": Kind.URL,
    "uri-reference": Kind.URL,
    "uri-template": Kind.URL,
    "iri": Kind.URL,
    "iri-reference": Kind.URL,
    "url": Kind.URL,
    "uuid": Kind.ID,
    "date": Kind.ID,
    "date-time": Kind.ID,
    "time": Kind.ID,
    "duration": Kind.ID,
    "path": Kind.PATH,
    "file-path": Kind.PATH,
    "directory-path": Kind.PATH,
    "sql": Kind.SQL,
    "regex": Kind.CODE,
}
_MEDIA_TYPES = {
    "text/plain": Kind.PROSE,
    "text/markdown": Kind.PROSE,
    "application/sql": Kind.SQL,
    "text/x-sql": Kind.SQL,
    "application/x-sh": Kind.SHELL,
    "application/x-shellscript": Kind.SHELL,
    "text/x-shellscript": Kind.SHELL,
    "text/x-sh": Kind.SHELL,
    "text/uri-list": Kind.URL,
}

_BY_WORD = {
    Kind.SQL: "sql",
    Kind.SHELL: "command commands cmd shell bash sh script_command argv cmdline",
    Kind.PATH: "path paths file files dir directory filename filepath folder dirname cwd pathname filenames root",
    Kind.URL: "url urls uri uris href link endpoint webhook src callback redirect website homepage",
    Kind.ID: "id ids uuid guid cursor token hash etag sha sha1 sha256 md5 digest checksum nonce revision",
    Kind.CODE: "code script source snippet program html javascript js python expression template patch diff regex",
}
_WORDS = {word: kind for kind, words in _BY_WORD.items() for word in words.split()}
# What is written into files and pages, whole or in part: names as editors and file servers have them.
_DOCUMENTS = frozenset({"content", "contents", "body", "markdown", "document", "readme"})
_PARTS = frozenset(
    f"{which} {what}" for which in ("file", "old", "new", "insert", "replacement") for what in ("text", "string", "str")
)
_HOSTS = frozenset({"host", "hosts", "hostname", "hostnames", "ip", "ips", "ipv4", "addr"})
_COUNTS = frozenset({"max", "min", "num", "number", "total", "per", "of", "count"})
# Languages of their own, in which marks of shells mean something else.
_NOTATIONS = frozenset(
    ("query", "q", "queries", "search", "filter", "filters", "expression", "expr", "jq", "jql", "kql", "spl", "pattern",
     "regex", "transform", "type", "types", "line", "row", "cell", "latex", "formula", "separator", "delimiter")
)  # fmt: skip
# A name whose last word is one of these says more of the language than of the text.
_SQL_NAMES = frozenset({"query", "statement", "queries", "q"})

_SQL = re2.compile(
    r"(?i)^[\s(]*(?:--[^\n]*\n\s*)*(?:"
    r"select\s[\s\S]*?\sfrom\s|select\s+(?:\d|@@|[a-z_]+\()|insert\s+(?:ignore\s+)?into\s+[\w.\"`\[]|"
    r"update\s+[\w.\"`\[\]]+\s+set\s+[\w.\"`\[\]]+\s*=|delete\s+from\s+[\w.\"`\[]|"
    r"with\s+(?:recursive\s+)?\w+\s*(?:\([^)]*\)\s*)?as\s*\(|"
    r"(?:create|drop|alter|truncate)\s+(?:or\s+replace\s+|temp(?:orary)?\s+|unique\s+|materialized\s+)*"
    r"(?:table|index|view|database|schema|function|trigger|user|role|sequence)\s|"
    r"merge\s+into\s|explain\s+(?:analyze\s+)?select\s|pragma\s+\w+|show\s+(?:tables|databases|columns)|"
    r"grant\s+\w+|begin\s*;|begin\s+transaction)"
)
_LOUD_SQL = re2.compile(r"[*=;(\"`]|\b(?:SELECT|FROM|WHERE|INSERT|UPDATE|DELETE|LIMIT)\b")
_SQL_VERBS = frozenset(
    ("select", "insert", "update", "delete", "with", "create", "drop", "alter", "truncate", "merge", "explain",
     "pragma", "show", "grant", "begin", "--")
)  # fmt: skip
_URL = re2.compile(
    r"^\s*(?:[A-Za-z][A-Za-z0-9+.\-]{1,24}://[^\s]+|(?:mailto|data|javascript|file|tel|urn|jar):[^\s]+)\s*$"
)
_PATH = re2.compile(
    r"^(?:~|\.{1,2})?/[^\s\x00/]*(?:/[^\n\x00]*)?$|^[A-Za-z]:[\\/][^\n]*$|^\\\\[^\n]+$|^\.{1,2}[\\/][^\n]*$"
)
_PATH_STARTS = frozenset("/~.\\")
_OPAQUE = re2.compile(
    r"^(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[-+]?[0-9][0-9.,:/\-]*|[0-9a-fA-F]{16,}|"
    r"[A-Za-z0-9_\-+/=.:~]{16,512})$"
)
_CODE_MARKS = (
    ";\n", "{\n", "}\n", "):\n", "=> ", "</", "import ", "def ", "return ", "function ", "const ", "#include", "self.",
    "\n    ", "\n\t", " == ", " = ", "();", "/>", "\n//", "\n#", "\": ",
)  # fmt: skip


def kind_of(text: str, *, key: str = "", schema: Any = None, override: str | Kind | None = None) -> Kind:
    """Raises ValueError for an override that is no kind. `schema` is the part of a JSON Schema for this very text."""
    if override is not None:
        return Kind(override)
    if schema is not None:
        hinted = hint_of(schema)
        if hinted is not None:
            return hinted
    if key:
        named = _by_name(key, text)
        if named is not None:
            return named
    return _by_look(text)


def hint_of(schema: Any) -> Kind | None:
    """What a schema says of the text that it describes: by format or media type; None when it says nothing."""
    if not isinstance(schema, Mapping):
        return None
    stated = schema.get("format")
    if isinstance(stated, str) and stated in _FORMATS:
        return _FORMATS[stated]
    media = schema.get("contentMediaType")
    if isinstance(media, str):
        return kind_of_media(media)
    return None


def kind_of_media(media_type: str) -> Kind | None:
    """None for a media type that is no text."""
    plain = media_type.split(";", 1)[0].strip().lower()
    known = _MEDIA_TYPES.get(plain)
    if known is not None:
        return known
    if plain.startswith("text/") or plain.endswith(("+json", "+xml", "/json", "/xml", "/javascript", "/yaml")):
        return Kind.CODE
    return None


def kind_of_name(name: str) -> Kind:
    """For a member name: an identifier, or what it looks like."""
    return _kind_of_short_name(name) if len(name) <= _SHORT_NAME else _by_look(name)


@lru_cache(maxsize=4096)
def _kind_of_short_name(name: str) -> Kind:
    return Kind.ID if _is_identifier(name) else _by_look(name)


def _is_identifier(name: str) -> bool:
    return name.isascii() and name.replace("-", "_").replace(".", "_").replace("$", "_").isidentifier()


@lru_cache(maxsize=4096)
def is_document_name(key: str) -> bool:
    """Whether an argument of this name is a document or a piece of one, in which any language is at home."""
    if len(key) > _SHORT_NAME:
        return False
    words = _split(key)
    return bool(words) and (words[-1] in _DOCUMENTS or " ".join(words[-2:]) in _PARTS)


@lru_cache(maxsize=4096)
def is_host_name(key: str) -> bool:
    """Whether an argument of this name takes a host or its address, and not how many of them there are."""
    words = _split(key) if len(key) <= _SHORT_NAME else []
    if not words or not _COUNTS.isdisjoint(words):
        return False
    return _last_word(key) in _HOSTS or words[-2:] == ["ip", "address"]


@lru_cache(maxsize=4096)
def is_notation_name(key: str) -> bool:
    """Whether an argument of this name is in a notation of its own: of searches, types, tables or formulas."""
    return len(key) <= _SHORT_NAME and _last_word(key) in _NOTATIONS


def _by_name(key: str, text: str) -> Kind | None:
    if is_document_name(key):
        return None
    word = _last_word(key) if len(key) <= _SHORT_NAME else ""
    kind = _WORDS.get(word)
    if kind is None:
        return Kind.SQL if word in _SQL_NAMES and _is_sql(text[:_LOOKED_AT]) else None
    if kind is Kind.ID:
        # A name must not make prose opaque.
        return Kind.ID if len(text) <= _LONGEST_ID and not _has_space(text) else None
    if kind in (Kind.URL, Kind.PATH) and "\n" in text:
        return None
    if kind is Kind.CODE and _by_look(text) in (Kind.PATH, Kind.URL):
        # A `source` or `script` is as often the place of one.
        return None
    return kind


@lru_cache(maxsize=4096)
def _last_word(key: str) -> str:
    """What a name is of: `webhookUrl` gives "url", `file_name` "file", `path_id` "id"."""
    lowered = key.lower()
    if lowered in _WORDS or lowered in _SQL_NAMES:
        return lowered
    words = _split(key)
    if len(words) > 1 and words[-1] in ("name", "list", "text", "value", "string"):
        words.pop()
    return words[-1] if words else ""


def _split(key: str) -> list[str]:
    spaced = "".join(
        f" {letter}" if letter.isupper() and (index == 0 or not key[index - 1].isupper()) else letter
        for index, letter in enumerate(key)
    )
    return spaced.replace("_", " ").replace("-", " ").replace(".", " ").replace("/", " ").lower().split()


def _has_space(text: str) -> bool:
    return " " in text or len(text.split(None, 1)) > 1


def _by_look(text: str) -> Kind:
    head = text[:_LOOKED_AT]
    if not head:
        return Kind.PROSE
    spaced = _has_space(head)
    if not spaced and ":" in head[:32] and len(text) <= _LOOKED_AT and _URL.match(head):
        return Kind.URL
    if (head[0] in _PATH_STARTS or head[1:3] in (":\\", ":/")) and len(text) < _LOOKED_AT and _PATH.match(head):
        return Kind.PATH
    if not spaced:
        return Kind.ID if len(text) <= _LONGEST_ID and _is_opaque(text) else Kind.PROSE
    if _first_word(head) in _SQL_VERBS and _is_sql(head):
        return Kind.SQL
    if head.startswith("#!") and "sh" in head[:40]:
        return Kind.SHELL
    return Kind.CODE if _is_code(head) else Kind.PROSE


def _first_word(head: str) -> str:
    words = head.lstrip("( \t\r\n")[:16].lower().split(None, 1)
    return words[0].rstrip(";") if words else ""


def _is_sql(head: str) -> bool:
    return _SQL.search(_encodable(head)) is not None and _LOUD_SQL.search(_encodable(head)) is not None


def _is_opaque(text: str) -> bool:
    if not text.isascii() or _OPAQUE.match(text) is None:
        return False
    return any(letter.isdigit() for letter in text)


def _is_code(head: str) -> bool:
    """Markers of code, against the number of lines; a sentence with one marker is prose."""
    stripped = head.strip()
    if len(stripped) > 64 and stripped[0] in "{[" and '":' in stripped:
        return True
    lines = head.count("\n")
    if lines < 2:
        return False
    marks = sum(head.count(mark) for mark in _CODE_MARKS)
    return marks >= 4 and marks >= lines * 0.7


def _encodable(text: str) -> str:
    """re2 reads UTF-8, in which a lone surrogate cannot be written."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
