"""Starts a gateway of its own for tests: migrated, configured from declarations, ready on every worker."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import yaml

from tests.conformance.processes import free_port, start, stop
from tests.databases import ROOT, is_migrated, migrated_file, unchecked

COMMAND_TIMEOUT = 120.0
READY_TIMEOUT = 90.0
# Workers share the port and start one after the other: only a row of answers says that all of them are up.
READY_IN_A_ROW = 20
PROBE_PAUSE = 0.1
STOP_TIMEOUT = 20.0
# What the machine or the test runner has set for itself must not reach the gateway under test.
NOT_INHERITED = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "PYTEST_CURRENT_TEST")


@dataclass
class Gateway:
    """A gateway process with its own home and database; a context manager."""

    home: Path
    config: Mapping[str, Any]
    server: Literal["uvicorn", "daphne"] = "uvicorn"
    workers: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    keys: dict[tuple[str, str], str] = field(default_factory=dict, init=False)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        return self.home / "gateway.log"

    def url(self, project: str, server: str) -> str:
        return f"http://127.0.0.1:{self.port}/mcp/{project}/{server}"

    def key(self, project: str, label: str) -> str:
        return self.keys[project, label]

    def __enter__(self) -> Gateway:
        self.prepare()
        if set(self.config) - {"version"}:
            self.apply(self.config)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def prepare(self) -> None:
        """Its home, and all tables."""
        self.home.mkdir(parents=True, exist_ok=True)
        database = self.environment.get("DATABASE_URL")
        if database is None:
            shutil.copyfile(migrated_file(), self.home / "gateway.sqlite3")
        elif not is_migrated(database):
            self.manage("migrate", "--verbosity", "0")

    def apply(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Make the declared state so, and remember the keys that are shown only now."""
        declarations = self.home / "apply.yaml"
        declarations.write_text(yaml.safe_dump(dict(config), sort_keys=False))
        answer: dict[str, Any] = json.loads(self.manage("apply", str(declarations), "--json"))
        for key in answer["keys"]:
            self.keys[key["project"], key["label"]] = key["key"]
        return answer

    def start(self) -> None:
        server = ["--server", self.server, "--workers", str(self.workers)]
        address = ["--host", "127.0.0.1", "--port", str(self.port)]
        command = unchecked("gateway", *server, *address)
        self.process = start(command, self.log, self._environment(), cwd=ROOT)
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self.process is not None:
            stop(self.process, STOP_TIMEOUT)
            self.process = None

    def manage(self, *arguments: str) -> str:
        result = subprocess.run(
            unchecked(*arguments),
            cwd=ROOT,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT,
        )
        if result.returncode != 0:
            raise RuntimeError(f"manage.py {arguments[0]} failed:\n{result.stdout}\n{result.stderr}")
        return result.stdout

    def wait_until_ready(self) -> None:
        deadline, in_a_row = time.monotonic() + READY_TIMEOUT, 0
        while in_a_row < READY_IN_A_ROW:
            if self.process is None or self.process.poll() is not None:
                raise RuntimeError(f"the gateway ended before it was ready:\n{self.last_lines()}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"the gateway was not ready in time:\n{self.last_lines()}")
            if self.is_ready():
                in_a_row += 1
            else:
                in_a_row = 0
                time.sleep(PROBE_PAUSE)

    def is_ready(self) -> bool:
        """One probe over a connection of its own, so that it may reach any worker."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def last_lines(self, count: int = 40) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-count:])

    def _environment(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in NOT_INHERITED and not name.startswith("GATEWAY_")
        }
        return {
            **inherited,
            "GATEWAY_HOME": str(self.home),
            "GATEWAY_EGRESS_ALLOW": "127.0.0.1",
            "GATEWAY_ALLOWED_HOSTS": "127.0.0.1,localhost",
            **self.environment,
        }
