"""Which addresses are closed to tenants, and what the operator opened.

Ranges: IANA special-purpose registries (RFC 6890), with the transition prefixes that embed an IPv4 address.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network
from typing import Any

from django.conf import settings

Address = IPv4Address | IPv6Address
_DENIED = {
    "this-network": ["0.0.0.0/8", "::/128"],
    "loopback": ["127.0.0.0/8", "::1/128"],
    "private": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"],
    "shared": ["100.64.0.0/10"],
    "link-local": ["169.254.0.0/16", "fe80::/10"],
    "multicast": ["224.0.0.0/4", "ff00::/8"],
    "reserved": ["192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
                 "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
                 "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "100::/64"],
    "platform": ["168.63.129.16/32"],
    "translated": ["::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16"],
}  # fmt: skip
_NETWORKS = [(ip_network(network), category) for category, networks in _DENIED.items() for network in networks]
_MAPPED = IPv6Network("::ffff:0:0/96")
# The only part of IPv6 from which global addresses are given out (RFC 4291 section 2.4).
_GLOBAL = IPv6Network("2000::/3")


@dataclass(frozen=True)
class Allowance:
    """What the operator opened: host names, addresses and networks, each with a port or for any port."""

    hosts: frozenset[tuple[str, int | None]]
    networks: tuple[tuple[Any, int | None], ...]

    def host(self, host: str, port: int) -> bool:
        return (host, None) in self.hosts or (host, port) in self.hosts

    def address(self, address: Address, port: int) -> bool:
        return any(address in network and opened in (None, port) for network, opened in self.networks)


@lru_cache(maxsize=8)
def _parse(entries: tuple[str, ...]) -> Allowance:
    hosts, networks = set(), []
    for entry in entries:
        text, port = _split_port(entry.strip())
        try:
            networks.append((ip_network(text.strip("[]"), strict=False), port))
        except ValueError:
            hosts.add((text.lower(), port))
    return Allowance(frozenset(hosts), tuple(networks))


def _split_port(entry: str) -> tuple[str, int | None]:
    host, separator, port = entry.rpartition(":")
    if separator and port.isdigit() and (":" not in host or host.endswith("]")):
        return host, int(port)
    return entry, None


def allowance() -> Allowance:
    return _parse(tuple(settings.EGRESS_ALLOW))


def classify(address: Address) -> str | None:
    """The reason an address is closed to tenants, or None for a public one."""
    if isinstance(address, IPv6Address) and address in _MAPPED:
        mapped = address.ipv4_mapped
        return classify(mapped) if mapped is not None and classify(mapped) else "translated"
    found = next((category for network, category in _NETWORKS if address in network), None)
    if found is None and isinstance(address, IPv6Address) and address not in _GLOBAL:
        return "reserved"
    return found
