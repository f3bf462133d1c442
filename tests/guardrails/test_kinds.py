"""The kind of a text follows from the override, then the schema, then the name, then its look."""

from __future__ import annotations

import pytest

from guardrails.engine.kinds import hint_of, kind_of, kind_of_name
from guardrails.engine.segments import Kind

pytestmark = pytest.mark.claim("guardrails.kinds")

PYTHON = "import os\n\ndef main():\n    return os.listdir('.')\n\nif __name__ == '__main__':\n    main()\n"


def test_an_override_wins_over_everything() -> None:
    assert kind_of("https://x.org", key="url", schema={"format": "uri"}, override="shell") is Kind.SHELL
    with pytest.raises(ValueError):
        kind_of("x", override="nonsense")


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"format": "uri"}, Kind.URL),
        ({"format": "uuid"}, Kind.ID),
        ({"format": "date-time"}, Kind.ID),
        ({"contentMediaType": "application/sql"}, Kind.SQL),
        ({"contentMediaType": "text/x-python; charset=utf-8"}, Kind.CODE),
        ({"contentMediaType": "text/plain"}, Kind.PROSE),
        ({"contentMediaType": "application/x-sh"}, Kind.SHELL),
        ({"contentMediaType": "image/png"}, None),
        ({"format": "email", "type": "string"}, None),
        ({"format": 3}, None),
        (True, None),
        (None, None),
    ],
)
def test_a_schema_says_what_is_meant(schema: object, kind: Kind | None) -> None:
    assert hint_of(schema) is kind
    if kind is not None:
        assert kind_of("SELECT * FROM t", key="path", schema=schema) is kind


@pytest.mark.parametrize(
    ("key", "text", "kind"),
    [
        ("sql", "anything", Kind.SQL),
        ("rawSql", "anything", Kind.SQL),
        ("query", "SELECT name FROM users WHERE id = 1", Kind.SQL),
        ("query", "weather in Bern", Kind.PROSE),
        ("command", "ls -la", Kind.SHELL),
        ("shell_command", "ls", Kind.SHELL),
        ("file_path", "notes.txt", Kind.PATH),
        ("filename", "a b.txt", Kind.PATH),
        ("outputDir", "out", Kind.PATH),
        ("webhookUrl", "example.com/hook", Kind.URL),
        ("endpoint", "localhost:8080", Kind.URL),
        ("user_id", "u-17", Kind.ID),
        ("nextToken", "abc", Kind.ID),
        ("id", "not an id but a sentence", Kind.PROSE),
        ("python_code", "x", Kind.CODE),
        ("script", "print(1)", Kind.CODE),
        ("message", "hello there", Kind.PROSE),
        ("valid", "hello there", Kind.PROSE),
        ("profile", "hello there", Kind.PROSE),
        ("file_text", "hello there", Kind.PROSE),
        ("file_content", "hello there", Kind.PROSE),
        ("x" * 10_000, "hello there", Kind.PROSE),
    ],
)
def test_a_name_says_what_is_meant(key: str, text: str, kind: Kind) -> None:
    assert kind_of(text, key=key) is kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("https://example.com/a?b=c", Kind.URL),
        ("file:///etc/passwd", Kind.URL),
        ("javascript:alert(1)", Kind.URL),
        ("see https://example.com/a for more", Kind.PROSE),
        ("/etc/passwd", Kind.PATH),
        ("../../secret", Kind.PATH),
        ("C:\\Users\\anna\\My Documents", Kind.PATH),
        ("~/notes", Kind.PATH),
        ("/help me with this", Kind.PROSE),
        ("select * from users where a = 1", Kind.SQL),
        ("INSERT INTO t VALUES (1)", Kind.SQL),
        ("WITH x AS (SELECT 1) SELECT * FROM x", Kind.SQL),
        ("drop table users;", Kind.SQL),
        ("Select one of these and update me, please", Kind.PROSE),
        ("Select what you like from the list", Kind.PROSE),
        ("' OR 1=1 --", Kind.PROSE),
        ("#!/bin/bash\necho hi\n", Kind.SHELL),
        (PYTHON, Kind.CODE),
        ('{"name": "Anna", "town": "Bern", "more": [1, 2, 3], "and": {"so": "on"}}', Kind.CODE),
        ("123e4567-e89b-12d3-a456-426614174000", Kind.ID),
        ("da39a3ee5e6b4b0d3255bfef95601890afd80709", Kind.ID),
        ("2024-01-02", Kind.ID),
        ("4111111111111111", Kind.ID),
        ("sk_live_4eC39HqLyjWDarjtT1zdp7dc", Kind.ID),
        ("hello", Kind.PROSE),
        ("anna@example.com", Kind.PROSE),
        ("internationalization", Kind.PROSE),
        ("Dear Anna,\n\nthank you for the letter.\nIt was good to hear from you.\n\nBen", Kind.PROSE),
        ("", Kind.PROSE),
        (" ", Kind.PROSE),
        ("\u4f60\u597d\uff0c\u4e16\u754c", Kind.PROSE),
        ("\ud800 select * from t", Kind.PROSE),
    ],
)
def test_the_look_of_a_text_decides_when_nothing_else_does(text: str, kind: Kind) -> None:
    assert kind_of(text) is kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("user_name", Kind.ID),
        ("Content-Type", Kind.ID),
        ("Ignore what was said before", Kind.PROSE),
        ("../../etc/passwd", Kind.PATH),
        ("https://example.com/x", Kind.URL),
        ("anna@example.com", Kind.PROSE),
        ("x" * 100_000, Kind.PROSE),
    ],
)
def test_a_member_name_that_is_an_identifier_is_opaque(name: str, kind: Kind) -> None:
    assert kind_of_name(name) is kind


def test_kinds_cost_the_same_for_a_mebibyte() -> None:
    """Only the beginning is looked at; what is long is no path, address or id."""
    assert kind_of("a" * (1 << 20)) is Kind.PROSE
    assert kind_of("/" * (1 << 20)) is Kind.PROSE
    assert kind_of("select " * (1 << 17)) is Kind.PROSE
    assert kind_of(PYTHON * 10_000) is Kind.CODE
