"""The load client: closed-loop MCP clients on raw keep-alive HTTP/1.1, every answer checked."""

import argparse
import asyncio
import contextlib
import resource
import secrets
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar, get_args
from urllib.parse import urlsplit

import httptools
import orjson
import uvloop

Era = Literal["legacy", "modern"]
ERAS: tuple[Era, ...] = get_args(Era)
VERSIONS: dict[Era, str] = {"legacy": "2025-11-25", "modern": "2026-07-28"}
CLIENT_INFO = {"name": "bench-load", "version": "1"}
META = {
    "io.modelcontextprotocol/protocolVersion": VERSIONS["modern"],
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": CLIENT_INFO,
}
CALL = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo","arguments":{"text":"%b'
# Long enough for any honest answer; what takes longer is counted as an error.
HUNG_AFTER = 30.0

T = TypeVar("T")


class WrongAnswer(Exception):
    """An answer that is missing, malformed or not the one to this call."""


@dataclass(frozen=True)
class Target:
    url: str
    key: str = ""


class Response(NamedTuple):
    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection with at most one request in flight."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.parser = httptools.HttpResponseParser(self)
        self.waiter: asyncio.Future[Response] | None = None
        self.streaming = False
        self.headers: dict[bytes, bytes] = {}
        self.body = b""

    @property
    def usable(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def exchange(self, request: bytes, *, streaming: bool = False) -> asyncio.Future[Response]:
        if self.transport is None:
            raise ConnectionError("not connected")
        self.streaming = streaming
        self.waiter = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.waiter

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # as in the base

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_exception(exc or ConnectionResetError("closed before the answer"))

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self.waiter is not None and not self.waiter.done():
                self.waiter.set_exception(WrongAnswer(f"not HTTP: {error}"))
            self.close()

    def on_message_begin(self) -> None:
        self.headers = {}
        self.body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self.streaming:
            self.resolve()

    def on_body(self, body: bytes) -> None:
        if not self.streaming:
            self.body += body

    def on_message_complete(self) -> None:
        if self.streaming:
            self.close()
            return
        if not self.parser.should_keep_alive():
            self.close()
        self.resolve()

    def resolve(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(Response(self.parser.get_status_code(), self.headers, self.body))


class Client:
    """One MCP client: its connection and, in the legacy era, its session."""

    def __init__(self, target: Target, era: Era) -> None:
        address = urlsplit(target.url)
        self.host, self.port, self.path = address.hostname or "", address.port or 80, address.path
        self.key = target.key
        self.era: Era = era
        self.session = b""
        self.connection = Connection()
        self.calls = 0
        self.nonce = secrets.token_hex(4)
        self.call_head = b""
        self.call_tail = b'"}' + (b',"_meta":' + orjson.dumps(META) if era == "modern" else b"") + b"}}"

    async def open(self) -> None:
        if self.era == "legacy":
            await self.handshake()
        self.call_head = self.head("POST", "tools/call", "echo")

    async def handshake(self) -> None:
        params = {"protocolVersion": VERSIONS["legacy"], "capabilities": {}, "clientInfo": CLIENT_INFO}
        request = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        response = await self.post(self.head("POST", "initialize"), orjson.dumps(request))
        result_of(response, 0)
        self.session = response.headers.get(b"mcp-session-id", b"")
        notification = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        head = self.head("POST", "notifications/initialized")
        response = await self.post(head, orjson.dumps(notification))
        if response.status != 202:
            raise WrongAnswer(f"notification answered {response.status}: {response.body[:300]!r}")

    async def call(self) -> None:
        self.calls += 1
        text = f"{self.nonce}-{self.calls}"
        body = CALL % (self.calls, text.encode()) + self.call_tail
        result = result_of(await self.post(self.call_head, body), self.calls)
        check_echo(result, text, self.era)

    async def idle_stream(self) -> None:
        response = await (await self.connected()).exchange(self.head("GET") + b"\r\n", streaming=True)
        kind = response.headers.get(b"content-type", b"")
        if response.status != 200 or not kind.startswith(b"text/event-stream"):
            raise WrongAnswer(f"stream answered {response.status} {kind!r}")

    async def close(self) -> None:
        if self.session and not self.connection.streaming:
            with contextlib.suppress(OSError, WrongAnswer):
                request = self.head("DELETE") + b"content-length: 0\r\n\r\n"
                await (await self.connected()).exchange(request)
        self.connection.close()

    async def post(self, head: bytes, body: bytes) -> Response:
        connection = self.connection if self.connection.usable else await self.connected()
        return await connection.exchange(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))

    async def connected(self) -> Connection:
        if not self.connection.usable:
            loop = asyncio.get_running_loop()
            _, self.connection = await loop.create_connection(Connection, self.host, self.port)
        return self.connection

    def head(self, verb: str, method: str = "", name: str = "") -> bytes:
        accept = "text/event-stream" if verb == "GET" else "application/json, text/event-stream"
        lines = [f"{verb} {self.path} HTTP/1.1", f"host: {self.host}:{self.port}", f"accept: {accept}"]
        lines.append("user-agent: bench-load/1")
        if verb == "POST":
            lines.append("content-type: application/json")
        if self.key:
            lines.append(f"authorization: Bearer {self.key}")
        if self.session:
            lines.append(f"mcp-session-id: {self.session.decode()}")
        if method != "initialize":
            lines.append(f"mcp-protocol-version: {VERSIONS[self.era]}")
        if self.era == "modern":
            lines.append(f"mcp-method: {method}")
            lines.append(f"mcp-name: {name}")
        return ("\r\n".join(lines) + "\r\n").encode()


def result_of(response: Response, request_id: int) -> dict[str, Any]:
    """The result of the JSON-RPC answer to `request_id`, or WrongAnswer with what came instead."""
    try:
        kind = response.headers.get(b"content-type", b"")
        streamed = kind.startswith(b"text/event-stream")
        message = event_of(response.body) if streamed else orjson.loads(response.body)
        if response.status == 200 and message["id"] == request_id:
            result: dict[str, Any] = message["result"]
            return result
    except (orjson.JSONDecodeError, LookupError, TypeError):
        pass
    raise WrongAnswer(f"{response.status} to id {request_id}: {response.body[:300]!r}")


def event_of(body: bytes) -> Any:
    """The last event that is an answer; what stands before it may be priming events and notifications."""
    for event in reversed(body.replace(b"\r\n", b"\n").split(b"\n\n")):
        data = b"\n".join(line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:"))
        if data and "method" not in (message := orjson.loads(data)):
            return message
    raise LookupError("no answer in the stream")


def check_echo(result: dict[str, Any], text: str, era: Era) -> None:
    try:
        right = result["content"][0]["text"] == text and not result.get("isError")
    except (LookupError, TypeError):
        right = False
    if not right or (era == "modern" and result.get("resultType") != "complete"):
        raise WrongAnswer(f"expected {text}, got {orjson.dumps(result)[:300]!r}")


@dataclass
class Tally:
    """What a group of clients saw: calls answered rightly in the window, and every error."""

    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    seconds: float = 0.0
    client_cpu: float = 0.0

    @property
    def calls(self) -> int:
        return len(self.latencies)

    @property
    def calls_per_second(self) -> float:
        return self.calls / self.seconds if self.seconds else 0.0

    def percentile(self, percent: float) -> float:
        """Milliseconds; nearest rank. Sorted once: call only when the window is over."""
        if not self.latencies:
            return float("nan")
        self.latencies.sort()
        rank = min(self.calls - 1, int(self.calls * percent / 100))
        return self.latencies[rank] * 1000

    def note(self, error: BaseException) -> None:
        self.errors[f"{type(error).__name__}: {error}"[:400]] += 1


async def drive(client: Client, turns: Iterator[None], tally: Tally) -> None:
    clock = time.perf_counter
    for _ in turns:
        began = clock()
        try:
            await client.call()
        except (WrongAnswer, OSError) as error:
            tally.note(error)
            await asyncio.sleep(0.05)
        else:
            tally.latencies.append(clock() - began)


async def opened(target: Target, era: Era, concurrency: int) -> list[Client]:
    clients = [Client(target, era) for _ in range(concurrency)]
    await asyncio.gather(*(client.open() for client in clients))
    return clients


async def close_all(clients: list[Client]) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*(client.close() for client in clients)), 10)


