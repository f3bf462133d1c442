"""A team admin makes a policy: each detector has a form of its own, what is wrong is said beside it, and it works."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.stage import Stage, page_of, stage

pytestmark = pytest.mark.claim("guardrails.policy-forms")
WORD = "swordfish"
_FLOOR = """
from guardrails import services
from guardrails.specs import Spec
services.save_floor_guardrail(spec=Spec("secrets", directions=("input",)))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("policies")) as running:
        running.shell(_FLOOR)
        yield running


@pytest.fixture
def page(made: Stage, browser: Browser) -> Iterator[Page]:
    with page_of(made, browser, "owner") as opened:
        yield opened


def new_policy(page: Page, slug: str) -> None:
    """One with the guardrails of a preset, open on its page."""
    page.goto("/admin/guardrails/policy/add/")
    page.get_by_label("Slug").fill(slug)
    page.locator(".select2-selection").first.click()
    page.locator(".select2-results__option", has_text="acme").click()
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("Add another Guardrail")).to_be_visible()


def new_guardrail(page: Page, detector: str) -> Locator:
    """A row that is not saved yet."""
    page.get_by_text("Add another Guardrail").click()
    row = page.locator(".formset > .form-group:not(.empty-form)").last
    row.get_by_label("Detector").select_option(detector)
    row.locator("select[name$=-action]").select_option("flag")
    return row


def save(page: Page) -> None:
    page.get_by_role("button", name="Save and continue editing").click()


def row_of(page: Page, title: str) -> Locator:
    """A row that is saved, opened."""
    row = page.locator(".formset > .form-group:not(.empty-form)", has_text=title).first
    row.locator("h3 strong").click()
    return row


def stored(row: Locator) -> object:
    return json.loads(row.locator("textarea[name$=config]").input_value())


def test_a_policy_is_made_and_then_blocks(page: Page) -> None:
    new_policy(page, "no-fish")
    floor = page.locator(".floor")
    expect(floor).to_contain_text("secrets")
    expect(floor).to_contain_text("no threshold, exception, limit or mode of a project takes anything from them")

    row = new_guardrail(page, "patterns")
    row.get_by_role("button", name="Add one").click()
    row.get_by_label("patterns 1 *").fill("(")
    save(page)
    row = page.locator(".formset > .form-group:not(.empty-form)").last
    beside = row.locator(".part-group", has=page.get_by_label("patterns 1 *"))
    expect(beside.get_by_role("alert")).to_contain_text("entry 1 is not a pattern of RE2: missing )")
    expect(row.get_by_label("patterns 1 *")).to_have_value("(")

    row.get_by_label("patterns 1 *").fill(WORD)
    row.get_by_label("case_sensitive").select_option(label="false")
    row.locator("select[name$=-action]").select_option("block")
    page.get_by_label("Project default").check()
    save(page)
    saved = row_of(page, "patterns: block")
    expect(saved.get_by_label("patterns 1 *")).to_have_value(WORD)
    assert stored(saved) == {"patterns": [WORD], "case_sensitive": False}

    page.goto("/admin/playground/?project=acme")
    page.get_by_label("text *").fill(f"the password is {WORD.upper()}")
    page.get_by_role("button", name="Call it").click()
    expect(page.locator("[data-outcome]")).to_have_text(re.compile("guardrail|blocked", re.IGNORECASE))
    page.get_by_label("text *").fill("nothing of the kind")
    page.get_by_role("button", name="Call it").click()
    expect(page.locator("[data-outcome]")).to_have_text("Answered.")


def test_what_is_typed_outlives_rows_that_come_and_go(page: Page) -> None:
    new_policy(page, "come-and-go")
    before = page.locator(".formset > .form-group:not(.empty-form)").count()
    new_guardrail(page, "pii")
    kept = new_guardrail(page, "size")
    kept.get_by_label("max_line").fill("77")
    kept.get_by_role("button", name="Add one").last.click()
    gone = page.locator(".formset > .form-group:not(.empty-form)").nth(before)
    gone.locator(".delete-template").click()
    rows = page.locator(".formset > .form-group:not(.empty-form)")
    expect(rows).to_have_count(before + 1)
    expect(rows.last.get_by_label("Detector")).to_have_value("size")
    rows.last.locator("h3 strong").click()
    expect(rows.last.get_by_label("max_line")).to_have_value("77")
    save(page)
    assert stored(row_of(page, "size: flag")) == {"max_line": 77}


