"""What an export of a whole log costs: seconds and memory of the worker that makes it, in every form, on PostgreSQL.

    python -m bench.exports [--events 1000000] [--write]

The events are those of bench.audit, all of one project and sealed. Each form is made by a process of its own, as a
Celery worker makes it: asked for, claimed, written in parts, packed into its archive. `--write` puts the result into
docs/audit.md.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import report
from bench.audit import PAGE, seal, write
from bench.meter import machine
from bench.run import commit, say
from bench.system import ROOT, gateway_environment, own_database

BEGIN, END = "<!-- export-bench:begin -->", "<!-- export-bench:end -->"
FORMS = ("jsonl", "csv", "ocsf", "parquet")
# What is asked for, of a million events.
SECONDS, MEGABYTES, EVENTS = 120.0, 300.0, 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.exports", description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--write", action="store_true", help=f"put the result into {PAGE.name}")
    parser.add_argument("--fill", action="store_true", help="write and seal the events here, with these settings")
    parser.add_argument("--form", help="make one export here, with these settings")
    given = parser.parse_args()
    if given.fill:
        fill(given.events)
    elif given.form:
        print(json.dumps(make(given.form)))
    else:
        report.show(document(given.events), PAGE, BEGIN, END, write=given.write)


def document(events: int) -> str:
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-exports-")))
        address, promise = stack.enter_context(own_database())
        environment = gateway_environment(home, "database", address)
        environment |= {"DJANGO_SETTINGS_MODULE": "gateway_site.settings"}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, env=environment, check=True)
        say(f"writing and sealing {events:,} events")
        here = [sys.executable, "-m", "bench.exports"]
        subprocess.run([*here, "--fill", "--events", str(events)], cwd=ROOT, env=environment, check=True)
        found: dict[str, dict[str, float]] = {}
        for form in FORMS:
            say(f"making {form}")
            done = subprocess.run(
                [*here, "--form", form], cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE
            )
            found[form] = json.loads(done.stdout.splitlines()[-1])
        load = os.getloadavg()[1]
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}, Python {platform.python_version()}, {commit()}.",
        f"{promise}. {events:,} events of one log, a fifth with findings; `python -m bench.exports --write`.",
        f"Load of the machine meanwhile: {load:.1f} on {os.cpu_count()} cores. With more than one for each core other",
        "work had its share, and the CPU column is the one to go by.",
        "",
        "| form | seconds | its CPU seconds | highest memory of the worker | archive |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for form, each in found.items():
        lines.append(
            f"| {form} | {each['seconds']:.0f} | {each['cpu']:.0f} | {each['megabytes']:.0f} MB |"
            f" {each['archive'] / 1e6:.0f} MB |"
        )
    if events >= EVENTS:
        for what, most, unit in (("seconds", SECONDS, "s"), ("megabytes", MEGABYTES, "MB")):
            missed = [form for form, each in found.items() if each[what] >= most]
            said = f"Missed by {', '.join(missed)}" if missed else "Met"
            lines += ["", f"{said}: a million events in less than {most:.0f} {unit}."]
    return "\n".join(lines)


def fill(events: int) -> None:
    import django

    django.setup()
    from audit import sealer
    from projects.models import Project

    project = Project.objects.create(slug="acme")
    write(events, logs=[project.pk])
    seal(sealer, events)


def make(form: str) -> dict[str, Any]:
    import django

    django.setup()
    from audit import exports
    from audit.models import Export
    from projects import jobs, work
    from projects.models import Project
    from projects.scoping import unscoped

    before = exports.request_export(project=Project.objects.get(slug="acme"), form=form)
    started, used = time.perf_counter(), time.process_time()
    while (lease := jobs.claim()) is not None:
        work.run(lease)
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    with unscoped("what came of it"):
        export = Export.objects.get(pk=before.pk)
    if export.state != Export.State.READY:
        raise SystemExit(f"not made: {export.error}")
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "cpu": cpu, "megabytes": megabytes, "archive": export.size, "events": export.events}


if __name__ == "__main__":
    main()
