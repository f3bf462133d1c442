"""Where a request comes from: the peer's address, or what proxies say that are believed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def address_of(request: HttpRequest) -> IPv4Address | IPv6Address | None:
    return client_address(request.META.get("REMOTE_ADDR", ""), [request.headers.get("X-Forwarded-For", "")])


def client_address(peer: str, forwarded: Iterable[str]) -> IPv4Address | IPv6Address | None:
    """`forwarded` are the values of X-Forwarded-For in their order. None when nobody can tell."""
    address = _address(peer)
    if address is None or not _is_trusted_proxy(address):
        return address
    for hop in reversed([part.strip() for part in ",".join(forwarded).split(",") if part.strip()]):
        # What cannot be read says nothing of who sent it, and what stands before it is the client's own word.
        address = _address(_without_port(hop))
        if address is None or not _is_trusted_proxy(address):
            return address
    return address


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


@lru_cache(maxsize=1024)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_trusted_proxy(address: IPv4Address | IPv6Address) -> bool:
    return any(address in ip_network(network) for network in settings.TRUSTED_PROXIES)
