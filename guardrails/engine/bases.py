"""Bytes that are written as letters, figures and marks: base64, base32, base85 and hexadecimal."""

from __future__ import annotations

import binascii
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import re2

from guardrails.engine.pieces import Pieces, Reading
from guardrails.engine.turns import each, give_way

_NO_SIGNS = bytes([*range(48, 58), *range(65, 91), *range(97, 123), 32, 10, 13, 9, *range(128, 256)])
_CONTROLS = bytes([*range(9), 11, 12, *range(14, 32), 127])
_SEPARATORS = bytes.maketrans(b"-_+", b"///")
_ROT13 = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", b"NOPQRSTUVWXYZABCDEFGHIJKLMnopqrstuvwxyzabcdefghijklm"
)
_STANDARD = bytes.maketrans(b"-_", b"+/")
_LEAST_RUN = 16
# Longer runs are files, which nobody turns.
_MOST_TURNED = 16_384


def plain(data: bytes) -> str | None:
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


_RUNS = re2.compile(
    rb"(?:[A-Za-z0-9+/_\-]{40,}\r?\n[ \t]*)+[A-Za-z0-9+/_\-]+={0,2}|[A-Za-z0-9+/_\-]{16,}={0,2}|"
    rb"[A-Za-z0-9+/]{6,15}={1,2}"
)


def base64(text: str, raw: bytes) -> Reading | None:
    """RFC 4648 sections 4 and 5, also in lines, without padding, or glued to what stands before."""
    found = Pieces()
    for match in each(_RUNS, raw):
        run, start = match.group(), match.start()
        if run.islower() or run.isupper() or run.isdigit():
            continue
        if len(run) < _LEAST_RUN and (len(run) % 4 or raw[match.end() : match.end() + 1].isalnum()):
            # So short a run is told from a name by its padding alone.
            continue
        before = len(found)
        for part, offset in _candidates(run):
            decoded = _from_base64(part)
            if decoded is not None:
                found.separate(start + offset, start + offset)
                found.put(decoded, start + offset, start + offset + len(part))
                if len(part) == len(run):
                    break
        else:
            if len(found) == before and 2 * _LEAST_RUN <= len(run) <= _MOST_TURNED:
                _put_turned(run, start, found)
    return found.read("base64") if found else None


def _put_turned(run: bytes, start: int, found: Pieces) -> None:
    """A run that is base64 once it is read from its end, or its letters are moved."""
    for turned in (run.rstrip(b"=")[::-1], run.translate(_ROT13)):
        decoded = _from_base64(turned)
        if decoded is not None:
            found.separate(start, start)
            found.put(decoded, start, start + len(run))
            return


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
        return plain(binascii.a2b_base64(body[:-1] if rest == 1 else body + b"=" * (-rest % 4)))
    except binascii.Error:
        return None


_HEX_RUNS = re2.compile(
    rb"(?:0x)?[0-9A-Fa-f]{16,}|(?:(?:0x)?[0-9A-Fa-f]{2}[ :,;\-]{1,2}){7,}(?:0x)?[0-9A-Fa-f]{2}"
)  # fmt: skip


