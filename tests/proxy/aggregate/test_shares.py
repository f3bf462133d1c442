"""What is kept of sessions is bounded for each project, and what was ended stays so."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from projects.authentication import KeyRecord, Principal
from proxy.aggregate import ended, handshake, sessions
from proxy.aggregate.handshake import Kept
from proxy.aggregate.sealed import SESSION_SECONDS, Session
from proxy.aggregate.sessions import Sessions
from proxy.aggregate.shares import Shares
from proxy.call import Call
from proxy.errors import Refusal
from servers.upstream import Upstream

pytestmark = pytest.mark.claim("aggregate.shares")
KEY = KeyRecord("k1", "laptop", 1, 1, "ada@acme.test", "owner", "p1", b"", ("*",), ("*",), (), None)
OWN = Upstream(1, 1, "own", "http", "http://127.0.0.1:9001/mcp", "c0ffee", 60.0)
OTHERS = dataclasses.replace(OWN, server_id=2, project_id=2, slug="theirs")


def session(name: str, began_at: float | None = None) -> Session:
    return Session(name, "2025-11-25", began_at or time.time())


def test_who_has_too_many_loses_its_own() -> None:
    shares: Shares[str, int] = Shares(3, 5)
    shares.put(2, "theirs", 0)
    gone = [each for number in range(10) for each in shares.put(1, f"own{number}", number)]
    assert [key for key, _ in gone] == [f"own{number}" for number in range(7)]
    assert shares.get("theirs") == 0
    shares.put(2, "theirs too", 1)
    assert [key for key, _ in shares.put(3, "a third", 2)] == ["own7"], "of who has most"
    assert (shares.pop("own7"), shares.pop("own8"), "own8" in shares) == (None, 8, False)


def test_no_tenant_has_the_sessions_of_another_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ending: list[str] = []

    async def end(_: Any, upstream: Upstream, kept: Kept) -> None:
        ending.append(kept.id)

    async def note(*_: Any) -> None:
        return None

    async def fill() -> None:
        kept = Sessions()
        state = cast(Any, None)
        kept._keep(state, ("theirs", 2, "c0ffee"), OTHERS, Kept("theirs", "2025-11-25"))
        for number in range(sessions._MAX_KEPT[0] + 2):
            kept._keep(state, (f"own{number}", 1, "c0ffee"), OWN, Kept(f"own{number}", "2025-11-25"))
        await asyncio.gather(*kept._background)

    monkeypatch.setattr(handshake, "end", end)
    monkeypatch.setattr("proxy.aggregate.parts.note_ours", note)
    asyncio.run(fill())
    assert ending == ["own0", "own1"]


def test_what_was_ended_stays_ended_however_many_others_there_are(settings: Any) -> None:
    settings.REDIS_URL = ""
    call = cast(Call, SimpleNamespace(principal=Principal(1, KEY), snapshot=None, state=_state()))
    gone = session("gone")

    async def end_and_go_on() -> None:
        kept = Sessions()
        await kept.confirm(call, gone)
        await kept.end(call, gone)
        for number in range(sessions._MAX_CLIENTS[0] + 1):
            await kept.confirm(call, session(f"s{number}"))
        with pytest.raises(Refusal) as refused:
            await kept.confirm(call, gone)
        assert refused.value.kind == "session_not_found"

    asyncio.run(end_and_go_on())


def _state() -> Any:
    return SimpleNamespace(snapshots=SimpleNamespace(current=lambda _: None))


def test_of_too_many_that_were_ended_none_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ended, "_MAX_OF_KEY", 3)
    monkeypatch.setattr(ended, "_MAX_IN_ALL", 5)
    known, now = ended.Ended(), time.time()
    over = [session(f"s{number}", now - 100 + number) for number in range(6)]
    for each in over:
        known.add("k1", each)
        known.add("k2", dataclasses.replace(each, id=f"other {each.id}"))
    assert all(known.holds("k1", each) for each in over)
    assert not known.holds("k1", session("later", now))
    assert not known.holds("k3", over[0])
    known.add("k1", session("of long ago", now - SESSION_SECONDS - 1))
    known.add("k1", session("newest", now))
    assert not known.holds("k1", session("another", now + 1))
