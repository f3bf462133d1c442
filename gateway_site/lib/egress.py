"""The only way out: resolves, checks every address, connects to what was checked; only the operator widens it."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import IO, Any, TypeVar

import aiohttp
from aiohappyeyeballs import AddrInfoType, start_connection
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from gateway_site.lib.ranges import Address, allowance, classify

_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?", re.IGNORECASE)
_PUBLIC_PORTS = {"https": {443}, "http": set()}
# Of connections that carry no HTTP: RFC 5425 section 4.1.
_PUBLIC_STREAM_PORTS = {"syslog+tls": {6514}, "syslog": set()}
_OPEN_PORTS: Mapping[str, set[int]] = {**_PUBLIC_PORTS, **_PUBLIC_STREAM_PORTS}
_ENCRYPTED = ("https", "syslog+tls")
# Scheme, host in lower case, port.
Host = tuple[str, str, int | None]
P = TypeVar("P", bound="Speaker")
_CONNECT_SECONDS = 5.0
# RFC 8305 section 5: how long one address is tried before the next is tried beside it.
_NEXT_ADDRESS_SECONDS = 0.25


class EgressDenied(Exception):
    """The address may not be reached. The text names the kind of address, never the address itself."""


class ConnectFailed(ConnectionError):
    """There is no connection, so nothing was sent."""


class Speaker(asyncio.Protocol):
    """What speaks on a connection."""

    __slots__ = ()

    def close(self) -> None:
        """At once, whatever is still under way."""
        raise NotImplementedError


class PostFailed(Exception):
    """There is no whole answer. `kind` is one of those below; nothing of the request or the answer is in it."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


# Not reached, or cut off in the middle; cut off before the answer began; over the limit; compressed; not HTTP.
UNREACHABLE, DROPPED, TOO_LARGE, ENCODED, INVALID = "unreachable", "dropped", "too_large", "encoded", "invalid"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Header names are lower case; of two with one name the last counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def check_url(url: str) -> URL:
    """The parsed URL, when it could be connected to. Raises EgressDenied; resolves nothing."""
    return _check(url, _PUBLIC_PORTS)


def check_stream(url: str) -> URL:
    """The same for `syslog+tls://host:port` and `syslog://host:port`; of these TLS to port 6514 is public."""
    parsed = _check(url, _PUBLIC_STREAM_PORTS)
    if parsed.raw_path not in ("", "/") or parsed.raw_query_string:
        raise EgressDenied("not a server's URL")
    return parsed


def _check(url: str, schemes: Mapping[str, set[int]]) -> URL:
    try:
        parsed = URL(url)
        host, port = parsed.host, parsed.port
    except ValueError as error:
        raise EgressDenied("not a URL") from error
    if parsed.scheme not in schemes or not host or port is None:
        raise EgressDenied("only http and https URLs" if schemes is _PUBLIC_PORTS else "not a host and a port")
    if parsed.user is not None or parsed.password is not None:
        raise EgressDenied("credentials in the URL")
    if parsed.fragment or len(host) > 253:
        raise EgressDenied("not a server's URL")
    allowed = allowance()
    literal = _literal(host)
    if literal is not None:
        check_address(literal, port, parsed.scheme)
    elif not _NAME.fullmatch(parsed.raw_host or ""):
        raise EgressDenied("not a server's URL")
    elif not allowed.host(host.lower(), port):
        if _looks_numeric(host):
            raise EgressDenied("unusual spelling of an address")
        if parsed.scheme not in _ENCRYPTED and not allowed.networks:
            raise EgressDenied(f"plain {parsed.scheme} to a host that the operator did not open")
        if parsed.scheme in _ENCRYPTED and port not in schemes[parsed.scheme] and not allowed.networks:
            raise EgressDenied("a port that the operator did not open")
    return parsed


def host_of(url: str) -> Host | None:
    """The scheme, host and port that a URL leads to, however it is spelled; None for what is no URL."""
    try:
        parsed = URL(url)
        return parsed.scheme, (parsed.raw_host or "").lower(), parsed.port
    except ValueError:
        return None


def check_address(address: Address, port: int, scheme: str) -> None:
    """Raises EgressDenied unless it is public and encrypted, or was opened by the operator."""
    if allowance().address(address, port):
        return
    category = classify(address)
    if category is not None:
        raise EgressDenied(f"{category} address")
    if port not in _OPEN_PORTS[scheme]:
        raise EgressDenied("a scheme or port that the operator did not open")


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.split("%")[0])
    except ValueError:
        return None


def _looks_numeric(host: str) -> bool:
    """Octal, hexadecimal and short forms that getaddrinfo takes for addresses."""
    last = host.rstrip(".").rsplit(".", 1)[-1].lower()
    return last.isdigit() or (last.startswith("0x") and all(char in "0123456789abcdef" for char in last[2:]))


class CheckedResolver(AbstractResolver):
    """Gives the connector only addresses that were checked; refuses when any answer is closed."""

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        if not allowance().host(host.lower(), port):
            for answer in answers:
                check_address(ip_address(str(answer[4][0]).split("%")[0]), port, self._scheme)
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for kind, _, proto, _, address in answers
        ]

    async def close(self) -> None:
        return None


def open_session(
    url: str, *, limit: int = 100, connect_seconds: float = _CONNECT_SECONDS, tls: ssl.SSLContext | None = None
) -> aiohttp.ClientSession:
    """A pooled client for one server: no redirects are to be followed, no cookies, no proxies, no decompression.

    Raises EgressDenied. Must be called inside a running event loop, and closed there.
    """
    checked = check_url(url)
    connector = aiohttp.TCPConnector(
        limit=limit, resolver=CheckedResolver(checked.scheme), ttl_dns_cache=10, ssl=tls if tls is not None else True,
        keepalive_timeout=30,
    )  # fmt: skip
    return _session(connector, connect_seconds)


