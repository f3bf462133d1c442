"""A running gateway for browsers: one row of everything, hostile text in all of it, and a session for each role."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.gateway import Gateway

ROLES = ("operator", "owner", "admin", "member", "auditor", "outsider")
# Forms are large and there is no second process: what is asked of the machine is what a small installation has.
_SETTINGS = {"GATEWAY_LOG_LEVEL": "WARNING", "GATEWAY_DISCOVERY_SECONDS": "0"}
_SOW = """
import json
from tests.browser.sowing import sow
print("SOWN " + json.dumps(sow()))
"""


@dataclass(frozen=True)
class Address:
    """A page as the operator gets it, asked for without a browser. `model` is empty where it shows none."""

    path: str
    model: str
    status: int
    kind: str


@dataclass
class Scene:
    """`sessions` by role; the outsider owns the other tenant, globex."""

    gateway: Gateway
    sessions: dict[str, str]
    addresses: list[Address]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"

    @property
    def pages(self) -> list[str]:
        return [each.path for each in self.addresses if each.status == 200 and each.kind.startswith("text/html")]


@contextmanager
def scene(home: Path) -> Iterator[Scene]:
    with Gateway(home, {"version": 1}, environment=_SETTINGS) as gateway:
        line = next(each for each in gateway.manage("shell", "-c", _SOW).splitlines() if each.startswith("SOWN "))
        sown = json.loads(line.removeprefix("SOWN "))
        yield Scene(gateway, sown["sessions"], [Address(*each) for each in sown["addresses"]])
