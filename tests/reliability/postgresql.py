"""A PostgreSQL server of a test's own, which may be stopped, frozen, and given a small disk."""

from __future__ import annotations

import functools
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
from tests.databases import RUN, migrate, once_in_a_run


class PostgreSQL:
    """Its database has all tables. A context manager: running inside of it, and gone with all that it held after it."""

    def __init__(self) -> None:
        folder = services._postgresql_folder()
        if folder is None:
            pytest.skip("no PostgreSQL programs on this machine: the server in use cannot be stopped")
        self.folder, self.port = folder, free_port()
        self.data = tempfile.mkdtemp(prefix="mcpgw-pg-")
        self.user = _user()
        # With its owners, and the rights without which it would not start.
        subprocess.run(["cp", "-a", f"{_migrated_data(folder)}/.", self.data], check=True)

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
        self.process = _start(self.folder, self.data, self.port, self.user)
        deadline = time.monotonic() + 60
        while not _answers(self.port):
            assert time.monotonic() < deadline and self.process.poll() is None
            time.sleep(0.05)

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
        """The URL of a migrated database whose tables, unlike the server's own log, are on that disk."""
        place = disk / "tables"
        place.mkdir()
        if self.user is not None:
            shutil.chown(place, self.user)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE {name} LOCATION '{place}'")
            connection.execute(f"CREATE DATABASE {name} TEMPLATE postgres TABLESPACE {name}")
        return self.url_of(name)


def _user() -> str | None:
    """Who it runs as: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    return "postgres" if "postgres" in {entry.pw_name for entry in pwd.getpwall()} else "nobody"


@functools.cache
def _migrated_data(folder: str) -> Path:
    """What a server holds that has been made and migrated once in this run, to be copied."""
    data = Path(tempfile.gettempdir()) / f"mcpgw-pg-model-{RUN}"

    def make() -> None:
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(mode=0o700)
        user, port = _user(), free_port()
        if user is not None:
            shutil.chown(data, user)
        subprocess.run(
            [f"{folder}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"],
            user=user, check=True, stdout=subprocess.DEVNULL, cwd=data,
        )  # fmt: skip
        process = _start(folder, str(data), port, user)
        try:
            while not _answers(port):
                assert process.poll() is None
                time.sleep(0.05)
            with tempfile.TemporaryDirectory(prefix="mcpgw-") as home:
                migrate({"GATEWAY_HOME": home, "DATABASE_URL": f"postgres://postgres@127.0.0.1:{port}/postgres"})
        finally:
            # All is written before it ends.
            process.send_signal(signal.SIGINT)
            process.wait(60)

    once_in_a_run("server", make, functools.partial(shutil.rmtree, data, ignore_errors=True))
    return data


def _start(folder: str, data: str, port: int, user: str | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [f"{folder}/postgres", "-D", data, "-p", str(port), "-k", data, "-c", "listen_addresses=127.0.0.1"],
        user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=data,
    )  # fmt: skip


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            return False
    try:
        with psycopg.connect(f"postgres://postgres@127.0.0.1:{port}/postgres") as connection:
            return connection.execute("SELECT 1").fetchone() is not None
    except psycopg.OperationalError:
        return False
