"""What a page of the log costs the database when the log is large: each kind of page, and each filter.

    python -m bench.browse [--events 5000000] [--database NAME] [--write]

Makes a database, fills it with a log of many projects over ninety days, seals and indexes it as the gateway does, and
asks for pages through the pages' own code, on one machine with the database. With `--database` the database is kept,
and used again when it is there. `--write` puts the result into docs/audit.md.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg

from bench import large, report
from bench.meter import machine
from bench.run import commit, say
from bench.system import ROOT, gateway_environment

PAGE = ROOT / "docs" / "audit.md"
BEGIN, END = "<!-- browse-bench:begin -->", "<!-- browse-bench:end -->"
# Milliseconds of the database for one page.
TARGET = 50.0
DAYS = 90
PROJECTS = 20
_CALLS_IN_ONE_STATEMENT = 25_000
_TIMES = 5

# A call has an intent and an outcome. Few projects have most calls, few tools and people most of a project's.
FILL = """
WITH calls AS MATERIALIZED (
  SELECT n, now() - make_interval(days => {days}) + n * (make_interval(days => {days}) / {calls}) AS at,
         1 + floor({projects} * power(random(), 2.5))::int AS project, floor(10 * power(random(), 2))::int AS person,
         floor(3 * random())::int AS key, floor(150 * power(random(), 2))::int AS tool, random() AS ends,
         random() AS why, random() AS finds, random() AS how,
         lpad(to_hex((extract(epoch FROM now() - make_interval(days => {days})
              + n * (make_interval(days => {days}) / {calls})) * 1000)::bigint), 12, '0') AS moment,
         md5(n::text) AS digest
  FROM generate_series({first}, {last}) AS n
), named AS MATERIALIZED (
  SELECT *, CASE WHEN n % 100000 = 7 THEN 'rare_instrument' ELSE
           (ARRAY['search','create','delete','list','update'])[1 + tool % 5] || '_' || (ARRAY['documents','tickets',
           'invoices','people','branches','pages'])[1 + tool % 6] || '_' || tool END AS name,
         CASE WHEN ends < 0.97 THEN 'ok' WHEN ends < 0.985 THEN 'tool_error' WHEN ends < 0.99 THEN 'error'
              WHEN ends < 0.997 THEN 'refused' ELSE 'failed' END AS decision
  FROM calls
)
INSERT INTO audit_event (id, at, kind, project_ref, project, actor_kind, actor_id, actor, call_id, request_id, trace_id,
  session, server_ref, server, method, subject, decision, reason, policy_version, http_status, rpc_code,
  upstream_status, bytes_in, bytes_out, duration_us, params_digest, result_digest, payload_digest, detail)
