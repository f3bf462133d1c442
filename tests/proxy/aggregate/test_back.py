"""What servers say of resources, tasks and requests is said in the words of the address of all servers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from proxy.aggregate.back import Words, translate
from tests.json_values import json_values

pytestmark = pytest.mark.claim("aggregate.words")
WORDS = Words("docs", {"file:///given": "file:///given"}, lambda message_id: f"sealed-{message_id}")
OWN, SHOWN = "file:///a", "mcp+docs+file:///a"


def result(value: dict[str, Any]) -> Any:
    translated = translate({"jsonrpc": "2.0", "id": 1, "result": value}, WORDS)
    assert translated is not None
    assert translated["id"] == 1
    return translated["result"]


def test_links_and_resources_of_a_result_can_be_read_at_the_same_address() -> None:
    link, inner = {"type": "resource_link", "uri": OWN, "name": "a"}, {"type": "resource", "resource": {"uri": OWN}}
    text = {"type": "text", "text": OWN}
    assert result({"content": [link, inner, text], "structuredContent": {"uri": OWN}}) == {
        "content": [{**link, "uri": SHOWN}, {"type": "resource", "resource": {"uri": SHOWN}}, text],
        "structuredContent": {"uri": OWN},
    }
    assert result({"messages": [{"role": "user", "content": inner}]})["messages"][0]["content"]["resource"] == {
        "uri": SHOWN
    }


def test_what_was_asked_for_by_its_own_uri_is_answered_with_it() -> None:
    assert result({"contents": [{"uri": "file:///given"}, {"uri": OWN}]}) == {
        "contents": [{"uri": "file:///given"}, {"uri": SHOWN}]
    }
    said = {"code": -32602, "message": "No", "data": {"uri": OWN}}
    error = {"jsonrpc": "2.0", "id": 1, "error": said}
    assert translate(error, WORDS) == {**error, "error": {**said, "data": {"uri": SHOWN}}}


def test_tasks_have_the_name_by_which_they_can_be_asked_for() -> None:
    assert result({"taskId": "t", "task": {"taskId": "t"}}) == {"taskId": "docs:t", "task": {"taskId": "docs:t"}}
    related = {"_meta": {"io.modelcontextprotocol/related-task": {"taskId": "t"}, "other": 1}}
    assert result(related) == {"_meta": {"io.modelcontextprotocol/related-task": {"taskId": "docs:t"}, "other": 1}}


def test_requests_of_the_server_have_an_id_that_leads_back_or_are_not_passed_on() -> None:
    asked = {"jsonrpc": "2.0", "id": 7, "method": "roots/list", "params": {}}
    assert translate(asked, WORDS) == {**asked, "id": "sealed-7"}
    assert translate(asked, Words("docs")) is None
    assert translate({**asked, "id": None}, WORDS) is None


def test_notices_name_the_resource() -> None:
    notice = {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": OWN}}
    assert translate(notice, WORDS) == {**notice, "params": {"uri": SHOWN}}


@given(json_values())
def test_whatever_a_server_answers_can_be_translated(value: Any) -> None:
    for member in ("content", "contents", "messages", "task", "_meta", "anything"):
        for message in (
            {"jsonrpc": "2.0", "id": 1, "result": {member: value}},
            {"jsonrpc": "2.0", "id": 1, "result": value},
            {"jsonrpc": "2.0", "id": 1, "error": value},
            {"jsonrpc": "2.0", "method": "notifications/x", "params": {member: value}},
        ):
            assert translate(message, WORDS) is not None
