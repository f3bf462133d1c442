"""What every page of the admin costs when there is much of everything: for an operator, an owner and a member.

    python -m bench.lists [--events 5000000] [--database NAME] [--write]

Makes a database, fills it with 2,000 projects, 10,000 servers, 50,000 tools, 10,000 keys and 2,000 members, half of
which are one project's, and with a log as `bench.browse` does, and asks for every page through the pages' own code.
With `--database` the database is kept, and used again when it is there. `--write` puts the result into bench/README.md.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from http.client import OK
from pathlib import Path
from typing import Any

from bench import browse, large, report
from bench.meter import machine
from bench.run import commit, say
from bench.system import ROOT, gateway_environment

PAGE = ROOT / "bench" / "README.md"
BEGIN, END = "<!-- lists:begin -->", "<!-- lists:end -->"
PEOPLE = ("operator", "owner", "member")
PROJECTS, SERVERS, TOOLS, KEYS, MEMBERS, OTHERS = 2_000, 10_000, 50_000, 10_000, 2_000, 1_000
# Of one page: queries, seconds of a processor for Python, and bytes without what browsers keep (styles, scripts, font).
MOST_QUERIES, MOST_SECONDS, MOST_BYTES = 30, 1.0, 300_000
# What takes more is asked for again, and the lower counts: the first of its kind reads templates and the catalogue.
_SECONDS_ONCE = 0.1
_TIMES = 2


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.lists", description=__doc__)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--database", default="", help="the name of a database to keep, or to use again")
    parser.add_argument("--only", default="", help="pages whose name has this in it")
    parser.add_argument("--write", action="store_true", help="put the result into bench/README.md")
    parser.add_argument("--fill", action="store_true", help="fill the database of this process's settings")
    parser.add_argument("--here", action="store_true", help="measure in this process, with the settings that it has")
    given = parser.parse_args()
    if given.fill:
        print(json.dumps(fill()))
        return
    if given.here:
        print(json.dumps(measure(given.only)))
        return
    with large.database(given.database) as (address, is_new), tempfile.TemporaryDirectory() as folder:
        # What is sealed in a kept database opens with the keys that it was sealed with.
        home = Path(os.environ.get("BENCH_BROWSE_HOME", folder))
        text = document(address, home, given.events, given.only, is_new)
    report.show(text, PAGE, BEGIN, END, write=given.write)


def document(address: str, home: Path, events: int, only: str, is_new: bool) -> str:
    environment = gateway_environment(home, "database", address)
    # That a page is closed to somebody is no trouble here.
    environment |= {"DJANGO_SETTINGS_MODULE": "gateway_site.settings", "GATEWAY_LOG_LEVEL": "ERROR"}

    def write() -> None:
        large.run(environment, "-m", "bench.lists", "--fill")
        browse.fill(address, events)

    large.prepare(address, environment, events, write if is_new else None)
    say("asking for pages")
    return table_of(large.run(environment, "-m", "bench.lists", "--here", "--only", only))


def table_of(found: dict[str, Any]) -> str:
    pages: dict[str, dict[str, dict[str, float]]] = found["pages"]
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}, Python {platform.python_version()}, {commit()}.",
        f"{', '.join(f'{number:,} {name}' for name, number in found['rows'].items())};"
        f" load of the machine meanwhile: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores.",
        "",
        "Of each page, the dearest of all ways to ask for it (filters, orders, another's rows): queries, milliseconds",
        "of a processor that Python and the database's process took, and kilobytes of the answer.",
        "",
        "| page | " + " | ".join(PEOPLE) + " |",
        "| --- |" + " ---: |" * len(PEOPLE),
    ]
    lines += [f"| {name} | {' | '.join(_cell(pages[name].get(who)) for who in PEOPLE)} |" for name in sorted(pages)]
    return "\n".join([*lines, "", *_verdict(pages)])


def _cell(page: dict[str, float] | None) -> str:
    if page is None:
        return "closed"
    return (f"{page['queries']:.0f} · {1000 * page['python']:.0f} + {1000 * page['database']:.0f} ms"
            f" · {page['bytes'] / 1000:.0f}")  # fmt: skip


def _verdict(pages: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    said = []
    for what, most in (("queries", MOST_QUERIES), ("python", MOST_SECONDS), ("database", MOST_SECONDS),
                       ("bytes", MOST_BYTES)):  # fmt: skip
        worst, name, who = max((page[what], name, who) for name, of in pages.items() for who, page in of.items())
        met = "Met" if worst <= most else "Missed"
        said.append(f"{met}: at most {most:,} {_UNITS[what]}; the most is {worst:,.3g} ({name}, {who}).")
    return said


_UNITS = {"queries": "queries", "python": "s of Python", "database": "s of the database's process", "bytes": "bytes"}


def fill() -> dict[str, int]:
    import django

    django.setup()
    from tests.admin.crowd import Sizes, crowd
    from tests.admin.tenants import tenants

    crowd(tenants(), Sizes(PROJECTS, SERVERS, TOOLS, KEYS, MEMBERS, OTHERS))
    return {}


def measure(only: str) -> dict[str, Any]:
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection
    from django.test import Client

    from projects.models import Project, User
    from tests.admin.crowd import places
    from tests.admin.tenants import Tenants

    settings.ALLOWED_HOSTS = ["testserver"]
    acme, globex = Project.objects.order_by("pk")[:2]
    emails = {"operator": "operator@gateway.test", "owner": "ada@acme.test", "member": "bob@acme.test"}
    people = {role: User.objects.get(email=email) for role, email in emails.items()}
    two = Tenants(acme, globex, people)
    pages: dict[str, dict[str, dict[str, float]]] = {}
    listed = [each for each in places(two) if only in each.name]
    for role in PEOPLE:
        client: Client = two.client(role)
        client.defaults["HTTP_ACCEPT_ENCODING"] = "gzip"
        for number, place in enumerate(listed):
            if number % 100 == 0:
                say(f"{role}: {number} of {len(listed)}")
            found = cost_of(partial(place.visit.by, client))
            if found.pop("status") != OK:
                continue
            if found["python"] + found["database"] > MOST_SECONDS / 2 or found["bytes"] > MOST_BYTES / 2:
                say(f"{role}: {place.visit.path} {found}")
            known = pages.setdefault(place.name, {}).setdefault(role, found)
            pages[place.name][role] = {name: max(known[name], found[name]) for name in found}
    tables = {"projects": "projects_project", "servers": "servers_server", "tools": "servers_tool",
              "keys": "projects_apikey", "members": "projects_membership"}  # fmt: skip
    rows = {}
    with connection.cursor() as cursor:
        for name, table in tables.items():
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            rows[name] = int(cursor.fetchone()[0])
        cursor.execute("SELECT sum(reltuples) FROM pg_class WHERE relname ~ '^audit_event_(rest|[0-9]{4}_[0-9]{2})$'")
        rows["events"] = int(cursor.fetchone()[0])
    return {"rows": rows, "pages": pages}


def cost_of(ask: Callable[[], Any]) -> dict[str, float]:
    """Of one answer: queries, seconds of a processor for Python and for the database's process, and bytes."""
    from django.db import connection

    counted: list[int] = []
    database: list[float] = []
    python: list[float] = []

    def clock(execute: Any, *arguments: Any) -> Any:
        connection.ensure_connection()
        server = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
        before = browse.on_processor(server)
        try:
            return execute(*arguments)
        finally:
            counted[-1] += 1
            database[-1] += (browse.on_processor(server) - before) / 1000

    for _ in range(_TIMES):
        counted.append(0)
        database.append(0.0)
        started = time.process_time()
        with connection.execute_wrapper(clock):
            response = ask()
        python.append(time.process_time() - started)
        if response.status_code != OK or python[-1] + database[-1] < _SECONDS_ONCE:
            break
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return {"queries": counted[-1], "database": min(database), "bytes": len(body),
            "python": min(python), "status": response.status_code}  # fmt: skip


if __name__ == "__main__":
    main()