SELECT (moment || '7' || substr(digest, 1, 3) || '8' || line || substr(digest, 4, 14))::uuid,
  at + line * interval '25 ms', CASE line WHEN 0 THEN 'mcp.call.intent' ELSE 'mcp.call.outcome' END,
  project, 'project-' || project, 'key', 'mgw' || lpad((project * 100 + person * 3 + key)::text, 7, '0'),
  'person' || person || '@project' || project || '.test',
  (moment || '7' || substr(digest, 1, 3) || '9' || substr(digest, 4, 15))::uuid, digest, reverse(digest),
  '', 1 + tool % 4, 'server-' || tool % 4,
  CASE WHEN how < 0.9 THEN 'tools/call' WHEN how < 0.97 THEN 'tools/list' ELSE 'resources/read' END,
  CASE WHEN how < 0.9 THEN name WHEN how < 0.97 THEN '' ELSE 'docs://handbook/' || tool END,
  CASE line WHEN 0 THEN '' ELSE decision END,
  CASE WHEN line = 1 AND decision = 'refused' THEN CASE WHEN why < 0.9 THEN 'guardrail' WHEN why < 0.99 THEN
       'rate_limited' ELSE 'tool_denied' END ELSE '' END,
  1 + n / 200000, CASE line WHEN 1 THEN 200 END,
  CASE WHEN line = 1 AND decision = 'error' THEN CASE WHEN why < 0.9 THEN -32602 ELSE -32603 END END,
  CASE WHEN line = 1 AND decision = 'failed' THEN CASE WHEN why < 0.9 THEN 502 ELSE 504 END
       WHEN line = 1 AND decision <> 'refused' THEN 200 END,
  512, CASE line WHEN 1 THEN 2048 END, CASE line WHEN 1 THEN 25000 END, repeat(digest, 2),
  CASE line WHEN 1 THEN repeat(digest, 2) ELSE '' END, '',
  CASE WHEN line = 1 AND finds < 0.2 THEN jsonb_build_object('guardrails', jsonb_build_array(jsonb_build_object(
    'direction', 'input', 'policy', 'balanced', 'policy_version', 3, 'failures', '[]'::jsonb,
    'coverage', '[90, 90]'::jsonb,
    'findings', jsonb_build_array(jsonb_build_array(CASE WHEN finds < 0.15 THEN 'pii' ELSE 'secrets' END,
      CASE WHEN finds < 0.14 THEN 'email' WHEN finds < 0.1401 THEN 'iban' ELSE 'token' END, 0.87, '/arguments/text',
      'redact'))))) ELSE '{{}}'::jsonb END
