"""Which era a server is spoken to in: the client's where it speaks that one, else the other."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from proxy.aggregate import handshake
from servers.offers import LEGACY, MODERN, Offer

if TYPE_CHECKING:
    from proxy.call import Call

_MAX_KNOWN = 10_000
# A server may learn another era, and then it is asked again.
_SECONDS = 3600.0


class Eras:
    """What servers, by configuration, were found to speak."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str, bool], tuple[bool, float]] = {}

    def note(self, call: Call, modern: bool, speaks: bool) -> None:
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[call.upstream.server_id, call.upstream.config_hash, modern] = speaks, time.monotonic()

    def speaks(self, call: Call, modern: bool) -> bool | None:
        """None when it is not known."""
        found = self._known.get((call.upstream.server_id, call.upstream.config_hash, modern))
        if found is not None and time.monotonic() - found[1] < _SECONDS:
            return found[0]
        offer = call.snapshot.rights.offers.get(call.upstream.slug)
        return True if offer is not None and _was_seen(offer, MODERN if modern else LEGACY) else None

    async def speaks_modern(self, call: Call) -> bool:
        """Asks the server when it is not known. Raises UpstreamError."""
        known = self.speaks(call, True)
        if known is None:
            known = await handshake.speaks_modern(call.state, call.upstream)
            self.note(call, True, known)
        return known


def _was_seen(offer: Offer, era: str) -> bool:
    return era in offer.about or any(era == each for each, _ in offer.lists)
