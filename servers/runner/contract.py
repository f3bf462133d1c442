"""Owns what the runner asks of the rest: the shape of a launch, and the two functions it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import aiohttp


class Launch(Protocol):
    """How one server of one project is reached (the dataclass is `servers.launch.Launch`)."""

    @property
    def project_id(self) -> int: ...
    @property
    def server_id(self) -> int: ...
    @property
    def config_hash(self) -> str:
        """Names this configuration; another hash is another server."""

    @property
    def transport(self) -> str:
        """`stdio` or `sse`."""

    @property
    def argv(self) -> tuple[str, ...]:
        """Absolute executable first; never given to a shell."""

    @property
    def env(self) -> Mapping[str, str]:
        """The complete environment of the child."""

    @property
    def cwd(self) -> str: ...
    @property
    def memory_mb(self) -> int:
        """Data segment limit of the child in MiB; 0 is no limit."""

    @property
    def max_processes(self) -> int:
        """How many legacy sessions this server may have at once."""

    @property
    def idle_seconds(self) -> int:
        """After how long without use a child is ended."""

    @property
    def url(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


Load = Callable[[int, int], Launch | None]
"""(project_id, server_id) -> Launch, or None when there is no such server; synchronous, any thread."""

SseSessionFactory = Callable[[str], aiohttp.ClientSession]
"""url -> a session of its own that may reach it; the channel closes it. Any exception: not reachable."""
