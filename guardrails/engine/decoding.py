"""What a text says once its encoded parts are decoded: one function for each way to encode that is looked for.

Each takes a text and gives at most one reading, in time proportional to the text.
"""

from __future__ import annotations

import binascii
import html
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import re2

from guardrails.engine import bases, disguising, parting
from guardrails.engine.arrays import distinct, points_of
from guardrails.engine.bases import plain
from guardrails.engine.pieces import Change, Pieces, Reading, excerpt
from guardrails.engine.turning import turnings
from guardrails.engine.turns import each, give_way

# A text as bytes of the same length, so that places in both are the same: what is not ASCII is a question mark.
Raw = bytes


def decodings(text: str, how: str) -> Iterator[Reading]:
    """The readings of a text that was itself read in the ways that `how` names."""
    raw = text.encode("ascii", "replace")
    if not text.isascii():
        for decode_points in (_tags, _selectors, _bits):
            yield from _given(decode_points(text))
    ways = how.split("+")
    if _PROMISING.search(raw) is not None:
        for name, decode in _DECODERS:
            # Made plain twice is no plainer.
            give_way()
            if name not in ways or name not in _ONCE:
                yield from _given(decode(text, raw))
    yield from turnings(text, raw, ways)


def _given(reading: Reading | None) -> Iterator[Reading]:
    if reading is not None and reading.text:
        yield reading


# Character codes, and the code of telegraphs

_NUMBERS = re2.compile(rb"(?:[01]{8}[ ,]?){4,}|(?:[0-9]{2,3}[ ,;]{1,2}){5,}[0-9]{2,3}")
_FEW_NUMBERS = 12


def _numbers(text: str, raw: Raw) -> Reading | None:
    """Character codes written out, in binary, octal or decimal."""
    found = Pieces()
    for match in each(_NUMBERS, raw):
        for codes in _codes(match.group()):
            decoded = _from_codes(codes)
            if decoded is not None:
                found.separate(*match.span())
                found.put(decoded, *match.span())
                break
    return found.read("numbers") if found else None


def _from_codes(codes: list[int]) -> str | None:
    """Letters alone where there are few; where there are many, also what is not ASCII, if it is UTF-8 throughout."""
    if min(codes) <= 8 or max(codes) > (255 if len(codes) > _FEW_NUMBERS else 126):
        return None
    data = bytes(codes)
    try:
        data.decode()
    except UnicodeDecodeError:
        return None
    decoded = plain(data)
    return decoded if decoded is None or len(codes) > _FEW_NUMBERS or decoded.replace(" ", "").isalnum() else None


def _codes(run: bytes) -> Iterator[list[int]]:
    bits = run.translate(None, b" ,;")
    if not bits.translate(None, b"01"):
        yield [int(bits[index : index + 8], 2) for index in range(0, len(bits) - 7, 8)]
        return
    fields = run.replace(b",", b" ").replace(b";", b" ").split()
    yield [int(each) for each in fields]
    if not bits.translate(None, b"01234567"):
        yield [int(each, 8) for each in fields]


_MORSE = dict(
    zip(
        (b".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
         b"----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----.").split(),
        "abcdefghijklmnopqrstuvwxyz0123456789", strict=True,
    )
)  # fmt: skip
_MORSE_RUNS = re2.compile(rb"(?:[.\-]{1,5}[ /|]{1,3}){7,}[.\-]{1,5}")
_LEAST_LETTERS = 4


def _morse(text: str, raw: Raw) -> Reading | None:
    """Words apart by a slash. Rules and leaders of dots are no Morse: they know a few letters only."""
    found = Pieces()
    for match in each(_MORSE_RUNS, raw):
        signs = match.group().replace(b"|", b"/").replace(b"/", b" / ").split()
        decoded = "".join(" " if sign == b"/" else _MORSE.get(sign, "?") for sign in signs)
        if len(set(decoded) - {" ", "?"}) >= _LEAST_LETTERS and decoded.count("?") * 10 <= len(decoded):
            found.separate(*match.span())
            found.put(decoded, *match.span())
    return found.read("morse") if found else None