FROM named CROSS JOIN (VALUES (0), (1)) AS lines (line) ORDER BY n, line
"""


# Who looks, and at what: the name of each page, and its address or what is asked for. `?` is filled in when it is run.
WHOLE = {"within": "all"}
PAGES: list[tuple[str, dict[str, str]]] = [
    ("first page, last day", {}),
    ("first page, whole log", WHOLE),
    ("page 1,000 of the whole log", {**WHOLE, "before": "deep"}),
    ("from - to, a day two months ago", {"from": "60", "to": "59"}),
    ("kind", {**WHOLE, "kind": "mcp.call.outcome"}),
    ("kind that there is none of", {**WHOLE, "kind": "tool.approved"}),
    ("decision refused", {**WHOLE, "decision": "refused"}),
    ("reason tool_denied", {**WHOLE, "reason": "tool_denied"}),
    ("server", {**WHOLE, "server": "server-2"}),
    ("method resources/read", {**WHOLE, "method": "resources/read"}),
    ("subject", {**WHOLE, "subject": "list_people_3"}),
    ("subject, seldom", {**WHOLE, "subject": "rare_instrument"}),
    ("actor", {**WHOLE, "actor": "person7@project1.test"}),
    ("key", {**WHOLE, "actor_id": "mgw0000121"}),
    ("policy version, old", {**WHOLE, "policy_version": "2"}),
    ("finding", {**WHOLE, "finding": "pii/email"}),
    ("finding, seldom", {**WHOLE, "finding": "pii/iban"}),
    ("upstream status 504", {**WHOLE, "upstream_status": "504"}),
    ("rpc code -32603", {**WHOLE, "rpc_code": "-32603"}),
    ("decision, server and actor", {**WHOLE, "decision": "refused", "server": "server-1",
                                    "actor": "person7@project1.test"}),
    ("subject, decision and finding", {**WHOLE, "subject": "list_people_3", "decision": "failed",
                                       "finding": "secrets/token"}),
    ("method and reason, last month", {"within": "30d", "method": "tools/list", "reason": "rate_limited"}),
    ("search: a word of many tools", {**WHOLE, "q": "search"}),
    ("search: how a word begins", {**WHOLE, "q": "rar"}),
    ("search: a person", {**WHOLE, "q": "person3"}),
    ("search: two words", {**WHOLE, "q": "invoices person9"}),
    ("search: nothing", {**WHOLE, "q": "xylophone"}),
    ("search: a request id", {"q": "request"}),
    ("search: a trace id", {"q": "trace"}),
    ("search: a call id", {"q": "call"}),
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.browse", description=__doc__)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--database", default="", help="the name of a database to keep, or to use again")
    parser.add_argument("--write", action="store_true", help=f"put the result into {PAGE.name}")
    parser.add_argument("--here", action="store_true", help="measure in this process, with the settings that it has")
    parser.add_argument("--follow", action="store_true", help="seal and index in this process")
    given = parser.parse_args()
    if given.here:
        print(json.dumps(measure()))
        return
    if given.follow:
        print(json.dumps(follow(given.events)))
        return
    with large.database(given.database) as (address, is_new), tempfile.TemporaryDirectory() as folder:
        home = Path(os.environ.get("BENCH_BROWSE_HOME", folder))
        text = document(address, home, given.events, is_new)
    report.show(text, PAGE, BEGIN, END, write=given.write)


def document(address: str, home: Path, events: int, is_new: bool) -> str:
    environment = gateway_environment(home, "database", address) | {"DJANGO_SETTINGS_MODULE": "gateway_site.settings"}

    large.prepare(address, environment, events, partial(fill, address, events) if is_new else None)
    say("asking for pages")
    found = large.run(environment, "-m", "bench.browse", "--here")
    who = list(found["pages"])
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}, Python {platform.python_version()}, {commit()}.",
        f"{found['events']:,} events of {PROJECTS} projects over {DAYS} days, all tables and indexes"
        f" {found['bytes'] / found['events']:,.0f} bytes an event; `python -m bench.browse --write`.",
        f"Load of the machine meanwhile: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores.",
        "",
        "Milliseconds of all statements of a page, the median of several: those that the database's process worked",
        "(planning and execution), and in brackets those that the page waited, other work of the machine included.",
        "",
        "| page | " + " | ".join(who) + " |",
        "| --- |" + " ---: |" * len(who),
    ]
    for name in found["pages"][who[0]]:
        cells = [shown(found["pages"][person][name]) for person in who]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    worst = max((each["worked"], name, who) for who, pages in found["pages"].items() for name, each in pages.items())
    met = "Met" if worst[0] < TARGET else "Missed"
    lines += ["", f"{met}: each kind of page under {TARGET:.0f} ms of database time; the most is {worst[1]!r}"
              f" ({worst[2]}), {worst[0]:.1f} ms."]  # fmt: skip
    return "\n".join(lines)


def shown(page: dict[str, float]) -> str:
    return f"{page['worked']:.1f} ({page['waited']:.0f})" if page["status"] == 200 else f"gave up ({page['status']})"


def follow(events: int) -> dict[str, float]:
    """Seconds that sealing and indexing took."""
    import django

    django.setup()
    from audit.indexing import Indexer
    from audit.sealer import Sealer

    started, sealer, indexer = time.perf_counter(), Sealer(), Indexer()
    while sealer.take_turn():
        pass
    sealed = time.perf_counter()
    while indexer.take_turn():
        pass
    return {"seal": sealed - started, "index": time.perf_counter() - sealed}


def measure() -> dict[str, Any]:
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection
    from django.test import Client

    from audit.models import Event
    from projects import services
    from projects.models import Project, User
    from tests.signing_in import signed_in

    settings.ALLOWED_HOSTS = ["testserver"]
    people = {}
    for number in range(1, PROJECTS + 1):
        if not Project.objects.filter(pk=number).exists():
            Project.objects.create(pk=number, slug=f"project-{number}")
    for name, projects in (("operator", ()), ("auditor of the largest project", (1,)), ("of five", (1, 5, 9, 13, 17))):
        user = User.objects.filter(email=f"{name.split()[0]}{len(projects)}@bench.test").first()
        if user is None:
            user = User.objects.create_user(f"{name.split()[0]}{len(projects)}@bench.test",
                                            is_superuser=not projects, is_staff=not projects)  # fmt: skip
            for number in projects:
                services.set_member(project=Project.objects.get(pk=number), user=user, role="auditor")
        people[name] = user
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(reltuples) FROM pg_class WHERE relname ~ '^audit_event_(rest|[0-9]{4}_[0-9]{2})$'")
        events = int(cursor.fetchone()[0])
        cursor.execute(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname ~ '^audit_'"
        )
        size = int(cursor.fetchone()[0])
    some = Event.objects.filter(project_ref=1, kind="mcp.call.outcome").order_by("-ord")[20_000]
    results: dict[str, dict[str, Any]] = {}
    clients = {name: Client() for name in people}
    for name, user in people.items():
        signed_in(clients[name], user)
    # As in the seconds after somebody has signed in.
    follow(0)
    for name, client in clients.items():
        results[name] = {page: timed(partial(ask, client, query, some)) for page, query in PAGES}
        others = {"suggestions": "suggest/?column=subject&start=sea", "an event's page": f"{some.pk}/change/",
                  "verify this event": f"{some.pk}/verify/"}  # fmt: skip
        for page, address in others.items():
            results[name][page] = timed(partial(client.get, f"/admin/audit/event/{address}"))
    return {"events": events, "bytes": size, "pages": results}


def ask(client: Any, query: dict[str, str], some: Any) -> Any:
    asked = dict(query)
    if asked.get("before") == "deep":
        asked["before"] = f"{int((some.at - timedelta(days=45)).timestamp() * 1_000_000)}.{some.ord}"
    for name in ("from", "to"):
        if name in asked:
            asked[name] = f"{datetime.now(UTC) - timedelta(days=int(asked[name])):%Y-%m-%dT%H:%M:%S}"
    ids = {"request": some.request_id, "trace": some.trace_id, "call": str(some.call_id)}
    if asked.get("q") in ids:
        asked["q"] = ids[asked["q"]]
    return client.get("/admin/audit/event/?" + urlencode(asked))


def timed(work: Callable[[], Any]) -> dict[str, float]:
    """Milliseconds of all statements of one page: as the page waits, and of the server's process on a processor."""
    from django.db import connection

    waited: list[float] = []
    worked: list[float] = []

    def clock(execute: Any, *arguments: Any) -> Any:
        connection.ensure_connection()
        server = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
        before, started = on_processor(server), time.perf_counter()
        try:
            return execute(*arguments)
        finally:
            waited[-1] += (time.perf_counter() - started) * 1000
            worked[-1] += on_processor(server) - before

    # The first one is not counted: it reads the catalogue for a connection that had no such statement before.
    for _ in range(_TIMES + 1):
        waited.append(0.0)
        worked.append(0.0)
        with connection.execute_wrapper(clock):
            response = work()
    return {
        "waited": statistics.median(waited[1:]), "worked": statistics.median(worked[1:]), "first": worked[0],
        "status": response.status_code,
    }  # fmt: skip


def on_processor(schedstat: Path) -> float:
    """Milliseconds that a process has had a processor for."""
    return int(schedstat.read_text().split()[0]) / 1e6


def fill(address: str, events: int) -> None:
    """`events` of `PROJECTS` projects, evenly over the last `DAYS` days, each statement in a transaction of its own."""
    calls = events // 2
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SELECT audit_prepare_partitions((now() - interval '100 days')::date, 5)")
        connection.execute("SET synchronous_commit = off")
        for first in range(0, calls, _CALLS_IN_ONE_STATEMENT):
            last = min(first + _CALLS_IN_ONE_STATEMENT, calls) - 1
            connection.execute(
                FILL.format(days=DAYS, calls=calls, projects=PROJECTS, first=first, last=last).encode()
            )
            if first % (_CALLS_IN_ONE_STATEMENT * 20) == 0:
                say(f"{2 * last:,} events")


if __name__ == "__main__":
    main()
