"""Without a line in the log no server hears of a notice, a log level or the end of a session."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.aggregate import handshake, notices, parts
from proxy.aggregate.handshake import Kept
from proxy.aggregate.sealed import Session
from proxy.aggregate.sessions import Sessions
from proxy.call import Call
from proxy.errors import Refusal
from servers.upstream import Upstream

DOCS = Upstream(1, 1, "docs", "http", "http://127.0.0.1:9001/mcp", "c0ffee", 60.0)


@pytest.mark.claim("aggregate.parts-on-record")
@pytest.mark.parametrize("log_is_there", [True, False])
def test_what_cannot_be_put_on_record_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, settings: Any, log_is_there: bool
) -> None:
    settings.REDIS_URL = ""
    session, kept, sent = Session("s", "2025-11-25", 0.0), Kept("theirs", "2025-11-25", logs=True), list[str]()

    async def note(*_: Any) -> None:
        if not log_is_there:
            raise Refusal("audit_unavailable")

    def sending(what: str) -> Any:
        async def send(*_: Any) -> None:
            sent.append(what)

        return send

    async def all_of(*_: Any) -> list[tuple[Upstream, Kept]]:
        return [(DOCS, kept)]

    async def reach() -> None:
        sessions = Sessions()
        monkeypatch.setattr(sessions, "all_of", all_of)
        principal = SimpleNamespace(project_id=1, key=SimpleNamespace(key_id="k1"))
        state = SimpleNamespace(aggregate=SimpleNamespace(sessions=sessions))
        call = cast(Call, SimpleNamespace(principal=principal, state=state))
        await notices.tell_all(call, session, {"method": "notifications/roots/list_changed"})
        await asyncio.gather(*notices._under_way)
        with contextlib.nullcontext() if log_is_there else pytest.raises(Refusal):
            await notices.set_level(call, session, "info")
        await sessions.end(call, session)
        await asyncio.gather(*sessions._background)

    monkeypatch.setattr(parts, "note", note)
    for what in ("tell", "set_level", "end"):
        monkeypatch.setattr(handshake, what, sending(what))
    asyncio.run(reach())
    assert sent == (["tell", "set_level", "end"] if log_is_there else [])
