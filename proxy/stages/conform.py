"""Does the tool exist, and do the arguments fit the schema that its server gives for them?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from proxy.call import Answer, Call
from proxy.errors import Refusal
from proxy.lifetimes import good_for
from proxy.overlay import Misfit, is_laid, lay
from proxy.stages.authorize import check_again, missing
from proxy.stages.forward import ask_upstream
from servers.catalogue import (
    MAX_LIST_BYTES,
    MAX_PAGES,
    MAX_TOOLS,
    Catalogue,
    Definition,
    Table,
)
from servers.overlays import OverlayViolation, real_arguments, shown_pointer
from servers.overlays import violation as violation_of_overlay
from servers.schemas import UnusableSchema, Violation
from servers.upstream import UpstreamError

if TYPE_CHECKING:
    from proxy.call import CallNext


# What is listed, the result's member that lists it, and the entry's member that names it.
_LISTS = {
    "tools/list": ("tool", "tools", "name"),
    "prompts/list": ("prompt", "prompts", "name"),
    "resources/list": ("resource", "resources", "uri"),
}


async def conform(call: Call, call_next: CallNext) -> Answer:
    """Raises Refusal unknown_tool; answers arguments that do not fit as a tool error, which a model can act on."""
    method = call.method
    if method == "tools/call" and call.is_request:
        violation = await _check(call)
        if violation is not None:
            return _tool_error(call, violation)
    answer = await call_next(call)
    if method in _LISTS and answer.message is not None:
        _learn(call, answer.message)
    return answer


async def _check(call: Call) -> Violation | None:
    table, caller = call.state.catalogue.look_up(call.upstream, call.modern), call.principal.key.key_id
    name = call.params["name"]
    definition = table.definitions.get(name)
    if not table.is_fresh() or (definition is None and table.may_relearn(caller)):
        await _relearn(call, table)
        # What the server lists now may be news, and then somebody has to look at it first.
        check_again(call)
        definition = table.definitions.get(name)
    if definition is None:
        if table.unlistable and not is_laid(call):
            return None
        raise missing(call)
    given = call.params.get("arguments") or {}
    violation = await _violation(call, definition, given)
    if violation is not None and table.may_relearn(caller):
        await _relearn(call, table)
        check_again(call)
        definition = table.definitions.get(name)
        if definition is None:
            raise missing(call)
        violation = await _violation(call, definition, given)
    return violation


async def _violation(call: Call, definition: Definition, given: dict[str, Any]) -> Violation | None:
    try:
        laid = lay(call, definition)
    except Misfit:
        raise missing(call) from None
    if laid is None:
        return await _violation_of_schema(call, definition, given)
    try:
        arguments = real_arguments(laid.overlay, given)
        violation = await call.state.guards.apart(
            call.principal.project_id, call.bytes_in, violation_of_overlay, laid.overlay, arguments
        )
    except OverlayViolation as error:
        return Violation(error.pointer, "an argument of the tool")
    except UnusableSchema as error:
        raise _cannot_be_evaluated(error) from error
    call.message = {**(call.message or {}), "params": {**call.params, "arguments": arguments}}
    if call.modern:
        # Its client knows of no argument that it does not see.
        call.headers = {**definition.headers_of(arguments)[1], **call.headers}
    violation = violation or await _violation_of_schema(call, definition, arguments)
    return violation and Violation(shown_pointer(laid.overlay, violation.pointer), violation.keyword)


async def _violation_of_schema(call: Call, definition: Definition, arguments: dict[str, Any]) -> Violation | None:
    if call.modern and call.aggregate is not None and (call.aggregate.is_inner or not call.aggregate.modern):
        # Its client knows of no such headers.
        call.headers = {**call.headers, **definition.headers_of(arguments)[1]}
    if call.modern:
        mismatch = definition.header_mismatch(arguments, call.headers)
        if mismatch is not None:
            raise Refusal("header_mismatch", mismatch)
    try:
        return await call.state.guards.apart(
            call.principal.project_id, call.bytes_in, definition.violation, arguments
        )
    except UnusableSchema as error:
        raise _cannot_be_evaluated(error) from error


def _cannot_be_evaluated(error: UnusableSchema) -> Refusal:
    return Refusal("upstream_invalid", "The tool's input schema cannot be evaluated", reason=str(error))


def _tool_error(call: Call, violation: Violation) -> Answer:
    """2025-11-25 and later: input validation is a tool execution error. No value is repeated."""
    text = f"Invalid arguments: {violation.pointer} does not satisfy {violation.keyword!r}. Request {call.request_id}."
    result: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": True}
    if call.modern:
        result["resultType"] = "complete"
    return Answer(200, {"jsonrpc": "2.0", "id": call.message_id, "result": result},
                  headers={"X-Refused": "invalid_arguments"})  # fmt: skip


async def _relearn(call: Call, table: Table) -> None:
    """Reads the server's list again, once for all calls that want it at the same time."""
    # A legacy server may list in each session what is for that session.
    key = (id(table), call.upstream.config_hash, call.modern, None if call.modern else call.session)
    await call.state.flights.join(key, partial(_read_list, call, table))


async def _read_list(call: Call, table: Table) -> None:
    """Asks the server for its list in the caller's own era and session; it then is what the caller would see.

    What another worker has read is as good, for one that has read nothing yet.
    """
    if await call.state.listings.load(call, table):
        return
    catalogue: Catalogue = call.state.catalogue
    as_of = table.changes
    tools: list[Any] = []
    limits: list[float] = []
    is_kept = True
    cursor: str | None = None
    budget = MAX_LIST_BYTES
    for _ in range(MAX_PAGES):
        try:
            result, size = await ask_upstream(call, "tools/list", {"cursor": cursor} if cursor else {}, budget)
        except UpstreamError as error:
            if error.kind == "refused":
                catalogue.mark_unlistable(table)
                return
            raise
        page = result.get("tools")
        if not isinstance(page, list):
            raise UpstreamError("invalid", "tools/list without tools")
        # One more says that there are too many.
        tools += page[: MAX_TOOLS + 1 - len(tools)]
        limit = good_for(result)
        if limit is not None:
            limits.append(limit)
        # What is good for this once is for nobody else.
        is_kept = is_kept and (limit is not None or "ttlMs" not in result)
        budget -= size
        cursor = result.get("nextCursor")
        if not isinstance(cursor, str) or len(tools) > MAX_TOOLS:
            break
        if budget <= 0:
            raise UpstreamError("too_large", "tools/list")
    await call.state.sightings.note(call, "tools", tools)
    catalogue.replace(table, tools, good_for=min(limits, default=None), as_of=as_of)
    if is_kept and table.changes == as_of:
        await call.state.listings.store(call, tools, min(limits, default=None))


def _learn(call: Call, message: dict[str, Any]) -> None:
    kind, member, name_of = _LISTS[call.method]
    result = message.get("result")
    entries = result.get(member) if isinstance(result, dict) else None
    if not isinstance(entries, list):
        return
    if kind == "tool":
        call.state.catalogue.learn(_table(call), entries)
    else:
        names = [entry.get(name_of) for entry in entries if isinstance(entry, dict)]
        call.state.catalogue.learn_others(_table(call), kind, names)


def _table(call: Call) -> Table:
    """By era too: what a server offers in one says nothing of the other."""
    return call.state.catalogue.table(call.upstream, call.modern)
