"""A running gateway with two tenants full of canaries, and an admin token for each role."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.gateway import Gateway

_SETTINGS = {"GATEWAY_LOG_LEVEL": "WARNING", "GATEWAY_REST_RATE": "0", "GATEWAY_DISCOVERY_SECONDS": "0"}
# Run by the gateway's own manage.py, so that it has its key ring.
_FILL = """
import json
from tests.rest.callers import stage
from tests.rest.filling import fill
made = stage()
tokens = {role: caller.token for role, caller in made.callers.items()}
print("FILLED " + json.dumps([tokens, {each.slug: fill(each) for each in (made.cast.acme, made.cast.globex)}]))
"""


@dataclass
class Live:
    """`tokens` by role; the outsider owns globex. `names` are what addresses need, by project."""

    gateway: Gateway
    tokens: dict[str, str]
    names: dict[str, dict[str, str]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"


@contextmanager
def live(home: Path) -> Iterator[Live]:
    with Gateway(home, {"version": 1}, environment=_SETTINGS) as gateway:
        line = next(each for each in gateway.manage("shell", "-c", _FILL).splitlines() if each.startswith("FILLED "))
        tokens, names = json.loads(line.removeprefix("FILLED "))
        yield Live(gateway, tokens, names)
