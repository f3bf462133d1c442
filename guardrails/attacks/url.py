"""Addresses that make a server reach what only it can reach: itself, its network, its cloud's metadata."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

import re2

from guardrails.attacks.host import (
    INNER_AT,
    SSRF,
    cut,
    is_allowed,
    is_inner_name,
    is_plain,
    judge_address,
    judge_name,
    read_host,
)  # fmt: skip
from guardrails.attacks.marks import Mark, Reach
from guardrails.engine.hits import Hit

LONGEST = 4_096
# Schemes that no web tool needs, and that turn a fetch into reading files or speaking to other services.
_SCHEMES = {
    "file": 0.8, "gopher": 0.95, "dict": 0.95, "ldap": 0.85, "ldaps": 0.85, "ldapi": 0.9, "tftp": 0.9, "netdoc": 0.95,
    "jar": 0.85, "phar": 0.9, "expect": 0.95, "php": 0.9, "zip": 0.75, "glob": 0.8, "local_file": 0.9, "imap": 0.6,
    "imaps": 0.6, "pop3": 0.6, "smb": 0.8, "smbs": 0.8, "cifs": 0.8, "telnet": 0.7, "sftp": 0.55, "nfs": 0.7,
    "finger": 0.9, "ogg": 0.8, "rar": 0.8, "ssh2": 0.8, "ssh2.exec": 0.95, "compress.zlib": 0.85, "view-source": 0.7,
    "unix": 0.8, "http+unix": 0.8, "smtp": 0.6, "rmi": 0.8, "iiop": 0.8, "nntp": 0.6, "rsync": 0.55,
}  # fmt: skip
_FETCHED = frozenset({"http", "https", "ftp", "ftps", "ws", "wss"})
_INNER_PORTS = frozenset(
    {22, 23, 25, 111, 135, 139, 445, 1433, 2049, 2375, 2376, 2379, 3306, 3389, 5432, 5984, 6379, 6443, 9200, 10250,
     10255, 11211, 27017}
)  # fmt: skip
_SCHEME = re2.compile(r"^([A-Za-z][A-Za-z0-9+.\-_]{0,24}):")
# What may follow two slashes for them to begin an address, and not a comment or a path.
_NAMED = re2.compile(r"(?i)^//(?:[^/]*[.:]|localhost(?:/|$))")
_CARRIED = re2.compile(r"(?i)[?&#][^=&#\s]{1,64}=(?:https?|ftp)?(?:(?::|%3a)(?:/|%2f){2}|(?:/|%2f){2}\w)")
_INNER = re2.compile(
    r"(?i)(?:https?|ftp|gopher|file|dict|ldap|tftp):(?:/|%2f)(?:/|%2f)[^\s&\"'<>]{1,256}|"
    r"//[^\s/&\"'<>]{3,256}"
)
_METADATA_TEXT = re2.compile(
    r"(?i)(?:169\.254\.169\.254|metadata\.google\.internal|169\.254\.170\.2|100\.100\.100\.200|192\.0\.0\.192|"
    r"\[?fd00:ec2::254)"
    r"(?::\d+)?(?:/|\b)"
)
_CONTROL = re2.compile(r"(?i)%0d|%0a|[\r\n\t\x{0}]|%00|%E5%98%8[AD]")
# What readers of addresses disagree about: slashes that are none or too many, and a host behind the host.
_MISREAD = re2.compile(
    r"(?i)^(?:https?|ftp):(?:\\{1,8}/?[\w.@-]|/{1,4}\\+[\w.@-]|(?:\\?/\\){2,4}[\w.@-]|/{4,}\w)|"
    r"^(?:https?|ftp)://[\w.-]+(?::\d+)?[?#](?:[.@]|\\@?)[\w-]+(?:\.[\w-]+)+/?$"
)

MARKS = (
    Mark(
        SSRF, 0.6, Reach.PAYLOAD,
        r"169\.254\.169\.254/latest/(?:meta-data/iam/security-credentials|user-data|api/token)|"
        r"metadata\.google\.internal/computemetadata/v1\w*/instance/service-accounts/\S*token",
    ),
    Mark(
        SSRF, 0.7, Reach.VALUE,
        r"\b(?:https?|ftp|gopher)://(?:\[::ffff:)?(?:169\.254\.169\.254|metadata\.google\.internal|"
        r"169\.254\.170\.2|100\.100\.100\.200/latest|0xa9fea9fe|2852039166)",
    ),
    Mark(SSRF, 0.85, Reach.VALUE, r"\b(?:gopher|dict|netdoc|tftp)://[^\s]"),
    Mark(
        SSRF, 0.75, Reach.WHOLE,
        r"[?&](?:\w*(?:url|uri|href|link|dest|redirect|src|source|target|host|proxy|fetch|callback|next|feed|file|"
        r"path|page|site|domain|image|load|to|out|view|dir|show|open|return|data|ref)\w*)=(?:https?|ftp|file|"
        r"gopher|dict|ldap)(?::|%3a)(?:/|%2f){2}(?:localhost|127\.|10\.|192\.168\.|169\.254|172\.(?:1[6-9]|2\d|"
        r"3[01])\.|0x|\d{8,10}\b|\[|metadata)",
    ),
    # Without a scheme, where the name says that something is fetched from there.
    Mark(
        SSRF, 0.7, Reach.WHOLE,
        r"^[^\s=]*[?&](?:\w*(?:url|uri|proxy|fetch|redirect|callback|webhook|endpoint)|u|dest|destination|target|src|"
        r"to|next)=(?:localhost|127(?:\.\d{1,3}){1,3}|169\.254(?:\.\d{1,3}){2}|10(?:\.\d{1,3}){3}|"
        r"192\.168(?:\.\d{1,3}){2}|172\.(?:1[6-9]|2\d|3[01])(?:\.\d{1,3}){2}|0\.0\.0\.0|"
        r"metadata\.google\.internal)(?:[:/&#%]|$)",
    ),
    # A request that goes on behind the address: its headers would be the caller's.
    Mark(
        SSRF, 0.75, Reach.WHOLE,
        r"^\s*(?:https?|ftp|gopher)://[^\s]+[ ]?(?:HTTP/[\d.]+)?(?:\r?\n)+(?:host|connection|cookie|content-length|"
        r"transfer-encoding|authorization|x-[\w-]+)[ ]?:",
    ),
)


@dataclass(frozen=True, slots=True)
class _Parts:
    scheme: str
    users: str
    host: str
    port: str
    rest: str


def judge(text: str, *, allowed_hosts: Collection[str] = (), allowed_schemes: Collection[str] = ()) -> Hit | None:
    """A text that is one URL, or one host. Hosts in `allowed_hosts` (and below, with a leading dot) are good."""
    score = _score(text.strip(), allowed_hosts, allowed_schemes, 0)
    return Hit(SSRF, 0, len(text), score) if score else None


def judge_host(text: str, *, allowed_hosts: Collection[str] = ()) -> Hit | None:
    """A text that stands where a URL belongs and has no scheme: what it names is fetched all the same."""
    score = _score("//" + text.strip(), allowed_hosts, (), 0)
    return Hit(SSRF, 0, len(text), score) if score >= INNER_AT else None


def carries_another(text: str) -> bool:
    """Whether a URL has another one among its parameters, which some server is to fetch or to lead to."""
    return _CARRIED.search(text) is not None


def is_fetched(text: str) -> bool:
    """Whether a text is a URL of the web, whose path is no file's."""
    found = _SCHEME.match(text.strip())
    return found is not None and found.group(1).lower() in _FETCHED


