"""What a process keeps of the texts that its detectors have seen: bounded, whatever alphabets they are written in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
CALLS = 2_000
MOST_MB = 200
# In a process of its own: what other tests have loaded would count here. It imports what a web worker does, and scans
# where a web worker does, in a pool of two threads.
_WORKER = """
import asyncio, gc, json, random, sys
import django
django.setup()
import gateway_site.asgi
from guardrails.engine import scan
from guardrails.engine.detector import Context
from guardrails.engine.lent import Services
from guardrails.presets import PRESETS
from proxy.guards import Guards

CALLS = int(sys.argv[1])
RANGES = ((0x410, 0x450), (0x4E00, 0x9FFF), (0x621, 0x64A), (0xAC00, 0xD7A3), (0x21, 0x7E), (0x2010, 0x205E))
chance = random.Random(1)

def word():
    first, last = chance.choice(RANGES)
    return "".join(chr(chance.randint(first, last)) for _ in range(chance.randint(1, 12)))

def rss():
    gc.collect()
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024

async def run():
    guards, policy, seen = Guards(), PRESETS["balanced"], []
    await guards.make_ready(1, policy)
    services = Services(pool=guards.pool, slot=guards.slot_of(1), cache=guards.cache)
    for number in range(CALLS):
        text = " ".join(word() for _ in range(100))
        direction, message = (
            ("input", {"method": "tools/call", "params": {"name": "x", "arguments": {"text": text}}}),
            ("output", {"result": {"content": [{"type": "text", "text": text}]}}),
        )[number % 2]
        context = Context(direction=direction, project=1, tool="x", method="tools/call")
        await scan.inspect(message, policy, context, services, size=4_000)
        if number + 1 in (CALLS // 2, CALLS):
            seen.append(rss())
    await guards.close()
    return seen

print(json.dumps(asyncio.run(run())))
"""


@pytest.mark.claim("guard.memory")
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not say what a process holds")
def test_texts_of_many_alphabets_leave_a_worker_under_its_bound(tmp_path: Path) -> None:
    environment = {
        **os.environ, "DJANGO_SETTINGS_MODULE": "gateway_site.settings", "GATEWAY_HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT), "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3", "REDIS_URL": "",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", _WORKER, str(CALLS)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500, check=True,
    )  # fmt: skip
    half, whole = json.loads(done.stdout.splitlines()[-1])
    assert whole < MOST_MB
    # It has grown to what it needs; a leak would go on.
    assert whole - half < 10
