"""Whether cost grows with a project: CPU of a call, and what its configuration costs to load and to change."""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import psycopg

from bench import load, report
from bench.load import Target
from bench.meter import Cpu, machine
from bench.run import README, commit, failing_plainly, first_answer, running, say
from bench.sized import TOOLS
from bench.system import HOST, ROOT, Echo, Gateway, NotReady, own_database

BEGIN, END = "<!-- scale:begin -->", "<!-- scale:end -->"
KEYS = (10, 1_000, 10_000)
SERVERS = (1, 100)
CONCURRENCY = 16
WARM_UP = 0.5
COLUMNS = ["keys", "servers", "tools", "CPU ms/call (min-max)", "p50 ms", "first load ms", "memory MB",
           "again after a new server, ms", "again after a changed key, ms"]  # fmt: skip


@dataclass(frozen=True)
class Size:
    """How large a project is."""

    keys: int
    servers: int

    @property
    def slug(self) -> str:
        return f"k{self.keys}-s{self.servers}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of each window")
    parser.add_argument("--write", action="store_true", help=f"put the result into {README.name}")
    given = parser.parse_args()
    with failing_plainly():
        text = measure(given.rounds, given.seconds)
    report.show(text, README, BEGIN, END, write=given.write)


def measure(rounds: int, seconds: float) -> str:
    sizes = [Size(keys, servers) for servers in SERVERS for keys in KEYS]
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        address, promise = _database(stack)
        echo = Echo(home)
        stack.enter_context(running(echo))
        gateway = Gateway(report.UVICORN, home / "gateway", "uvicorn", "off", echo.target.url, address)
        gateway.prepare()
        keys = {}
        for size in sizes:
            say(f"making {size.slug}")
            keys[size] = str(child(gateway, "make", size.slug, str(size.keys), str(size.servers), echo.target.url))
        with running(gateway):
            load.run(first_answer(gateway))
            speed = measure_calls(gateway, keys, rounds, seconds)
        weights = {size: weigh(gateway, size) for size in sizes}
    rows = [row(size, speed[size], weights[size]) for size in sizes]
    heading = (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}, Python {platform.python_version()}, {commit()}. "
        f"{rounds} interleaved rounds of {seconds:g} s, {CONCURRENCY} clients, modern, one uvicorn worker, audit off, "
        f"no guardrails. {promise}."
    )
    return "\n".join([heading, "", report.table(COLUMNS, rows, text_columns=0)])


def _database(stack: ExitStack) -> tuple[str, str]:
    try:
        return stack.enter_context(own_database())
    except psycopg.Error:
        return "", "SQLite, since there is no PostgreSQL"


def measure_calls(
    gateway: Gateway, keys: dict[Size, str], rounds: int, seconds: float
) -> dict[Size, list[tuple[float, float]]]:
    """Milliseconds of CPU and of time for a call, of each round. All projects live in one worker."""
    found: dict[Size, list[tuple[float, float]]] = {size: [] for size in keys}
    for _ in range(rounds):
        for size, key in keys.items():
            edges: list[Cpu] = []
            target = Target(f"http://{HOST}:{gateway.port}/mcp/{size.slug}/echo", key)
            # What the first call has to load is measured apart.
            load.run(load.counted(target, "modern", CONCURRENCY, calls=4 * CONCURRENCY))
            tally = load.run(
                load.timed(target, "modern", CONCURRENCY, seconds=seconds, warm_up=WARM_UP,
                           at_edge=lambda edges=edges: edges.append(gateway.meter.cpu()))  # type: ignore[misc]  # bound
            )  # fmt: skip
            if tally.errors or not tally.latencies:
                raise NotReady(f"{size.slug}: wrong answers: {dict(tally.errors)}")
            web, _ = edges[1].since(edges[0])
            found[size].append((web / len(tally.latencies) * 1000, median(tally.latencies) * 1000))
            say(f"{size.slug}: {found[size][-1][0]:.3f} ms CPU")
    return found


def weigh(gateway: Gateway, size: Size) -> dict[str, float]:
    say(f"loading {size.slug}")
    weighed = child(gateway, "weigh", size.slug, gateway.upstream)
    assert isinstance(weighed, dict)
    return weighed


def child(gateway: Gateway, *arguments: str) -> object:
    done = subprocess.run(
        [sys.executable, "-m", "bench.sized", *arguments], cwd=ROOT, env=gateway.environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise NotReady(f"bench.sized {arguments[0]} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def row(size: Size, speed: list[tuple[float, float]], weight: dict[str, float]) -> list[str]:
    cpu = [each for each, _ in speed]
    return [
        str(size.keys), str(size.servers), str(size.servers * TOOLS),
        f"{median(cpu):.3f} ({min(cpu):.3f}-{max(cpu):.3f})", f"{median(p50 for _, p50 in speed):.2f}",
        f"{weight['first'] * 1000:.0f}", f"{weight['megabytes']:.1f}", f"{weight['after_server'] * 1000:.0f}",
        f"{weight['after_key'] * 1000:.0f}",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
