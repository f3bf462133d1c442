"""Goes through a JSON value: every text with its place, reading a place, and writing places without touching others."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from guardrails.engine.kinds import hint_of, kind_of, kind_of_name
from guardrails.engine.schemas import Descent, Places
from guardrails.engine.segments import Kind, Segment, Surface
from guardrails.engine.turns import give_way, giving_way

MAX_DEPTH = 64
# Pointers repeat the names above a leaf. A long name over many leaves would make more text than the message has.
MAX_POINTER_CHARACTERS = 16 * 1024 * 1024
# Shorter numbers are no card, phone or social security number.
_LEAST_NUMBER = 1_000_000
_MOST_DIGITS_BITS = 10_000

_BINARY_TYPES = frozenset({"image", "audio"})
# What files begin with: with it, base64 that is no text is taken for what it claims to be.
_MAGIC = (
    b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*\x00", b"MM\x00*", b"\x00\x00\x01\x00", b"OggS",
    b"fLaC", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\x1f\x8b", b"PK\x03\x04", b"\x1aE\xdf\xa3", b"wOF2",
    b"\x7fELF", b"\x00asm", b"%PDF-", b"7z\xbc\xaf", b"\xfd7zXZ", b"BZh", b"(\xb5/\xfd", b"SQLite format 3\x00",
)  # fmt: skip
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_CONTROLS = bytes([*range(9), *range(14, 32), 127])


class Unwalkable(ValueError):
    """A value that cannot be looked at whole. The text says why and holds nothing of the value."""


@dataclass(frozen=True, slots=True)
class Binary:
    """A base64 member of a content block. `text` is what it decodes to when that is text, else None."""

    pointer: str
    media_type: str
    size_bytes: int
    text: str | None = None


def walk(
    value: Any,
    *,
    surface: Surface,
    base: str = "",
    kinds: Mapping[str, str] | None = None,
    schema: Any = None,
) -> Iterator[Segment]:
    """Every text leaf, every member name, and every number of seven or more digits, in the order of the value.

    `base` is the pointer of the value itself. `kinds` gives kinds by pointer from the value; one holds for all that
    is below its place. `schema` is the JSON Schema of the value. Empty texts are passed over.
    Raises Unwalkable.
    """
    for found in visit(value, surface=surface, base=base, kinds=kinds, schema=schema):
        if isinstance(found, Segment):
            yield found


def visit(
    value: Any,
    *,
    surface: Surface,
    base: str = "",
    kinds: Mapping[str, str] | None = None,
    schema: Any = None,
    named: Mapping[str, Kind] | None = None,
    fixed_names: frozenset[str] = frozenset(),
    fixed_texts: Mapping[str, frozenset[str]] | None = None,
) -> Iterator[Segment | Binary]:
    """As `walk`, with the binary members of content blocks too.

    `named` gives kinds by member name. Names in `fixed_names`, and texts that `fixed_texts` lists for their name, are
    a protocol's vocabulary and are passed over.
    """
    descent = Descent(schema) if schema is not None else None
    named, fixed_texts = named or {}, fixed_texts or {}
    budget = MAX_POINTER_CHARACTERS
    # Each entry: pointer above, token, value, nearest name, depth, subschemas, kind from above, media type of base64.
    stack: list[tuple[str, str | int | None, Any, str, int, Places, str | None, str | None]]
    stack = [(base, None, value, _last_name(base), 0, descent.top if descent else (), _override(kinds, ""), None)]
    while stack:
        above, token, item, key, depth, places, override, media_type = stack.pop()
        pointer = above if token is None else f"{above}/{escape(token)}"
        budget -= len(pointer)
        give_way()
        if budget < 0:
            raise Unwalkable("the member names above the texts are too long")
        if kinds is not None and token is not None:
            override = _override(kinds, pointer[len(base) :]) or override
        if isinstance(token, str):
            if token and token not in fixed_names:
                yield Segment(pointer, token, kind_of_name(token), surface, key, True)
            key = token
        if isinstance(item, str):
            if not item or item in fixed_texts.get(key, ()):
                continue
            if media_type is not None:
                yield from _read_binary(pointer, item, media_type, surface, key)
                continue
            kind = named.get(key) if override is None else None
            if kind is Kind.ID and not _may_be_id(item):
                kind = None
            if kind is None:
                kind = kind_of(item, key=key, override=override or _hint(places))
            yield Segment(pointer, item, kind, surface, key)
        elif isinstance(item, dict):
            if depth >= MAX_DEPTH:
                raise Unwalkable("nested too deeply")
            blob = blob_member(item)
            for name, child in giving_way(reversed(item.items())):
                below = descent.below(places, name) if descent else ()
                media_type = _text_or_empty(item.get("mimeType")) if name == blob else None
                stack.append((pointer, name, child, key, depth + 1, below, override, media_type))
        elif isinstance(item, list):
            if depth >= MAX_DEPTH:
                raise Unwalkable("nested too deeply")
            for index in giving_way(range(len(item) - 1, -1, -1)):
                child = item[index]
                if child is None or (isinstance(child, (int, float)) and not _is_long(child)):
                    continue
                below = descent.below(places, index) if descent else ()
                stack.append((pointer, index, child, key, depth + 1, below, override, None))
        elif isinstance(item, (int, float)):
            if _is_long(item):
                yield Segment(pointer, spell(item), Kind.ID, surface, key)
        elif item is not None:
            raise Unwalkable(f"no JSON: {type(item).__name__}")


def _override(kinds: Mapping[str, str] | None, pointer: str) -> str | None:
    return kinds.get(pointer) if kinds else None


def _hint(places: Places) -> Kind | None:
    for place in places:
        hint = hint_of(place)
        if hint is not None:
            return hint
    return None


def _last_name(pointer: str) -> str:
    for token in reversed(pointer.split("/")[1:]):
        if not token.isdigit():
            return unescape(token)
    return ""


def _may_be_id(text: str) -> bool:
    return len(text) <= 512 and len(text.split(None, 1)) == 1


def _is_long(number: int | float) -> bool:
    """Whether it is spelled with seven digits or more before the point, and with none after it."""
    if isinstance(number, float):
        return number.is_integer() and abs(number) >= _LEAST_NUMBER
    return not -_LEAST_NUMBER < number < _LEAST_NUMBER


def spell(number: int | float) -> str:
    """A number's digits. Raises Unwalkable for one that nobody means."""
    if isinstance(number, float):
        number = int(number)
    if number.bit_length() > _MOST_DIGITS_BITS:
        raise Unwalkable("a number is too long")
    return str(number)


