"""What a page of a REST list costs when the list has 10,000 rows: CPU of the process, without the database server's.

    python -m bench.rest [--rows 10000] [--sqlite]

In one process, through all of Django's middleware, with Django's test client, whose own work counts too. The first page
and one from the middle, of 50 rows and of 200. A database is made for the run and dropped after it.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.meter import machine
from bench.system import ROOT, gateway_environment, own_database

TARGET = 20.0
_TIMES = 15


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.rest", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--sqlite", action="store_true")
    parser.add_argument("--here", action="store_true", help="measure in this process, with the settings that it has")
    given = parser.parse_args()
    if given.here:
        print(json.dumps(measure(given.rows)))
        return
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-rest-")))
        address = "" if given.sqlite else stack.enter_context(own_database())[0]
        environment = gateway_environment(home, "database", address)
        environment |= {"DJANGO_SETTINGS_MODULE": "gateway_site.settings", "GATEWAY_REST_RATE": "0",
                        "GATEWAY_LOG_LEVEL": "ERROR", "GATEWAY_ALLOWED_HOSTS": "testserver"}  # fmt: skip
        subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, env=environment, check=True)
        done = subprocess.run(
            [sys.executable, "-m", "bench.rest", "--here", "--rows", str(given.rows)],
            cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    show(json.loads(done.stdout), given)


def show(found: dict[str, dict[str, float]], given: argparse.Namespace) -> None:
    kind = "SQLite" if given.sqlite else "PostgreSQL"
    print(f"{machine()}, Python {platform.python_version()}, {kind}, {given.rows:,} rows of each.")
    print(f"Load meanwhile: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores. Median ms of CPU a page.\n")
    columns = list(next(iter(found.values())))
    print(f"| list | {' | '.join(columns)} |\n| --- |{' ---: |' * len(columns)}")
    for name, values in found.items():
        print(f"| {name} | {' | '.join(f'{values[each]:.1f}' for each in columns)} |")
    usual = max(each for values in found.values() for name, each in values.items() if name.endswith("50"))
    most = max(each for values in found.values() for each in values.values())
    print(f"\n{'Met' if most <= TARGET else 'Missed'}: under {TARGET:g} ms; at most {usual:.1f} with the usual 50 rows,"
          f" {most:.1f} with 200.")  # fmt: skip


def measure(rows: int) -> dict[str, dict[str, float]]:
    import django

    django.setup()
    from django.test import Client

    token = fill(rows)
    client = Client(headers={"Authorization": f"Bearer {token}"})
    lists = ("members", "keys", "servers", "tools", "grants", "overlays", "jobs", "exceptions", "events")
    addresses = {name: f"/api/v1/projects/acme/{name}" for name in lists} | {"users": "/api/v1/users"}
    return {name: of_list(client, address) for name, address in addresses.items() if is_there(client, address)}


def is_there(client: Any, address: str) -> bool:
    return bool(client.get(address).status_code == 200)


def of_list(client: Any, address: str) -> dict[str, float]:
    cursor, page = "", client.get(f"{address}?limit=200").json()
    for _ in range(24):
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]
        page = client.get(f"{address}?limit=200&cursor={cursor}").json()
    return {
        f"{place}, {limit}": cost(client, f"{address}?limit={limit}{after}")
        for limit in (50, 200)
        for place, after in (("first", ""), ("middle", f"&cursor={cursor}"))
    }


def cost(client: Any, address: str) -> float:
    taken = []
    for _ in range(_TIMES):
        started = time.process_time()
        answer = client.get(address)
        taken.append((time.process_time() - started) * 1000)
        assert answer.status_code == 200, answer.content
    return statistics.median(taken)


def fill(rows: int) -> str:
    """The token of an operator."""
    from datetime import timedelta

    from django.utils import timezone

    from audit import storage
    from audit.entry import Entry, new_id, now
    from guardrails.models import FindingException
    from projects import services, tokens
    from projects.models import ApiKey, Job, Membership, User
    from projects.scoping import with_project
    from servers.models import Grant, Overlay, Server, Tool

    operator = User.objects.create_superuser("operator@gateway.test")
    project = services.create_project(slug="acme")
    numbers, until = range(rows), timezone.now() + timedelta(days=30)
    people = User.objects.bulk_create(User(email=f"person{number}@acme.test") for number in numbers)
    with with_project(project.pk):
        Membership.objects.bulk_create(Membership(project=project, user=person) for person in people)
        ApiKey.objects.bulk_create(
            ApiKey(project=project, user=people[number], label=f"key {number}", key_id=f"{number:010}", pepper_id="p1",
                   digest="0" * 64) for number in numbers)  # fmt: skip
        servers = Server.objects.bulk_create(
            Server(project=project, slug=f"server-{number}", url="https://example.com/mcp") for number in numbers)
        definition = {"name": "tool", "description": "What it does. " * 20, "inputSchema": {"type": "object"}}
        Tool.objects.bulk_create(
            Tool(project=project, server=servers[0], name=f"tool {number}", definition=definition, digest="0" * 64)
            for number in numbers)
        Grant.objects.bulk_create(Grant(project=project, server=servers[number]) for number in numbers)
        Overlay.objects.bulk_create(
            Overlay(project=project, server=servers[number], tool="tool", pinned={"a": 1}) for number in numbers)
        Job.objects.bulk_create(
            Job(project=project, kind="bench", subject_ref=number, label="work", state="done") for number in numbers)
        FindingException.objects.bulk_create(
            FindingException(project=project, detector="pii", text_digest=f"{number:064}", reason="harmless",
                             expires_at=until) for number in numbers)  # fmt: skip
    for start in range(0, rows, 500):
        storage.insert([
            Entry(id=new_id(), at=now(), kind="mcp.call.outcome", project_ref=project.pk, project="acme",
                  actor_kind="key", actor="ada@acme.test", call_id=new_id(), server="docs", method="tools/call",
                  subject="search", decision="ok", detail={})
            for _ in numbers[start : start + 500]
        ])  # fmt: skip
    return tokens.issue_token(user=operator, label="bench", expires_at=until)[1]


if __name__ == "__main__":
    main()