async def finished(tasks: list[asyncio.Task[None]], tally: Tally) -> None:
    _, hung = await asyncio.wait(tasks, timeout=HUNG_AFTER)
    for task in hung:
        task.cancel()
        tally.note(WrongAnswer(f"no answer within {HUNG_AFTER:.0f} s"))
    for task in tasks:
        if task not in hung:
            task.result()


async def timed(
    target: Target,
    era: Era,
    concurrency: int,
    *,
    seconds: float,
    warm_up: float,
    at_edge: Callable[[], None] = lambda: None,
) -> Tally:
    """Calls in a closed loop for `seconds`; `at_edge` is called when the window opens and when it closes."""
    clients = await opened(target, era, concurrency)
    running = True

    def turns() -> Iterator[None]:
        while running:
            yield

    tally = Tally()
    tasks = [asyncio.create_task(drive(client, turns(), tally)) for client in clients]
    await asyncio.sleep(warm_up)
    at_edge()
    tally.latencies.clear()
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    tally.seconds, tally.client_cpu = time.perf_counter() - began, time.process_time() - cpu
    at_edge()
    running = False
    in_window = tally.latencies.copy()
    await finished(tasks, tally)
    tally.latencies = in_window
    tally.sent = sum(client.calls for client in clients)
    await close_all(clients)
    return tally


