"""The stdio face as a client sees it: a process that is given lines and gives lines."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.databases import ROOT
from tests.e2e.client import HANDSHAKE, META

COMMAND = (sys.executable, "-m", "gateway_site.main", "connect")
WAIT = 20.0


class Bridge:
    """A running `mcp-gateway connect`; a context manager."""

    def __init__(
        self, url: str, key_file: Path | None, *more: str, environment: Mapping[str, str] | None = None
    ) -> None:
        arguments = ["--url", url, *(["--key-file", str(key_file)] if key_file else []), *more]
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
        self.lines: list[bytes] = []
        self.noted = b""
        self._new: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._aside: list[dict[str, Any]] = []
        self._readers = [threading.Thread(target=each, daemon=True) for each in (self._read, self._read_notes)]
        for each in self._readers:
            each.start()

    def __enter__(self) -> Bridge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()

    def send(self, message: Any) -> None:
        self.write(json.dumps(message).encode() + b"\n")

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def ask(self, method: str, params: dict[str, Any] | None = None, message_id: Any = 1) -> dict[str, Any]:
        """The answer to a request of an older era."""
        self.send({"jsonrpc": "2.0", "id": message_id, "method": method, "params": params or {}})
        return self.answer(message_id)

    def ask_modern(self, method: str, params: dict[str, Any] | None = None, message_id: Any = 1) -> dict[str, Any]:
        self.begin_modern(method, params, message_id)
        return self.answer(message_id)

    def begin_modern(self, method: str, params: dict[str, Any] | None = None, message_id: Any = 1) -> None:
        self.send({"jsonrpc": "2.0", "id": message_id, "method": method, "params": {**(params or {}), "_meta": META}})

    def open(self) -> dict[str, Any]:
        answer = self.ask("initialize", HANDSHAKE, "open")
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    def answer(self, message_id: Any) -> dict[str, Any]:
        return self.wait_for(lambda message: "method" not in message and message.get("id") == message_id)

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool], seconds: float = WAIT) -> dict[str, Any]:
        """The first message like this that has not been taken yet."""
        deadline = time.monotonic() + seconds
        for message in self._aside:
            if wanted(message):
                self._aside.remove(message)
                return message
        while True:
            try:
                new = self._new.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                raise AssertionError(f"it did not come: {self._aside} {self.noted!r}") from None
            assert new is not None, f"the bridge has ended: {self._aside} {self.noted!r}"
            if wanted(new):
                return new
            self._aside.append(new)

    def end(self, seconds: float = 5.0) -> int:
        """Closes its input; the exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        code = self.process.wait(seconds)
        for each in self._readers:
            each.join(seconds)
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            self._new.put(json.loads(line))
        self._new.put(None)

    def _read_notes(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.noted += line