# Escapes of URLs, markup and programming languages

_PERCENT = re2.compile(rb"(?:%[0-9A-Fa-f]{2})+|(?:%u[0-9A-Fa-f]{4})+")


def _percent(text: str, raw: Raw) -> Reading | None:
    """RFC 3986 section 2.1, and the form %uXXXX."""
    if b"%" not in raw:
        return None
    found: list[Change] = []
    for match in each(_PERCENT, raw):
        run = match.group()
        if run[1:2] == b"u":
            found.append((*match.span(), _paired(run.replace(b"%u", b"\\u").decode("unicode_escape")), 0))
            continue
        data = binascii.a2b_hex(run.replace(b"%", b""))
        decoded = data.decode("utf-8", "replace")
        found.append((*match.span(), decoded, 3 if data.isascii() else 0))
    return excerpt(text, found, "percent")


_QUOTED = re2.compile(rb"(?:=[0-9A-F]{2}(?:=\r?\n)?){4,}")


def _quoted(text: str, raw: Raw) -> Reading | None:
    """RFC 2045 section 6.7, where next to every character is spelled so."""
    found: list[Change] = []
    for match in each(_QUOTED, raw) if b"=" in raw else ():
        decoded = plain(binascii.a2b_hex(match.group().translate(None, b"=\r\n")))
        if decoded is not None:
            found.append((*match.span(), decoded, 0))
    return excerpt(text, found, "quoted")


_ENTITIES = re2.compile(
    rb"(?:&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});?|&[A-Za-z][A-Za-z0-9]{1,31};)+"
)  # fmt: skip


def _entities(text: str, raw: Raw) -> Reading | None:
    """HTML, named and numeric character references."""
    if b"&" not in raw:
        return None
    found: list[Change] = []
    for match in each(_ENTITIES, raw):
        run = match.group().decode()
        decoded = html.unescape(run)
        if decoded != run:
            found.append((*match.span(), decoded, 0))
    return excerpt(text, found, "entities")


_ESCAPES = re2.compile(
    rb"(?:\\{1,4}(?:u\{[0-9A-Fa-f]{1,6}\}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}|[0-3][0-7]{2}))+"
)
_BRACED = re2.compile(rb"u\{([0-9A-Fa-f]{1,6})\}")


def _escapes(text: str, raw: Raw) -> Reading | None:
    """As in JSON, JavaScript, Python and C; backslashes may be doubled, twice."""
    if b"\\" not in raw:
        return None
    found: list[Change] = []
    for match in each(_ESCAPES, raw):
        run = match.group().replace(b"\\\\", b"\\").replace(b"\\\\", b"\\")
        if b"{" in run:
            run = _BRACED.sub(lambda braced: b"U" + braced.group(1).rjust(8, b"0"), run)
        try:
            decoded = _paired(run.decode("unicode_escape"))
        except UnicodeDecodeError:
            continue
        found.append((*match.span(), decoded, 0))
    return excerpt(text, found, "escapes")


def _paired(text: str) -> str:
    """Surrogates joined, those without a partner made visible, and UTF-8 that was escaped byte by byte read as such."""
    if not text.isascii() and max(text) < "\u0100":
        try:
            return text.encode("latin-1").decode()
        except UnicodeDecodeError:
            return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


# Hidden in characters that nobody sees


def _runs(places: npt.NDArray[np.intp], least: int) -> Iterator[tuple[int, int]]:
    """First and last of the places that follow one another, where there are enough."""
    if len(places) < least:
        return
    breaks = np.flatnonzero(np.diff(places) > 1)
    begins = np.concatenate(([0], breaks + 1)).tolist()
    ends = np.concatenate((breaks, [len(places) - 1])).tolist()
    for begin, end in zip(begins, ends, strict=True):
        if end - begin + 1 >= least:
            yield int(places[begin]), int(places[end]) + 1