def _score(text: str, hosts: Collection[str], schemes: Collection[str], depth: int) -> float:
    parts = _split(text)
    if parts is None or parts.scheme in schemes:
        return 0.0
    scores = [_SCHEMES.get(parts.scheme, 0.0)]
    if parts.scheme in _FETCHED or parts.scheme in _SCHEMES:
        scores += _judge_host(parts, hosts)
    elif not is_allowed(parts.host.lower(), hosts):
        scores += _judge_peer(parts.host.lower())
    if _CONTROL.search(text) and parts.scheme not in ("data", "javascript", "mailto"):
        scores.append(0.75 if not _CONTROL.search(parts.rest.split("?")[0]) else 0.8)
    if depth == 0 and _MISREAD.search(text):
        scores.append(0.55)
    if depth < 2:
        for inner in _inside(parts.rest):
            scores.append(max(0.1, 0.95 * _score(inner, hosts, schemes, depth + 1)))
    return max(scores)


def _split(text: str) -> _Parts | None:
    """As browsers split: backslashes are slashes, what stands before the last @ is the user."""
    found = _SCHEME.match(text)
    if found is None:
        if not text.startswith("//") or " " in text or not _NAMED.match(text):
            return None
        scheme, rest = "http", text[2:]
    else:
        scheme, rest = found.group(1).lower(), text[found.end() :]
        if scheme in _FETCHED or rest[:1] in "/\\":
            rest = rest.lstrip("/\\")
        elif scheme not in _SCHEMES or " " in text:
            return None
    authority, path = cut(rest)
    users, _, address = authority.rpartition("@")
    if address.startswith("["):
        host, _, port = address[1:].partition("]")
        port = port.lstrip(":")
    else:
        host, _, port = address.partition(":")
    return _Parts(scheme, users, host, port, path)


