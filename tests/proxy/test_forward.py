"""What a server may say, and to what."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from projects.authentication import KeyRecord, Principal
from proxy.call import Call
from proxy.stages import forward
from servers.events import RawEvent
from servers.upstream import Upstream, UpstreamError

KEY = KeyRecord("k1", "laptop", 1, 1, "ada@acme.test", "owner", "p1", b"", ("*",), ("*",), (), None)
DOCS = Upstream(7, 1, "docs", "http", "http://127.0.0.1:9001/mcp", "c0ffee", 60.0)
ANSWER = {"jsonrpc": "2.0", "id": 77, "result": {"tools": [{"name": "nobody-looked-at-it"}]}}


async def _here(_: int, __: int, function: Any, *arguments: Any) -> Any:
    return function(*arguments)


def call(message: dict[str, Any] | None, http_method: str = "POST") -> Call:
    state = SimpleNamespace(guards=SimpleNamespace(apart=_here))
    return Call(
        state=cast(Any, state), request_id="r", principal=Principal(1, KEY), snapshot=cast(Any, None), upstream=DOCS,
        http_method=http_method, version="2025-11-25", modern=False, message=message, headers={},
    )  # fmt: skip


@pytest.mark.claim("upstream.answers")
def test_what_asks_for_no_answer_gets_none() -> None:
    """No list could be told from any other answer there, so that nobody would look at it."""
    event = RawEvent(json.dumps(ANSWER))
    for message in (
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 5, "result": {}},
    ):
        with pytest.raises(UpstreamError):
            asyncio.run(forward._check_event(call(message), event))
    # A stream that is taken up again may bring any answer, and is read as such.
    assert asyncio.run(forward._check_event(call(None, "GET"), event)).message == ANSWER
