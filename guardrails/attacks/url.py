"""Addresses that make a server reach what only it can reach: itself, its network, its cloud's metadata."""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

import re2

from guardrails.attacks.marks import Mark, Reach
from guardrails.engine.hits import Hit

SSRF = "SSRF"
LONGEST = 4_096


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_METADATA_HOSTS = _words(
    "169.254.169.254 169.254.170.2 169.254.170.23 169.254.169.123 192.0.0.192 100.100.100.200 168.63.129.16 "
    "fd00:ec2::254 metadata.google.internal metadata.goog metadata instance-data instance-data.ec2.internal "
    "rancher-metadata metadata.packet.net metadata.azure.com metadata.azure.internal metadata.tencentyun.com "
    "metadata.platformequinix.com metadata.nic.aws metadata.oraclecloud.com api.metadata.cloud.ibm.com "
    "api.service.softlayer.com 169.254.42.42 169.254.0.23 "
    "kubernetes kubernetes.default kubernetes.default.svc kubernetes.default.svc.cluster.local"
)
_LOCAL_HOSTS = _words(
    "localhost localhost.localdomain localhost6 ip6-localhost ip6-loopback loopback broadcasthost "
    "host.docker.internal gateway.docker.internal kubernetes.docker.internal"
)
_LOCAL_ENDS = tuple(
    _words(".localhost .local .internal .localdomain .intranet .corp .lan .home.arpa .cluster.local .svc "
           ".consul .private")
)
# Names whose owner's DNS answers with whatever address is asked for, or with the loopback.
_ANSWERING = _words(
    "nip.io sslip.io xip.io xip.name localtest.me lvh.me vcap.me fuf.me lacolhost.com localho.st localhost.direct "
    "local.gd rbndr.us 1u.ms rebind.it rebind.network traefik.me backname.io yoogle.com r3dir.me "
    "spoofed.burpcollaborator.net bugbounty.dod.network mail.ebc.apple.com lock.cmpxchg8b.com cvssrf.com"
)
# Where testers and thieves look who called.
_LISTENING = _words(
    "burpcollaborator.net oastify.com interact.sh interactsh.com oast.pro oast.live oast.site oast.online oast.fun "
    "oast.me oast.today webhook.site requestbin.net requestbin.com requestbin.io dnslog.cn ceye.io "
    "canarytokens.com requestcatcher.com beeceptor.com requestrepo.com hookbin.com xss.ht bxss.me bxss.in eyes.sh "
    "pingb.in dnsbin.zhack.ca"
)
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
_HOST = re2.compile(r"(?i)^\[?[a-z0-9._:%-]+\]?$")
# What may follow two slashes for them to begin an address, and not a comment or a path.
_NAMED = re2.compile(r"(?i)^//(?:[^/]*[.:]|localhost(?:/|$))")
_CARRIED = re2.compile(r"(?i)[?&#][^=&#\s]{1,64}=(?:https?|ftp)?(?:(?::|%3a)(?:/|%2f){2}|(?:/|%2f){2}\w)")
_NUMBER = re2.compile(r"(?i)^(?:0x[0-9a-f]*|0?o?[0-7]+|\d+)$")
_INNER = re2.compile(
    r"(?i)(?:https?|ftp|gopher|file|dict|ldap|tftp):(?:/|%2f)(?:/|%2f)[^\s&\"'<>]{1,256}|"
    r"//[^\s/&\"'<>]{3,256}"
)
_METADATA_TEXT = re2.compile(
    r"(?i)(?:169\.254\.169\.254|metadata\.google\.internal|169\.254\.170\.2|100\.100\.100\.200|192\.0\.0\.192|"
    r"\[?fd00:ec2::254)"
    r"(?::\d+)?(?:/|\b)"
)
# From here on a host is one of the inside.
_INNER_AT = 0.8
_CONTROL = re2.compile(r"(?i)%0d|%0a|[\r\n\t\x{0}]|%00|%E5%98%8[AD]")
# A label that says what the name is there for.
_TELLING_LABEL = re2.compile(r"(?:^|[.-])(?:rebind|localhost)(?:[.-])")
_EMBEDDED = re2.compile(
    r"(?:^|[.-])((?:\d{1,3}[.-]){3}\d{1,3}|7f000001|a9fea9fe|0a[0-9a-f]{6}|c0a8[0-9a-f]{4})(?:[.-]|$)"
)
_PLAIN_IPV4 = re2.compile(r"^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)$")

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
    return Hit(SSRF, 0, len(text), score) if score >= _INNER_AT else None


def carries_another(text: str) -> bool:
    """Whether a URL has another one among its parameters, which some server is to fetch or to lead to."""
    return _CARRIED.search(text) is not None


def is_fetched(text: str) -> bool:
    """Whether a text is a URL of the web, whose path is no file's."""
    found = _SCHEME.match(text.strip())
    return found is not None and found.group(1).lower() in _FETCHED


def is_host_of_metadata(text: str) -> bool:
    """Whether a text is the bare address of a cloud's metadata service, be it with a path."""
    address = text.strip().lower()
    host = address.strip("[]").rstrip("./")
    if host not in _METADATA_HOSTS:
        host = address.partition("/")[0].rstrip(".")
    return host in _METADATA_HOSTS and ("." in host or ":" in host)


