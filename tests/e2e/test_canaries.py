"""No secret and no personal value is on any surface: a gateway is sown with canaries, and each surface is searched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.e2e.sowing import PERSON, Field, sown, spellings

pytestmark = pytest.mark.claim("canaries.everywhere")


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    with sown(tmp_path_factory.mktemp("canaries")) as made:
        yield made


@dataclass(frozen=True)
class Surface:
    """One place where something might come up: what there is to read by its name, and what must be in it.

    `allowed` are canaries that belong there, with the reason beside them.
    """

    read: Callable[[Field], Iterable[tuple[str, bytes]]]
    control: bytes
    allowed: frozenset[str] = frozenset()


def tables(field: Field) -> Iterator[tuple[str, bytes]]:
    """Every row of every table, as PostgreSQL writes it."""
    with psycopg.connect(field.database.url) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
        for (name,) in names:
            query = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(name))
            yield f"table {name}", "\n".join(row[0] for row in connection.execute(query)).encode()


def log(field: Field) -> Iterator[tuple[str, bytes]]:
    """What web processes, worker, sealer and runner print. The link is there once, for the operator to use it."""
    lines = field.gateway.log.read_bytes().splitlines()
    greeting = [line for line in lines if line.startswith(b"  Admin ")]
    assert len(greeting) == 1, greeting
    yield "log", b"\n".join(line for line in lines if line not in greeting)


def files(field: Field) -> Iterator[tuple[str, bytes]]:
    """All that the gateway writes; the key ring is a secret itself, and the declarations are the test's own."""
    own = {"keyring.json", "apply.yaml", "gateway.log"}
    for path in sorted(field.gateway.home.rglob("*")):
        if path.is_file() and path.name not in own and "static" not in path.parts:
            yield f"file {path.relative_to(field.gateway.home)}", path.read_bytes()


def pages(field: Field) -> Iterator[tuple[str, bytes]]:
    for address, page in field.browser.every_page("/admin/", limit=1000):
        yield f"page {address}", page.encode()


def export(field: Field) -> Iterator[tuple[str, bytes]]:
    for path in sorted(Path(field.gateway.home / "export").iterdir()):
        yield f"export {path.name}", path.read_bytes()


def commands(field: Field) -> Iterator[tuple[str, bytes]]:
    for name, printed in field.commands.items():
        if "payload" not in name:
            yield f"manage.py {name}", printed.encode()


def payloads(field: Field) -> Iterator[tuple[str, bytes]]:
    """As they are stored at the level `redacted`, opened with the key of the ring.

    What a client calls itself in its handshake is the name of a program, and no argument.
    """
    [printed] = [text for name, text in field.commands.items() if "payload" in name]
    for line in printed.splitlines():
        if not line.startswith("payload initialize "):
            yield line[:100], line.encode()


# A new surface is one line here: another form of export, another page, another place that events are sent to.
SURFACES: dict[str, Surface] = {
    # Django finds a session by its cookie's value, which is therefore a column of the sessions' table.
    "tables": Surface(tables, b"mcp.call.intent", frozenset({"cookie of a session"})),
    "log": Surface(log, b'"event":"call"'),
    "files": Surface(files, b"chain"),
    "pages": Surface(pages, b"Secure MCP Gateway"),
    "export": Surface(export, b"mcp.call.outcome"),
    "commands": Surface(commands, b"intact"),
    "payloads": Surface(payloads, b"payload tools/call"),
    "metrics": Surface(lambda field: [("metrics", field.metrics)], b"mcpgw_calls_total"),
    "spans": Surface(lambda field: [("spans", field.others.all_of("v1/traces"))], b"mcp tools/call"),
    "webhook": Surface(lambda field: [("webhook", field.others.all_of("hook"))], b"chain"),
    "forwarded": Surface(lambda field: [("forwarded", field.others.all_of("siem"))], b"mcp.call.outcome"),
    "refusals": Surface(lambda field: [(f"answer {each[:120]!r}", each) for each in field.refusals], b"-310"),
    "relayed": Surface(
        lambda field: [("answer", each) for each in field.relayed], b"cannot:",
        # A caller is told what it said itself: to a server, or as the name of something.
        frozenset({*PERSON, "key laptop of acme"}),
    ),
    "redis": Surface(lambda field: [("redis", field.in_redis)], b"mcpgw"),
}  # fmt: skip


@pytest.mark.parametrize("name", SURFACES)
def test_no_canary_is_on_the_surface(field: Field, name: str) -> None:
    surface = SURFACES[name]
    canaries = {**field.secrets, **PERSON}
    found, is_read = set(), False
    spelt = {what: spellings(value) for what, value in canaries.items() if what not in surface.allowed}
    for place, text in surface.read(field):
        is_read = is_read or surface.control in text
        found |= {(place, what) for what, ways in spelt.items() if any(way in text for way in ways)}
    assert sorted(found) == []
    assert is_read, "there was nothing to look through"


def test_the_search_finds_what_is_there(field: Field) -> None:
    """In the declarations stands every secret that was declared, and in the key ring every key."""
    home = field.gateway.home
    declared = (home / "apply.yaml").read_bytes()
    ring = (home / "keys" / "keyring.json").read_bytes()
    for what in ("bearer of a server", "slot of a template", "key of a provider"):
        assert any(way in declared for way in spellings(field.secrets[what])), what
    for what in ("secret of the ring", "key of the log"):
        assert any(way in ring for way in spellings(field.secrets[what])), what
    assert len(field.secrets) > 40
