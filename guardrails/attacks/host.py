"""Where a host leads, from its name or however its address is spelled: inside, anywhere, or to one who listens."""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Collection, Iterator
from urllib.parse import unquote

import re2

from guardrails.engine.hits import Hit

SSRF = "SSRF"
# From here on a host is one of the inside.
INNER_AT = 0.8
# What an outer address has at most that is spelled oddly.
_ODD_AT = 0.85


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_METADATA_HOSTS = _words(
    "169.254.169.254 169.254.170.2 169.254.170.23 169.254.169.123 192.0.0.192 100.100.100.200 168.63.129.16 "
    "fd00:ec2::254 metadata.google.internal metadata.goog metadata instance-data instance-data.ec2.internal "
    "rancher-metadata metadata.packet.net metadata.azure.com metadata.azure.internal metadata.tencentyun.com "
    "metadata.platformequinix.com metadata.nic.aws metadata.oraclecloud.com api.metadata.cloud.ibm.com "
    "api.service.softlayer.com metadata.exoscale.com 169.254.42.42 169.254.0.23 "
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
    "local.gd rbndr.us 1u.ms rebind.it rebind.network traefik.me backname.io yoogle.com r3dir.me nicob.net "
    "spoofed.burpcollaborator.net bugbounty.dod.network mail.ebc.apple.com lock.cmpxchg8b.com cvssrf.com"
)
# Where testers and thieves look who called.
_LISTENING = _words(
    "burpcollaborator.net oastify.com interact.sh interactsh.com oast.pro oast.live oast.site oast.online oast.fun "
    "oast.me oast.today webhook.site requestbin.net requestbin.com requestbin.io dnslog.cn ceye.io "
    "canarytokens.com requestcatcher.com beeceptor.com requestrepo.com hookbin.com xss.ht bxss.me bxss.in eyes.sh "
    "pingb.in dnsbin.zhack.ca"
)
_LONGEST_HOST = 253
_WORD = re2.compile(r"(?i)^\s*(?:[^\s/\\?#]*[.:%\x{3002}][^\s/\\?#]*(?:[/\\?#][^\s]*)?|localhost[/\\?#][^\s]*)\s*$")
_HOST = re2.compile(r"(?i)^\[?[a-z0-9._:%-]+\]?$")
_NUMBER = re2.compile(r"(?i)^(?:0x[0-9a-f]*|0?o?[0-7]+|\d+)$")
# A label that says what the name is there for.
_TELLING_LABEL = re2.compile(r"(?:^|[.-])(?:rebind|localhost)(?:[.-])")
_EMBEDDED = re2.compile(
    r"(?:^|[.-])((?:\d{1,3}[.-]){3}\d{1,3}|7f000001|a9fea9fe|0a[0-9a-f]{6}|c0a8[0-9a-f]{4})(?:[.-]|$)"
)
_ODD_PORT = re2.compile(r"^[+0]\d+\w*$|^\d+[a-z]\w*$")
# A path that begins with a letter, or a query: no mask, protocol, or second address.
_ASKED_FOR = re2.compile(r"^(?:[/\\?#]|/[a-z~_.?#][^,]*|[\\?#][^,]+)$")
_PROTOCOL = re2.compile(r"^/(?:tcp|udp|sctp)\b")
# As lists write addresses so that they stand in columns.
_PADDED = re2.compile(r"^(?:\d{3}\.){3}\d{3}$")
# What a first field in hexadecimal is of: loopback, link-local and private networks.
_TELLING_FIELD = re2.compile(r"^0x0*(?:7f|a9|0?a|ac|c0)\b")
# Below this a number is a number: only the addresses of 0.0.0.0/8 are less.
_LEAST_NUMBER = 1 << 24
_PLAIN_IPV4 = re2.compile(r"^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)$")


def may_be_host(text: str) -> bool:
    """Whether a text is one word that has the form of a host, be it with a port and a path."""
    return len(text) <= _LONGEST_HOST and _WORD.match(text) is not None


def judge(text: str, *, is_host: bool = False, allowed_hosts: Collection[str] = ()) -> Hit | None:
    """A text without a scheme that leads inside, and is spelled so that this is not seen, or is fetched.

    `127.0.0.1` and `[::1]:80` are values like others, and `10.0.0.0/8` a network; `0177.0.0.1` is what hardly anybody
    writes who has nothing to hide, and `localhost/x` is fetched, or the name of an image: that is half as sure. With
    `is_host`, the argument is for hosts, and `127.1` and `2130706433` are no numbers.
    """
    name, port, path = _split(text.strip().lower())
    plain = read_host(name).rstrip(".")
    if is_allowed(plain, allowed_hosts) or _PROTOCOL.match(path):
        return None
    score = 0.0
    if name.rstrip(".") == plain and (is_plain(plain) or plain in _LOCAL_HOSTS or _is_ipv6(plain)):
        if plain in _LOCAL_HOSTS or _is_inside(plain):
            score = 0.7 if _ODD_PORT.match(port) else 0.55 if _ASKED_FOR.match(path) else 0.0
    elif _is_below(plain, _ANSWERING):
        score = 0.7 if plain not in _ANSWERING or path else 0.0
    elif _is_spelled(name, plain, is_host=is_host) and _is_inside(plain.strip("[]")):
        score = 0.55 if _PADDED.match(name) else 0.7
    return Hit(SSRF, 0, len(text), score) if score else None