def _judge_host(parts: _Parts, allowed: Collection[str]) -> Iterator[float]:
    host = read_host(parts.host)
    if is_allowed(host, allowed) and not parts.users:
        return
    if not host and parts.scheme in _FETCHED:
        yield 0.6
    yield from _judge_users(parts)
    if host != parts.host.lower() and parts.host.isascii() is False and host.isascii():
        yield 0.75
    if "%" in parts.host:
        yield 0.7
    bare = host.rstrip(".!")
    if bare != host.rstrip("."):
        yield 0.6
    yield from judge_name(bare)
    yield from judge_address(bare)
    if is_plain(bare) and not parts.port and parts.rest in ("", "/"):
        # Nothing is asked for there: it is tried whether an address is gone to.
        yield 0.55
    if parts.port:
        port = int(parts.port) if parts.port.isascii() and parts.port.isdigit() and len(parts.port) < 6 else -1
        if port in _INNER_PORTS:
            yield 0.55
        elif port < 0 or port > 65535:
            yield 0.7


def _judge_peer(host: str) -> Iterator[float]:
    """The host of a scheme that is none of the web's: databases have plain names there, and notes numbers."""
    if is_inner_name(host):
        yield 0.8
    elif ":" in host or is_plain(host):
        yield from (score for score in judge_address(host) if score >= INNER_AT)


def _judge_users(parts: _Parts) -> Iterator[float]:
    """Whether what stands before the host is there to be taken for one; and what stands behind it."""
    if parts.users and parts.scheme in _FETCHED:
        is_host = any(mark in parts.users for mark in ".@ ")
        is_clone = ":" not in parts.users and (parts.rest.endswith(".git") or "/_git/" in parts.rest)
        yield 0.85 if is_host else 0.3 if is_clone else 0.55
    if "@" in parts.rest[:80] and parts.rest[:1] in ("\\", "#"):
        yield 0.9
    if parts.rest.startswith("\\") and parts.scheme in _FETCHED:
        yield 0.6


def _inside(rest: str) -> Iterator[str]:
    """URLs inside a URL, as redirectors and proxies take them; and the addresses of metadata services anywhere."""
    plain = unquote(unquote(rest, errors="replace"), errors="replace").encode("utf-8", "replace").decode()
    for count, found in enumerate(_INNER.finditer(plain)):
        if count == 8:
            return
        yield found.group(0)
    found = _METADATA_TEXT.search(plain)
    if found is not None:
        yield "http://" + found.group(0)
