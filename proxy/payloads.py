"""What a call sends and gets, as far as its project keeps it: bounded, redacted where that is asked for, sealed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings

from audit.carried import without_payload
from audit.entry import Entry
from audit.payloads import DataKey, key_of_subject, seal
from audit.recorder import AuditUnavailable, recorder
from gateway_site.lib.jsontext import decode, encode
from guardrails.engine import scan
from guardrails.engine.detector import Context
from guardrails.engine.findings import Action, Blocked, Rewritten
from guardrails.engine.lent import Services
from guardrails.engine.rules import Policy, Rule
from projects.models import PayloadLevel

if TYPE_CHECKING:
    from proxy.call import Call
    from proxy.snapshot import Snapshots

METADATA = PayloadLevel.METADATA
_MEMBERS = ("params", "result", "error")
_MAX_KEYS = 10_000
# A message so much longer than a payload may be is not written out only to be measured.
_SURELY_TOO_LARGE = 4
# Nobody waits for the copy that is kept but its own call, so that all but the shortest goes to the pool: two thousand
# characters of many short texts take the detectors ten milliseconds.
_SHORT = 256

_DIRECTION = "input"
_LOCAL = Policy(
    name="stored-payloads",
    rules=tuple(
        Rule(id=name, detector=name, directions=frozenset({_DIRECTION}), action=Action.REDACT)
        for name in ("secrets", "pii")
    ),
)


class Unsealed(Exception):
    """The payload that the project asks for cannot be sealed, so that the call is not to be made or answered."""


class DataKeys:
    """The open keys of people who call, in the memory of one event loop; asked for once for each of them."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._known: OrderedDict[tuple[int, int, int], DataKey] = OrderedDict()

    async def of(self, call: Call) -> DataKey:
        """The key of the user whose key called. Raises Unsealed."""
        project, who = call.principal.project_id, call.principal.key
        # After an erasure, which every worker hears of, it is another key.
        place = project, who.user_id, call.snapshot.erasures_of(who.user_id)
        known = self._known.get(place)
        if known is None:
            try:
                known = await self._snapshots.ask(partial(_key, project, who.user_id), who.user)
            except Exception as error:  # whatever the store or a ring without the key raises, the call is refused
                raise Unsealed(type(error).__name__) from error
            self._known[place] = known
            if len(self._known) > _MAX_KEYS:
                self._known.popitem(last=False)
        self._known.move_to_end(place)
        return known

    def forget(self, project_id: int, user_id: int) -> None:
        for place in [place for place in self._known if place[:2] == (project_id, user_id)]:
            del self._known[place]


def _key(project_id: int, user_id: int, email: str) -> DataKey:
    return key_of_subject(project_id, user_id, email)


async def with_sent(call: Call, entry: Entry) -> Entry:
    """The intent with what the client has sent. Raises Unsealed."""
    return await _with(call, entry, _content(call.message), call.bytes_in)


async def with_answered(call: Call, entry: Entry, message: Mapping[str, Any] | None, body: bytes) -> Entry:
    """The outcome with the answer, which is `message`, or known by its `body` alone.

    Raises Unsealed. Who is cancelled here has queued the outcome without it.
    """
    try:
        if message is None and body and len(body) <= _SURELY_TOO_LARGE * settings.AUDIT_PAYLOAD_BYTES:
            message = decode(body)
        content = _content(message) if message is not None else {"result": None} if body else {}
        return await _with(call, entry, content, len(body))
    except Unsealed:
        raise
    except BaseException:
        _queue(without_payload(entry, "unsealed"))
        raise


def _queue(entry: Entry) -> None:
    try:
        recorder.write_behind(entry)
    except AuditUnavailable:
        return


def _content(message: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: message[name] for name in _MEMBERS if message.get(name)} if message is not None else {}


async def _with(call: Call, entry: Entry, content: dict[str, Any], size: int) -> Entry:
    limit, level = settings.AUDIT_PAYLOAD_BYTES, call.snapshot.payloads
    if not content:
        return entry
    if size > _SURELY_TOO_LARGE * limit:
        return without_payload(entry, "too_large", bytes=size)
    data = _written(content)
    if len(data) <= limit and level != PayloadLevel.FULL:
        redacted, cause = await _redact(call, content, len(data))
        if redacted is None:
            return without_payload(entry, "not_redacted", cause=cause)
        data = _written(redacted) if redacted is not content else data
    if len(data) > limit:
        return without_payload(entry, "too_large", bytes=len(data))
    key = await call.state.payload_keys.of(call)
    return seal(entry, key, level, data)


def _written(content: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a number or a half character that only the slower way can write
        return encode(content)


async def _redact(call: Call, content: dict[str, Any], size: int) -> tuple[dict[str, Any] | None, str]:
    """The content without what is personal or secret; None and the cause when not all of it could be looked at."""
    guards, project = call.state.guards, call.principal.project_id
    await guards.make_ready(project, _LOCAL)
    # As the arguments of a tool, where no place is the protocol's own and every name and text is looked at.
    message = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "", "arguments": content}}
    context = Context(direction=_DIRECTION, project=project, server=call.upstream.slug, method="tools/call")
    services = Services(pool=guards.pool, slot=guards.slot_of(project), cache=guards.cache, mark="[{}]".format)
    apart = size if size <= _SHORT else size + scan.INLINE_BYTES
    verdict = await scan.inspect(message, _LOCAL, context, services, size=apart)
    report = verdict.report
    if isinstance(verdict, Blocked) or report.failures or not report.coverage.is_whole:
        return None, report.failures[0].cause if report.failures else "not all of it can be redacted"
    return (verdict.value["params"]["arguments"] if isinstance(verdict, Rewritten) else content), ""
