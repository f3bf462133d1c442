"""What a text says once its encoded parts are decoded: one function for each way to encode that is looked for.

Each takes a text and gives at most one reading, in time proportional to the text.
"""

from __future__ import annotations

import binascii
import html
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import re2

from guardrails.engine.pieces import Change, Pieces, Reading, excerpt, windows
from guardrails.engine.turns import give_way

# A text as bytes of the same length, so that places in both are the same: what is not ASCII is a question mark.
Raw = bytes

_HEX = b"0123456789abcdefABCDEF"
_NO_SIGNS = bytes([*range(48, 58), *range(65, 91), *range(97, 123), 32, 10, 13, 9, *range(128, 256)])
_CONTROLS = bytes([*range(9), 11, 12, *range(14, 32), 127])
_SEPARATORS = bytes.maketrans(b"-_+", b"///")
_STANDARD = bytes.maketrans(b"-_", b"+/")
_LEAST_RUN = 16
_AROUND = 256
_WHOLE_TO = 2048
_MOST_HITS = 2048


def decodings(text: str, how: str) -> Iterator[Reading]:
    """The readings of a text that was itself read in the ways that `how` names."""
    raw = text.encode("ascii", "replace")
    if not text.isascii():
        for decode_points in (_tags, _selectors, _bits):
            yield from _given(decode_points(text))
    if _PROMISING.search(raw) is None:
        return
    ways = how.split("+")
    for name, decode in _DECODERS:
        # Turned twice is plain again.
        give_way()
        if name not in ways or name not in _TURNS:
            yield from _given(decode(text, raw))


def _each(compiled: Any, raw: Raw) -> Iterator[Any]:
    """Every match, from left to right."""
    for match in compiled.finditer(raw):
        yield match
        give_way()


def _given(reading: Reading | None) -> Iterator[Reading]:
    if reading is not None and reading.text:
        yield reading


def _plain(data: bytes) -> str | None:
    """Bytes as text when they are mostly that."""
    if len(data) < 3:
        return None
    if data[1::2].count(0) * 10 >= len(data[1::2]) * 9:
        return _readable(data.decode("utf-16-le", "replace"))
    try:
        return _readable(data.decode())
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        return _readable(text) if len(data) >= 48 and text.count("\ufffd") * 20 <= len(data) else None


def _readable(text: str) -> str | None:
    data = text.encode("utf-8", "replace")
    if (len(data) - len(data.translate(None, _CONTROLS))) * 20 > len(data):
        return None
    signs = data.translate(None, _NO_SIGNS)
    return None if len(signs) * 5 > len(data) * 3 else text


# base64 and hexadecimal

_RUNS = re2.compile(
    rb"(?:[A-Za-z0-9+/_\-]{40,}\r?\n[ \t]*)+[A-Za-z0-9+/_\-]+={0,2}|[A-Za-z0-9+/_\-]{16,}={0,2}|"
    rb"[A-Za-z0-9+/]{6,15}={1,2}"
)


def _base64(text: str, raw: Raw) -> Reading | None:
    """RFC 4648 sections 4 and 5, also in lines, without padding, or glued to what stands before."""
    found = Pieces()
    for match in _each(_RUNS, raw):
        run, start = match.group(), match.start()
        if run.islower() or run.isupper() or run.isdigit():
            continue
        if len(run) < _LEAST_RUN and (len(run) % 4 or raw[match.end() : match.end() + 1].isalnum()):
            # So short a run is told from a name by its padding alone.
            continue
        for part, offset in _candidates(run):
            decoded = _from_base64(part)
            if decoded is not None:
                found.separate(start + offset, start + offset)
                found.put(decoded, start + offset, start + offset + len(part))
                if len(part) == len(run):
                    break
    return found.read("base64") if found else None


def _candidates(run: bytes) -> Iterator[tuple[bytes, int]]:
    """The run, then its parts and lines, then the run without its first characters."""
    yield run, 0
    split = run.translate(_SEPARATORS).replace(b"\n", b"/")
    if b"/" in split:
        offset = 0
        for part in split.split(b"/"):
            if len(part) >= _LEAST_RUN and not part.islower() and not part.isupper():
                yield run[offset : offset + len(part)], offset
            offset += len(part) + 1
    if len(run) >= 2 * _LEAST_RUN:
        for offset in (1, 2, 3):
            yield run[offset:], offset


