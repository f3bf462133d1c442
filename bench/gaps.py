"""How long a scan keeps the event loop waiting: a ticker of 1 ms beside the scan of one large message.

    python -m bench.gaps                          every text, both directions, balanced and strict
    python -m bench.gaps --only prose --where     one text, and the lines that the pool was at after the longest gaps

Needs no server and no database. A gap is how much later than after 1 ms the loop came to its turn; `net` is without the
time in which the loop's or the pool's thread was ready to go on and had no processor, since others were using them.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import itertools
import json
import os
import random
import sys
import threading
import time
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import uvloop

from gateway_site import garbage
from gateway_site.lib.jsontext import encode
from guardrails.engine import scan
from guardrails.engine.detector import Context
from guardrails.engine.lent import Services
from guardrails.presets import PRESETS
from guardrails.verdicts import VerdictCache


def word_list(text: str) -> list[str]:
    return text.split()


_TICK = 0.001
_LARGE = 1_000_000
_NOTED = 0.002
_WORDS = word_list(
    "the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which "
    "one you were all her she there would their we him been has when who will no more if out so up said what its about "
    "than into them can only other time new some could these two may first then do any like my now over such our man "
    "report invoice meeting quarter customer delivery schedule garden weather council river market station engine"
)


@dataclass(slots=True)
class Gap:
    """Seconds: how late the loop was, what of it the loop computed, and how long threads waited for a processor.

    `where` is the line at which the pool was after it.
    """

    whole: float
    loop: float
    waited: float
    where: str

    @property
    def net(self) -> float:
        """What it would have been on a machine with nothing else to do."""
        return max(0.0, self.whole - self.waited)


class Waits:
    """How long threads of this process were ready and had no processor, by the kernel's account."""

    def __init__(self) -> None:
        self._files: dict[int, int] = {}

    def seconds(self, threads: list[threading.Thread]) -> list[float]:
        return [self._of(thread.native_id) for thread in threads if thread.native_id is not None]

    def _of(self, thread: int) -> float:
        if thread not in self._files:
            self._files[thread] = os.open(f"/proc/self/task/{thread}/schedstat", os.O_RDONLY)
        return int(os.pread(self._files[thread], 100, 0).split()[1]) / 1e9


@dataclass(slots=True)
class Ticker:
    """Runs until it is stopped; notes how late each turn of the loop came.

    Only `gaps` are objects, those that are worth telling of: the collector of garbage would look through all of
    them beside the scan, and that would be what is measured.
    """

    tells_where: bool = False
    gaps: list[Gap] = field(default_factory=list)
    wholes: array[float] = field(default_factory=lambda: array("d"))
    nets: array[float] = field(default_factory=lambda: array("d"))
    loop: float = 0.0
    stopped: bool = False
    waits: Waits = field(default_factory=Waits)

    async def run(self) -> None:
        clock, own = time.perf_counter, time.thread_time
        while not self.stopped:
            watched = [threading.current_thread(), *_pool_threads()]
            since, loop, waited = clock(), own(), self.waits.seconds(watched)
            await asyncio.sleep(_TICK)
            late = max(0.0, clock() - since - _TICK)
            where = self._where() if late > _NOTED and self.tells_where else ""
            # They may have waited at the same time.
            longest = max(after - before for before, after in zip(waited, self.waits.seconds(watched), strict=True))
            gap = Gap(late, own() - loop, longest, where)
            self.wholes.append(gap.whole)
            self.nets.append(gap.net)
            self.loop = max(self.loop, gap.loop)
            if gap.whole > _NOTED:
                self.gaps.append(gap)

    def _where(self) -> str:
        frames = sys._current_frames()
        try:
            return " | ".join(_line_of(frames[each.ident]) for each in _pool_threads() if each.ident in frames)
        finally:
            # It holds the frame of this function too, and with it all that the scan is at.
            frames.clear()


def _pool_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("guard")]


def _line_of(frame: Any) -> str:
    """The innermost line of our own code, and what it was in."""
    names: list[str] = []
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
        first, second, number = chance.choice(_WORDS), chance.choice(_WORDS), chance.getrandbits(16)
        body = f'var d={b}.{first}["{second}"]||{c}&&!0;return d>0x{number:x}?{a}({c}):null'
        return f"function {a}({b},{c}){{{body}}};"

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
        params = {"name": "save", "arguments": {"value": value}}
        return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    if isinstance(value, str):
        return {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": value}]}}
    return {"jsonrpc": "2.0", "id": 1, "result": {"content": [], "structuredContent": {"value": value}}}


# --- measuring ------------------------------------------------------------------------------------------


async def measure(name: str, direction: str, policy: str, tells_where: bool) -> tuple[Ticker, float]:
    """The ticker, and the seconds of the scan."""
    message = message_of(TEXTS[name](random.Random(1)), direction)
    size = len(encode(message))
    context = Context(direction=direction, tool="save", method="tools/call", question="save the report", grounds="")
    pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="guard")
    services = Services(pool=pool, slot=asyncio.Semaphore(1), cache=VerdictCache())
    ticker = Ticker(tells_where)
    # Detectors load their weights and compile their patterns once.
    warm = message_of("Call 555 0100, or write to a@example.com.\n" * 20, direction)
    await scan.inspect(warm, PRESETS[policy], context, services, size=5000)
    # As a worker does when it has started and when a policy is ready.
    garbage.settle()
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
    whole, net = sorted(ticker.wholes), sorted(ticker.nets)
    figures = [f"{each * 1000:.1f}" for each in (_p99(whole), whole[-1], _p99(net), net[-1], ticker.loop)]
    return f"| {' | '.join((name, direction, policy, f'{taken:.2f}', *figures))} |"


def _p99(values: list[float]) -> float:
    return values[int(len(values) * 0.99)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=TEXTS, nargs="*", default=list(TEXTS))
    parser.add_argument("--direction", choices=("input", "output"), nargs="*", default=["input", "output"])
    parser.add_argument("--policy", choices=("balanced", "strict"), nargs="*", default=["balanced", "strict"])
    parser.add_argument("--where", action="store_true", help="tell what the pool was at after the longest gaps")
    arguments = parser.parse_args()
    sys.setswitchinterval(0.001)
    print("| text | direction | policy | scan s | p99 ms | max ms | p99 net | max net | loop's own max |")
    print("|---|---|---|---:|---:|---:|---:|---:|---:|")
    for name, direction, policy in itertools.product(arguments.only, arguments.direction, arguments.policy):
        ticker, taken = uvloop.run(measure(name, direction, policy, arguments.where))
        print(_row(name, direction, policy, ticker, taken), flush=True)
        if arguments.where:
            for gap in sorted(ticker.gaps, key=lambda each: -each.net)[:5]:
                print(f"    {gap.whole * 1000:6.1f} net {gap.net * 1000:5.1f} loop {gap.loop * 1000:5.1f}", gap.where)


if __name__ == "__main__":
    main()
