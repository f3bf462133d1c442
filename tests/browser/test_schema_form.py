"""The form that a server's schema makes: whatever the schema says, it is there at once, and the page goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

pytestmark = pytest.mark.claim("pages.playground")
SCRIPT = Path(__file__).resolve().parents[2] / "projects" / "static" / "projects" / "schema_form.js"
MOST_FIELDS = 1_500


def node(fields: int) -> dict[str, Any]:
    return {"type": "object", "properties": {f"p{number}": {"$ref": "#/$defs/node"} for number in range(fields)}}


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {"node": node(8)}, "$ref": "#/$defs/node"},
        {"properties": {"a": {"anyOf": [{"$ref": "#/properties/a"}]}}},
        {"$defs": {"a": {"oneOf": [{"$ref": "#/$defs/a"}]}}, "allOf": [{"$ref": "#/$defs/a"}]},
        {"properties": {"a": {"$ref": "#/%zz"}}},
    ],
    ids=["grows", "circles", "circles by two words", "is no address"],
)
def test_a_hostile_schema_makes_a_form_of_some_fields(browser: Browser, schema: dict[str, Any]) -> None:
    page = browser.new_page()
    try:
        page.add_script_tag(content=SCRIPT.read_text())
        page.set_default_timeout(20_000)
        made = page.evaluate(
            "(schema) => { const form = gatewayForm.of(schema); form.read();"
            " return form.element.querySelectorAll('*').length; }", schema
        )  # fmt: skip
    finally:
        page.close()
    assert made < MOST_FIELDS
