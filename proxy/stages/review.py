"""Has the catalogue learn what a server lists now, and marks what of it nobody has approved."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from proxy import sightings
from proxy.call import Answer, Call, Event
from proxy.wire import is_response

if TYPE_CHECKING:
    from proxy.call import CallNext


async def review(call: Call, call_next: CallNext) -> Answer:
    """Next to the server, so that what is compared is what the server said. Raises Refusal.

    What is marked stays in the list until the guardrails have looked at it: its reviewer wants to know what they found.
    """
    answer = await call_next(call)
    if answer.message is not None:
        await review_message(call, answer.message)
    if answer.events is not None and (call.http_method == "GET" or call.method in sightings.LISTS):
        answer.events = _reviewed(call, answer.events)
    return answer


async def review_message(call: Call, message: dict[str, Any]) -> None:
    """Marks the entries of a list that are not approved, by kind and name, and cuts off what is too much."""
    result = message.get("result")
    if not isinstance(result, dict):
        return
    if call.http_method == "GET":
        # On a stream that is taken up again the method of an answer is not known, so any list is one.
        members = [member for member in sightings.MEMBERS if isinstance(result.get(member), list)]
    else:
        listed = sightings.LISTS.get(call.method)
        members = [listed] if listed is not None and isinstance(result.get(listed), list) else []
    for member in members:
        # What is behind it is not passed on, since nobody has looked at it.
        del result[member][sightings.MAX_ENTRIES :]
        call.unapproved |= await call.state.sightings.unapproved(call, member, result[member])


async def _reviewed(call: Call, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    try:
        async for event in events:
            if event.message is not None and is_response(event.message):
                await review_message(call, event.message)
            yield event
    finally:
        await events.aclose()
