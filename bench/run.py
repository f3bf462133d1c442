"""One benchmark run: the same clients drive the upstream directly and through every gateway, in turn."""

import argparse
import asyncio
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from bench import load, report
from bench.load import ERAS, Era
from bench.meter import Cpu, machine
from bench.system import ROOT, Echo, Gateway, NotReady, System, own_database, own_redis

README = Path(__file__).resolve().parent / "README.md"
KINDS = ("uvicorn", "daphne", "guarded", "sqlite", "postgresql")
CONCURRENCIES = (1, 16, 64)
ANSWERS_WITHIN = 60.0
# A stream costs this process, the gateway and the echo server a descriptor each, the gateway two.
FILES_PER_STREAM = 2
SPARE_FILES = 500


@dataclass(frozen=True)
class Plan:
    """What to run, and for how long."""

    kinds: tuple[str, ...]
    concurrencies: tuple[int, ...]
    rounds: int
    seconds: float
    warm_up: float
    streams: int
    growth_calls: int
    memory: bool
    write: bool


def main() -> None:
    plan = plan_of(arguments())
    files = load.allow_many_files()
    # The systems lead sessions of their own: without this they would outlive a run that is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    results = report.Results()
    with failing_plainly():
        heading = execute(plan, results, files)
    report.show(report.document(results, heading), README, write=plan.write)
    wrong = bool(results.errors) or not all(reached.exact for reached in results.reached.values())
    raise SystemExit(1 if wrong else 0)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, 5,000 calls for growth")
    parser.add_argument("--seconds", type=float, help="length of each window")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS), help="the gateways to run")
    parser.add_argument("--concurrency", nargs="+", type=int, default=list(CONCURRENCIES))
    parser.add_argument("--streams", type=int, default=report.STREAMS)
    parser.add_argument("--no-memory", action="store_true", help="leave the memory measurements out")
    parser.add_argument("--write", action="store_true", help=f"put the result into {README.name}")
    return parser.parse_args()


def plan_of(given: argparse.Namespace) -> Plan:
    seconds, rounds = (1.0, 1) if given.quick else (4.0, 3)
    return Plan(
        kinds=tuple(kind for kind in KINDS if kind in given.only),
        concurrencies=tuple(given.concurrency),
        rounds=given.rounds or rounds,
        seconds=given.seconds or seconds,
        warm_up=0.3 if given.quick else 1.0,
        streams=given.streams,
        growth_calls=5_000 if given.quick else 100_000,
        memory=not given.no_memory,
        write=given.write,
    )


def execute(plan: Plan, results: report.Results, files: int) -> list[str]:
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        echo = Echo(home)
        stack.enter_context(running(echo))
        gateways = prepared(plan, home, echo, stack, results)
        with ExitStack() as up:
            for gateway in gateways:
                up.enter_context(running(gateway))
                load.run(first_answer(gateway))
            measure_speed(plan, [echo, *gateways], echo, results)
        if plan.memory:
            measure_memory(plan, gateways, files, results)
    return heading(plan, results)


def prepared(plan: Plan, home: Path, echo: Echo, stack: ExitStack, results: report.Results) -> list[Gateway]:
    url = echo.target.url
    gateways = {
        "uvicorn": Gateway(report.UVICORN, home / "uvicorn", "uvicorn", "off", url),
        "daphne": Gateway(report.DAPHNE, home / "daphne", "daphne", "off", url),
        "guarded": Gateway(report.GUARDED, home / "guarded", "uvicorn", "off", url, guardrails=True),
        "sqlite": Gateway(report.SQLITE, home / "sqlite", "uvicorn", "database", url),
    }
    if "postgresql" in plan.kinds and (address := postgresql(stack, results)):
        place, shared = home / "postgresql", redis(stack, results)
        gateways["postgresql"] = Gateway(
            report.POSTGRESQL, place, "uvicorn", "database", url, address, redis=shared
        )  # fmt: skip
    wanted = [gateway for kind, gateway in gateways.items() if kind in plan.kinds]
    for gateway in wanted:
        say(f"preparing {gateway.name}")
        gateway.prepare()
    return wanted


def postgresql(stack: ExitStack, results: report.Results) -> str:
    try:
        address, promise = stack.enter_context(own_database())
    except psycopg.Error as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        results.notes.append(f"PostgreSQL left out, no server: {reason}")
        say(results.notes[-1])
        return ""
    results.notes.append(promise)
    return address


def redis(stack: ExitStack, results: report.Results) -> str:
    """As production has it: the log is sealed in the worker's process, not in the web worker's."""
    try:
        address = stack.enter_context(own_redis())
    except NotReady as error:
        results.notes.append(f"The row of PostgreSQL without Redis, so that its web worker also seals the log: {error}")
        say(results.notes[-1])
        return ""
    results.notes.append("The row of PostgreSQL with Redis, and a worker process that seals the log")
    return address


@contextmanager
def running(system: System) -> Iterator[None]:
    say(f"starting {system.name}")
    system.start()
    try:
        yield
    finally:
        system.stop()


async def first_answer(system: System) -> None:
    """Waits for the first right answer: a gateway may still be learning the upstream's tools."""
    give_up = time.monotonic() + ANSWERS_WITHIN
    while True:
        client = load.Client(system.target, "modern")
        try:
            await client.open()
            await asyncio.wait_for(client.call(), 10)
            return
        except (load.WrongAnswer, OSError) as error:
            if time.monotonic() > give_up:
                raise NotReady(f"{system.name} gives no right answer: {error}") from error
            await asyncio.sleep(0.3)
        finally:
            client.connection.close()


