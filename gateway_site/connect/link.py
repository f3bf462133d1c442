"""HTTP to the gateway: requests with the key, their answers piece by piece, and what kind of trouble there was."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohappyeyeballs import AddrInfoType
from yarl import URL

from servers.events import EventParser, EventTooLarge, RawEvent

JSON, SSE = "application/json", "text/event-stream"
MAX_ANSWER = 64 * 2**20
MAX_OPEN = 256
# For how long a gateway that cannot be reached is waited for before a request is given up.
PATIENCE_SECONDS = 20.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_CONNECT_SECONDS = 10.0


class Unreachable(Exception):
    """There was no connection, so nothing was sent. The text is for people."""


class Lost(Exception):
    """The connection ended before the answer had; what was asked may have been done."""


class TooLarge(Exception):
    """The answer is larger than MAX_ANSWER."""


class Patience:
    """How long to go on trying, and how long to wait between: twice as long each time."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._pause = _FIRST_PAUSE

    def is_over(self) -> bool:
        return time.monotonic() >= self._until

    async def pause(self, at_least: float = 0.0) -> None:
        await asyncio.sleep(min(max(self._pause, at_least), _LONGEST_PAUSE))
        self._pause *= 2


class Reply:
    """An answer that has begun. Header names are of any case."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def asks_to_come_back(self) -> bool:
        """A gateway that is being stopped: it did nothing, and another will be there soon."""
        return self.status == 503 and self.headers.get("Connection", "").lower() == "close"

    @property
    def retry_after(self) -> float:
        """Seconds; 0 when nothing is said of it."""
        text = self.headers.get("Retry-After", "")
        return float(text) if text.isascii() and text.isdigit() else 0.0

    async def body(self) -> bytes:
        """Raises Lost and TooLarge."""
        chunks, size = [], 0
        async for chunk in self._chunks():
            size += len(chunk)
            if size > MAX_ANSWER:
                raise TooLarge
            chunks.append(chunk)
        return b"".join(chunks)

    async def events(self) -> AsyncIterator[RawEvent]:
        """Until the gateway ends the stream. Raises Lost and TooLarge."""
        parser = EventParser(MAX_ANSWER)
        async for chunk in self._chunks():
            try:
                for event in parser.feed(chunk):
                    yield event
            except EventTooLarge:
                raise TooLarge from None

    async def _chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError):
            raise Lost from None


class Link:
    """One address and one key; a context manager. `read_key` is asked again when the gateway refuses the key."""

    def __init__(self, url: str, read_key: Callable[[], str]) -> None:
        self._url = URL(url)
        self._read_key = read_key
        self._key = read_key()
        self._proxy = _proxy_for(self._url)

    async def __aenter__(self) -> Link:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, socket_factory=_socket),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    def renew_key(self) -> bool:
        """Whether the key that is kept in the file is another one by now."""
        known, self._key = self._key, self._read_key()
        return known != self._key

    @asynccontextmanager
    async def send(self, method: str, headers: Mapping[str, str], body: bytes | None = None) -> AsyncIterator[Reply]:
        """One request, without a second try. Raises Unreachable and Lost."""
        known = {
            "Authorization": f"Bearer {self._key}", "Accept": SSE if method == "GET" else f"{JSON}, {SSE}",
            "Accept-Encoding": "identity", "User-Agent": "mcp-gateway-connect", **headers,
        }  # fmt: skip
        if body is not None:
            known["Content-Type"] = JSON
        try:
            response = await self._session.request(
                method, self._url, headers=known, data=body, allow_redirects=False, proxy=self._proxy
            )
        except (aiohttp.ClientSSLError, aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unreachable(_reason(error)) from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise Lost from None
        # Left early, a stream is cut off: to the gateway the client has gone, which is how calls are cancelled.
        async with response:
            yield Reply(response)


def _reason(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ClientSSLError):
        return "its certificate is not valid for this address, or nobody here trusts it"
    return getattr(getattr(error, "os_error", None), "strerror", None) or "no connection"


def _proxy_for(url: URL) -> str | None:
    """The machine's own proxy settings (HTTPS_PROXY, NO_PROXY and the like)."""
    host = url.host or ""
    return None if url.scheme not in getproxies() or proxy_bypass(host) else getproxies()[url.scheme]


def _socket(info: AddrInfoType) -> socket.socket:
    """Streams may be silent for hours; this is how a gateway that has vanished is noticed."""
    made = socket.socket(family=info[0], type=info[1], proto=info[2])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


def check_url(url: str, *, allow_http: bool) -> str | None:
    """Why no key may be sent to this address, or None."""
    try:
        parsed = URL(url)
    except ValueError:
        return "not a URL"
    if parsed.scheme not in ("http", "https") or not parsed.host:
        return "give an http or https address"
    if parsed.user is not None or parsed.password is not None or parsed.fragment or parsed.query_string:
        return "give the address alone: no credentials, no query, no fragment"
    if parsed.scheme == "http" and not allow_http and not _is_here(parsed.host):
        return "over plain http others could read the key; use https, or --allow-http"
    return None


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
