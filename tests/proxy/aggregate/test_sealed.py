"""Sessions, cursors and ids that clients carry for the gateway open for their key and place only."""

from __future__ import annotations

import dataclasses
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects.authentication import KeyRecord, Principal
from proxy.aggregate.sealed import (
    SESSION_SECONDS,
    Asked,
    Session,
    open_asked,
    open_cursor,
    open_session,
    seal_asked,
    seal_cursor,
    seal_session,
)
from proxy.errors import Refusal
from proxy.session import MAX_LENGTH
from proxy.wire import MAX_ID_TEXT

KEY = KeyRecord("k1", "laptop", 1, 1, "ada@acme.test", "owner", "p1", b"", ("*",), ("*",), (), None)
ADA = Principal(1, KEY)
OTHERS = [Principal(2, KEY), Principal(1, dataclasses.replace(KEY, key_id="k2"))]
SESSION = Session("0" * 32, "2025-11-25", time.time(), {"sampling": {}}, {"name": "test", "version": "1"})
ASKED = Asked("docs", "c0ffee", "s" * 36, "2025-11-25", 7)


@pytest.mark.claim("aggregate.sessions")
def test_a_session_opens_for_its_own_key_only() -> None:
    sealed = seal_session(SESSION, ADA)
    assert open_session(sealed, ADA) == SESSION
    assert len(sealed) <= MAX_LENGTH
    for forged, principal in [(sealed, OTHERS[0]), (sealed, OTHERS[1]), (sealed[:-2] + "AA", ADA), ("x" * 9999, ADA)]:
        with pytest.raises(Refusal) as refused:
            open_session(forged, principal)
        assert refused.value.kind == "session_not_found"


@pytest.mark.claim("aggregate.sessions")
def test_a_session_of_a_client_that_says_too_much_is_not_begun() -> None:
    wordy = dataclasses.replace(SESSION, capabilities={f"sampling{number}": {} for number in range(200)})
    with pytest.raises(Refusal) as refused:
        seal_session(wordy, ADA)
    assert refused.value.kind == "invalid_params"


@pytest.mark.claim("aggregate.sessions")
def test_a_session_that_nobody_has_ended_ends_by_itself() -> None:
    old = dataclasses.replace(SESSION, began_at=time.time() - SESSION_SECONDS - 1)
    with pytest.raises(Refusal):
        open_session(seal_session(old, ADA), ADA)


@pytest.mark.claim("aggregate.cursors")
def test_a_cursor_is_good_for_one_key_and_one_state_of_one_list() -> None:
    cursor = seal_cursor(ADA, "tools", "d1", 3)
    assert open_cursor(cursor, ADA, "tools", "d1") == 3
    bad = [
        (cursor, OTHERS[0], "tools", "d1"), (cursor, OTHERS[1], "tools", "d1"), (cursor, ADA, "prompts", "d1"),
        (cursor, ADA, "tools", "d2"), ("MTIz", ADA, "tools", "d1"), (7, ADA, "tools", "d1"), ("", ADA, "tools", "d1"),
        (seal_session(SESSION, ADA), ADA, "tools", "d1"),
    ]  # fmt: skip
    answers = set()
    for given_cursor, principal, member, digest in bad:
        with pytest.raises(Refusal) as refused:
            open_cursor(given_cursor, principal, member, digest)
        answers.add((refused.value.status, refused.value.code, refused.value.message, str(refused.value.data)))
    assert answers == {(400, -32602, "Invalid cursor", "None")}


@pytest.mark.claim("aggregate.asked")
@given(st.one_of(st.integers(-(2**53), 2**53), st.text(max_size=20)), st.text(max_size=40))
def test_a_request_of_a_server_is_answered_by_its_own_session(message_id: str | int, session: str) -> None:
    asked = dataclasses.replace(ASKED, id=message_id, session=session)
    sealed = seal_asked(asked, ADA, SESSION)
    if sealed is None:
        return
    assert len(sealed) <= MAX_ID_TEXT
    assert open_asked(sealed, ADA, SESSION) == asked
    assert open_asked(sealed, OTHERS[1], SESSION) is None
    assert open_asked(sealed, ADA, dataclasses.replace(SESSION, id="1" * 32)) is None


@pytest.mark.claim("aggregate.asked")
def test_an_id_that_would_be_too_long_is_none() -> None:
    assert seal_asked(dataclasses.replace(ASKED, id="x" * 250), ADA, SESSION) is None
    assert open_asked(7, ADA, SESSION) is None
