"""A worker's collector: what was there at the start is left alone, what comes later is not."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.claim("server.settled")

# In a process of its own, since it cannot be taken back.
_PROGRAM = """
import gc, weakref
from gateway_site import garbage

class Thing: pass

def ring():
    thing = Thing()
    thing.itself = thing
    return weakref.ref(thing)

early = Thing()
early.itself = early
garbage.settle()
looked_through = {id(each) for each in gc.get_objects()}
kept = early is not None and id(early) not in looked_through
rings = [ring() for _ in range(50_000)]
print(kept, sum(each() is not None for each in rings) < 25_000)
"""


def test_what_a_worker_starts_with_is_not_looked_through_and_later_rings_go_by_themselves() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
