"""Which receivers there are: a project's forwarders, and those of the whole gateway that the settings name.

GATEWAY_AUDIT_FORWARD is a list of addresses: `syslog+tls://siem.example:6514?format=cef`, `https://siem.example/in`,
`https://siem.example/in#format=cef`. What stands behind ? of an HTTP address belongs to the receiver.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings

from audit import exporters
from audit.forwarding import Destination, Transport, registry, transport_of
from audit.models import Forwarder
from gateway_site.lib.egress import EgressDenied, host_of


class BadDestination(ValueError):
    """There can be no such receiver. The text says why and holds nothing of the address."""


def of_forwarder(forwarder: Forwarder) -> Destination:
    """Raises Unsealable."""
    return Destination(
        uid=forwarder.uid.hex, name=forwarder.name, kind=forwarder.kind, format=forwarder.format,
        address=forwarder.address, ca_bundle=forwarder.ca_bundle, secrets=forwarder.secrets,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """One address of GATEWAY_AUDIT_FORWARD; `key` is a digest of it, under which the database knows it."""

    key: str
    destination: Destination


def of_settings() -> list[Setting]:
    """Raises BadDestination."""
    return list(_of_settings(tuple(settings.AUDIT_FORWARD)))


@lru_cache(maxsize=4)
def _of_settings(addresses: tuple[str, ...]) -> tuple[Setting, ...]:
    found = [_of_address(each.strip()) for each in addresses if each.strip()]
    if len({each.key for each in found}) < len(found):
        raise BadDestination("one address stands there twice")
    signed = [each for each in found if "authorization" in registry.get(each.destination.kind).secrets]
    if settings.AUDIT_FORWARD_AUTHORIZATION and len(signed) != 1:
        raise BadDestination("GATEWAY_AUDIT_FORWARD_AUTHORIZATION is for one webhook, and there is not one")
    return tuple(found)


def _of_address(text: str) -> Setting:
    try:
        parsed = urlsplit(text)
        transport = transport_of(parsed.scheme)
    except (KeyError, ValueError):
        raise BadDestination("an address is of no kind that is known") from None
    is_web = parsed.scheme in ("http", "https")
    options = dict(parse_qsl(parsed.fragment if is_web else parsed.query))
    if options.keys() - {"format"}:
        raise BadDestination("an address has an option that is not known")
    bare = parsed._replace(fragment="") if is_web else parsed._replace(query="", fragment="")
    address = check_address(transport, bare.geturl())
    line_format = options.get("format", transport.default_format)
    check_format(line_format)
    key = hmac.digest(settings.KEYRING.gateway_digest_key(), b"forward:" + address.encode(), "sha256").hex()[:16]
    given = {"signing_key": settings.AUDIT_FORWARD_SECRET, "authorization": settings.AUDIT_FORWARD_AUTHORIZATION}
    return Setting(
        key,
        Destination(
            uid=key, name=shown(address), kind=transport.name, format=line_format, address=address,
            ca_bundle=_ca_bundle(), secrets={name: given[name] for name in transport.secrets if given.get(name)},
        ),
    )  # fmt: skip


def _ca_bundle() -> str:
    try:
        return Path(settings.AUDIT_FORWARD_CA).read_text() if settings.AUDIT_FORWARD_CA else ""
    except (OSError, ValueError):
        raise BadDestination("GATEWAY_AUDIT_FORWARD_CA cannot be read") from None


def check_address(transport: type[Transport], address: str) -> str:
    """The address as it is stored. Raises BadDestination."""
    if address.partition("://")[0] not in transport.schemes:
        raise BadDestination(f"the address must begin with {' or '.join(f'{each}://' for each in transport.schemes)}")
    try:
        return transport.check(address)
    except EgressDenied as error:
        raise BadDestination(f"egress_denied: {error}") from None
    except ValueError:
        raise BadDestination("not an address") from None


def check_format(name: str) -> None:
    """Raises BadDestination."""
    if name not in exporters.registry.names():
        raise BadDestination(f"there is no such form; there are {', '.join(exporters.registry.names())}")


def shown(address: str) -> str:
    """Scheme, host and port, for events and pages: what comes behind may be nobody's business."""
    found = host_of(address)
    if found is None:
        return ""
    scheme, host, port = found
    return f"{scheme}://{f'[{host}]' if ':' in host else host}{'' if port is None else f':{port}'}"
