"""The way of one call: the stages in their order, which is the order of security and is changed nowhere else."""

from __future__ import annotations

from functools import partial, reduce

from proxy.call import Answer, Call, CallNext, Stage
from proxy.stages import answer, authorize, conform, connect, forward, guard, limit, record, review

# Each stage wraps those below it.
STAGES: tuple[Stage, ...] = (
    record.record,
    authorize.authorize,
    limit.limit,
    answer.answer,
    connect.connect,
    conform.conform,
    guard.guard,
    review.review,
    forward.forward,
)


async def _nothing_left(call: Call) -> Answer:
    raise AssertionError("the last stage answers")


def compose(stages: tuple[Stage, ...]) -> CallNext:
    """The stages as one function, the first outermost."""

    def wrap(inner: CallNext, stage: Stage) -> CallNext:
        return partial(stage, call_next=inner)

    first: CallNext = _nothing_left
    return reduce(wrap, reversed(stages), first)


run = compose(STAGES)
