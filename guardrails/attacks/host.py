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
_WORD = re2.compile(r"^\s*(?:[^\s/\\]*[.:%\x{3002}][^\s/\\]*(?:/[^\s]*)?|localhost/[^\s]*)\s*$")
_HOST = re2.compile(r"(?i)^\[?[a-z0-9._:%-]+\]?$")
_NUMBER = re2.compile(r"(?i)^(?:0x[0-9a-f]*|0?o?[0-7]+|\d+)$")
# A label that says what the name is there for.
_TELLING_LABEL = re2.compile(r"(?:^|[.-])(?:rebind|localhost)(?:[.-])")
_EMBEDDED = re2.compile(
    r"(?:^|[.-])((?:\d{1,3}[.-]){3}\d{1,3}|7f000001|a9fea9fe|0a[0-9a-f]{6}|c0a8[0-9a-f]{4})(?:[.-]|$)"
)
# Four fields of which one has noughts before it, or some that are not all decimal. Three are a date, one is a number.
_ODDLY_SPELLED = re2.compile(
    r"(?i)^(?:0\d+\.\d+\.\d+|\d+\.0\d+\.\d+|\d+\.\d+\.0\d+)\.\d+$|^(?:\d+\.){3}0\d+$|0x[0-9a-f]+\.|\.0x[0-9a-f]"
)
_ODD_PORT = re2.compile(r"^[+0]\d+\w*$|^\d+[a-z]\w*$")
# A path, and no size of a network.
_FETCHED = re2.compile(r"^/(?:$|\d*[^\d]|\d{3})")
_PLAIN_IPV4 = re2.compile(r"^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)$")


def may_be_host(text: str) -> bool:
    """Whether a text is one word with a mark that hosts have; quick, and wrong on the safe side."""
    return len(text) <= _LONGEST_HOST and _WORD.match(text) is not None


def judge(text: str, *, is_host: bool = False, allowed_hosts: Collection[str] = ()) -> Hit | None:
    """A text without a scheme that is an inner address, spelled so that it does not look like one, or leads to one.

    `127.0.0.1` is a value like others, and `10.0.0.0/8` a network; `0x7f.1` and `127%2e0.0.1` are what nobody writes
    who has nothing to hide, and `localhost/x` is fetched. With `is_host`, the argument is for hosts, and `127.1` and
    `2130706433` are no numbers.
    """
    host, port, path = _split(text.strip().lower())
    plain = read_host(host)
    if is_allowed(plain, allowed_hosts):
        return None
    is_ordinary = plain == host and (is_plain(plain) or plain in _LOCAL_HOSTS)
    if _is_below(plain, _ANSWERING):
        found = True
    elif is_ordinary:
        is_inside = plain in _LOCAL_HOSTS or _is_inside(plain)
        found = is_inside and (_ODD_PORT.match(port) is not None or _FETCHED.match(path) is not None)
    else:
        is_spelled = is_host or host.startswith("[") or plain != host or _ODDLY_SPELLED.search(plain) is not None
        found = is_spelled and (is_host or "." in plain or ":" in plain) and _is_inside(plain.strip("[]"))
    return Hit(SSRF, 0, len(text), 0.7) if found else None


def _split(text: str) -> tuple[str, str, str]:
    """Host, port and path; brackets stay around an address that has them."""
    address, slash, path = text.partition("/")
    host, colon, port = address.rpartition(":")
    if colon and (host.endswith("]") or ":" not in host):
        return host, port, slash + path
    return address, "", slash + path


def _is_inside(host: str) -> bool:
    return max(judge_address(host), default=0.0) >= INNER_AT


def is_of_metadata(text: str) -> bool:
    """Whether a text is the bare address of a cloud's metadata service, be it with a path."""
    address = text.strip().lower()
    host = address.strip("[]").rstrip("./")
    if host not in _METADATA_HOSTS:
        host = address.partition("/")[0].rstrip(".")
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
