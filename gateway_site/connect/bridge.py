"""From lines to HTTP and back (MCP transports, all revisions): one request for each message, ids as they came.

A request of 2026-07-28 goes alone; older ones go into the client's session, which is opened again when the gateway has
lost it. What cannot have been done is tried again for a while; what may have been done is not, and the client is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway_site.connect import messages
from gateway_site.connect.lines import Incoming, Line, Outgoing, Overlong
from gateway_site.connect.link import (
    MAX_OPEN,
    PATIENCE_SECONDS,
    SSE,
    Link,
    Lost,
    Patience,
    Reply,
    TooLarge,
    Unreachable,
)
from gateway_site.connect.messages import Message, NoMessage, Parameters
from gateway_site.connect.session import Session

# Outside of what JSON-RPC 2.0 and MCP reserve, beside the gateway's own (proxy.errors).
UNREACHABLE, LOST, HTTP, BUSY = -31020, -31021, -31022, -31023
_HEADER_MISMATCH, _METHOD_NOT_FOUND = -32020, -32601
_INITIALIZED, _CANCELLED = "notifications/initialized", "notifications/cancelled"
_ACKNOWLEDGED, _LISTEN = "notifications/subscriptions/acknowledged", "subscriptions/listen"
# When nothing more can come in, how long answers that are under way are waited for, and then the last goodbye.
_GRACE_SECONDS = _GOODBYE_SECONDS = 0.8
_STREAM_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
# A stream that was open for so long was worth opening.
_SETTLED_SECONDS = 5.0
# What a listener may have missed, by what it listens to.
_MISSED = {"toolsListChanged": "notifications/tools/list_changed",
           "promptsListChanged": "notifications/prompts/list_changed",
           "resourcesListChanged": "notifications/resources/list_changed"}  # fmt: skip


class _SessionGone(Exception):
    """The gateway does not know the session."""


class _AskAgain(Exception):
    """Nothing was done, and the same request has better prospects after `pause` seconds."""

    def __init__(self, pause: float | None = None) -> None:
        super().__init__()
        self.pause = pause


@dataclass
class _Exchange:
    """A request that is under way."""

    message: Message
    task: asyncio.Task[None] | None = None
    is_answered: bool = False
    # How often it has been sent for another reason than that nobody was there.
    repeats: int = 0
    last_event_id: str | None = None
    pause: float = _STREAM_PAUSE
    acknowledged: bool = False


@dataclass
class Bridge:
    """Runs until the lines end or nobody reads ours. `note` tells the person at the machine something."""

    link: Link
    outgoing: Outgoing
    note: Callable[[str], None]
    # For how long a gateway that cannot be reached is waited for, in seconds.
    patience: float = PATIENCE_SECONDS
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _session: Session | None = None
    _parameters: Parameters = field(default_factory=Parameters)
    _open: dict[tuple[type, Any], _Exchange] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    # What requests of a session wait for, and what its notifications come after.
    _gate: asyncio.Task[None] | None = None
    _tail: asyncio.Task[None] | None = None
    _stream: asyncio.Task[None] | None = None

    async def run(self, incoming: Incoming) -> None:
        reading = asyncio.create_task(self._read(incoming))
        ends = [reading, *(asyncio.create_task(each.wait()) for each in (self.outgoing.closed, self.stopping))]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            reading.result()
            await self._finish()
        for task in [*ends, *self._tasks]:
            task.cancel()
        await asyncio.gather(*ends, *self._tasks, return_exceptions=True)
        await self._say_goodbye()

    async def _read(self, incoming: Incoming) -> None:
        async for line in incoming:
            await self._take(line)

    async def _finish(self) -> None:
        """Lets answers come that are under way; who sent a script into us wants to see them."""
        waiting = [each.task for each in self._open.values() if each.task and each.message.method != _LISTEN]
        if self._tail is not None:
            waiting.append(self._tail)
        if waiting:
            await asyncio.wait(waiting, timeout=_GRACE_SECONDS)

    async def _say_goodbye(self) -> None:
        if self._session is None or self._session.id is None:
            return
        with contextlib.suppress(Unreachable, Lost, TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS), self.link.send("DELETE", self._session.headers):
                pass

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- what the client says ---------------------------------------------------------------------------

    async def _take(self, line: Line) -> None:
        if isinstance(line, Overlong):
            await self._fail(None, messages.INVALID_REQUEST, "The line is too long")
            return
        try:
            message = messages.read(line)
        except NoMessage as error:
            await self._fail(None, error.code, str(error))
            return
        if message.is_request:
            await self._begin(message)
        elif message.method == _CANCELLED:
            self._cancel(message)
        elif self._gate is not None:
            self._tail = self._spawn(self._tell_after(self._tail, message))
            if message.method == _INITIALIZED:
                self._gate = self._tail
        # Over HTTP, 2026-07-28 has nothing else that a client could say.

    async def _begin(self, message: Message) -> None:
        key = _key(message.id)
        if key is None:
            await self._fail(None, messages.INVALID_REQUEST, "An id is a string or an integer")
        elif key in self._open and not self._open[key].is_answered:
            await self._fail(message.id, messages.INVALID_REQUEST, "A request with this id is under way")
        elif len(self._open) >= MAX_OPEN:
            await self._fail(message.id, BUSY, f"More than {MAX_OPEN} requests are under way")
        else:
            exchange = self._open[key] = _Exchange(message)
            exchange.task = self._spawn(self._answer(exchange))
            exchange.task.add_done_callback(lambda _: self._forget(key, exchange))
            if message.method == "initialize" and message.version is None:
                self._gate = self._tail = exchange.task

    def _forget(self, key: tuple[type, Any], exchange: _Exchange) -> None:
        # Once it is answered, its id may have been used anew.
        if self._open.get(key) is exchange:
            del self._open[key]

    def _cancel(self, message: Message) -> None:
        exchange = self._open.get(_key(message.params.get("requestId")) or (type(None), None))
        if exchange is None or exchange.task is None or exchange.is_answered:
            return
        if exchange.message.version is not None:
            # 2026-07-28 cancels by leaving.
            exchange.task.cancel()
        else:
            self._spawn(self._cancel_in_session(exchange.task, message))

    async def _cancel_in_session(self, task: asyncio.Task[None], message: Message) -> None:
        await self._tell(message)
        task.cancel()

    # --- requests ---------------------------------------------------------------------------------------

    async def _answer(self, exchange: _Exchange) -> None:
        try:
            await self._ask(exchange)
        except Unreachable as error:
            await self._fail_one(exchange, UNREACHABLE, f"The gateway cannot be reached: {error}")
        except TooLarge:
            await self._fail_one(exchange, LOST, "The answer is too large")
        except _SessionGone:
            await self._fail_one(exchange, LOST, "The session is lost and could not be opened again")
        except Lost:
            await self._fail_one(exchange, LOST, "The connection ended before the answer came; it may have been done")

    async def _ask(self, exchange: _Exchange) -> None:
        """Raises Unreachable, Lost, TooLarge and _SessionGone."""
        patience = Patience(self.patience)
        while not exchange.is_answered:
            began = time.monotonic()
            session = await self._session_of(exchange.message)
            number = session.number if session is not None else 0
            try:
                await self._ask_once(exchange, session)
            except _AskAgain as again:
                if again.pause is not None:
                    await patience.pause(again.pause)
            except Unreachable:
                if patience.is_over():
                    raise
                await patience.pause()
            except Lost:
                if time.monotonic() - began > _SETTLED_SECONDS:
                    patience = Patience(self.patience)
                if exchange.is_answered or not exchange.message.is_repeatable or patience.is_over():
                    raise
                await patience.pause()
            except _SessionGone:
                exchange.repeats += 1
                if session is None or exchange.repeats > 1:
                    raise
                await self._open_again(session, number)

    async def _session_of(self, message: Message) -> Session | None:
        if message.version is not None or message.method == "initialize":
            return None
        if self._gate is not None:
            await asyncio.wait({self._gate})
        return self._session

    async def _ask_once(self, exchange: _Exchange, session: Session | None) -> None:
        message = exchange.message
        headers = session.headers if session is not None else {}
        if message.version is not None:
            headers = messages.routing_headers(message, self._parameters)
        async with self.link.send("POST", headers, message.raw) as reply:
            self._check(reply)
            if reply.kind != SSE:
                await self._take_whole(exchange, reply, session)
                return
            await self._follow(exchange, reply)
        while not exchange.is_answered and session is not None and exchange.last_event_id is not None:
            await self._take_up(exchange, session)
        if not exchange.is_answered:
            raise Lost

    def _check(self, reply: Reply) -> None:
        """Raises _AskAgain."""
        if reply.status == 401 and self.link.renew_key():
            raise _AskAgain
        if reply.asks_to_come_back:
            raise _AskAgain(reply.retry_after)

    async def _take_up(self, exchange: _Exchange, session: Session) -> None:
        """A stream that a server has ended early goes on where it was (2025-11-25, resumability). Raises Lost."""
        await asyncio.sleep(exchange.pause)
        headers = {**session.headers, "Last-Event-ID": exchange.last_event_id or ""}
        async with self.link.send("GET", headers) as reply:
            if reply.status != 200 or reply.kind != SSE:
                raise Lost
            await self._follow(exchange, reply)

    async def _follow(self, exchange: _Exchange, reply: Reply) -> None:
        async for event in reply.events():
            exchange.last_event_id = event.id or exchange.last_event_id
            exchange.pause = int(event.retry) / 1000 if event.retry else exchange.pause
            if event.data:
                await self._pass_on(event.data.encode(), reply, exchange)
                if exchange.is_answered:
                    return

    async def _take_whole(self, exchange: _Exchange, reply: Reply, session: Session | None) -> None:
        body = await reply.body()
        content = _content(body)
        code = _code(content)
        if reply.status == 404 and session is not None and code != _METHOD_NOT_FOUND:
            raise _SessionGone
        if code == _HEADER_MISMATCH and exchange.message.method == "tools/call" and exchange.repeats == 0:
            # The client may know the tool from before we were started.
            exchange.repeats += 1
            await self._learn(exchange.message)
            raise _AskAgain
        if "error" in content or "result" in content:
            await self._pass_on(body, reply, exchange)
            return
        await self._fail_one(exchange, HTTP, _in_words(reply.status))

    async def _learn(self, asking: Message) -> None:
        """Reads the list of tools on our own account, for the headers of a call."""
        cursor: dict[str, Any] = {}
        for _ in range(100):
            params = {"_meta": asking.params.get("_meta"), **cursor}
            message = messages.make({"jsonrpc": "2.0", "id": "tools", "method": "tools/list", "params": params})
            result = await self._ask_aside(message, messages.routing_headers(message, self._parameters))
            self._parameters.learn(result)
            if not (result or {}).get("nextCursor"):
                return
            cursor = {"cursor": (result or {})["nextCursor"]}

    # --- what the gateway says --------------------------------------------------------------------------

    async def _pass_on(self, data: bytes, reply: Reply, exchange: _Exchange | None = None) -> None:
        """One message for the client; the answer to the exchange ends it."""
        content = _content(data)
        if not content:
            return
        if exchange is not None and "method" not in content:
            data = self._note_answer(exchange, content, data, reply)
        elif exchange is not None and content.get("method") == _ACKNOWLEDGED:
            if exchange.acknowledged:
                await self._tell_what_may_be_missed(content)
                return
            exchange.acknowledged = True
        # Between the parts of JSON a line break is white space; inside of its strings there is none.
        await self._write(data.replace(b"\r", b" ").replace(b"\n", b" "))

    def _note_answer(self, exchange: _Exchange, content: dict[str, Any], data: bytes, reply: Reply) -> bytes:
        message = exchange.message
        exchange.is_answered = True
        result = content.get("result")
        if isinstance(result, dict):
            if message.method == "initialize" and message.version is None:
                self._session = Session(message)
                self._session.opened(reply.headers, result)
            elif message.method == "tools/list":
                self._parameters.learn(result)
            if self._session is not None:
                self._session.note(message)
        # What is refused before it was read whole is answered without its id.
        return data if content.get("id") == message.id else orjson.dumps({**content, "id": message.id})

    async def _tell_what_may_be_missed(self, acknowledgement: Mapping[str, Any]) -> None:
        """While nobody listened, anything may have changed; the client heard the first acknowledgement already."""
        params = acknowledgement.get("params") or {}
        for name, honoured in (params.get("notifications") or {}).items():
            if honoured and name in _MISSED:
                notice = {"jsonrpc": "2.0", "method": _MISSED[name], "params": {"_meta": params.get("_meta") or {}}}
                await self._write(orjson.dumps(notice))

    # --- the session ------------------------------------------------------------------------------------

    async def _tell_after(self, before: asyncio.Task[None] | None, message: Message) -> None:
        if before is not None:
            await asyncio.wait({before})
        if await self._tell(message) and message.method == _INITIALIZED:
            self._listen()

    async def _tell(self, message: Message) -> bool:
        """A notification, or the client's answer to a request of the server. Whether it was taken."""
        session, patience = self._session, Patience(self.patience)
        if session is None:
            return False
        has_opened = False
        while True:
            number = session.number
            try:
                async with self.link.send("POST", session.headers, message.raw) as reply:
                    self._check(reply)
                    if reply.status != 404 or not message.method or has_opened:
                        return reply.status < 300
                await self._open_again(session, number)
                has_opened = True
            except _AskAgain as again:
                await patience.pause(again.pause or 0)
            except (Unreachable, Lost) as error:
                if patience.is_over() or (isinstance(error, Lost) and not message.method):
                    return False
                await patience.pause()
            except _SessionGone:
                return False

    async def _open_again(self, session: Session, number: int) -> None:
        """Does nothing when somebody else was quicker. Raises _SessionGone, Unreachable, Lost and TooLarge."""
        async with session.lock:
            if session.number != number:
                return
            version = session.version
            opening, *rest = session.again()
            result = await self._ask_aside(opening, {}, session)
            if result is None or result.get("protocolVersion") != version:
                self.note("The session was lost and could not be opened again as it was; start this program anew.")
                raise _SessionGone
            for message in rest:
                await self._ask_aside(message, session.headers)
            self.note("The session was lost; it has been opened again.")
        self._listen()

    async def _ask_aside(
        self, message: Message, headers: Mapping[str, str], session: Session | None = None
    ) -> dict[str, Any] | None:
        """The result of a request of our own, None when it has none. What else comes goes to the client."""
        async with self.link.send("POST", headers, message.raw) as reply:
            if reply.kind != SSE:
                content = _content(await reply.body())
            else:
                content = await self._find_answer(reply)
            result = content.get("result")
            if not isinstance(result, dict):
                return None
            if session is not None:
                session.opened(reply.headers, result)
            return result

    async def _find_answer(self, reply: Reply) -> dict[str, Any]:
        async for event in reply.events():
            content = _content((event.data or "").encode())
            if content and "method" not in content:
                return content
            if content:
                await self._pass_on((event.data or "").encode(), reply)
        return {}

    def _listen(self) -> None:
        """What the server says of its own accord, from now on in the session that there is now."""
        if self._stream is not None and self._stream is not asyncio.current_task():
            self._stream.cancel()
            self._stream = None
        if self._stream is None and self._session is not None:
            self._stream = self._spawn(self._listen_to(self._session))

    async def _listen_to(self, session: Session) -> None:
        exchange = _Exchange(session.opening)
        pause = _STREAM_PAUSE
        has_opened = False
        while True:
            number, began = session.number, time.monotonic()
            last = {"Last-Event-ID": exchange.last_event_id} if exchange.last_event_id is not None else {}
            try:
                async with self.link.send("GET", {**session.headers, **last}) as reply:
                    self._check(reply)
                    if reply.status == 200 and reply.kind == SSE:
                        has_opened = False
                        await self._hear(exchange, reply)
                        pause = max(exchange.pause, 0.05)
                    elif reply.status != 404 and reply.status < 500:
                        # The server has no such stream (405), or this key may not have it.
                        return
                if reply.status == 404 and has_opened:
                    # A session that has just been opened is not lost: there is no such stream, and no use in asking.
                    return
                if reply.status == 404:
                    exchange.last_event_id = None
                    await self._open_again(session, number)
                    has_opened = True
                    continue
            except (_AskAgain, Unreachable, Lost, TooLarge):
                pass
            except _SessionGone:
                return
            if time.monotonic() - began > _SETTLED_SECONDS:
                pause = _STREAM_PAUSE
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _hear(self, exchange: _Exchange, reply: Reply) -> None:
        async for event in reply.events():
            exchange.last_event_id = event.id or exchange.last_event_id
            exchange.pause = int(event.retry) / 1000 if event.retry else exchange.pause
            if event.data:
                await self._pass_on(event.data.encode(), reply)

    # --- writing ----------------------------------------------------------------------------------------

    async def _fail(self, message_id: Any, code: int, text: str) -> None:
        await self._write(messages.error(message_id, code, text))

    async def _fail_one(self, exchange: _Exchange, code: int, text: str) -> None:
        if not exchange.is_answered:
            exchange.is_answered = True
            await self._fail(exchange.message.id, code, text)

    async def _write(self, line: bytes) -> None:
        await self.outgoing.write(line)


def _key(message_id: Any) -> tuple[type, Any] | None:
    """1, "1" and true are three ids."""
    return (type(message_id), message_id) if type(message_id) in (str, int) else None


def _content(data: bytes) -> dict[str, Any]:
    """Empty for what is no message."""
    try:
        content = orjson.loads(data)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _code(content: Mapping[str, Any]) -> Any:
    error = content.get("error")
    return error.get("code") if isinstance(error, dict) else None


def _in_words(status: int) -> str:
    if status in (200, 202, 204):
        return "The gateway gave no answer"
    if 300 <= status < 400:
        return f"The address leads elsewhere (HTTP {status}); give the gateway's own"
    if status == 413:
        return "The message is larger than the gateway takes"
    return f"The gateway answered with HTTP {status}"
