"""How long a scan keeps the event loop waiting: a ticker of 1 ms beside the scan of one large message.

    python -m bench.gaps                          every text, both directions, balanced and strict
    python -m bench.gaps --only prose --where     one text, and the lines that were at work when the loop had to wait

Needs no server and no database. A gap is how much later than 1 ms the loop came to its turn. It is the loop's own
where the loop was computing, the scan's where the pool was (it held the interpreter), else the machine's, which had
other things to do.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gc
import itertools
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import uvloop

from gateway_site.lib.jsontext import encode
from guardrails.engine import scan
from guardrails.engine.detector import Context
from guardrails.presets import PRESETS
from guardrails.verdicts import VerdictCache

_TICK = 0.001
_LARGE = 1_000_000
_NOTED = 0.002
_WORDS = (
    "the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which "
    "one you were all her she there would their we him been has when who will no more if out so up said what its about "
    "than into them can only other time new some could these two may first then do any like my now over such our man "
    "report invoice meeting quarter customer delivery schedule garden weather council river market station engine"
).split()


@dataclass(slots=True)
class Gap:
    """Seconds: the gap itself, in it the CPU time of loop and pool, and of both what the collection of garbage took.

    `where` is the line at which the pool was after it.
    """

    whole: float
    loop: float
    pool: float
    garbage: float
    where: str


class _Collections:
    """The seconds that collections of garbage have taken."""

    seconds = 0.0
    _since = 0.0

    @classmethod
    def note(cls, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            cls._since = time.perf_counter()
        else:
            cls.seconds += time.perf_counter() - cls._since


@dataclass(slots=True)
class Ticker:
    """Runs until it is stopped; notes each turn of the loop that came late."""

    watched: Callable[[], list[int]]
    late: list[float] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    stopped: bool = False

    async def run(self) -> None:
        clock, own = time.perf_counter, time.thread_time
        while not self.stopped:
            since, loop, pool, garbage = clock(), own(), self._pool_time(), _Collections.seconds
            await asyncio.sleep(_TICK)
            late = clock() - since - _TICK
            self.late.append(late)
            if late > _NOTED:
                garbage = _Collections.seconds - garbage
                self.gaps.append(Gap(late, own() - loop, self._pool_time() - pool, garbage, self._where()))

    def _pool_time(self) -> float:
        return sum(time.clock_gettime(time.pthread_getcpuclockid(each)) for each in self.watched())

    def _where(self) -> str:
        frames = sys._current_frames()
        return " | ".join(_line_of(frames[each]) for each in self.watched() if each in frames)


def _line_of(frame: Any) -> str:
    """The innermost line of our own code, and what it was in."""
    names = []
    while frame is not None and len(names) < 3:
        file = frame.f_code.co_filename
        if "site-packages" not in file and "/lib/python" not in file:
            names.append(f"{'/'.join(file.split('/')[-2:])}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return " < ".join(names) or "idle"


# --- texts ----------------------------------------------------------------------------------------------


def _prose(chance: random.Random) -> str:
    def sentence() -> str:
        return " ".join(chance.choices(_WORDS, k=chance.randint(6, 20))).capitalize() + ". "

    return _filled(lambda: sentence() + ("\n\n" if chance.random() < 0.1 else ""))


def _json(chance: random.Random) -> str:
    def row() -> str:
        return json.dumps({
            "id": chance.getrandbits(63), "name": f"{chance.choice(_WORDS)} {chance.choice(_WORDS)}".title(),
            "email": f"{chance.choice(_WORDS)}{chance.getrandbits(12)}@example.com", "total": chance.random() * 1000,
            "note": " ".join(chance.choices(_WORDS, k=12)), "phone": f"+49 30 {chance.randrange(10**6, 10**7)}",
        }) + ",\n"  # fmt: skip

    return "[" + _filled(row)[:-2] + "]"


def _base64(chance: random.Random) -> str:
    return base64.b64encode(_prose(chance)[: _LARGE * 3 // 4].encode()).decode()


def _code(chance: random.Random) -> str:
    def statement() -> str:
        a, b, c = (chance.choice("abcdefghij") + str(chance.randrange(99)) for _ in range(3))
        return f'function {a}({b},{c}){{var d={b}.{chance.choice(_WORDS)}["{chance.choice(_WORDS)}"]||{c}&&!0;return d>0x{chance.getrandbits(16):x}?{a}({c}):null}};'

    return _filled(statement)


def _line(chance: random.Random) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789._-/"
    return "".join(chance.choices(letters, k=_LARGE))


def _letters(chance: random.Random) -> str:
    """Prose with accents and look-alikes, which is folded and read again."""
    return _prose(chance).replace("e", "\u0435").replace("u", "\xfc")


def _filled(part: Callable[[], str]) -> str:
    parts, size = [], 0
    while size < _LARGE:
        parts.append(part())
        size += len(parts[-1])
    return "".join(parts)[:_LARGE]


def _leaves(chance: random.Random) -> Any:
    return [" ".join(chance.choices(_WORDS, k=6)) for _ in range(20_000)]


def _nested(chance: random.Random) -> Any:
    value: Any = {"text": " ".join(chance.choices(_WORDS, k=2_000))}
    for level in range(55):
        value = {f"level{level}": value, "note": " ".join(chance.choices(_WORDS, k=300)), "more": [[level], "x" * 500]}
    return value


def _keys(chance: random.Random) -> Any:
    return {f"{chance.choice(_WORDS)}_{number}": " ".join(chance.choices(_WORDS, k=20)) for number in range(5_000)}


TEXTS: dict[str, Callable[[random.Random], Any]] = {
    "prose": _prose, "json": _json, "base64": _base64, "code": _code, "line": _line, "letters": _letters,
    "leaves": _leaves, "nested": _nested, "keys": _keys,
}  # fmt: skip


def message_of(value: Any, direction: str) -> dict[str, Any]:
    if direction == "input":
        params = {"name": "save", "arguments": {"content": value}}
        return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    if isinstance(value, str):
        return {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": value}]}}
    return {"jsonrpc": "2.0", "id": 1, "result": {"content": [], "structuredContent": {"value": value}}}


# --- measuring ------------------------------------------------------------------------------------------


async def measure(name: str, direction: str, policy: str) -> tuple[Ticker, float]:
    """The ticker, and the seconds of the scan."""
    message = message_of(TEXTS[name](random.Random(1)), direction)
    size = len(encode(message))
    context = Context(direction=direction, tool="save", method="tools/call", question="save the report", grounds="")
    pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="guard")
    services = scan.Services(pool=pool, slot=asyncio.Semaphore(1), cache=VerdictCache())
    ticker = Ticker(lambda: [thread.ident for thread in threading.enumerate() if thread.name.startswith("guard")])
    # Detectors load their weights and compile their patterns once.
    await scan.inspect(message_of("Call 555 0100, or write to a@example.com.\n" * 20, direction), PRESETS[policy], context, services, size=5000)
    ticking = asyncio.ensure_future(ticker.run())
    await asyncio.sleep(0.05)
    started = time.perf_counter()
    await scan.inspect(message, PRESETS[policy], context, services, size=size)
    taken = time.perf_counter() - started
    ticker.stopped = True
    await ticking
    pool.shutdown()
    return ticker, taken


def _row(name: str, direction: str, policy: str, ticker: Ticker, taken: float) -> str:
    late = sorted(ticker.late)
    own = [gap for gap in ticker.gaps if gap.loop > gap.whole / 2]
    held = [gap for gap in ticker.gaps if gap not in own and gap.pool > gap.whole / 2]
    rest = [gap for gap in ticker.gaps if gap not in own and gap not in held]
    worst = [f"{max((gap.whole for gap in gaps), default=0) * 1000:.1f}" for gaps in (held, own, rest)]
    p99 = late[int(len(late) * 0.99)] * 1000
    return f"| {name} | {direction} | {policy} | {taken:.2f} | {p99:.1f} | {late[-1] * 1000:.1f} | " + " | ".join(worst) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=TEXTS, nargs="*", default=list(TEXTS))
    parser.add_argument("--direction", choices=("input", "output"), nargs="*", default=["input", "output"])
    parser.add_argument("--policy", choices=("balanced", "strict"), nargs="*", default=["balanced", "strict"])
    parser.add_argument("--where", action="store_true", help="tell what the pool was at after the longest gaps")
    arguments = parser.parse_args()
    sys.setswitchinterval(0.001)
    gc.callbacks.append(_Collections.note)
    print("| text | direction | policy | scan s | p99 ms | max ms | scan's max | loop's max | machine's max |")
    print("|---|---|---|---:|---:|---:|---:|---:|---:|")
    for name, direction, policy in itertools.product(arguments.only, arguments.direction, arguments.policy):
        ticker, taken = uvloop.run(measure(name, direction, policy))
        print(_row(name, direction, policy, ticker, taken), flush=True)
        if arguments.where:
            for gap in sorted(ticker.gaps, key=lambda each: -min(each.whole, max(each.loop, each.pool)))[:8]:
                parts = (gap.whole, gap.loop, gap.pool, gap.garbage)
                print("    {:6.1f} loop {:5.1f} pool {:5.1f} gc {:5.1f}".format(*(each * 1000 for each in parts)), gap.where)


if __name__ == "__main__":
    main()