def _score(text: str, hosts: Collection[str], schemes: Collection[str], depth: int) -> float:
    parts = _split(text)
    if parts is None or parts.scheme in schemes:
        return 0.0
    scores = [_SCHEMES.get(parts.scheme, 0.0)]
    if parts.scheme in _FETCHED or parts.scheme in _SCHEMES:
        scores += _judge_host(parts, hosts)
    elif not _is_allowed(parts.host.lower(), hosts):
        scores += _judge_peer(parts.host.lower())
    if _CONTROL.search(text) and parts.scheme not in ("data", "javascript", "mailto"):
        scores.append(0.75 if not _CONTROL.search(parts.rest.split("?")[0]) else 0.8)
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
    cut = min((rest.find(mark) for mark in "/\\?#" if mark in rest), default=len(rest))
    authority, path = rest[:cut], rest[cut:]
    users, _, address = authority.rpartition("@")
    if address.startswith("["):
        host, _, port = address[1:].partition("]")
        port = port.lstrip(":")
    else:
        host, _, port = address.partition(":")
    return _Parts(scheme, users, host, port, path)


def _judge_host(parts: _Parts, allowed: Collection[str]) -> Iterator[float]:
    host = unicodedata.normalize("NFKC", unquote(parts.host, errors="replace")).replace("\u3002", ".").lower()
    if _is_allowed(host, allowed) and not parts.users:
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
    yield from _judge_name(bare)
    yield from _judge_address(bare)
    if _PLAIN_IPV4.match(bare) and not parts.port and parts.rest in ("", "/"):
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
    if host in _METADATA_HOSTS or host in _LOCAL_HOSTS or host.endswith(_LOCAL_ENDS):
        yield 0.8
    elif ":" in host or _PLAIN_IPV4.match(host):
        yield from (score for score in _judge_address(host) if score >= _INNER_AT)


def _is_allowed(host: str, allowed: Collection[str]) -> bool:
    if host in allowed:
        return True
    return any(entry.startswith(".") and host.endswith(entry) for entry in allowed)


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


def _judge_name(host: str) -> Iterator[float]:
    if host in _METADATA_HOSTS:
        yield 0.95
    elif host in _LOCAL_HOSTS:
        yield 0.85
    elif host.endswith(_LOCAL_ENDS):
        yield 0.8
    elif host and "." not in host and ":" not in host and not host.isdigit() and not host.startswith("0x"):
        yield 0.6
    if any(host == end or host.endswith("." + end) for end in _ANSWERING):
        yield 0.85
    if any(host == end or host.endswith("." + end) for end in _LISTENING):
        yield 0.7
    if not _HOST.match(host) and host.isascii() and host:
        yield 0.6
    if _TELLING_LABEL.search(host) and host not in _LOCAL_HOSTS:
        yield 0.6
    if not _PLAIN_IPV4.match(host):
        yield from _judge_embedded(host)


def _judge_embedded(host: str) -> Iterator[float]:
    """Addresses that stand in a name: its owner's DNS answers with them, or with one after the other."""
    at = 0
    while inside := _EMBEDDED.search(host, at):
        spelled = inside.group(1)
        address = None if spelled.isalnum() else _read_ipv4(spelled.replace("-", "."))
        yield 0.8 if address is None or not address.is_global else 0.3
        at = inside.end(1)


def _judge_address(host: str) -> Iterator[float]:
    if ":" in host:
        yield from _judge_ipv6(host)
        return
    address = _read_ipv4(host)
    if address is None:
        return
    if not address.is_global or address.is_multicast:
        yield 0.9
    elif not _PLAIN_IPV4.match(host):
        yield 0.85
    else:
        yield 0.4


def _judge_ipv6(host: str) -> Iterator[float]:
    try:
        address = ipaddress.IPv6Address(host.split("%")[0])
    except ValueError:
        yield 0.6
        return
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is None and any(address in network for network in _TRANSLATED) and int(address) > 1:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is not None or address.is_multicast:
        yield 0.9
    else:
        yield 0.4 if address.is_global else 0.9


# NAT64 (RFC 6052), SIIT (RFC 7915), and the old form that RFC 4291 gave up.
_TRANSLATED = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::ffff:0:0:0/96", "::/96")))


def _read_ipv4(host: str) -> ipaddress.IPv4Address | None:
    """As inet_aton and its more careless relatives read it: octal, hexadecimal, short forms, numbers too large."""
    fields = host.split(".")
    if not 1 <= len(fields) <= 4 or not all(_NUMBER.match(field) for field in fields):
        return None
    if len(fields) == 1 and len(host) < 2 and host != "0":
        return None
    numbers = [_read_number(field) for field in fields]
    value = 0
    for number in numbers[:-1]:
        value = value << 8 | number & 0xFF
    bits = 8 * (5 - len(fields))
    return ipaddress.IPv4Address((value << bits | numbers[-1] & ((1 << bits) - 1)) & 0xFFFFFFFF)


def _read_number(field: str) -> int:
    lowered = field.lower()[:64]
    if lowered.startswith("0x"):
        return int(lowered[2:] or "0", 16)
    octal = lowered.replace("o", "")
    if lowered.startswith(("0", "o")) and len(octal) > 1 and not set(octal) & set("89"):
        return int(octal, 8)
    return int(octal)


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
