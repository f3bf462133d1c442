"""The pipeline with somebody who looks on: the same stages in the same order, each with its time and what it said."""

from __future__ import annotations

import copy
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

from proxy import pipeline
from proxy.call import Answer, Call, CallNext, Stage
from proxy.errors import Refusal
from servers.upstream import UpstreamError

# Of which a person is told something; the others only pass a call of one tool on.
PASSED, REWRITTEN, STOPPED, FAILED = "passed", "rewritten", "stopped", "failed"


@dataclass(slots=True)
class Seen:
    """One stage: how long it took before and after those below it, and what came of it.

    `why` is what a client is told, never what only the log is.
    """

    name: str
    before: float = 0.0
    after: float = 0.0
    verdict: str = PASSED
    why: str = ""


@dataclass(slots=True)
class Watched:
    """`sent` is what left for the server; None when nothing did."""

    stages: list[Seen] = field(default_factory=list)
    sent: dict[str, Any] | None = None

    def run(self, call: Call) -> Awaitable[Answer]:
        """Like pipeline.run."""
        return pipeline.compose(tuple(self._watched(stage) for stage in pipeline.STAGES))(call)

    def _watched(self, stage: Stage) -> Stage:
        name = stage.__name__

        async def watching(call: Call, call_next: CallNext) -> Answer:
            seen = Seen(name)
            self.stages.append(seen)
            if name == "forward":
                self.sent = copy.deepcopy(call.params)
            return await _time(seen, stage, call, call_next)

        return watching


async def _time(seen: Seen, stage: Stage, call: Call, call_next: CallNext) -> Answer:
    began = turned = time.perf_counter()
    is_through = has_failed_below = False

    async def below(inner: Call) -> Answer:
        nonlocal turned, is_through, has_failed_below
        seen.before, is_through = _since(began), True
        try:
            return await call_next(inner)
        except BaseException:
            has_failed_below = True
            raise
        finally:
            turned = time.perf_counter()

    try:
        answer = await stage(call, below)
    except (Refusal, UpstreamError) as error:
        if not has_failed_below:
            seen.verdict = STOPPED if isinstance(error, Refusal) else FAILED
            seen.why = error.message if isinstance(error, Refusal) else error.kind
        raise
    finally:
        if is_through:
            seen.after = _since(turned)
        else:
            seen.before = _since(began)
    if not is_through and seen.name != "forward":
        # It answered by itself.
        seen.verdict = STOPPED
    return answer


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)


