"""Server-sent events: what bytes mean, however they are cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.events import EventParser, EventTooLarge, RawEvent, render

pytestmark = pytest.mark.claim("events.parser")
_LINE = st.one_of(
    st.sampled_from(["data: {}", "data:x", "data", "data:  two", ": note", ":", "id: 7", "id:", "id: a\0b", "event: e",
                     "retry: 10", "retry: x", "retry: ٣", "unknown: y", "", "", "", "dätä: é", "\ufeffdata: bom"]),
    st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=12),
)  # fmt: skip


def parse(data: bytes, cuts: list[int] | None = None, limit: int = 10_000) -> list[RawEvent]:
    parser, events = EventParser(limit), []
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts or [])})
    for start, end in pairwise(edges):
        events += list(parser.feed(data[start:end]))
    return events


def reference(text: str) -> list[RawEvent]:
    """The standard's algorithm, word by word, on the whole text."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    events, block = [], list[str]()
    for line in lines[:-1]:
        if line:
            block.append(line)
            continue
        if block:
            events.append(_event(block))
        block = []
    return events


def _event(block: list[str]) -> RawEvent:
    event, data, comments = RawEvent(), list[str](), list[str]()
    for line in block:
        name, colon, value = line.partition(":")
        value = value[1:] if value[:1] == " " else value
        if colon and not name:
            comments.append(value)
        match name:
            case "data":
                data.append(value)
            case "id" if "\0" not in value:
                event.id = value
            case "event":
                event.event = value
            case "retry" if value and all(char in "0123456789" for char in value):
                event.retry = value
    event.data = "\n".join(data) if data else None
    event.comments = tuple(comments)
    return event


@given(st.lists(st.tuples(_LINE, st.sampled_from(["\n", "\r", "\r\n"]))), st.lists(st.integers(0, 10_000)))
def test_any_cutting_of_any_stream_gives_the_events_of_the_standard(
    lines: list[tuple[str, str]], cuts: list[int]
) -> None:
    text = "".join(line + end for line, end in lines)
    assert parse(text.encode(), cuts) == reference(text)


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)))
def test_any_bytes_cut_anyhow_give_the_same_events(data: bytes, cuts: list[int]) -> None:
    assert parse(data, cuts) == parse(data) == parse(data, list(range(len(data))))


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_each_line_ending_is_one(end: str) -> None:
    stream = end.join(["id: 1", "data: a", "data: b", "", "data: c", "", ""])
    assert parse(stream.encode()) == [RawEvent("a\nb", "1"), RawEvent("c")]


def test_a_line_break_cut_in_two_is_still_one() -> None:
    parser = EventParser(100)
    assert list(parser.feed(b"data: a\r")) == []
    assert list(parser.feed(b"\n\r")) == [RawEvent("a")]
    assert list(parser.feed(b"\ndata: b\r\n\r\n")) == [RawEvent("b")]


def test_an_event_without_its_end_is_none() -> None:
    assert parse(b"data: a\n\ndata: unfinished\n") == [RawEvent("a")]


def test_a_priming_event_has_an_id_and_no_data() -> None:
    assert parse(b"id: 1\n\n: ping\n\n") == [RawEvent(None, "1"), RawEvent(comments=("ping",))]


_TEXT = st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"), max_size=20)
_TEXT_OR_NONE = st.none() | _TEXT.filter(lambda text: not text.startswith(" "))


@given(
    _TEXT_OR_NONE, _TEXT_OR_NONE, _TEXT_OR_NONE, st.none() | st.integers(0).map(str), st.lists(_TEXT, max_size=3)
)  # fmt: skip
def test_what_is_written_is_read_again(
    data: str | None, identity: str | None, name: str | None, retry: str | None, comments: list[str]
) -> None:
    event = RawEvent(data, identity, name, retry, tuple(comments))
    written = render(event, data.encode() if data is not None else None)
    assert parse(written) == ([event] if event != RawEvent() else [])


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"data: " + b"x" * 2000 + b"\n\n", id="one long line"),
        pytest.param(b"data: xxxxxxx\n" * 200 + b"\n", id="many lines"),
        pytest.param(b": comment\n" * 200 + b"\n", id="comments"),
        pytest.param(b"x" * 2000, id="a line that never ends"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 5000])
def test_an_event_over_the_limit_is_refused_while_it_comes(stream: bytes, size: int) -> None:
    with pytest.raises(EventTooLarge):
        parse(stream, list(range(0, len(stream), size)), limit=1000)


def test_the_limit_is_for_one_event_and_not_for_the_stream() -> None:
    stream = (b"data: " + b"x" * 800 + b"\n\n") * 50
    assert len(parse(stream, list(range(0, len(stream), 333)), limit=1000)) == 50


def test_what_is_kept_never_exceeds_the_limit() -> None:
    parser: Any = EventParser(1000)
    for _ in range(10):
        list(parser.feed(b"x" * 100))
    with pytest.raises(EventTooLarge):
        list(parser.feed(b"x"))
    assert sum(map(len, parser._chunks)) <= 1001