async def counted(target: Target, era: Era, concurrency: int, *, calls: int) -> Tally:
    """Exactly `calls` calls, shared among the clients."""
    clients = await opened(target, era, concurrency)
    tally = Tally()
    turns = iter([None] * calls)
    began, cpu = time.perf_counter(), time.process_time()
    tasks = [asyncio.create_task(drive(client, turns, tally)) for client in clients]
    await progress_stops(clients, tasks)
    await finished(tasks, tally)
    tally.seconds, tally.client_cpu = time.perf_counter() - began, time.process_time() - cpu
    tally.sent = sum(client.calls for client in clients)
    await close_all(clients)
    return tally


async def progress_stops(clients: list[Client], tasks: list[asyncio.Task[None]]) -> None:
    """Returns when all is done, or when no client has begun a call for as long as one may take."""
    begun, since = 0, time.perf_counter()
    while not all(task.done() for task in tasks) and time.perf_counter() - since < HUNG_AFTER:
        await asyncio.sleep(0.1)
        if (now := sum(client.calls for client in clients)) != begun:
            begun, since = now, time.perf_counter()


async def idle_streams(target: Target, number: int, tally: Tally, *, at_once: int = 32) -> list[Client]:
    """Legacy clients that each hold a session and an open GET stream on which nothing happens."""
    gate = asyncio.Semaphore(at_once)
    clients: list[Client] = []

    async def one() -> None:
        async with gate:
            client = Client(target, "legacy")
            try:
                await client.open()
                await asyncio.wait_for(client.idle_stream(), HUNG_AFTER)
            except (WrongAnswer, OSError) as error:
                tally.note(error)
                client.connection.close()
            else:
                clients.append(client)

    await asyncio.gather(*(one() for _ in range(number)))
    return clients


def run(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def allow_many_files() -> int:
    """Raises the soft limit of open files to the hard one, for this process and those it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--key", default="")
    parser.add_argument("--era", choices=ERAS, default="modern")
    parser.add_argument("-c", "--concurrency", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warm-up", type=float, default=1.0)
    given = parser.parse_args()
    target = Target(given.url, given.key)
    tally = run(timed(target, given.era, given.concurrency, seconds=given.seconds, warm_up=given.warm_up))
    print(f"{tally.calls} calls, {sum(tally.errors.values())} errors, {tally.calls_per_second:.0f} calls/s")
    print(" ".join(f"p{rank} {tally.percentile(rank):.2f} ms" for rank in (50, 95, 99)))
    if tally.calls:
        print(f"client CPU {tally.client_cpu / tally.calls * 1000:.3f} ms/call")
    for text, number in tally.errors.most_common(5):
        print(f"{number} x {text}")
    raise SystemExit(1 if tally.errors else 0)


if __name__ == "__main__":
    main()
