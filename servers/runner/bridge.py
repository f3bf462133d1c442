"""Owns the correlation of one channel: own ids, progress tokens, cancellation, and who gets which message."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final

from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types import LOG_LEVEL_META_KEY

from servers.runner.channel import Channel
from servers.runner.messages import (
    CANCELLED,
    METHOD_NOT_FOUND,
    OVERLOADED,
    UNAVAILABLE,
    Message,
    Trouble,
    answer,
    error,
    is_id,
    meta_of,
    notification,
    own_id,
    params_of,
    request,
)
from servers.runner.streams import Call, Stream

logger = logging.getLogger(__name__)

MAX_CALLS: Final = 1024
_MAX_REMEMBERED: Final = 1024
_MAX_PARKED: Final = 8
_GLANCE: Final = 0.02
_STANDALONE: Final = frozenset(
    {
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
        "notifications/resources/updated",
    }
)


class Bridge:
    """What both eras share: calls out, answers back. Lives as long as its channel."""

    era = ""

    def __init__(self, channel: Channel, on_end: Callable[[Bridge], None]) -> None:
        self.channel = channel
        self.started = self.last_used = time.monotonic()
        self.ended = False
        self._on_end = on_end
        self._calls: dict[int, Call] = {}
        self._numbers = itertools.count(1)
        self._pump = asyncio.create_task(self._read())

    @property
    def busy(self) -> int:
        """How many calls and streams are open."""
        return len(self._calls)

    def alive(self) -> bool:
        """Whether a call made now can reach the server."""
        return not self.ended and self.channel.alive()

    def call(self, message: Message, *, streams: bool) -> Call:
        """Send a client's request under an id of our own; `streams`: it can take messages before its answer.

        Raises Trouble: UNAVAILABLE when the channel has ended, OVERLOADED at 1024 calls or a full queue.
        """
        if self.ended:
            raise Trouble(UNAVAILABLE)
        if len(self._calls) >= MAX_CALLS:
            raise Trouble(OVERLOADED)
        params = message.get("params")
        meta = meta_of(params)
        call = Call(
            next(self._numbers),
            message["id"],
            message["method"],
            streams=streams,
            wants_logs=meta.get(LOG_LEVEL_META_KEY) is not None,
        )
        if "progressToken" in meta:
            call.has_token, call.token = True, meta["progressToken"]
            params = {**params_of(message), "_meta": {**meta, "progressToken": call.own}}
        self.channel.send(request(call.own, call.method, params))
        self._calls[call.own] = call
        self.last_used = time.monotonic()
        return call

    def drop(self, call: Call) -> None:
        """The client of this call has left, or has its answer. In the legacy era leaving cancels nothing."""
        self._forget(call)

    async def close(self, *, grace: float = 2.0, term: float = 1.0) -> None:
        """End the server; calls in flight get UNAVAILABLE."""
        await self.channel.close(grace=grace, term=term)
        await asyncio.shield(self._pump)

    async def _read(self) -> None:
        code = UNAVAILABLE
        try:
            async for message in self.channel:
                self._dispatch(message)
        except Trouble as trouble:
            code = trouble.code
        finally:
            self._end(code)
        await self.channel.close()

    def _end(self, code: int) -> None:
        self.ended = True
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.finish(error(call.identity, code))
        self._on_end(self)

    def _dispatch(self, message: Message) -> None:
        method = message.get("method")
        if method is None:
            self._take_answer(message)
        elif not isinstance(method, str):
            return
        elif "id" in message:
            self._take_request(method, message)
        else:
            self._take_notification(method, message)

    def _take_answer(self, message: Message) -> None:
        number = own_id(message.get("id"))
        call = self._calls.get(number) if number is not None else None
        if call is not None:
            self._forget(call)
            call.finish(self._restore_answer(call, answer(call.identity, message)))

    def _restore_answer(self, call: Call, message: Message) -> Message:
        return message

    def _take_request(self, method: str, message: Message) -> None:
        raise NotImplementedError

    def _take_notification(self, method: str, message: Message) -> None:
        raise NotImplementedError

    def _forget(self, call: Call) -> bool:
        self.last_used = time.monotonic()
        return self._calls.pop(call.own, None) is not None

    def _refuse(self, message: Message, code: int, text: str = "") -> None:
        with contextlib.suppress(Trouble):
            self.channel.send(error(message["id"], code, text))


class ModernBridge(Bridge):
    """2026-07-28: many clients share the channel; every message belongs to exactly one call or to nobody."""

    era = "modern"

    def drop(self, call: Call) -> None:
        """The client has left: tell the server, unless the answer is here."""
        if self._forget(call):
            with contextlib.suppress(Trouble):
                params = {"requestId": call.own, "reason": "client disconnected"}
                self.channel.send(notification("notifications/cancelled", params))

    def _restore_answer(self, call: Call, message: Message) -> Message:
        result = message.get("result")
        meta = meta_of(result)
        if SUBSCRIPTION_ID_META_KEY in meta and isinstance(result, dict):
            message["result"] = {**result, "_meta": {**meta, SUBSCRIPTION_ID_META_KEY: call.identity}}
        return message

    def _take_request(self, method: str, message: Message) -> None:
        # There are none in this era; a server that waits for an answer must not wait for ever.
        if is_id(message["id"]):
            self._refuse(message, METHOD_NOT_FOUND, "Method not found")

    def _take_notification(self, method: str, message: Message) -> None:
        params = params_of(message)
        meta = meta_of(params)
        if method == "notifications/progress":
            call = self._named(params.get("progressToken"))
            if call is not None and call.has_token:
                call.push(notification(method, {**params, "progressToken": call.token}))
        elif SUBSCRIPTION_ID_META_KEY in meta:
            call = self._named(meta[SUBSCRIPTION_ID_META_KEY])
            if call is not None:
                restored = {**meta, SUBSCRIPTION_ID_META_KEY: call.identity}
                self._publish(call, notification(method, {**params, "_meta": restored}))
        elif method == "notifications/message":
            self._log(message)

    def _named(self, value: Any) -> Call | None:
        number = own_id(value)
        return self._calls.get(number) if number is not None else None

    def _publish(self, call: Call, message: Message) -> None:
        # A subscriber that missed an event would trust a stale list; one whose stream ends asks again.
        if not call.push(message):
            self.drop(call)
            call.finish(error(call.identity, OVERLOADED))

    def _log(self, message: Message) -> None:
        # A log line names no request: with two candidates it could show one client another's data.
        asked = [call for call in self._calls.values() if call.wants_logs]
        if len(asked) == 1:
            asked[0].push(notification("notifications/message", message.get("params")))


class LegacyBridge(Bridge):
    """2025-11-25 and before: one client, one session, and a server that may ask back."""

    era = "legacy"

    def __init__(self, channel: Channel, on_end: Callable[[Bridge], None]) -> None:
        self.standalone = Stream()
        self.attached = False
        self._asked: OrderedDict[str | int, None] = OrderedDict()
        self._tokens: OrderedDict[int, Any] = OrderedDict()
        self._parked: OrderedDict[int, Call] = OrderedDict()
        super().__init__(channel, on_end)

    @property
    def busy(self) -> int:
        """How many calls and streams are open, the GET stream included, calls nobody listens to not."""
        return len(self._calls.keys() - self._parked.keys()) + self.attached

    def call(self, message: Message, *, streams: bool) -> Call:
        """As in every era; the token outlives the call, because a task's progress does."""
        call = super().call(message, streams=streams)
        if call.has_token:
            self._tokens[call.own] = call.token
            if len(self._tokens) > _MAX_REMEMBERED:
                self._tokens.popitem(last=False)
        return call

    def notify(self, message: Message) -> None:
        """Pass a client's notification on. Raises Trouble as `call` does."""
        self.last_used = time.monotonic()
        method, params = message["method"], message.get("params")
        if method == "notifications/cancelled":
            self._cancel(params_of(message))
        else:
            self.channel.send(notification(method, params))

    def respond(self, message: Message) -> None:
        """Pass a client's answer on, when the server has asked. Raises Trouble as `call` does."""
        self.last_used = time.monotonic()
        identity = message.get("id")
        if (isinstance(identity, str) or type(identity) is int) and identity in self._asked:
            del self._asked[identity]
            self.channel.send(answer(identity, message))

    def park(self, call: Call) -> None:
        """The client has lost the stream of this call: keep what comes, it may be back for it."""
        self.last_used = time.monotonic()
        self._parked[call.own] = call
        if len(self._parked) > _MAX_PARKED:
            _, oldest = self._parked.popitem(last=False)
            self._forget(oldest)

    def resume(self, event: str) -> tuple[Call, int] | None:
        """The parked call that the event id belongs to, and the event's number; None when it is not here."""
        call_part, _, number = event.partition("-")
        own, sent = own_id(call_part), own_id(number)
        call = self._parked.pop(own, None) if own is not None and sent is not None else None
        return (call, sent) if call is not None and sent is not None else None

    def _cancel(self, params: dict[str, Any]) -> None:
        identity = params.get("requestId")
        for call in reversed(self._calls.values()):
            if type(call.identity) is type(identity) and call.identity == identity:
                self._forget(call)
                call.finish(error(call.identity, CANCELLED, "Request cancelled"))
                self.channel.send(notification("notifications/cancelled", {**params, "requestId": call.own}))
                return

    def _end(self, code: int) -> None:
        super()._end(code)
        self.standalone.end()

    def _take_request(self, method: str, message: Message) -> None:
        identity = message["id"]
        if not is_id(identity):
            return
        asked = {"jsonrpc": "2.0", "id": identity, "method": method}
        if "params" in message:
            asked["params"] = message["params"]
        if len(self._asked) >= _MAX_REMEMBERED or not self._newest().push(asked):
            self._refuse(message, OVERLOADED)
        else:
            self._asked[identity] = None

    def _take_notification(self, method: str, message: Message) -> None:
        params = message.get("params")
        if method == "notifications/progress" and isinstance(params, dict):
            self._progress(params)
        elif method in _STANDALONE and self.attached:
            self.standalone.push(notification(method, params))
        else:
            self._newest().push(notification(method, params))

    def _progress(self, params: dict[str, Any]) -> None:
        number = own_id(params.get("progressToken"))
        if number is None or number not in self._tokens:
            return
        call = self._calls.get(number)
        stream = call if call is not None and call.streams else self.standalone
        stream.push(notification("notifications/progress", {**params, "progressToken": self._tokens[number]}))

    def _newest(self) -> Stream:
        listening = (c for c in reversed(self._calls.values()) if c.streams and c.own not in self._parked)
        return next(listening, self.standalone)


async def quiet(bridges: Sequence[Bridge], seconds: float) -> None:
    """Wait until no call or stream is open on any of them, `seconds` at most."""
    for _ in range(int(seconds / _GLANCE)):
        if not any(bridge.busy for bridge in bridges if not bridge.ended):
            return
        await asyncio.sleep(_GLANCE)