def _is_spelled(name: str, plain: str, *, is_host: bool) -> bool:
    """Whether it is an address at all: a number, a version or a date is as likely one that is short or too large."""
    fields = plain.split(".")
    if is_host:
        return not (plain.isdigit() and int(plain) < _LEAST_NUMBER)
    if len(fields) == 4:
        return not any(field.isdigit() and int(field) > 255 for field in fields) and (
            plain != name or any(len(field) > 1 and field[0] == "0" for field in fields)
        )
    return len(fields) > 1 and _TELLING_FIELD.match(plain) is not None


def _split(text: str) -> tuple[str, str, str]:
    """Host, port and path; brackets stay around an address that has them, and a path of nothing keeps its colon."""
    address, path = cut(text)
    host, colon, port = address.rpartition(":")
    if colon and port and (host.endswith("]") or ":" not in host):
        return host, port, path
    return address, "", path


def cut(text: str) -> tuple[str, str]:
    """What stands before the path, query or fragment of an address without its scheme, and the rest of it."""
    at = min((text.find(mark) for mark in "/\\?#" if mark in text), default=len(text))
    return text[:at], text[at:]


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _is_inside(host: str) -> bool:
    return max(judge_address(host.strip("[]")), default=0.0) > _ODD_AT


def is_of_metadata(text: str) -> bool:
    """Whether a text is the bare address of a cloud's metadata service, be it with a port and a path."""
    host = _split(text.strip().lower())[0].strip("[]").rstrip(".")
    return host in _METADATA_HOSTS and ("." in host or ":" in host)


def read_host(host: str) -> str:
    """As resolvers read it, and as those read it who take any figure for one."""
    plain = unquote(unquote(host, errors="replace"), errors="replace")
    if not plain.isascii():
        plain = unicodedata.normalize("NFKC", "".join(map(_plain_figure, plain))).replace("\u3002", ".")
    return plain.lower()


def _plain_figure(letter: str) -> str:
    return letter if letter.isascii() else str(unicodedata.digit(letter, letter))


def _is_below(host: str, ends: Collection[str]) -> bool:
    return any(host == end or host.endswith("." + end) for end in ends)


def is_allowed(host: str, allowed: Collection[str]) -> bool:
    if host in allowed:
        return True
    return any(entry.startswith(".") and host.endswith(entry) for entry in allowed)


def is_plain(host: str) -> bool:
    """Whether a host is an IPv4 address as people write it."""
    return _PLAIN_IPV4.match(host) is not None


def is_inner_name(host: str) -> bool:
    """Whether a name is one that only machines inside know."""
    return host in _METADATA_HOSTS or host in _LOCAL_HOSTS or host.endswith(_LOCAL_ENDS)


def judge_name(host: str) -> Iterator[float]:
    if host in _METADATA_HOSTS:
        yield 0.95
    elif host in _LOCAL_HOSTS:
        yield 0.85
    elif host.endswith(_LOCAL_ENDS):
        yield 0.8
    elif host and "." not in host and ":" not in host and not host.isdigit() and not host.startswith("0x"):
        yield 0.6
    if _is_below(host, _ANSWERING):
        yield 0.85
    if _is_below(host, _LISTENING):
        yield 0.7
    if not _HOST.match(host) and host.isascii() and host:
        yield 0.6
    if _TELLING_LABEL.search(host) and host not in _LOCAL_HOSTS:
        yield 0.6
    if not is_plain(host):
        yield from _judge_embedded(host)


def _judge_embedded(host: str) -> Iterator[float]:
    """Addresses that stand in a name: its owner's DNS answers with them, or with one after the other."""
    at = 0
    while inside := _EMBEDDED.search(host, at):
        spelled = inside.group(1)
        address = None if spelled.isalnum() else _read_ipv4(spelled.replace("-", "."))
        yield 0.8 if address is None or not address.is_global else 0.3
        at = inside.end(1)


def judge_address(host: str) -> Iterator[float]:
    if ":" in host:
        yield from _judge_ipv6(host)
        return
    address = _read_ipv4(host)
    if address is None:
        return
    if not address.is_global or address.is_multicast:
        yield 0.9
    elif not is_plain(host):
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
