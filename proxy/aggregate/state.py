"""What lives as long as an event loop for the addresses of all servers."""

from __future__ import annotations

from proxy.aggregate.eras import Eras
from proxy.aggregate.freshness import Freshness
from proxy.aggregate.meta.cache import Recent
from proxy.aggregate.meta.index import Index
from proxy.aggregate.sessions import Sessions
from proxy.aggregate.shelves import Shelves
from proxy.aggregate.table import Names, Tables
from proxy.snapshot import Snapshot


class Aggregate:
    """Made with the loop's state, closed with it."""

    def __init__(self) -> None:
        self.eras = Eras()
        self.freshness = Freshness()
        self.index = Index()
        self.recent = Recent()
        self.sessions = Sessions()
        self.shelves = Shelves()
        self.tables = Tables()

    def names(self, snapshot: Snapshot) -> Names:
        """What tools and prompts are called, with where they are."""
        return self.tables.names(snapshot)

    async def close(self) -> None:
        await self.freshness.close()
        await self.sessions.close()
