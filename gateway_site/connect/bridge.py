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
from gateway_site.connect.exchange import (
    SETTLED_SECONDS,
    AskAgain,
    Exchange,
    SessionGone,
    check,
    code_of,
    content_of,
    in_words,
    key_of,
    may_be_missed,
)
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
from gateway_site.connect.listening import Listening
from gateway_site.connect.messages import Message, NoMessage, Parameters
from gateway_site.connect.session import Session

# Outside of what JSON-RPC 2.0 and MCP reserve, beside the gateway's own (proxy.errors).
UNREACHABLE, LOST, HTTP, BUSY = -31020, -31021, -31022, -31023
_HEADER_MISMATCH, _METHOD_NOT_FOUND = -32020, -32601
_INITIALIZED, _CANCELLED = "notifications/initialized", "notifications/cancelled"
_ACKNOWLEDGED, _LISTEN = "notifications/subscriptions/acknowledged", "subscriptions/listen"
# When nothing more can come in, how long answers that are under way are waited for, and then the last goodbye.
_GRACE_SECONDS = _GOODBYE_SECONDS = 0.8


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
    _open: dict[tuple[type, Any], Exchange] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    # What requests of a session wait for, and what its notifications come after.
    _gate: asyncio.Task[None] | None = None
    _tail: asyncio.Task[None] | None = None
    _listening: Listening = field(init=False)

    def __post_init__(self) -> None:
        self._listening = Listening(self.link, self._spawn, self._pass_on, self._open_again)

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
        key = key_of(message.id)
        if key is None:
            await self._fail(None, messages.INVALID_REQUEST, "An id is a string or an integer")
        elif key in self._open and not self._open[key].is_answered:
            await self._fail(message.id, messages.INVALID_REQUEST, "A request with this id is under way")
        elif len(self._open) >= MAX_OPEN:
            await self._fail(message.id, BUSY, f"More than {MAX_OPEN} requests are under way")
        else:
            exchange = self._open[key] = Exchange(message)
            exchange.task = self._spawn(self._answer(exchange))
            exchange.task.add_done_callback(lambda _: self._forget(key, exchange))
            if message.method == "initialize" and message.version is None:
                self._gate = self._tail = exchange.task

    def _forget(self, key: tuple[type, Any], exchange: Exchange) -> None:
        # Once it is answered, its id may have been used anew.
        if self._open.get(key) is exchange:
            del self._open[key]

    def _cancel(self, message: Message) -> None:
        exchange = self._open.get(key_of(message.params.get("requestId")) or (type(None), None))
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

    async def _answer(self, exchange: Exchange) -> None:
        try:
            await self._ask(exchange)
        except Unreachable as error:
            await self._fail_one(exchange, UNREACHABLE, f"The gateway cannot be reached: {error}")
        except TooLarge:
            await self._fail_one(exchange, LOST, "The answer is too large")
        except SessionGone:
            await self._fail_one(exchange, LOST, "The session is lost and could not be opened again")
        except Lost:
            await self._fail_one(exchange, LOST, "The connection ended before the answer came; it may have been done")

    async def _ask(self, exchange: Exchange) -> None:
        """Raises Unreachable, Lost, TooLarge and SessionGone."""
        patience = Patience(self.patience)
        while not exchange.is_answered:
            began = time.monotonic()
            session = await self._session_of(exchange.message)
            number = session.number if session is not None else 0
            try:
                await self._ask_once(exchange, session)
            except AskAgain as again:
                if again.pause is not None:
                    await patience.pause(again.pause)
            except Unreachable:
                if patience.is_over():
                    raise
                await patience.pause()
            except Lost:
                if time.monotonic() - began > SETTLED_SECONDS:
                    patience = Patience(self.patience)
                if exchange.is_answered or not exchange.message.is_repeatable or patience.is_over():
                    raise
                await patience.pause()
            except SessionGone:
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

    async def _ask_once(self, exchange: Exchange, session: Session | None) -> None:
        message = exchange.message
        headers = session.headers if session is not None else {}
        if message.version is not None:
            headers = messages.routing_headers(message, self._parameters)
        async with self.link.send("POST", headers, message.raw) as reply:
            check(self.link, reply)
            if reply.kind != SSE:
                await self._take_whole(exchange, reply, session)
                return
            await self._follow(exchange, reply)
        while not exchange.is_answered and session is not None and exchange.last_event_id is not None:
            await self._take_up(exchange, session)
        if not exchange.is_answered:
            raise Lost

    async def _take_up(self, exchange: Exchange, session: Session) -> None:
        """A stream that a server has ended early goes on where it was (2025-11-25, resumability). Raises Lost."""
        await asyncio.sleep(exchange.pause)
        headers = {**session.headers, "Last-Event-ID": exchange.last_event_id or ""}
        async with self.link.send("GET", headers) as reply:
            if reply.status != 200 or reply.kind != SSE:
                raise Lost
            await self._follow(exchange, reply)

    async def _follow(self, exchange: Exchange, reply: Reply) -> None:
        async for event in reply.events():
            exchange.last_event_id = event.id or exchange.last_event_id
            exchange.pause = int(event.retry) / 1000 if event.retry else exchange.pause
            if event.data:
                await self._pass_on(event.data.encode(), reply, exchange)
                if exchange.is_answered:
                    return

    async def _take_whole(self, exchange: Exchange, reply: Reply, session: Session | None) -> None:
        body = await reply.body()
        content = content_of(body)
        code = code_of(content)
        if reply.status == 404 and session is not None and code != _METHOD_NOT_FOUND:
            raise SessionGone
        if code == _HEADER_MISMATCH and exchange.message.method == "tools/call" and exchange.repeats == 0:
            # The client may know the tool from before we were started.
            exchange.repeats += 1
            await self._learn(exchange.message)
            raise AskAgain
        if "error" in content or "result" in content:
            await self._pass_on(body, reply, exchange)
            return
        await self._fail_one(exchange, HTTP, in_words(reply.status))

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

    async def _pass_on(self, data: bytes, reply: Reply, exchange: Exchange | None = None) -> None:
        """One message for the client; the answer to the exchange ends it."""
        content = content_of(data)
        if not content:
            return
        if exchange is not None and "method" not in content:
            data = self._note_answer(exchange, content, data, reply)
        elif exchange is not None and content.get("method") == _ACKNOWLEDGED:
            if exchange.acknowledged:
                for notice in may_be_missed(content):
                    await self._write(notice)
                return
            exchange.acknowledged = True
        # Between the parts of JSON a line break is white space; inside of its strings there is none.
        await self._write(data.replace(b"\r", b" ").replace(b"\n", b" "))

    def _note_answer(self, exchange: Exchange, content: dict[str, Any], data: bytes, reply: Reply) -> bytes:
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

    # --- the session ------------------------------------------------------------------------------------

    async def _tell_after(self, before: asyncio.Task[None] | None, message: Message) -> None:
        if before is not None:
            await asyncio.wait({before})
        if await self._tell(message) and message.method == _INITIALIZED and self._session is not None:
            self._listening.begin(self._session)

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
                    check(self.link, reply)
                    if reply.status != 404 or not message.method or has_opened:
                        return reply.status < 300
                await self._open_again(session, number)
                has_opened = True
            except AskAgain as again:
                await patience.pause(again.pause or 0)
            except (Unreachable, Lost) as error:
                if patience.is_over() or (isinstance(error, Lost) and not message.method):
                    return False
                await patience.pause()
            except SessionGone:
                return False

    async def _open_again(self, session: Session, number: int) -> None:
        """Does nothing when somebody else was quicker. Raises SessionGone, Unreachable, Lost and TooLarge."""
        async with session.lock:
            if session.number != number:
                return
            version = session.version
            opening, *rest = session.again()
            result = await self._ask_aside(opening, {}, session)
            if result is None or result.get("protocolVersion") != version:
                self.note("The session was lost and could not be opened again as it was; start this program anew.")
                raise SessionGone
            for message in rest:
                await self._ask_aside(message, session.headers)
            self.note("The session was lost; it has been opened again.")
        if self._session is not None:
            self._listening.begin(self._session)

    async def _ask_aside(
        self, message: Message, headers: Mapping[str, str], session: Session | None = None
    ) -> dict[str, Any] | None:
        """The result of a request of our own, None when it has none. What else comes goes to the client."""
        async with self.link.send("POST", headers, message.raw) as reply:
            if reply.kind != SSE:
                content = content_of(await reply.body())
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
            content = content_of((event.data or "").encode())
            if content and "method" not in content:
                return content
            if content:
                await self._pass_on((event.data or "").encode(), reply)
        return {}

    # --- writing ----------------------------------------------------------------------------------------

    async def _fail(self, message_id: Any, code: int, text: str) -> None:
        await self._write(messages.error(message_id, code, text))

    async def _fail_one(self, exchange: Exchange, code: int, text: str) -> None:
        if not exchange.is_answered:
            exchange.is_answered = True
            await self._fail(exchange.message.id, code, text)

    async def _write(self, line: bytes) -> None:
        await self.outgoing.write(line)
