"""Strict readers of CEF and of RFC 5424, written from their texts and not from our writers."""

from __future__ import annotations

import re
from dataclasses import dataclass


class Malformed(ValueError):
    """The line is not what the format allows."""


@dataclass
class Cef:
    vendor: str
    product: str
    version: str
    signature: str
    name: str
    severity: int
    extension: dict[str, str]


def read_cef(line: bytes) -> Cef:
    """One line with its end. Raises Malformed."""
    text = _one_line(line)
    if not text.startswith("CEF:0|"):
        raise Malformed("no CEF")
    fields, rest = [], text[len("CEF:0|") :]
    for _ in range(6):
        field, rest = _header_field(rest)
        fields.append(field)
    if not fields[5].isdigit() or not 0 <= int(fields[5]) <= 10:
        raise Malformed("severity")
    vendor, product, version, signature, name, severity = fields
    return Cef(vendor, product, version, signature, name, int(severity), _extension(rest))


def _header_field(text: str) -> tuple[str, str]:
    value, index = "", 0
    while index < len(text):
        char = text[index]
        if char == "|":
            return value, text[index + 1 :]
        if char == "\\":
            index += 1
            if index == len(text) or text[index] not in "\\|":
                raise Malformed("escape in the header")
            char = text[index]
        value += char
        index += 1
    raise Malformed("header ends early")


def _extension(text: str) -> dict[str, str]:
    # Each unescaped = ends a key; the key began behind the last space before it.
    signs, index = [], 0
    while index < len(text):
        if text[index] == "\\":
            if index + 1 == len(text) or text[index + 1] not in "\\=nr":
                raise Malformed("escape in the extension")
            index += 1
        elif text[index] == "=":
            signs.append(index)
        index += 1
    found: dict[str, str] = {}
    for number, sign in enumerate(signs):
        begin = text.rfind(" ", 0, sign) + 1
        key = text[begin:sign]
        if not re.fullmatch(r"[A-Za-z0-9]+", key) or key in found:
            raise Malformed(f"key {key!r}")
        end = len(text)
        if number + 1 < len(signs):
            end = text.rfind(" ", 0, signs[number + 1])
            if end < sign:
                raise Malformed("no space before a key")
        found[key] = re.sub(r"\\(.)", lambda each: {"n": "\n", "r": "\r"}.get(each[1], each[1]), text[sign + 1 : end])
    if not found and text:
        raise Malformed("no key")
    return found


@dataclass
class Syslog:
    facility: int
    severity: int
    timestamp: str
    host: str
    app: str
    process: str
    kind: str
    data: dict[str, dict[str, str]]
    text: bytes


_HEAD = re.compile(
    rb"<(0|[1-9]\d{0,2})>1 "
    rb"(-|\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?"
    rb"(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)) "
    rb"([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) "
)
_NAME = re.compile(rb"[!#-<>-\\^-~]{1,32}")


def read_syslog(message: bytes) -> Syslog:
    """One message, without a line's end. Raises Malformed."""
    if b"\n" in message or b"\r" in message:
        raise Malformed("more than one line")
    head = _HEAD.match(message)
    if head is None or int(head[1]) > 191:
        raise Malformed("header")
    data, rest = _structured(message[head.end() :])
    if rest and rest[:1] != b" ":
        raise Malformed("no space before the text")
    text = rest[1:]
    if not text.isascii() and not text.startswith(b"\xef\xbb\xbf"):
        raise Malformed("UTF-8 without its mark")
    host, app, process, kind = (head[number].decode() for number in (3, 4, 5, 6))
    priority = int(head[1])
    return Syslog(priority >> 3, priority & 7, head[2].decode(), host, app, process, kind, data, text)


def _structured(raw: bytes) -> tuple[dict[str, dict[str, str]], bytes]:
    if raw[:1] == b"-":
        return {}, raw[1:]
    found: dict[str, dict[str, str]] = {}
    while raw[:1] == b"[":
        name, raw = _name(raw[1:])
        if name in found or "@" not in name:
            raise Malformed("element's id")
        found[name], raw = _parameters(raw)
    if not found:
        raise Malformed("no structured data")
    return found, raw


def _name(raw: bytes) -> tuple[str, bytes]:
    matched = _NAME.match(raw)
    if matched is None:
        raise Malformed("name")
    return matched[0].decode(), raw[matched.end() :]


def _parameters(raw: bytes) -> tuple[dict[str, str], bytes]:
    found: dict[str, str] = {}
    while raw[:1] == b" ":
        name, raw = _name(raw[1:])
        if raw[:2] != b'="':
            raise Malformed("parameter")
        value, index = bytearray(), 2
        while raw[index : index + 1] != b'"':
            if index >= len(raw) or raw[index : index + 1] == b"]":
                raise Malformed("an unescaped ] or no end")
            if raw[index : index + 1] == b"\\":
                if raw[index + 1 : index + 2] not in (b'"', b"\\", b"]"):
                    raise Malformed("escape")
                index += 1
            value += raw[index : index + 1]
            index += 1
        try:
            found[name] = value.decode()
        except UnicodeDecodeError as error:
            raise Malformed("not UTF-8") from error
        raw = raw[index + 1 :]
    if raw[:1] != b"]":
        raise Malformed("element without its end")
    return found, raw[1:]


def _one_line(line: bytes) -> str:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise Malformed("not UTF-8") from error
    if len(text.splitlines()) != 1 or not text.endswith("\n"):
        raise Malformed("not one line")
    return text[:-1]