def test_what_stands_as_text_and_what_stands_in_fields_is_one(page: Page) -> None:
    new_policy(page, "one")
    row = new_guardrail(page, "size")
    row.get_by_text("As JSON").click()
    expect(row.get_by_label("max_line")).to_be_hidden()
    row.locator("textarea[name$=config]").fill('{"max_line": 9, "numbers": {"copies": 3}}')
    row.get_by_text("As JSON").click()
    expect(row.get_by_label("max_line")).to_have_value("9")
    expect(row.get_by_label("numbers 1: name")).to_have_value("copies")
    row.get_by_label("numbers 1: value").fill("4")
    row.get_by_label("max_leaves").fill("0")
    save(page)
    assert page.url.endswith("/change/")
    assert row.get_by_label("max_leaves").evaluate("each => each.validationMessage") != ""
    row.get_by_label("max_leaves").fill("5")
    save(page)
    assert stored(row_of(page, "size: flag")) == {
        "max_leaves": 5, "max_line": 9, "numbers": {"copies": 4},
    }  # fmt: skip


# Each detector is chosen in turn; what the page then has of it, by the names that people and their aids are given.
_SURVEY = """(row, detectors) => Object.fromEntries(detectors.map((detector) => {
  const select = row.querySelector("select[name$=-detector]");
  select.value = detector;
  select.dispatchEvent(new Event("change", { bubbles: true }));
  const [config, secrets, categories] = ["config", "secrets", "categories"].map(
    (name) => row.querySelector(`textarea[name$=-${name}]`).closest(".config-raw").previousElementSibling);
  const kindOf = (each) => each.tagName === "FIELDSET"
    ? (each.querySelector("input[type=checkbox]") ? "choices" : "rows")
    : { SELECT: "choice", TEXTAREA: "text" }[each.tagName] || each.type;
  const fields = [...config.querySelectorAll("fieldset, .form-part > .input")].map((each) => [
    (each.tagName === "FIELDSET" ? each.querySelector("legend") : each.labels[0]).textContent,
    [kindOf(each), each.min || null, each.max || null,
      document.getElementById(each.getAttribute("aria-describedby")).textContent],
  ]);
  return [detector, {
    fields: Object.fromEntries(fields),
    secrets: [...secrets.querySelectorAll("input[type=password]")].map((each) => each.labels[0].textContent),
    directions: [...row.querySelectorAll("input[name$=-directions]:enabled")].map((each) => each.value),
    categories: categories.querySelectorAll("input[type=checkbox]").length,
  }];
}))"""


def test_every_detector_has_a_field_for_each_parameter(page: Page) -> None:
    new_policy(page, "each")
    row = new_guardrail(page, "pii")
    schemas = json.loads(page.locator("#config-schemas").inner_text())
    found = row.evaluate(_SURVEY, list(schemas))
    for detector, schema in schemas.items():
        star = {name: " *" if name in schema["required"] else "" for name in schema["properties"]}
        assert found[detector] == {
            "fields": {
                name + star[name]: [
                    kind_of(member),
                    said(member, "minimum"),
                    said(member, "maximum"),
                    member["description"],
                ]
                for name, member in schema["properties"].items()
            },
            "secrets": list(schema["x-secrets"]),
            "directions": schema["x-directions"],
            "categories": len(schema["x-categories"]),
        }, detector


def said(member: dict[str, object], limit: str) -> str | None:
    return str(member[limit]) if limit in member else None


def kind_of(member: dict[str, object]) -> str:
    """The control, or the group of controls, that a parameter of this kind has."""
    match member:
        case {"enum": _} | {"type": "boolean"}:
            return "choice"
        case {"type": "integer" | "number"}:
            return "number"
        case {"type": "string"}:
            return "text"
        case {"uniqueItems": True}:
            return "choices"
        case _:
            return "rows"
