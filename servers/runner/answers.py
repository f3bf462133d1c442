"""What an HTTP request to the runner is read from, and what it is answered with, as ASGI has it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final

from mcp.shared.inbound import InboundLadderRejection

from gateway_site.lib import jsontext
from servers.runner.messages import MODERN_STATUS, OVERLOADED, OWN_STATUS, UNAVAILABLE, error
from servers.runner.streams import Call

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

MAX_BODY: Final = 8 * 1024 * 1024
RETRY_MS: Final = 1000
JSON: Final = (b"content-type", b"application/json")
_EVENTS: Final = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


class Answered(Exception):
    """The request ends here, with this status, body and headers."""

    def __init__(self, status: int, body: Any = None, headers: Headers = ()) -> None:
        self.status, self.body, self.headers = status, body, headers


async def read_body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] != "http.request":
            raise Answered(400)
        chunk = event.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY:
            raise Answered(413, None, [(b"connection", b"close")])
        chunks.append(chunk)
        if not event.get("more_body", False):
            return b"".join(chunks)


async def await_leaving(receive: Receive, leave: Callable[[], None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    leave()


def status_of(call: Call, *, modern: bool) -> int:
    if call.code is None:
        return 200
    return (MODERN_STATUS if modern else OWN_STATUS).get(call.code, 200)


def refusal(status: int, identity: Any, code: int, text: str, data: Any = None) -> Answered:
    return Answered(status, error(identity, code, text, data))


def troubled(identity: Any, code: int) -> Answered:
    retry = [(b"retry-after", b"1")] if code in (OVERLOADED, UNAVAILABLE) else []
    return Answered(OWN_STATUS[code], error(identity, code), retry)


def check_head(verdict: object, identity: Any) -> None:
    if isinstance(verdict, InboundLadderRejection):
        status = MODERN_STATUS.get(verdict.code, 400)
        raise refusal(status, identity, verdict.code, verdict.message, verdict.data)


def as_event(message: bytes) -> bytes:
    return b"event: message\ndata: " + message + b"\n\n"


def priming(call: Call) -> bytes:
    return b"id: %d-0\nretry: %d\ndata: \n\n" % (call.own, RETRY_MS)


async def start_events(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": _EVENTS})


async def send_body(send: Send, body: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def reply(send: Send, status: int, body: Any, headers: Headers) -> None:
    if body is None:
        await reply_raw(send, status, b"", headers)
    else:
        await reply_raw(send, status, jsontext.encode(body), [JSON, *headers])


async def reply_raw(send: Send, status: int, body: bytes, headers: Headers) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send_body(send, body, more=False)