def open_unix_session(path: str, *, limit: int = 1000) -> aiohttp.ClientSession:
    """To a process of our own on this machine."""
    return _session(aiohttp.UnixConnector(path=path, limit=limit, keepalive_timeout=30), _CONNECT_SECONDS)


def _session(connector: aiohttp.BaseConnector, connect_seconds: float) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds),
        auto_decompress=False,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=_SKIPPED,
        read_bufsize=2**18,
    )


_SKIPPED: Iterable[str] = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class Poster:
    """Posts and puts to one origin over connections that are kept. Needs a running event loop, and is closed there."""

    def __init__(self, url: str, *, limit: int, tls: ssl.SSLContext | None = None) -> None:
        """Any URL of the origin; `limit` connections at most; `tls` trusts others than usual. Raises EgressDenied."""
        self._session = open_session(url, limit=limit, tls=tls)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, limit: int) -> Answer:
        """The answer, read to its end and never followed elsewhere.

        `limit` is in bytes of the body. Raises EgressDenied and PostFailed; how long it may take is the caller's
        to say.
        """
        return await self._send("POST", url, body, headers, limit)

    async def put(self, url: str, body: IO[bytes], headers: Mapping[str, str], *, limit: int) -> Answer:
        """The same with PUT; the file goes from where it stands to its end, read as it is sent."""
        return await self._send("PUT", url, body, headers, limit)

    async def _send(
        self, method: str, url: str, body: bytes | IO[bytes], headers: Mapping[str, str], limit: int
    ) -> Answer:
        check_url(url)
        has_begun = False
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, allow_redirects=False
            ) as response:
                has_begun = True
                return await _read(response, limit)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            kind = _kind(error, has_begun)
        # Raised out here, so that the client's own exception, which may hold the request, is not behind it.
        raise PostFailed(kind)

    async def close(self) -> None:
        await self._session.close()


async def _read(response: aiohttp.ClientResponse, limit: int) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        response.close()
        raise PostFailed(ENCODED)
    chunks, size = [], response.content_length or 0
    if size <= limit:
        size = 0
        while size <= limit and (chunk := await response.content.readany()):
            size += len(chunk)
            chunks.append(chunk)
    if size > limit:
        response.close()
        raise PostFailed(TOO_LARGE)
    return Answer(response.status, headers, b"".join(chunks))


def _kind(error: Exception, has_begun: bool) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return UNREACHABLE
    if isinstance(error, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError)) and not has_begun:
        return DROPPED
    if isinstance(error, (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError)):
        return UNREACHABLE
    return INVALID


async def connect(url: str, factory: Callable[[], P]) -> P:
    """One connection outside of any pool. Raises EgressDenied, ConnectFailed and TimeoutError."""
    checked = check_url(url)
    _, protocol = await _connect(checked, factory, _default_tls() if checked.scheme == "https" else None)
    return protocol


async def open_stream(url: str, tls: ssl.SSLContext | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """One connection that carries no HTTP, to what check_stream() lets pass. `tls` trusts others than usual.

    Raises EgressDenied, ConnectFailed and TimeoutError.
    """
    checked = check_stream(url)
    reader = asyncio.StreamReader()
    secured = (tls or _plain_tls()) if checked.scheme in _ENCRYPTED else None
    transport, protocol = await _connect(checked, lambda: _Stream(reader), secured)
    return reader, asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())


class _Stream(asyncio.StreamReaderProtocol, Speaker):
    _made: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base
        super().connection_made(transport)
        self._made = transport

    def close(self) -> None:
        if self._made is not None:
            self._made.abort()


async def _connect(checked: URL, factory: Callable[[], P], tls: ssl.SSLContext | None) -> tuple[Any, P]:
    loop = asyncio.get_running_loop()
    host = checked.raw_host or ""
    name = host.rstrip(".") if tls is not None else None
    made: list[P] = []

    def make() -> P:
        made.append(factory())
        return made[0]

    async with _connecting():
        found = await _checked_addresses(checked)
    async with _connecting(), asyncio.timeout(_CONNECT_SECONDS):
        opened = await start_connection(found, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, loop=loop)
        try:
            return await loop.create_connection(make, sock=opened, ssl=tls, server_hostname=name)
        except BaseException:
            # The loop would say farewell over TLS first, on a socket whose number is another connection's by then.
            for each in made:
                each.close()
            opened.close()
            raise


async def connect_unix(path: str, factory: Callable[[], P]) -> P:
    """To a process of our own on this machine. Raises ConnectFailed and TimeoutError."""
    async with _connecting(), asyncio.timeout(_CONNECT_SECONDS):
        _, protocol = await asyncio.get_running_loop().create_unix_connection(factory, path)
    return protocol


@asynccontextmanager
async def _connecting() -> AsyncIterator[None]:
    try:
        yield
    except OSError as error:
        # A time-out of ours has no number; the system's own is one of many ways not to get through.
        if isinstance(error, TimeoutError) and error.errno is None:
            raise
        raise ConnectFailed(type(error).__name__) from error


async def _checked_addresses(checked: URL) -> list[AddrInfoType]:
    host, port = checked.raw_host or "", checked.port or 0
    literal = _literal(host)
    if literal is not None:
        # Checked with the URL.
        family = socket.AF_INET if literal.version == 4 else socket.AF_INET6
        return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]
    answers = await CheckedResolver(checked.scheme).resolve(host, port)
    return [(each["family"], socket.SOCK_STREAM, each["proto"], "", (each["host"], port)) for each in answers]


@lru_cache(maxsize=1)
def _plain_tls() -> ssl.SSLContext:
    return ssl.create_default_context()


@lru_cache(maxsize=1)
def _default_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
