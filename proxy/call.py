"""One request on its way through the pipeline, and the answer that comes back."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, Protocol

from guardrails.engine.findings import Report
from projects.authentication import Principal
from proxy.snapshot import Snapshot
from servers.events import RawEvent
from servers.upstream import Upstream

if TYPE_CHECKING:
    from proxy.aggregate.passage import Passage
    from proxy.state import State


@dataclass(slots=True)
class Event:
    """One event of a stream; `message` is its parsed JSON-RPC message, None for comments and priming events."""

    raw: RawEvent
    message: dict[str, Any] | None


@dataclass(slots=True)
class Answer:
    """Either one message, which came in `size` bytes, or a stream of events, or a bare status."""

    status: int
    message: dict[str, Any] | None = None
    events: AsyncGenerator[Event, None] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    upstream_status: int | None = None
    size: int = 0
    # The message as it will be sent, once it is final; and the log's digest of its result, where it is known.
    body: bytes | None = None
    digest: str = ""


@dataclass(slots=True, eq=False)
class Call:
    """`message` is None for GET and DELETE. `session` is the upstream's own session id."""

    state: State
    request_id: str
    principal: Principal
    snapshot: Snapshot
    upstream: Upstream
    http_method: str
    version: str | None
    modern: bool
    message: dict[str, Any] | None
    headers: Mapping[str, str]
    address: IPv4Address | IPv6Address | None = None
    bytes_in: int = 0
    session: str | None = None
    sealed_session: str | None = None
    last_event_id: str | None = None
    call_id: uuid.UUID | None = None
    policy_version: int = 0
    bytes_out: int = 0
    started: float = 0.0
    trace_id: str = ""
    # What the guardrails saw: direction, the definition's name or "", and the report; the code with which they
    # stopped the call.
    reports: list[tuple[str, str, Report]] = field(default_factory=list)
    blocked: str = ""
    # Kind and name of what the server lists and nobody has approved: it is shown to nobody.
    unapproved: set[tuple[str, str]] = field(default_factory=set)
    # What the client calls the one thing that it asks for, where that is not its real name; and whether nothing is
    # called so, whatever the server has.
    named: str = ""
    is_nowhere: bool = False
    # How it came to the address of all servers; None at the address of one.
    aggregate: Passage | None = None
    # Begins another session where the server does not know this one any more, and gives the headers for it.
    reopen: Callable[[], Awaitable[dict[str, str]]] | None = None
    # Run once when the answer has left, in any way.
    closers: list[Callable[[], None]] = field(default_factory=list)

    @property
    def method(self) -> str:
        """The JSON-RPC method, or the HTTP method of a call without a message; "response" for an answer."""
        if self.message is None:
            return self.http_method
        method = self.message.get("method", "response")
        return method if isinstance(method, str) else "response"

    @property
    def params(self) -> dict[str, Any]:
        params = self.message.get("params") if self.message is not None else None
        return params if isinstance(params, dict) else {}

    @property
    def message_id(self) -> str | int | None:
        return self.message.get("id") if self.message is not None else None

    @property
    def is_request(self) -> bool:
        return self.message is not None and "id" in self.message and "method" in self.message

    @property
    def is_whole(self) -> bool:
        """Whether it is about all servers together, or about nothing that any of them has."""
        return self.upstream.server_id == 0

    @property
    def is_stream(self) -> bool:
        """Whether it stays open for what the server may say, rather than for one answer."""
        return self.http_method == "GET" or self.method == "subscriptions/listen"

    @property
    def subject(self) -> tuple[str, str]:
        """What the call is about: its kind (tool, prompt, resource or "") and its name."""
        method, params = self.method, self.params
        if method == "tools/call":
            return "tool", _text(params.get("name"))
        if method == "prompts/get":
            return "prompt", _text(params.get("name"))
        if method in ("resources/read", "resources/subscribe", "resources/unsubscribe"):
            return "resource", _text(params.get("uri"))
        if method == "completion/complete":
            reference = params.get("ref")
            if isinstance(reference, dict):
                if reference.get("type") == "ref/prompt":
                    return "prompt", _text(reference.get("name"))
                return "resource", _text(reference.get("uri"))
        return "", ""

    def close(self) -> None:
        closers, self.closers = self.closers, []
        for closer in reversed(closers):
            closer()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


CallNext = Callable[[Call], Awaitable[Answer]]


class Stage(Protocol):
    """One step of the pipeline: it answers, or has the next one answer."""

    __name__: str

    def __call__(self, call: Call, call_next: CallNext) -> Awaitable[Answer]: ...
