"""A PostgreSQL server of a test's own, which may be stopped, frozen, and given a small disk."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

import psutil
import psycopg
import pytest

from tests import services
from tests.conformance.processes import free_port


class PostgreSQL:
    """A context manager: running inside of it, and gone with all that it held after it."""

    def __init__(self) -> None:
        folder = services._postgresql_folder()
        if folder is None:
            pytest.skip("no PostgreSQL programs on this machine: the server in use cannot be stopped")
        self.folder, self.port = folder, free_port()
        self.data = tempfile.mkdtemp(prefix="mcpgw-pg-")
        # It refuses to run as root.
        self.user = None
        if os.geteuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            self.user = "postgres" if "postgres" in names else "nobody"
            shutil.chown(self.data, self.user)
        subprocess.run(
            [f"{folder}/initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync"],
            user=self.user, check=True, stdout=subprocess.DEVNULL, cwd=self.data,
        )  # fmt: skip

    def __enter__(self) -> PostgreSQL:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.thaw()
        if self.process.poll() is None:
            self.stop_at_once()
        shutil.rmtree(self.data, ignore_errors=True)

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Until it answers: its port is open before it has read again what it had promised."""
        self.process = subprocess.Popen(
            [f"{self.folder}/postgres", "-D", self.data, "-p", str(self.port), "-k", self.data,
             "-c", "listen_addresses=127.0.0.1"],
            user=self.user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.data,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < deadline and self.process.poll() is None
            time.sleep(0.05)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)) != 0:
                return False
        try:
            with psycopg.connect(self.url) as connection:
                return connection.execute("SELECT 1").fetchone() is not None
        except psycopg.OperationalError:
            return False

    def stop_at_once(self) -> None:
        """As `pg_ctl stop -m immediate` does: nothing is written any more, and the next start is a recovery."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(10)

    def freeze(self) -> None:
        """It takes connections and answers nothing, as a machine does whose disk hangs."""
        for process in self._processes():
            process.suspend()

    def thaw(self) -> None:
        for process in reversed(self._processes()):
            process.resume()

    def _processes(self) -> list[psutil.Process]:
        if self.process.poll() is not None:
            return []
        main = psutil.Process(self.process.pid)
        return [main, *main.children(recursive=True)]

    def database_on(self, disk: Path, name: str) -> str:
        """The URL of a new database whose tables, unlike the server's own log, are on that disk."""
        place = disk / "tables"
        place.mkdir()
        if self.user is not None:
            shutil.chown(place, self.user)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE {name} LOCATION '{place}'")
            connection.execute(f"CREATE DATABASE {name} TABLESPACE {name}")
        return self.url_of(name)