def _from_base64(run: bytes) -> str | None:
    body = run.translate(_STANDARD, b"\r\n\t =")
    rest = len(body) % 4
    try:
        return _plain(binascii.a2b_base64(body[:-1] if rest == 1 else body + b"=" * (-rest % 4)))
    except binascii.Error:
        return None


_HEX_RUNS = re2.compile(
    rb"(?:0x)?[0-9A-Fa-f]{16,}|(?:(?:0x)?[0-9A-Fa-f]{2}[ :,;\-]{1,2}){7,}(?:0x)?[0-9A-Fa-f]{2}"
)  # fmt: skip


def _hex(text: str, raw: Raw) -> Reading | None:
    found = Pieces()
    for match in _each(_HEX_RUNS, raw):
        run = match.group().replace(b"0x", b"").translate(None, b" :,;-")
        decoded = _plain(binascii.a2b_hex(run[: len(run) // 2 * 2]))
        if decoded is not None:
            found.separate(*match.span())
            found.put(decoded, *match.span())
    return found.read("hex") if found else None


_NUMBERS = re2.compile(rb"(?:[01]{8}[ ,]?){4,}|(?:[0-9]{2,3}[ ,;]{1,2}){5,}[0-9]{2,3}")
_FEW_NUMBERS = 12


def _numbers(text: str, raw: Raw) -> Reading | None:
    """Character codes written out, in binary or decimal."""
    found = Pieces()
    for match in _each(_NUMBERS, raw):
        codes = _codes(match.group())
        if max(codes) < 127 and min(codes) > 8:
            decoded = _plain(bytes(codes))
            if decoded is not None and (len(codes) > _FEW_NUMBERS or decoded.replace(" ", "").isalnum()):
                found.separate(*match.span())
                found.put(decoded, *match.span())
    return found.read("numbers") if found else None


def _codes(run: bytes) -> list[int]:
    bits = run.translate(None, b" ,;")
    if not bits.translate(None, b"01"):
        return [int(bits[index : index + 8], 2) for index in range(0, len(bits) - 7, 8)]
    return [int(each) for each in run.replace(b",", b" ").replace(b";", b" ").split()]


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
    for match in _each(_MORSE_RUNS, raw):
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
    for match in _each(_PERCENT, raw):
        run = match.group()
        if run[1:2] == b"u":
            found.append((*match.span(), _paired(run.replace(b"%u", b"\\u").decode("unicode_escape")), 0))
            continue
        data = binascii.a2b_hex(run.replace(b"%", b""))
        decoded = data.decode("utf-8", "replace")
        found.append((*match.span(), decoded, 3 if data.isascii() else 0))
    return excerpt(text, found, "percent")


_ENTITIES = re2.compile(
    rb"(?:&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});?|&[A-Za-z][A-Za-z0-9]{1,31};)+"
)  # fmt: skip


def _entities(text: str, raw: Raw) -> Reading | None:
    """HTML, named and numeric character references."""
    if b"&" not in raw:
        return None
    found: list[Change] = []
    for match in _each(_ENTITIES, raw):
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
    for match in _each(_ESCAPES, raw):
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


def _points(text: str) -> npt.NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


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
    points = _points(text)
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
    points = _points(text)
    first, second = (points >= 0xFE00) & (points <= 0xFE0F), (points >= 0xE0100) & (points <= 0xE01EF)
    places = np.flatnonzero(first | second)
    if len(places) < 4:
        return None
    codes = np.where(first, points - 0xFE00, points - 0xE0100 + 16)
    found = Pieces()
    for start, end in _runs(places, 2):
        decoded = _plain(codes[start:end].astype(np.uint8).tobytes())
        if decoded is not None:
            found.separate(start, start)
            found.put(decoded, start, end)
    if not found and np.count_nonzero(second) >= 4:
        decoded = _plain(codes[places].astype(np.uint8).tobytes())
        if decoded is not None:
            found.put(decoded, int(places[0]), int(places[-1]) + 1)
    return found.read("selectors") if found else None


def _bits(text: str) -> Reading | None:
    """Bytes in two invisible characters that stand for 0 and 1."""
    points = _points(text)
    places = np.flatnonzero(((points >= 0x200B) & (points <= 0x200D)) | (points == 0x2060) | (points == 0xFEFF))
    found = Pieces()
    for start, end in _runs(places, 32):
        run = points[start:end]
        used = np.unique(run)
        if len(used) != 2:
            continue
        for one in used:
            decoded = _plain(np.packbits(run == one).tobytes())
            if decoded is not None:
                found.separate(start, start)
                found.put(decoded, start, end)
    return found.read("bits") if found else None


# Turned letter by letter: looked for by words that are common, and telling, once they are turned back

# None of them is a word of another language when turned.
_COMMON = (
    "the", "and", "you", "this", "that", "with", "your", "from", "must", "which", "have", "please", "all", "for",
    "will", "what", "tell", "send", "user", "then", "when", "instead", "everything", "above", "before", "answer",
    "write", "message", "about", "following", "would", "should", "there", "other", "their", "these", "tool", "file",
    "rules", "without", "email", "only", "into", "never", "always", "now", "not", "are", "can", "how", "explain",
    "respond",
)
_TELLING = (
    "ignore", "previous", "instructions", "instruction", "system", "prompt", "password", "secret", "reveal", "forget",
    "disregard", "override", "execute", "command", "credentials", "assistant",
)  # fmt: skip
_ROT13 = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", b"NOPQRSTUVWXYZABCDEFGHIJKLMnopqrstuvwxyzabcdefghijklm"
)
_ROT13_LETTERS = {code: turned for code, turned in enumerate(_ROT13) if code != turned}
_LEET = bytes.maketrans(b"01345789@$!|+", b"oieastbgasilt")
_LEET_LETTERS = {code: turned for code, turned in enumerate(_LEET) if code != turned}


def _rotated(word: str) -> str:
    return word.encode().translate(_ROT13).decode()


def _backwards(word: str) -> str:
    return word[::-1]


_ROTATED_WORDS = re2.compile(rf"(?i)\b(?:{'|'.join(map(_rotated, _COMMON + _TELLING))})\b".encode())
_REVERSED_WORDS = re2.compile(rf"(?i)\b(?:{'|'.join(map(_backwards, _COMMON + _TELLING))})\b".encode())
_TELLING_ROTATED = frozenset(_rotated(word).encode() for word in _TELLING)
_TELLING_REVERSED = frozenset(_backwards(word).encode() for word in _TELLING)
# Written with signs and digits for letters; 1 may be i or l.
_LEET_WORDS = re2.compile(
    rb"(?i)[il]gnor|prev[il]ous|[il]nstruct|syst[e]m|prompt|passw|d[il]sregard|overr[il]de|revea[il]|forget|bypass|"
    rb"ja[il]break|adm[il]n|secret|execute|"
    rb"\b(th[il]s|with|the|and|you|your|that|from|must|have|please|al[il]|for|w[il]{3}|what|te[il]{2}|send|user|then|when|"
    rb"everyth[il]ng|above|answer|wr[il]te|message|about|rules|ema[il]{2}|not|are|exp[il]a[il]n|respond|to|s[ae]y|how)\b"
)
_MARKED = re2.compile(rb"(?:[A-Za-z0-9][A-Za-z0-9 ,.:']{0,4}(?:\*{1,3}|~~|__?|`|\|\||\\) ?){5,}[A-Za-z]")
_MARKS = re2.compile(rb"\*{1,3}|~~|__?|`|\|\||<!---->|\\")
_LEET_SIGNS = re2.compile(rb"[A-Za-z][013457@$!][A-Za-z]|\b[013457@$!][A-Za-z]{2}")
_SPACED = re2.compile(rb"\b(?:[A-Za-z][ ._*\-]{1,3}){6,}[A-Za-z]\b")


def _rot13(text: str, raw: Raw) -> Reading | None:
    hits = _evidence(_ROTATED_WORDS, raw, _TELLING_ROTATED)
    return _turned(text, hits, lambda part: part.translate(_ROT13_LETTERS), "rot13")


def _leet(text: str, raw: Raw) -> Reading | None:
    if _LEET_SIGNS.search(raw) is None:
        return None
    folded = raw.translate(_LEET)
    hits = []
    telling = False
    for match in _each(_LEET_WORDS, folded):
        if raw[match.start() : match.end()].lower() != match.group().lower():
            hits.append(match.span())
            telling = telling or match.lastindex is None
            if len(hits) >= _MOST_HITS:
                hits.append((len(raw) - 1, len(raw)))
                break
    if not telling and len({folded[start:end].lower() for start, end in hits}) < (2 if len(raw) <= _WHOLE_TO else 3):
        return None
    return _turned(text, hits, lambda part: part.translate(_LEET_LETTERS), "leet")


def _reversed(text: str, raw: Raw) -> Reading | None:
    hits = _evidence(_REVERSED_WORDS, raw, _TELLING_REVERSED)
    if not hits:
        return None
    margin = len(text) if len(text) <= _WHOLE_TO else _AROUND
    start, end = max(0, hits[0][0] - margin), min(len(text), hits[-1][1] + margin)
    found = Pieces()
    found.put(text[start:end][::-1], start, end, -1)
    return found.read("reversed")


def _evidence(words: Any, raw: Raw, telling: frozenset[bytes]) -> list[tuple[int, int]]:
    """Where the words stand, if there is a telling one among them, or enough different common ones."""
    hits: list[tuple[int, int]] = []
    met: set[bytes] = set()
    for match in _each(words, raw):
        hits.append(match.span())
        met.add(match.group().lower())
        if len(hits) >= _MOST_HITS:
            # It is everywhere; to look for all of it would take longer than to turn all that is left.
            hits.append((len(raw) - 1, len(raw)))
            break
    enough = 2 if len(raw) <= _WHOLE_TO else 3
    return hits if len(met) >= enough or met & telling else []


def _turned(text: str, hits: list[tuple[int, int]], turn: Callable[[str], str], how: str) -> Reading | None:
    """One character for one, around what was found."""
    if not hits:
        return None
    margin = len(text) if len(text) <= _WHOLE_TO else _AROUND
    found = Pieces()
    places = np.array([start for start, _ in hits])
    if len(hits) > _MOST_HITS:
        margin = len(text)
    for start, end in windows(places, len(text), margin):
        found.separate(start, start)
        found.put(turn(text[start:end]), start, end, 1)
    return found.read(how)


def _marked(text: str, raw: Raw) -> Reading | None:
    """Words that marks of Markdown cut in pieces. Names in code have such marks too, but not so close together."""
    found: list[Change] = []
    for run in _each(_MARKED, raw):
        found += [(*mark.span(), "", 0) for mark in _MARKS.finditer(raw, run.start(), run.end())]
        if len(found) >= _MOST_HITS:
            break
    return excerpt(text, found, "marked")


def _spaced(text: str, raw: Raw) -> Reading | None:
    """Letters apart from each other; where the gap is wider, a word ends."""
    found: list[Change] = []
    for match in _each(_SPACED, raw):
        start, end = match.span()
        last = start
        for index in range(start, end):
            if raw[index : index + 1].isalpha():
                if index - last > 2:
                    found.append((last + 1, index, " ", 0))
                elif index > last:
                    found.append((last + 1, index, "", 0))
                last = index
    return excerpt(text, found, "spaced")


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
            r"\b(?:[a-z][ ._*\-]{1,3}){3}[a-z]\b",
            r"[a-z][013457@$!][a-z]|\b[013457@$!][a-z]{2}",
            r"[a-z](?:\*{1,3}|~~|__?|`|\|\||\\)[a-z]",
            r"\b(?:" + "|".join(turn(word) for turn in (_rotated, _backwards) for word in _COMMON + _TELLING) + r")\b",
        )
    ).encode()
)
_TURNS = frozenset({"rot13", "reversed", "leet", "spaced"})
_DECODERS: tuple[tuple[str, Callable[[str, Raw], Reading | None]], ...] = (
    ("base64", _base64),
    ("hex", _hex),
    ("numbers", _numbers),
    ("morse", _morse),
    ("percent", _percent),
    ("entities", _entities),
    ("escapes", _escapes),
    ("rot13", _rot13),
    ("reversed", _reversed),
    ("spaced", _spaced),
    ("marked", _marked),
    ("leet", _leet),
)
