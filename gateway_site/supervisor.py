"""One group of processes: web, runner, worker and demo; what dies is started again, and all end together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from servers.runner.confine import die_with_parent

logger = structlog.get_logger("gateway.supervisor")
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0
_HEALTHY_SECONDS = 10.0


@dataclass
class Part:
    """One process of the group. `stop_seconds` is how long it may take to end."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


class Supervisor:
    """Starts the parts, starts again those that die, and ends all of them within `stop_seconds`.

    What they print goes to `log`, or where this process prints.
    """

    def __init__(self, parts: Sequence[Part], stop_seconds: float, log: Path | None = None) -> None:
        self._log = log.open("ab") if log is not None else None
        self._parts = parts
        self._stop_seconds = stop_seconds
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Until stop() is called or the process gets SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        keepers = [asyncio.create_task(self._keep(part)) for part in self._parts]
        await self._stopping.wait()
        for keeper in keepers:
            keeper.cancel()
        await asyncio.wait(keepers)
        await self._end_all()

    def stop(self) -> None:
        self._stopping.set()

    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    async def _keep(self, part: Part) -> None:
        pause = _FIRST_PAUSE
        while True:
            started = time.monotonic()
            process = await self._start(part)
            try:
                code = await process.wait()
            finally:
                # A worker that was killed leaves its pool, which would go on beside the next one's or after the end.
                if process.returncode is not None:
                    _end_group(process)
            if time.monotonic() - started > _HEALTHY_SECONDS:
                pause = _FIRST_PAUSE
            logger.warning("a part ended and is started again", part=part.name, code=code, pause=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _start(self, part: Part) -> asyncio.subprocess.Process:
        # A session of its own: Ctrl-C reaches this process only, which then ends the parts in order.
        process = await asyncio.create_subprocess_exec(
            *part.argv,
            env={**os.environ, **part.env},
            start_new_session=True,
            # When this process is killed outright, the parts are told to end.
            preexec_fn=partial(die_with_parent, signal.SIGTERM),
            stdout=self._log,
            stderr=self._log,
        )
        self._processes[part.name] = process
        return process

    async def _end_all(self) -> None:
        running = [process for process in self._processes.values() if process.returncode is None]
        for process in running:
            _signal_process(process, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._stop_seconds):
                await asyncio.gather(*(process.wait() for process in running))
        for process in running:
            _end_group(process)
        await asyncio.gather(*(process.wait() for process in running))


def _signal_process(process: asyncio.subprocess.Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


def _end_group(process: asyncio.subprocess.Process) -> None:
    """The part, if it runs yet, and whatever it has started: each part leads a group of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
