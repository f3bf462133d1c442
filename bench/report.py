"""The report: medians over the rounds as tables, and the targets beside what was measured."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.load import ERAS, Era, Tally
from bench.meter import Memory

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"

DIRECT = "direct"
UVICORN = "uvicorn, audit off"
DAPHNE = "daphne, audit off"
GUARDED = "uvicorn, audit off, balanced guardrails"
SQLITE = "uvicorn, durable audit on SQLite"
POSTGRESQL = "uvicorn, durable audit on PostgreSQL"

# Milliseconds of the web worker's CPU per call: (system, the concurrencies it is promised for, at most).
CPU_TARGETS = (
    (UVICORN, (1, 16, 64), 0.5),
    (DAPHNE, (1, 16, 64), 1.0),
    (POSTGRESQL, (16,), 1.0),
)
ERA_RATIO = 1.2
ERA_CONCURRENCY = 16
IDLE_MEGABYTES = 150.0
STREAMS = 2000
STREAMS_MEGABYTES = 40.0
# Allocators settle; this is 50 bytes for each of 100,000 calls, less than any one forgotten object.
GROWTH_BYTES_PER_CALL = 50.0


@dataclass(frozen=True)
class Sample:
    """One system, era and concurrency in one round. Times in milliseconds, CPU per call."""

    p50: float
    p99: float
    calls_per_second: float
    web: float
    others: float
    client: float
    calls: int
    errors: int

    @classmethod
    def of(cls, tally: Tally, web: float, others: float) -> "Sample":
        per_call = 1000 / tally.calls if tally.calls else float("nan")
        return cls(
            p50=tally.percentile(50),
            p99=tally.percentile(99),
            calls_per_second=tally.calls_per_second,
            web=web * per_call,
            others=others * per_call,
            client=tally.client_cpu * per_call,
            calls=tally.calls,
            errors=sum(tally.errors.values()),
        )


@dataclass
class Reached:
    """What the clients of one system sent in one era, and what of it reached the upstream, by method."""

    sent: int = 0
    clients: int = 0
    received: Counter[str] = field(default_factory=Counter)

    @property
    def exact(self) -> bool:
        return self.received["tools/call"] == self.sent


@dataclass
class MemoryRun:
    """The web worker of one system, started afresh: memory before, with streams, and after many calls."""

    system: str
    idle: Memory
    warm: Memory
    streams: int = 0
    with_streams: Memory | None = None
    after_streams: Memory | None = None
    grown: list[tuple[int, Memory]] = field(default_factory=list)

    @property
    def first_half(self) -> float:
        return self.grown[1][1].rss - self.grown[0][1].rss

    @property
    def second_half(self) -> float:
        return self.grown[2][1].rss - self.grown[1][1].rss

    @property
    def calls_of_half(self) -> int:
        return self.grown[2][0] - self.grown[1][0]


Key = tuple[str, Era, int]


@dataclass
class Results:
    samples: dict[Key, list[Sample]] = field(default_factory=dict)
    reached: dict[tuple[str, Era], Reached] = field(default_factory=dict)
    memory: list[MemoryRun] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def add(self, key: Key, sample: Sample) -> None:
        self.samples.setdefault(key, []).append(sample)

    def median(self, key: Key, name: str) -> float:
        return float(median(getattr(sample, name) for sample in self.samples[key]))

    def systems(self) -> list[str]:
        return list(dict.fromkeys(system for system, _, _ in self.samples))


def document(results: Results, heading: Iterable[str]) -> str:
    parts = [*heading, "", speed_table(results), "", *upstream_lines(results)]
    if results.memory:
        parts += ["", memory_table(results)]
    parts += ["", "Targets:", "", *(f"- {verdict}" for verdict in verdicts(results))]
    if results.errors:
        parts += ["", "Errors:", ""]
        parts += [f"- {number} x {text}" for text, number in results.errors.most_common(10)]
    return "\n".join(parts)


def speed_table(results: Results) -> str:
    columns = ["system", "era", "c", "p50 ms", "p99 ms", "calls/s", "CPU ms/call (min-max)"]
    columns += ["CPU ÷ direct", "p50 ÷ direct", "other processes ms/call", "client ms/call", "calls (errors)"]
    return table(columns, [speed_row(results, key) for key in sorted_keys(results)], text_columns=2)


def sorted_keys(results: Results) -> list[Key]:
    order = results.systems()
    return sorted(results.samples, key=lambda key: (ERAS.index(key[1]), key[2], order.index(key[0])))


def speed_row(results: Results, key: Key) -> list[str]:
    system, era, concurrency = key
    samples = results.samples[key]
    web = [sample.web for sample in samples]
    return [
        system,
        era,
        str(concurrency),
        f"{results.median(key, 'p50'):.2f}",
        f"{results.median(key, 'p99'):.2f}",
        f"{results.median(key, 'calls_per_second'):.0f}",
        f"{median(web):.3f} ({min(web):.3f}-{max(web):.3f})",
        f"{to_direct(results, key, 'web'):.1f}",
        f"{to_direct(results, key, 'p50'):.1f}",
        f"{results.median(key, 'others'):.3f}",
        f"{results.median(key, 'client'):.3f}",
        f"{sum(sample.calls for sample in samples)} ({sum(sample.errors for sample in samples)})",
    ]


def to_direct(results: Results, key: Key, name: str) -> float:
    base = results.median((DIRECT, key[1], key[2]), name)
    return results.median(key, name) / base if base else float("nan")


def upstream_lines(results: Results) -> list[str]:
    lines = ["What reached the upstream, counted there:", ""]
    for (system, era), reached in results.reached.items():
        rest = {name: number for name, number in sorted(reached.received.items()) if name != "tools/call"}
        rest_text = ", ".join(f"{name} {number}" for name, number in rest.items()) or "nothing"
        lines.append(
            f"- {system}, {era}: {reached.received['tools/call']} tools/call for {reached.sent} calls"
            f" of {reached.clients} clients; besides: {rest_text}"
        )
    return lines


def memory_table(results: Results) -> str:
    columns = ["system", "idle PSS", "idle RSS", "RSS warm", "streams", "RSS with streams", "per stream KiB"]
    columns += ["RSS after streams", "calls", "RSS growth, 1st half", "2nd half"]
    return "Memory of the web worker in MB, started afresh:\n\n" + table(
        columns, [memory_row(run) for run in results.memory], text_columns=1
    )


def memory_row(run: MemoryRun) -> list[str]:
    row = [run.system, f"{run.idle.pss:.0f}", f"{run.idle.rss:.0f}", f"{run.warm.rss:.0f}"]
    if run.with_streams and run.after_streams:
        more = run.with_streams.rss - run.warm.rss
        each = more * 1024 / run.streams if run.streams else float("nan")
        row += [str(run.streams), f"{run.with_streams.rss:.0f}", f"{each:.1f}"]
        row.append(f"{run.after_streams.rss:.0f}")
    else:
        row += ["-"] * 4
    if len(run.grown) == 3:
        calls = run.grown[2][0] - run.grown[0][0]
        row += [str(calls), f"{run.first_half:+.1f}", f"{run.second_half:+.1f}"]
    else:
        row += ["-"] * 3
    return row


def table(columns: list[str], rows: list[list[str]], *, text_columns: int) -> str:
    rule = ["---"] * text_columns + ["---:"] * (len(columns) - text_columns)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (columns, rule, *rows))


def verdicts(results: Results) -> list[str]:
    lines = [*cpu_verdicts(results), *era_verdicts(results), *upstream_verdicts(results)]
    for run in results.memory:
        lines += memory_verdicts(run)
    return lines


def verdict(met: bool, text: str) -> str:
    return f"{'met' if met else '**missed**'}: {text}"


def cpu_verdicts(results: Results) -> list[str]:
    lines = []
    for system, concurrencies, limit in CPU_TARGETS:
        for concurrency in concurrencies:
            keys: list[Key] = [(system, era, concurrency) for era in ERAS]
            measured = [results.median(key, "web") for key in keys if key in results.samples]
            if measured:
                both = " / ".join(f"{value:.3f}" for value in measured)
                text = f"CPU per call, {system}, c={concurrency}: {both} ms (at most {limit})"
                lines.append(verdict(max(measured) <= limit, text))
            else:
                lines.append(f"not measured: CPU per call, {system}, c={concurrency} (at most {limit})")
    return lines


def era_verdicts(results: Results) -> list[str]:
    lines = []
    for system in results.systems():
        legacy: Key = (system, "legacy", ERA_CONCURRENCY)
        modern: Key = (system, "modern", ERA_CONCURRENCY)
        if system == DIRECT or legacy not in results.samples or modern not in results.samples:
            continue
        ratio = results.median(modern, "web") / results.median(legacy, "web")
        text = f"eras, {system}, c={ERA_CONCURRENCY}: modern costs {ratio:.2f} of legacy"
        met = 1 / ERA_RATIO <= ratio <= ERA_RATIO
        lines.append(verdict(met, f"{text} (within {ERA_RATIO} of each other)"))
    return lines


def upstream_verdicts(results: Results) -> list[str]:
    wrong = [f"{system}, {era}" for (system, era), reached in results.reached.items() if not reached.exact]
    text = "exactly one upstream request per call, every call of every round"
    return [verdict(not wrong, text + (f"; not so: {'; '.join(wrong)}" if wrong else ""))]


def memory_verdicts(run: MemoryRun) -> list[str]:
    text = f"memory, {run.system}, idle worker: {run.idle.pss:.0f} MB PSS, {run.idle.rss:.0f} MB RSS"
    lines = [verdict(run.idle.rss < IDLE_MEGABYTES, f"{text} (under {IDLE_MEGABYTES:.0f})")]
    if run.with_streams:
        more = run.with_streams.rss - run.warm.rss
        text = f"memory, {run.system}, {run.streams} idle streams: {more:+.1f} MB RSS"
        limit = STREAMS_MEGABYTES * run.streams / STREAMS
        met = more < limit and run.streams > 0
        lines.append(verdict(met, f"{text} (under {limit:.0f} for {run.streams})"))
    if len(run.grown) == 3:
        limit = GROWTH_BYTES_PER_CALL * run.calls_of_half / 1024 / 1024
        text = f"memory, {run.system}, second {run.calls_of_half} calls: {run.second_half:+.1f} MB RSS"
        lines.append(verdict(run.second_half <= limit, f"{text} (no growth: at most {limit:.1f})"))
    return lines


def show(text: str, page: Path, start: str = BEGIN, stop: str = END, *, write: bool) -> None:
    """Prints the text; with `write` it is put between the two markers of the page too."""
    print(text)
    if write:
        write_into(page, text, start, stop)


def write_into(page: Path, text: str, start: str = BEGIN, stop: str = END) -> None:
    """Replaces what stands between the two markers of the page."""
    before, begin, rest = page.read_text().partition(start)
    _, end, after = rest.partition(stop)
    if not begin or not end:
        raise ValueError(f"{page} lacks the markers {start} and {stop}")
    page.write_text(f"{before}{start}\n{text.strip()}\n{stop}{after}")