def _tags(text: str) -> Reading | None:
    """The tag characters, which repeat ASCII from U+E0020 on."""
    points = points_of(text)
    found = Pieces()
    for start, end in _runs(np.flatnonzero((points >= 0xE0001) & (points <= 0xE007F)), 2):
        if start and text[start - 1] == "\U0001f3f4" and end - start <= 8:
            # The flag of a part of a country.
            continue
        hidden = (points[start:end] - 0xE0000).astype(np.uint8).tobytes().decode("ascii", "replace")
        found.separate(start, start)
        found.put(hidden, start, end, 1)
    return found.read("tags") if found else None


def _selectors(text: str) -> Reading | None:
    """Bytes as the 256 variation selectors, in rows or one behind each letter."""
    points = points_of(text)
    first, second = (points >= 0xFE00) & (points <= 0xFE0F), (points >= 0xE0100) & (points <= 0xE01EF)
    places = np.flatnonzero(first | second)
    if len(places) < 4:
        return None
    codes = np.where(first, points - 0xFE00, points - 0xE0100 + 16)
    found = Pieces()
    for start, end in _runs(places, 2):
        decoded = plain(codes[start:end].astype(np.uint8).tobytes())
        if decoded is not None:
            found.separate(start, start)
            found.put(decoded, start, end)
    if not found and np.count_nonzero(second) >= 4:
        decoded = plain(codes[places].astype(np.uint8).tobytes())
        if decoded is not None:
            found.put(decoded, int(places[0]), int(places[-1]) + 1)
    return found.read("selectors") if found else None


def _bits(text: str) -> Reading | None:
    """Bytes in two invisible characters that stand for 0 and 1."""
    points = points_of(text)
    places = np.flatnonzero(((points >= 0x200B) & (points <= 0x200D)) | (points == 0x2060) | (points == 0xFEFF))
    found = Pieces()
    for start, end in _runs(places, 32):
        run = points[start:end]
        used = distinct(run)
        if len(used) != 2:
            continue
        for one in used:
            decoded = plain(np.packbits(run == one).tobytes())
            if decoded is not None:
                found.separate(start, start)
                found.put(decoded, start, end)
    return found.read("bits") if found else None


# One look tells for most texts that there is nothing to decode.
_PROMISING = re2.compile(
    "|".join(
        (
            r"(?i)[a-z0-9+/_\-]{16}",
            r"[a-z0-9+/]{6}={1,2}(?:[^a-z0-9=]|$)",
            r"[.\-]{2,5}[ /|]{1,3}[.\-]{1,5}[ /|]{1,3}[.\-]{1,5}[ /|]{1,3}[.\-]",
            r"%u?[0-9a-f]{2}",
            r"&[a-z#]",
            r"\\[ux0-3]",
            r"(?:[0-9a-f]{2}[ :,;\-]){4}",
            r"0x[0-9a-f]{2}[ ,]",
            r"[01]{8}[ ,][01]{8}",
            r"[0-9]{2}[ ,;][0-9]{2,3}[ ,;]{1,2}[0-9]{2}",
            r"(?:[!-~][ \t]{1,4}){4}[!-~](?:\s|$)",
            r"\b[a-z0-9][._*\-|~+/][a-z0-9][._*\-|~+/][a-z0-9]\b",
            r"[a-z][0134576@$!|+][a-z]|\b[0134576@$!][a-z]{2}",
            r"[!-~]{20}",
            r"(?:=[0-9a-f]{2}){4}",
            r"[a-z](?:\*{1,3}|~~|__?|`|\|\||\\)[a-z]",
        )
    ).encode()
)
_ONCE = frozenset({"leet", "spaced", "joined", "parted"})
_DECODERS: tuple[tuple[str, Callable[[str, Raw], Reading | None]], ...] = (
    ("base64", bases.base64),
    ("hex", bases.hexadecimal),
    ("base32", bases.base32),
    ("base85", bases.base85),
    ("numbers", _numbers),
    ("morse", _morse),
    ("percent", _percent),
    ("quoted", _quoted),
    ("entities", _entities),
    ("escapes", _escapes),
    ("spaced", disguising.spaced),
    ("marked", disguising.marked),
    ("joined", disguising.joined),
    ("parted", parting.parted),
    ("leet", disguising.leet),
)