# Binary members


def blob_member(block: Mapping[str, Any]) -> str | None:
    """Which member of a content block holds base64: `data` of an image or audio, `blob` of a resource's contents."""
    if "blob" in block and "uri" in block and isinstance(block["blob"], str):
        return "blob"
    kind = block.get("type")
    # In a schema both may be names of properties, and their values schemas.
    if "data" in block and isinstance(kind, str) and kind in _BINARY_TYPES and isinstance(block["data"], str):
        return "data"
    return None


def decode_blob(text: str) -> tuple[str, str] | None:
    """What base64 decodes to when that is text, and its encoding; None for anything else, also for no base64.

    What a file begins with does not count: a text may begin with it too.
    """
    data = _decoded(text)
    if not data:
        return None
    if data[:2] in _UTF_16_MARKS:
        decoded, encoding = data.decode("utf-16", "replace"), "utf-16"
        return (decoded, encoding) if decoded.count("\ufffd") * 10 <= len(decoded) else None
    controls = len(data) - len(data.translate(None, _CONTROLS))
    if controls * 20 > len(data):
        return None
    decoded = data.decode("utf-8", "replace")
    # Some broken bytes do not make a text unreadable; a file of bytes has far more of them.
    return (decoded, "utf-8") if decoded.count("\ufffd") * 10 <= len(decoded) else None


def encode_blob(text: str, encoding: str) -> str:
    return base64.b64encode(text.encode(encoding, "replace")).decode()


def _decoded(text: str) -> bytes | None:
    """RFC 4648 section 4, in lines or not; None for what is not base64."""
    try:
        plain = text.encode("ascii")
        if b"\n" in plain or b"\r" in plain or b" " in plain:
            plain = b"".join(plain.split())
        return binascii.a2b_base64(plain, strict_mode=True)
    except ValueError:
        return None


