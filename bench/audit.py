"""What the log's proof costs: events sealed, verified and exported in a second, on PostgreSQL and on SQLite.

    python -m bench.audit [--events 200000] [--write]

Each database is made for the run and dropped after it. Seconds are those of the clock; CPU is that of the process which
does the work, without the database server's. `--write` puts the result into docs/audit.md.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import report
from bench.meter import machine
from bench.run import commit, say
from bench.system import ROOT, gateway_environment, own_database

PAGE = ROOT / "docs" / "audit.md"
BEGIN, END = "<!-- audit-bench:begin -->", "<!-- audit-bench:end -->"
# What is asked for, in events each second.
TARGETS = {"seal": 10_000, "verify": 20_000}
NAMES = {
    "write": "written, 500 in a commit",
    "seal": "sealed",
    "verify": "`manage.py audit verify`",
    "export": "exported",
    "verify export": "`audit verify --export`",
    "verify_audit.py": "`verify_audit.py`",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.audit", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--write", action="store_true", help=f"put the result into {PAGE.name}")
    parser.add_argument("--here", action="store_true", help="measure in this process, with the settings that it has")
    given = parser.parse_args()
    if given.here:
        print(json.dumps(measure(given.events)))
        return
    report.show(document(given.events), PAGE, BEGIN, END, write=given.write)


def document(events: int) -> str:
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-audit-")))
        address, promise = stack.enter_context(own_database())
        results = {"PostgreSQL": run(home / "postgresql", events, address), "SQLite": run(home / "sqlite", events, "")}
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}, Python {platform.python_version()}, {commit()}.",
        f"{promise}. {events:,} events of 5 logs, a fifth with findings; `python -m bench.audit --write`.",
        f"Load of the machine meanwhile: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores. With more than one for",
        "each core other work had its share, and the CPU column is the one to go by.",
        "",
        "| events/s | " + " | ".join(f"{name} | its CPU µs/event" for name in results) + " |",
        "| --- |" + " ---: |" * 2 * len(results),
    ]
    for step, name in NAMES.items():
        cells = [f"{each[step]['per_second']:,.0f} | {each[step]['cpu']:.0f}" for each in results.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for step, target in TARGETS.items():
        reached = results["PostgreSQL"][step]["per_second"]
        lines += ["", f"{'Met' if reached >= target else 'Missed'}: {step} at least {target:,} events/s on PostgreSQL."]
    return "\n".join(lines)


def run(home: Path, events: int, database: str) -> dict[str, Any]:
    home.mkdir()
    environment = gateway_environment(home, "database", database) | {"DJANGO_SETTINGS_MODULE": "gateway_site.settings"}
    say(f"measuring on {'PostgreSQL' if database else 'SQLite'}")
    subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, env=environment, check=True)
    done = subprocess.run(
        [sys.executable, "-m", "bench.audit", "--here", "--events", str(events)],
        cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(events: int) -> dict[str, Any]:
    import django

    django.setup()
    from audit import sealer, signing
    from audit.exporters import proof
    from audit.verify import verify
    from audit.verify_export import verify_export

    folder = Path(tempfile.mkdtemp(prefix="bench-export-"))
    keys = signing.public_keys()
    found = {"write": timed(lambda: write(events)), "seal": timed(lambda: seal(sealer, events))}
    found["verify"] = timed(lambda: verify(keys).events)
    found["export"] = timed(lambda: int(proof.export(folder / "one", project_ref=1, project="acme")["events"]))
    found["verify export"] = timed(lambda: verify_export(folder / "one", keys).events)
    found["verify_audit.py"] = timed(lambda: standalone(folder, keys))
    shutil.rmtree(folder)
    return found


def timed(work: Callable[[], int]) -> dict[str, float]:
    """`work` gives how many events it did."""
    started, used = time.perf_counter(), cpu()
    count = work()
    return {"per_second": count / (time.perf_counter() - started), "cpu": (cpu() - used) / count * 1e6}


def cpu() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in both)


def write(events: int, logs: Sequence[int | None] = (None, 1, 2, 3, 4)) -> int:
    """In turns for each of `logs`."""
    from audit import storage
    from audit.entry import Entry, new_id, now

    report_of = {"direction": "input", "policy": "balanced", "policy_version": 3, "failures": [], "coverage": [90, 90]}
    found = {"guardrails": [{**report_of, "findings": [["pii", "email", 0.87, "/arguments/text", "redact"]]}]}
    for start in range(0, events, 500):
        storage.insert([
            Entry(
                id=new_id(), at=now(), kind=("mcp.call.intent", "mcp.call.outcome")[number % 2],
                project_ref=logs[number % len(logs)], project="acme", actor_kind="key", actor_id="mgw0123456",
                actor="ada@acme.test", call_id=new_id(), request_id=str(new_id()), trace_id="ab" * 16, server_ref=3,
                server="docs", method="tools/call", subject="search_documents", decision="ok", policy_version=3,
                http_status=200, bytes_in=512, bytes_out=2048, duration_us=12345, params_digest="cd" * 32,
                detail=found if number % 5 == 1 else {},
            )
            for number in range(start, min(start + 500, events))
        ])  # fmt: skip
    return events


def seal(sealer: Any, events: int) -> int:
    done, keeper = 0, sealer.Sealer()
    while done < events:
        done += keeper.take_turn()
    return done


def standalone(folder: Path, keys: dict[str, bytes]) -> int:
    from audit.signing import to_key_set

    (folder / "keys.json").write_text(json.dumps(to_key_set(keys)))
    done = subprocess.run(
        [sys.executable, "-I", "one/verify_audit.py", "one", "--public-key", "keys.json", "--json"],
        cwd=folder, check=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    return int(json.loads(done.stdout)["events"])


if __name__ == "__main__":
    main()