def measure_speed(plan: Plan, systems: list[System], echo: Echo, results: report.Results) -> None:
    for turn in range(plan.rounds):
        for concurrency in plan.concurrencies:
            for era in ERAS:
                for system in systems:
                    say(f"round {turn + 1} of {plan.rounds}: c={concurrency}, {era}, {system.name}", end=" ")
                    measure_cell(plan, system, era, concurrency, echo, results)


def measure_cell(
    plan: Plan, system: System, era: Era, concurrency: int, echo: Echo, results: report.Results
) -> None:
    before = Counter(echo.counts())
    edges: list[Cpu] = []
    tally = load.run(
        load.timed(
            system.target,
            era,
            concurrency,
            seconds=plan.seconds,
            warm_up=plan.warm_up,
            at_edge=lambda: edges.append(system.meter.cpu()),
        )
    )
    note_errors(system.name, era, tally, results)
    if not system.meter.alive():
        raise NotReady(f"{system.name}: the web worker ended during the measurement")
    web, others = edges[1].since(edges[0])
    sample = report.Sample.of(tally, web, others)
    results.add((system.name, era, concurrency), sample)
    say(f"{sample.calls_per_second:.0f} calls/s, {sample.web:.3f} ms CPU, p50 {sample.p50:.2f} ms")
    reached = results.reached.setdefault((system.name, era), report.Reached())
    reached.sent += tally.sent
    reached.clients += concurrency
    reached.received += Counter(echo.counts()) - before


def measure_memory(plan: Plan, gateways: list[Gateway], files: int, results: report.Results) -> None:
    """On workers started afresh, so that what the rounds left in the allocator hides nothing."""
    streams = min(plan.streams, (files - SPARE_FILES) // FILES_PER_STREAM)
    if streams < plan.streams:
        results.notes.append(f"only {streams} streams: the limit of open files is {files}")
    durable = [gateway for gateway in gateways if gateway.audit != "off"][-1:]
    for gateway in [gateway for gateway in gateways if gateway.name == report.UVICORN] + durable:
        with running(gateway):
            idle = gateway.meter.memory()
            load.run(first_answer(gateway))
            call_many(gateway, 1_000, results)
            run = report.MemoryRun(gateway.name, idle=idle, warm=gateway.meter.memory())
            load.run(hold_streams(gateway, streams, run, results))
            grow(gateway, plan.growth_calls, run, results)
        results.memory.append(run)


async def hold_streams(gateway: Gateway, number: int, run: report.MemoryRun, results: report.Results) -> None:
    say(f"{number} idle streams: {gateway.name}")
    tally = load.Tally()
    clients = await load.idle_streams(gateway.target, number, tally)
    await asyncio.sleep(2)
    run.streams = sum(client.connection.usable for client in clients)
    run.with_streams = gateway.meter.memory()
    if run.streams < len(clients):
        tally.note(load.WrongAnswer(f"{len(clients) - run.streams} idle streams were closed"))
    await load.close_all(clients)
    await asyncio.sleep(2)
    run.after_streams = gateway.meter.memory()
    note_errors(gateway.name, "legacy", tally, results)


def grow(gateway: Gateway, calls: int, run: report.MemoryRun, results: report.Results) -> None:
    """Two equal halves after a tenth of warm-up: what settles shows in the first, a leak in both."""
    say(f"{calls} calls for growth: {gateway.name}")
    made = 0
    for part in (calls // 10, calls // 2, calls // 2):
        call_many(gateway, part, results)
        made += part
        run.grown.append((made, gateway.meter.memory()))


def call_many(gateway: Gateway, calls: int, results: report.Results) -> None:
    for era in ERAS:
        tally = load.run(load.counted(gateway.target, era, 16, calls=calls // len(ERAS)))
        note_errors(gateway.name, era, tally, results)


def note_errors(system: str, era: Era, tally: load.Tally, results: report.Results) -> None:
    for text, number in tally.errors.items():
        results.errors[f"{system}, {era}: {text}"] += number


def heading(plan: Plan, results: report.Results) -> list[str]:
    where = f"{machine()}, Python {platform.python_version()}, {commit()}"
    rounds = f"{plan.rounds} interleaved rounds" if plan.rounds > 1 else "1 round"
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {where}.",
        f"Medians of {rounds} of {plan.seconds:g} s; one worker; loopback, no TLS.",
        *(f"{note}." for note in results.notes),
    ]


def commit() -> str:
    try:
        known = git("rev-parse", "--short=12", "HEAD")
        changed = git("status", "--porcelain", "--", ".", ":!bench/README.md")
    except (OSError, subprocess.CalledProcessError):
        return "no commit"
    return f"commit {known}" + (" with changes" if changed else "")


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@contextmanager
def failing_plainly() -> Iterator[None]:
    """What cannot be measured here ends the run with one line."""
    try:
        yield
    except (NotReady, load.WrongAnswer, OSError) as failed:
        say(f"bench: {type(failed).__name__}: {failed}")
        raise SystemExit(1) from None


def say(text: str, end: str = os.linesep) -> None:
    print(text, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