def _text_or_empty(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _read_binary(pointer: str, text: str, media_type: str, surface: Surface, key: str) -> Iterator[Segment | Binary]:
    decoded = decode_blob(text)
    padding = text[-2:].count("=")
    yield Binary(pointer, media_type, max(0, len(text) * 3 // 4 - padding), decoded[0] if decoded else None)
    if decoded is not None:
        if decoded[0]:
            yield Segment(pointer, decoded[0], kind_of(decoded[0]), surface, key)
    elif not _is_known_file(text):
        # Nothing tells what it is; a reader may take the characters as they stand.
        yield Segment(pointer, text, Kind.ID, surface, key)


def _is_known_file(text: str) -> bool:
    data = _decoded(text)
    return data is not None and data.startswith(_MAGIC)


# Places


def escape(token: str | int) -> str:
    """RFC 6901 section 3."""
    if isinstance(token, int):
        return str(token)
    if "~" in token or "/" in token:
        return token.replace("~", "~0").replace("/", "~1")
    return token


def unescape(token: str) -> str:
    """RFC 6901 section 4."""
    return token.replace("~1", "/").replace("~0", "~") if "~" in token else token


def tokens_of(pointer: str) -> list[str]:
    """Raises LookupError for what is no pointer."""
    if not pointer:
        return []
    if pointer[0] != "/":
        raise LookupError("a pointer begins with a slash")
    return [unescape(token) for token in pointer[1:].split("/")]


def at(value: Any, pointer: str) -> Any:
    """What stands at a place. Raises LookupError when there is no such place."""
    for token in tokens_of(pointer):
        value = value[_step(value, token)]
    return value


def _step(container: Any, token: str) -> str | int:
    if isinstance(container, dict):
        if token in container:
            return token
    elif isinstance(container, list) and token.isascii() and token.isdigit() and len(token) < 10:
        if int(token) < len(container):
            return int(token)
    raise LookupError("no such place")


def replace(value: Any, changes: Mapping[str, Any], names: Mapping[str, str] | None = None) -> Any:
    """A copy with other values at some places, and other names for some members, in the old order.

    Only the containers on the way to a change are copied; everything else is the very same object. `names` maps the
    place of a member to its new name. Raises LookupError for a place that is not there, and ValueError for a change
    inside another change or for two members that would have one name.
    """
    places = _Places(value, changes)
    for pointer, new in changes.items():
        container, step = places.own(pointer)
        container[step] = new
    renamed: dict[str, dict[str, str]] = {}
    for pointer, name in (names or {}).items():
        container, step = places.own(pointer)
        if not isinstance(container, dict) or not pointer:
            raise LookupError("only members have names")
        renamed.setdefault(pointer.rpartition("/")[0], {})[step] = name
    for above, new_names in renamed.items():
        _rename(places.copies[above], new_names)
    return places.value


class _Places:
    """A value whose containers are copied when something in them is to be changed, each once."""

    def __init__(self, value: Any, changes: Mapping[str, Any]) -> None:
        self._changes = changes
        self._top = [value]
        # By pointer: the containers that are ours.
        self.copies: dict[str, Any] = {}

    @property
    def value(self) -> Any:
        return self._top[0]

    def own(self, pointer: str) -> tuple[Any, Any]:
        """The container of a place, ours to change, and the member name or index in it."""
        if not pointer:
            return self._top, 0
        above, _, token = pointer.rpartition("/")
        container = self.copies.get(above)
        if container is None:
            container = self._copy_down_to(above)
        return container, _step(container, unescape(token))

    def _copy_down_to(self, pointer: str) -> Any:
        owner: Any = self._top
        step: Any = 0
        place = ""
        for token in [None, *tokens_of(pointer)]:
            if token is not None:
                step = _step(owner, token)
                place = f"{place}/{escape(token)}"
            copy = self.copies.get(place)
            if copy is None:
                if place in self._changes:
                    raise ValueError("a change inside another change")
                copy = self.copies[place] = owner[step] = _shallow(owner[step])
            owner = copy
        return owner


def _shallow(container: Any) -> Any:
    if isinstance(container, (dict, list)):
        return container.copy()
    raise LookupError("no such place")


def _rename(container: dict[str, Any], names: Mapping[str, str]) -> None:
    members = [(names.get(name, name), child) for name, child in container.items()]
    renamed = dict(members)
    if len(renamed) != len(members):
        raise ValueError("two members would have one name")
    container.clear()
    container.update(renamed)
