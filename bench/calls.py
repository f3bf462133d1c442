"""What guardrails cost a small call: CPU time of the guard stage with a policy, beside the same stage without rules.

    python -m bench.calls              both sides in turns, in one process; needs no server and no database
    python -m bench.calls --profile    where the time goes with `balanced`

Each figure is the least of fifteen rounds, as whatever else runs only adds to it. A call is a tool's arguments on the
way in and its answer on the way out, as a server with one tool gives it. Texts of the kind `new` are of one call only;
those of the others come again, as most names and paths do.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import os
import pstats
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_site.settings")

import django

django.setup()

# What uses models can be imported only now.
from bench.echo import TOOLS
from gateway_site.lib.jsontext import encode
from guardrails.compiled import PolicySet
from guardrails.engine.rules import Policy
from guardrails.presets import PRESETS
from proxy.call import Answer, Call
from proxy.guards import Guards
from proxy.naming import Names
from proxy.stages.guard import guard
from servers.catalogue import Catalogue
from servers.upstream import Upstream

_ROUNDS, _CALLS = 15, 40
Arguments = Callable[[int], dict[str, Any]]
KINDS: dict[str, Arguments] = {
    "new": lambda number: {"text": f"5f0c91ab-{number}"},
    "sentence, new": lambda number: {"text": f"Please list the open invoices of customer {number} in Hamburg"},
    "sentence, again": lambda number: {"text": "Please list the open invoices of the customer in Hamburg"},
    "fields": lambda number: {"text": "src/app/views.py", "limit": 20, "mode": "read", "id": f"doc-{number % 7}"},
}


UPSTREAM = Upstream(1, 1, "echo", "http", "http://127.0.0.1:9/mcp", "1", 60.0)


class Side:
    """One policy, with all that a worker would keep for it."""

    def __init__(self, policy: Policy) -> None:
        catalogue = Catalogue()
        catalogue.replace(catalogue.table(UPSTREAM, False), TOOLS)
        # As much of a worker, a project and a server as the stage asks for.
        self.given: dict[str, Any] = {
            "state": SimpleNamespace(guards=Guards(), catalogue=catalogue, names=Names()),
            "snapshot": SimpleNamespace(policies=PolicySet(default=policy, digest_key=b"k" * 32)),
            "principal": SimpleNamespace(project_id=1, key=SimpleNamespace(key_id="k")),
            "upstream": UPSTREAM,
        }

    async def call(self, arguments: dict[str, Any]) -> None:
        params = {"name": "echo", "arguments": arguments}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        call = Call(
            **self.given, request_id="r", http_method="POST", version="2025-11-25", modern=False, message=message,
            headers={}, bytes_in=len(encode(message)),
        )  # fmt: skip
        await guard(call, _echo)


async def _echo(call: Call) -> Answer:
    text = str(call.params["arguments"]["text"])
    message = {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": text}], "isError": False}}
    return Answer(200, message, size=len(encode(message)))


async def _milliseconds(side: Side, arguments: Arguments, first: int) -> float:
    """CPU time of one call, of a round of them."""
    before = time.process_time()
    for number in range(first, first + _CALLS):
        await side.call(arguments(number))
    return (time.process_time() - before) / _CALLS * 1000


async def compare() -> None:
    sides = {name: Side(policy) for name, policy in (("none", Policy()), *PRESETS.items())}
    for side in sides.values():
        for arguments in KINDS.values():
            await _milliseconds(side, arguments, -_CALLS)
    print("| arguments | " + " | ".join(f"{name}, ms more" for name in sides if name != "none") + " |")
    print("|---|" + "---:|" * (len(sides) - 1))
    for kind, arguments in KINDS.items():
        taken: dict[str, list[float]] = {name: [] for name in sides}
        for turn in range(_ROUNDS):
            for name, side in sides.items():
                taken[name].append(await _milliseconds(side, arguments, turn * _CALLS))
        base = min(taken.pop("none"))
        print(f"| {kind} | " + " | ".join(f"{min(each) - base:.3f}" for each in taken.values()) + " |", flush=True)


async def profile() -> None:
    side = Side(PRESETS["balanced"])
    await _milliseconds(side, KINDS["new"], -_CALLS)
    profiler = cProfile.Profile()
    for kind, arguments in KINDS.items():
        profiler.enable()
        await _milliseconds(side, arguments, 0)
        profiler.disable()
        print(kind)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", action="store_true")
    asyncio.run(profile() if parser.parse_args().profile else compare())


if __name__ == "__main__":
    main()
