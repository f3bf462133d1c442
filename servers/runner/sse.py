"""Owns the 2024-11-05 HTTP+SSE wire: one event stream in, one POST per message out, as a channel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Final
from urllib.parse import urljoin, urlsplit

import aiohttp

from gateway_site.lib import jsontext
from servers.runner.channel import MAX_BACKLOG, MAX_LINE, Inbox, Lines
from servers.runner.contract import Launch, SseSessionFactory
from servers.runner.messages import OVERLOADED, TOO_LARGE, UNAVAILABLE, Message, Trouble, error
from servers.runner.notes import Notes, secret_values

logger = logging.getLogger(__name__)

OPEN_TIMEOUT: Final = 15.0
POST_TIMEOUT: Final = 30.0
_IDENTITY: Final = {"Accept-Encoding": "identity"}


class Events:
    """Cuts an event stream into (event, data); data longer than MAX_LINE sets `overflown`."""

    def __init__(self) -> None:
        self._lines = Lines()
        self._event = ""
        self._data: list[bytes] = []
        self._size = 0
        self.overflown = False

    def feed(self, chunk: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield the events that `chunk` completes."""
        for line in self._lines.feed(chunk):
            line = line.removesuffix(b"\r")
            if line:
                self._field(line)
            elif self._data:
                yield self._event or "message", b"\n".join(self._data)
                self._event, self._data, self._size = "", [], 0
            else:
                self._event = ""
        self.overflown = self.overflown or self._lines.overflown

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            self._event = value[:64].decode("latin-1")
        elif name == b"data":
            self._size += len(value) + 1
            if self._size > MAX_LINE:
                self.overflown, self._data = True, []
            else:
                self._data.append(value)


class SseChannel:
    """One connection to a remote HTTP+SSE server. Made by `open`."""

    pid: int | None = None

    def __init__(self, launch: Launch, factory: SseSessionFactory) -> None:
        self._launch = launch
        self._factory = factory
        self._inbox = Inbox(self._room_gone, self._room_back)
        self._room = asyncio.Event()
        self._room.set()
        self._notes = Notes(secret_values(launch.headers))
        self._endpoint: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._outbox: asyncio.Queue[Message] = asyncio.Queue()
        self._waiting = 0
        self._over = False
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, launch: Launch, factory: SseSessionFactory) -> SseChannel:
        """Connect and learn where to post. Raises Trouble(UNAVAILABLE) when that fails or takes 15 s."""
        channel = cls(launch, factory)
        channel._task = asyncio.create_task(channel._talk())
        channel._task.add_done_callback(channel._talked)
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                await asyncio.shield(channel._endpoint)
        except (TimeoutError, Trouble):
            await channel.close()
            raise Trouble(UNAVAILABLE) from None
        except BaseException:
            channel.kill()
            raise
        return channel

    @property
    def garbage(self) -> int:
        """How many events were not messages."""
        return self._inbox.garbage

    def send(self, message: Message) -> None:
        """Queue one POST. Raises Trouble: UNAVAILABLE when ended, OVERLOADED while 1 MiB or more wait."""
        if self._over:
            raise Trouble(UNAVAILABLE)
        if self._waiting >= MAX_BACKLOG:
            raise Trouble(OVERLOADED)
        self._waiting += len(jsontext.encode(message))
        self._outbox.put_nowait(message)

    def __aiter__(self) -> AsyncIterator[Message]:
        """The server's messages until the stream ends; raises Trouble when it was not a usable one."""
        return self._inbox.read()

    def alive(self) -> bool:
        """Whether the event stream is open."""
        return not self._over

    def notes(self) -> list[str]:
        """What went wrong on the wire, without header values."""
        return self._notes.read()

    def kill(self) -> None:
        """Drop the connection."""
        self._finish(None)
        if self._task is not None:
            self._task.cancel()

    async def close(self, *, grace: float = 2.0, term: float = 1.0) -> None:
        """Drop the connection and release the session; there is nobody to be patient with."""
        self.kill()
        if self._task is not None:
            await asyncio.wait({self._task})

    def _finish(self, trouble: Trouble | None) -> None:
        self._over = True
        self._inbox.end(trouble)
        if not self._endpoint.done():
            self._endpoint.set_exception(trouble or Trouble(UNAVAILABLE))
            # It may be that nobody asks any more.
            self._endpoint.exception()

    async def _talk(self) -> None:
        async with self._factory(self._launch.url) as session:
            ways = {
                asyncio.create_task(self._read_events(session)),
                asyncio.create_task(self._post_all(session)),
            }
            try:
                done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in done:
                    way.result()
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.wait(ways)

    def _talked(self, task: asyncio.Task[None]) -> None:
        failure = None if task.cancelled() else task.exception()
        if failure is not None and not isinstance(failure, Trouble):
            self._note(f"event stream: {type(failure).__name__}")
        self._finish(failure if isinstance(failure, Trouble) else None)

    async def _read_events(self, session: aiohttp.ClientSession) -> None:
        headers = {**self._launch.headers, **_IDENTITY, "Accept": "text/event-stream"}
        async with session.get(
            self._launch.url,
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=None),
        ) as response:
            self._check(response)
            events = Events()
            async for chunk in response.content.iter_any():
                for event, data in events.feed(chunk):
                    self._take(event, data)
                if events.overflown:
                    raise Trouble(TOO_LARGE)
                await self._room.wait()

    def _room_gone(self) -> None:
        self._room.clear()

    def _room_back(self) -> None:
        self._room.set()

    def _check(self, response: aiohttp.ClientResponse) -> None:
        encoded = response.headers.get("Content-Encoding", "identity") != "identity"
        if response.status != 200 or response.content_type != "text/event-stream" or encoded:
            self._note(f"event stream: status {response.status}, type {response.content_type}")
            raise Trouble(UNAVAILABLE)

    def _take(self, event: str, data: bytes) -> None:
        if event == "endpoint":
            if not self._endpoint.done():
                self._endpoint.set_result(self._same_origin(data))
        elif event == "message":
            self._inbox.put(data)

    def _same_origin(self, data: bytes) -> str:
        """Where to post. Another origin would carry our headers to a place nobody configured."""
        target = urljoin(self._launch.url, data.decode("ascii", "replace").strip())
        ours, theirs = urlsplit(self._launch.url), urlsplit(target)
        if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
            self._note("the endpoint event names another origin")
            raise Trouble(UNAVAILABLE)
        return target

    async def _post_all(self, session: aiohttp.ClientSession) -> None:
        # One after the other: `initialized` must not overtake `initialize`.
        while True:
            message = await self._outbox.get()
            body = jsontext.encode(message)
            self._waiting -= len(body)
            if not await self._post(session, body) and "method" in message and "id" in message:
                self._inbox.put_message(error(message["id"], UNAVAILABLE))

    async def _post(self, session: aiohttp.ClientSession, body: bytes) -> bool:
        url = await asyncio.shield(self._endpoint)
        headers = {**self._launch.headers, **_IDENTITY, "Content-Type": "application/json"}
        try:
            async with session.post(
                url,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=POST_TIMEOUT, sock_connect=10),
            ) as response:
                if 200 <= response.status < 300:
                    return True
                self._note(f"post: status {response.status}")
                if response.status in (404, 410):
                    # The other side has forgotten this session; nothing will be answered any more.
                    self.kill()
        except (aiohttp.ClientError, OSError) as exc:
            self._note(f"post: {type(exc).__name__}")
        return False

    def _note(self, text: str) -> None:
        logger.info("sse server %d: %s", self._launch.server_id, text)
        self._notes.feed(text.encode() + b"\n")
