"""What the durable log adds to a call at a given rate: the same gateway with and without it, in turns.

An open loop: calls begin by the clock and not when the one before has ended, so that waiting is not hidden. `p50` is
from when a call was due. Both sides have PostgreSQL and Redis; only the log differs.
"""

import argparse
import asyncio
import platform
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench import load, report
from bench.meter import Cpu, machine
from bench.run import README, commit, failing_plainly, first_answer, running
from bench.system import Echo, Gateway, NotReady, own_database, own_redis

BEGIN, END = "<!-- paced:begin -->", "<!-- paced:end -->"
CONNECTIONS = 64
WARM_UP = 1.0
COLUMNS = ["audit", "era", "calls/s", "p50 ms", "p99 ms", "CPU ms/call (min-max)", "other processes ms/call"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.paced", description=__doc__)
    parser.add_argument("--rate", type=float, default=500.0, help="calls in a second")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each window")
    parser.add_argument("--write", action="store_true", help=f"put the result into {README.name}")
    given = parser.parse_args()
    with failing_plainly():
        text = measure(given.rate, given.rounds, given.seconds)
    report.show(text, README, BEGIN, END, write=given.write)


def measure(rate: float, rounds: int, seconds: float) -> str:
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        echo = Echo(home)
        stack.enter_context(running(echo))
        gateways = {}
        for audit in ("off", "database"):
            address, promise = stack.enter_context(own_database(audit))
            gateway = Gateway(audit, home / audit, "uvicorn", audit, echo.target.url, address,
                              redis=stack.enter_context(own_redis()))  # fmt: skip
            gateway.prepare()
            stack.enter_context(running(gateway))
            load.run(first_answer(gateway))
            gateways[audit] = gateway
        found: dict[tuple[str, load.Era], list[list[float]]] = {}
        for _ in range(rounds):
            for era in load.ERAS:
                for audit, gateway in gateways.items():
                    found.setdefault((audit, era), []).append(window(gateway, era, rate, seconds))
    rows = [[audit, era, *shown(values)] for (audit, era), values in found.items()]
    heading = (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}, Python {platform.python_version()}, {commit()}. "
        f"{rounds} rounds of {seconds:g} s in turns, {rate:g} calls/s in an open loop over {CONNECTIONS} connections, "
        f"one uvicorn worker, no guardrails. {promise}; sealing in the worker's process."
    )
    return "\n".join([heading, "", report.table(COLUMNS, rows, text_columns=2), "", *map(added(found), load.ERAS)])


def window(gateway: Gateway, era: load.Era, rate: float, seconds: float) -> list[float]:
    """Calls/s, p50 and p99 in ms, CPU ms of the web worker and of the others, for each call."""
    edges: list[Cpu] = []
    tally = load.run(paced(gateway.target, era, rate, seconds, lambda: edges.append(gateway.meter.cpu())))
    if tally.errors or not tally.latencies:
        raise NotReady(f"{gateway.name}: wrong answers: {dict(tally.errors)}")
    web, others = edges[1].since(edges[0])
    each = 1000 / tally.calls
    return [tally.calls_per_second, tally.percentile(50), tally.percentile(99), web * each, others * each]


async def paced(
    target: load.Target, era: load.Era, rate: float, seconds: float, at_edge: Callable[[], None]
) -> load.Tally:
    """The calls that were due in the window; one that finds no connection free waits, and its wait counts."""
    free: asyncio.Queue[load.Client] = asyncio.Queue()
    clients = await load.opened(target, era, CONNECTIONS)
    for client in clients:
        free.put_nowait(client)
    tally = load.Tally()

    async def call(due: float, counts: bool) -> None:
        client = await free.get()
        try:
            await client.call()
        except (load.WrongAnswer, OSError) as error:
            tally.note(error)
        else:
            if counts:
                tally.latencies.append(time.perf_counter() - due)
        finally:
            free.put_nowait(client)

    tasks: list[asyncio.Task[None]] = []
    began = time.perf_counter()
    opened = 0.0
    for number in range(int(rate * (WARM_UP + seconds))):
        due = began + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        counts = due - began >= WARM_UP
        if counts and not opened:
            opened = time.perf_counter()
            at_edge()
        tasks.append(asyncio.create_task(call(due, counts)))
    await load.finished(tasks, tally)
    tally.seconds = time.perf_counter() - opened
    at_edge()
    await load.close_all(clients)
    return tally


def shown(values: list[list[float]]) -> list[str]:
    rate, p50, p99, cpu, others = (sorted(column) for column in zip(*values, strict=True))
    return [f"{median(rate):.0f}", f"{median(p50):.2f}", f"{median(p99):.2f}",
            f"{median(cpu):.3f} ({cpu[0]:.3f}-{cpu[-1]:.3f})", f"{median(others):.3f}"]  # fmt: skip


def added(found: dict[tuple[str, load.Era], list[list[float]]]) -> Callable[[load.Era], str]:
    """What the log adds, of each pair of windows that followed one another."""

    def line(era: load.Era) -> str:
        pairs = list(zip(found["off", era], found["database", era], strict=True))
        cpu, p50 = (median(on[column] - off[column] for off, on in pairs) for column in (3, 1))
        return f"- {era}: the log adds {cpu:+.3f} ms of CPU (at most 0.5) and {p50:+.2f} ms to p50 (at most 10)"

    return line


if __name__ == "__main__":
    main()
