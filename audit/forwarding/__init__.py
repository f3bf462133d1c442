"""How sealed events leave for another system, one transport each: a file here with a registered class."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway_site.lib.registry import Registry


@dataclass(frozen=True, slots=True)
class Destination:
    """One receiver, as a transport needs to know it. `uid` stays the same for as long as the forwarder exists.

    `secrets` are `signing_key` and `authorization`, as far as there are any.
    """

    uid: str
    name: str
    kind: str
    format: str
    address: str
    ca_bundle: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def tls(self) -> ssl.SSLContext | None:
        """That trusts the receiver's own authorities; None for the machine's. Raises ValueError."""
        return ssl.create_default_context(cadata=self.ca_bundle) if self.ca_bundle else None


@dataclass(frozen=True, slots=True)
class Message:
    """A sealed event on its way: its log and number, the record as exporters have it, and its formatted line."""

    project_ref: int
    seq: int
    record: Mapping[str, Any] = field(repr=False)
    line: bytes = field(repr=False)


class NotTaken(Exception):
    """The receiver did not take it now; it is sent again. The text is short and holds no address and no secret.

    Of a status its first word is `status`: that word is a metric's label. `wait` is how many seconds the receiver
    asked for.
    """

    def __init__(self, fault: str, wait: float = 0.0) -> None:
        super().__init__(fault)
        self.fault, self.wait = fault, wait


class Refused(Exception):
    """The receiver will never take it. `is_divisible`: it may take some of it, when that comes alone."""

    def __init__(self, fault: str, *, is_divisible: bool = False) -> None:
        super().__init__(fault)
        self.fault, self.is_divisible = fault, is_divisible


class Transport(Protocol):
    """One way to send. Made for each turn, used by one event loop, and closed there."""

    name: str
    label: str
    # What its addresses begin with; no two transports share one.
    schemes: tuple[str, ...]
    default_format: str
    # Which of a destination's secrets it has a use for.
    secrets: frozenset[str]

    def __init__(self, destination: Destination, media_type: str, header: bytes) -> None:
        """The last two are the line format's. Raises NotTaken."""

    @staticmethod
    def check(address: str) -> str:
        """The address as it is stored. Raises EgressDenied and ValueError, whose texts hold nothing of it."""

    async def send(self, messages: Sequence[Message]) -> None:
        """All or, as far as anybody knows, none, within its own time. Raises NotTaken and Refused."""

    async def close(self) -> None:
        """Gives the connection back. Never raises."""


registry: Registry[Transport] = Registry(__name__, entry_points="mcp_gateway.audit_transports")


def transport_of(scheme: str) -> type[Transport]:
    """Raises KeyError."""
    for each in registry:
        if scheme in each.schemes:
            return each
    raise KeyError(scheme)
