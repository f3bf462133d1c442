"""What a page of the log costs the database when the log is large: each kind of page, and each filter.

    python -m bench.browse [--events 5000000] [--database NAME] [--write]

Makes a database, fills it with a log of many projects over ninety days, seals and indexes it as the gateway does, and
asks for pages through the pages' own code. Counted is the time of the statements of one page, as the client waits for
it. With `--database` the database is kept, and used again when it is there. `--write` puts the result into
docs/audit.md.
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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from bench import report
from bench.meter import machine
from bench.run import commit, say
from bench.system import DEFAULT_DATABASE_SERVER, ROOT, gateway_environment, own_database

PAGE = ROOT / "docs" / "audit.md"
BEGIN, END = "<!-- browse-bench:begin -->", "<!-- browse-bench:end -->"
# Milliseconds of the database for one page.
TARGET = 50.0
DAYS = 90
PROJECTS = 20
_CALLS_IN_ONE_STATEMENT = 25_000
_TIMES = 7

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
           (ARRAY['search','create','delete','list','update'])[1 + tool % 5] || '_' ||
           (ARRAY['documents','tickets','invoices','people','branches','pages'])[1 + tool % 6] || '_' || tool END AS name,
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
    'direction', 'input', 'policy', 'balanced', 'policy_version', 3, 'failures', '[]'::jsonb, 'coverage', '[90, 90]'::jsonb,
    'findings', jsonb_build_array(jsonb_build_array(CASE WHEN finds < 0.15 THEN 'pii' ELSE 'secrets' END,
      CASE WHEN finds < 0.14 THEN 'email' WHEN finds < 0.1401 THEN 'iban' ELSE 'token' END, 0.87, '/arguments/text',
      'redact'))))) ELSE '{{}}'::jsonb END
FROM named CROSS JOIN (VALUES (0), (1)) AS lines (line) ORDER BY n, line
"""


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