def hexadecimal(text: str, raw: bytes) -> Reading | None:
    found = Pieces()
    for match in each(_HEX_RUNS, raw):
        run = match.group().replace(b"0x", b"").translate(None, b" :,;-")
        decoded = plain(binascii.a2b_hex(run[: len(run) // 2 * 2]))
        if decoded is not None:
            found.separate(*match.span())
            found.put(decoded, *match.span())
    return found.read("hex") if found else None


_BASE32_RUNS = re2.compile(
    rb"(?:[A-Z2-7]{40,}\r?\n[ \t]*)*[A-Z2-7]{24,}={0,6}|(?:[a-z2-7]{40,}\r?\n[ \t]*)*[a-z2-7]{24,}={0,6}"
)


def base32(text: str, raw: bytes) -> Reading | None:
    """RFC 4648 section 6, also in small letters, in lines, or without padding."""
    found = Pieces()
    for match in each(_BASE32_RUNS, raw):
        body = match.group().translate(None, b"\r\n\t =").upper()
        decoded = plain(_from_base32(body))
        if decoded is not None:
            found.separate(*match.span())
            found.put(decoded, *match.span())
    return found.read("base32") if found else None


def _from_base32(body: bytes) -> bytes:
    values = _BASE32[np.frombuffer(body, dtype=np.uint8)]
    bits = np.unpackbits(values[:, None], axis=1)[:, 3:].ravel()
    return np.packbits(bits[: len(bits) // 8 * 8]).tobytes()


_BASE32 = np.zeros(256, dtype=np.uint8)
_BASE32[np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", dtype=np.uint8)] = np.arange(32)

# Adobe's, that of RFC 1924 (git, Python), and ZeroMQ's, by their 85 digits.
_ALPHABETS = (
    bytes(range(33, 118)),
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~",
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#",
)
_NONE = 255
_LEAST_BASE85 = 20
# Digits that tell whether it is worth decoding the others.
_LOOKED_AT = 20
_LINES = re2.compile(rb"[!-~]+(?:\r?\n[!-~]{20,}(?:\r?\n[!-~]+)?)*")


def base85(text: str, raw: bytes) -> Reading | None:
    """Runs that are writing to the last character: bytes by chance are not."""
    found, reached = Pieces(), 0
    for start, digits in _begun(raw):
        if start < reached:
            continue
        line, lines = _LINE.match(raw, start), _LINES.match(raw, start)
        for match in (lines, line):
            end = match.end() if match is not None else start
            run = raw[start:end].removesuffix(b"~>").translate(None, b"\r\n")
            decoded = _from_base85(run, digits)
            if decoded is not None:
                found.separate(start, start)
                found.put(decoded, start, end)
                reached = end
                break
    return found.read("base85") if found else None


_LINE = re2.compile(rb"[!-~]+")


def _begun(raw: bytes) -> list[tuple[int, npt.NDArray[np.uint8]]]:
    """Where runs begin of which the first characters are writing by one of the alphabets, and by which."""
    points = np.frombuffer(raw, dtype=np.uint8)
    visible = np.concatenate(([False], (points > 32) & (points < 127), [False]))
    edges = np.flatnonzero(visible[1:] != visible[:-1])
    begins = edges[0::2][edges[1::2] - edges[0::2] >= _LEAST_BASE85]
    if not len(begins):
        return []
    framed = (points[begins] == ord("<")) & (points[begins + 1] == ord("~"))
    begins = begins + np.where(framed & (begins + _LEAST_BASE85 + 2 <= len(points)), 2, 0)
    heads = points[begins[:, None] + np.arange(_LOOKED_AT)]
    # Names, paths and addresses have few marks, and others.
    marked = np.count_nonzero(_IS_MARK[heads], axis=1) >= _LEAST_MARKS
    begins, heads = begins[marked], heads[marked]
    if not len(begins):
        return []
    found: list[tuple[int, npt.NDArray[np.uint8]]] = []
    for digits in _BASE85:
        values = digits[heads]
        data = np.frombuffer(_of_groups(values), dtype=np.uint8).reshape(len(begins), -1)
        good = (values != _NONE).all(axis=1) & ~_IS_CONTROL[data].any(axis=1) & (_IS_PLAIN[data].mean(axis=1) >= 0.5)
        found += [(start, digits) for start in begins[good].tolist()]
    return sorted(found, key=lambda each: each[0])


_LEAST_MARKS = 1
_IS_MARK = np.isin(np.arange(256), np.frombuffer(b"!\"#$%&'()*+,;<=>?@[\\]^`{|}~", dtype=np.uint8))
_IS_CONTROL = np.isin(np.arange(256), np.frombuffer(_CONTROLS, dtype=np.uint8))
_IS_PLAIN = np.isin(np.arange(256), np.frombuffer(_NO_SIGNS[:66], dtype=np.uint8))


def _from_base85(run: bytes, digits: npt.NDArray[np.uint8]) -> str | None:
    """In pieces: most runs are none, and say so in the first of them."""
    found: list[bytes] = []
    for start in range(0, len(run), _DIGITS_AT_ONCE):
        values = digits[np.frombuffer(run[start : start + _DIGITS_AT_ONCE], dtype=np.uint8)]
        if _NONE in values:
            return None
        missing = -len(values) % 5
        some = _of_groups(np.concatenate((values, np.full(missing, 84, dtype=np.uint8))))
        found.append(some[: len(some) - missing])
        give_way()
    data = b"".join(found)
    try:
        data.decode()
    except UnicodeDecodeError:
        return None
    return plain(data)


# A multiple of five.
_DIGITS_AT_ONCE = 30_000


def _of_groups(values: npt.NDArray[np.uint8]) -> bytes:
    """Four bytes of each five digits."""
    numbers = values.reshape(-1, 5).astype(np.uint64) @ np.array([85**4, 85**3, 85**2, 85, 1], dtype=np.uint64)
    return (numbers & np.uint64(0xFFFFFFFF)).astype(">u4").tobytes()


def _by_digit(alphabet: bytes) -> npt.NDArray[np.uint8]:
    table = np.full(256, _NONE, dtype=np.uint8)
    table[np.frombuffer(alphabet, dtype=np.uint8)] = np.arange(85)
    return table


_BASE85 = tuple(map(_by_digit, _ALPHABETS))
