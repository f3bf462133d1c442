"""Gateways of their own for the tests of the proxy: one per web server, all with the same projects and keys."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.conformance.gateway import Gateway
from tests.proxy import recorder as recording
from tests.proxy.caller import Caller, Era
from tests.proxy.recorder import Recorder

ServerName = Literal["uvicorn", "daphne"]
SERVERS: tuple[ServerName, ...] = ("uvicorn", "daphne")
ERAS: tuple[Era, ...] = ("modern", "legacy")
QUICK = ("silent", "all-silent", "stream-silent")
TOKEN = "metrics-token-of-the-tests"
# Applied with the first, run with the second, so that one declared server is closed afterwards.
WIDE, NARROW = "127.0.0.0/8", "127.0.0.1"
ENVIRONMENT = {
    "GATEWAY_EGRESS_ALLOW": NARROW,
    "GATEWAY_MAX_RESPONSE_BYTES": str(1024 * 1024),
    "GATEWAY_METRICS_TOKEN": TOKEN,
    "GATEWAY_LOG_LEVEL": "WARNING",
    "GATEWAY_KEY_RATE": "0",
    # What reaches a server is what the tests have sent.
    "GATEWAY_DISCOVERY_SECONDS": "0",
}
# Small enough to be reached by a test.
LIMITS = {
    **ENVIRONMENT,
    "GATEWAY_KEY_RATE": "60",
    "GATEWAY_MAX_CALLS": "1",
    "GATEWAY_KEY_STREAMS": "1",
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: waits for a limit of ten seconds")


def declarations(recorder: Recorder) -> dict[str, Any]:
    """Two projects: acme has the well-behaved server and all the others, globex one of its own."""
    everything = [*recording.PATHS, "all-silent", "all-html", "all-broken", "all-redirect-answer", "all-wrong-id"]
    urls = {path: recorder.url(path) for path in everything}
    urls["refused"], urls["raw"] = recorder.refusing_url, recorder.raw_url
    urls["denied"] = recorder.url("denied").replace("127.0.0.1", "127.0.0.2")
    servers = [{"slug": slug, "url": url, "timeout_seconds": 1 if slug in QUICK else 60} for slug, url in urls.items()]
    # Without guardrails, which look at no more than a part of the largest body.
    servers.append({**servers[0], "slug": "open", "url": urls["well"], "input_policy": "open", "output_policy": "open"})
    ada, grace, vera = "ada@acme.test", "grace@acme.test", "vera@acme.test"
    return {
        "version": 1,
        "projects": [
            {
                "slug": "acme",
                "members": [{"email": ada, "role": "owner"}, {"email": grace}, {"email": vera, "role": "auditor"}],
                "policies": [{"slug": "open", "guardrails": []}],
                "servers": servers,
                "keys": [
                    {"user": ada, "label": "laptop"},
                    {"user": ada, "label": "second"},
                    {"user": grace, "label": "grace"},
                    {"user": vera, "label": "auditor"},
                    {"user": ada, "label": "echo-only", "tools": ["echo"]},
                    {"user": ada, "label": "well-only", "servers": ["well"]},
                    {"user": ada, "label": "office", "networks": ["10.0.0.0/8"]},
                    {"user": ada, "label": "expired", "expires_in_days": 1e-6},
                    {"user": ada, "label": "revoked"},
                    {"user": ada, "label": "disabled"},
                ],
            },
            {
                "slug": "globex",
                "members": [{"email": "gil@globex.test", "role": "owner"}],
                "servers": [{"slug": "secret", "url": recorder.url("secret")}],
                "keys": [{"user": "gil@globex.test", "label": "other"}],
            },
        ],
    }


class Gateways:
    """Started side by side from copies of one home, while the first tests run already."""

    def __init__(self, folder: Path, recorder: Recorder) -> None:
        self._folder = folder
        self._starters = ThreadPoolExecutor(max_workers=2)
        self._model = Gateway(
            folder / "model", declarations(recorder), environment={**ENVIRONMENT, "GATEWAY_EGRESS_ALLOW": WIDE}
        )
        self._gateways: dict[str, Future[Gateway]] = {}

    def prepare(self) -> None:
        self._model.prepare()
        self._model.apply(self._model.config)
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        with sqlite3.connect(self._model.home / "gateway.sqlite3") as database:
            for column in ("revoked", "disabled"):
                changed = database.execute(f"UPDATE projects_apikey SET {column}_at = ? WHERE label = ?", (now, column))
                assert changed.rowcount == 1
        for kind, environment in (("main", ENVIRONMENT), ("limited", LIMITS)):
            for server in SERVERS:
                name = f"{server}-{kind}"
                self._gateways[name] = self._starters.submit(self._start, name, server, environment)

    def main(self, server: ServerName) -> Gateway:
        return self._gateways[f"{server}-main"].result()

    def limited(self, server: ServerName) -> Gateway:
        return self._gateways[f"{server}-limited"].result()

    def stop(self) -> None:
        self._starters.shutdown(wait=True)
        with ThreadPoolExecutor() as stoppers:
            list(stoppers.map(_stop, self._gateways.values()))

    def _start(self, name: str, server: ServerName, environment: dict[str, str]) -> Gateway:
        home = self._folder / name
        shutil.copytree(self._model.home, home)
        (home / "tmp").mkdir()
        gateway = Gateway(home, {}, server, environment={**environment, "TMPDIR": str(home / "tmp")})
        gateway.keys = dict(self._model.keys)
        gateway.start()
        return gateway


def _stop(starting: Future[Gateway]) -> None:
    if starting.exception() is None:
        starting.result().stop()


# Of a module: a gateway that nobody calls any more still takes its share of the machine.
@pytest.fixture(scope="module")
def recorder_process() -> Iterator[Recorder]:
    with Recorder() as recorder:
        yield recorder


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory, recorder_process: Recorder) -> Iterator[Gateways]:
    gateways = Gateways(tmp_path_factory.mktemp("gateways"), recorder_process)
    try:
        gateways.prepare()
        yield gateways
    finally:
        gateways.stop()


@pytest.fixture
def recorder(recorder_process: Recorder) -> Recorder:
    """Empty at the start of each test."""
    recorder_process.clear()
    return recorder_process


@pytest.fixture(scope="module", params=SERVERS)
def gateway(request: pytest.FixtureRequest, gateways: Gateways) -> Gateway:
    return gateways.main(request.param)


@pytest.fixture
def modern(gateway: Gateway, recorder: Recorder) -> Caller:
    return Caller(gateway, "modern")


@pytest.fixture
def legacy(gateway: Gateway, recorder: Recorder) -> Caller:
    return Caller(gateway, "legacy")


@pytest.fixture(params=ERAS)
def caller(request: pytest.FixtureRequest, gateway: Gateway, recorder: Recorder) -> Caller:
    """The laptop of ada, in both eras."""
    return Caller(gateway, request.param)


def events(gateway: Gateway, request_id: str) -> list[dict[str, Any]]:
    """The lines of the audit log that one request has so far."""
    with sqlite3.connect(f"file:{gateway.home}/gateway.sqlite3?mode=ro", uri=True) as database:
        database.row_factory = sqlite3.Row
        rows = database.execute("SELECT * FROM audit_event WHERE request_id = ? ORDER BY ord", (request_id,))
        return [dict(row) for row in rows]
