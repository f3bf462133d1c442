"""Every detector's form, from what it declares: what is given is stored and shown, and what is wrong is said."""

from __future__ import annotations

import json
from html import unescape
from typing import Any

import pytest
from django.test import Client

from guardrails import bench, compiled, services
from guardrails.engine.detector import Parameter, detectors, find, providers
from guardrails.models import Guardrail, Policy, PolicyVersion
from guardrails.specs import Spec
from projects.models import User
from projects.permissions import Role
from projects.scoping import unscoped, with_project
from projects.services import set_member
from tests.cast import Cast, two_tenants
from tests.guardrails.test_policy_admin import fresh, inline, make, post_policy, rows, url
from tests.signing_in import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.claim("guardrails.policy-forms")]
# A value for each parameter of each detector that has any; none is its default.
GIVEN: dict[str, dict[str, Any]] = {
    "binary": {"media_types": ["image/png"], "max_bytes": 0, "max_total_bytes": 5},
    "custom_policy": {
        "description": "Do not talk of fish.", "deny": ["I like fish."], "allow": ["I like birds."],
        "deny_keywords": ["fish"],
    },
    "keywords": {"words": ["fish", "two words"], "case_sensitive": True, "whole_words": False},
    "patterns": {"patterns": ["fi[sz]h", "\\d{4}"], "case_sensitive": False},
    "pii": {"leave_out": ["EMAIL"], "locales": ["DE", "br"], "names_in_prose": True, "allow": ["example.com"]},
    "repetition": {"min_characters": 100, "max_ratio": 5},
    "secrets": {"named_values": False, "allow": ["a published key"]},
    "size": {"max_characters": 1, "max_leaves": 2, "max_line": 3, "numbers": {"copies": 4}},
    "topic": {
        "allowed": {"birds": ["Birds fly."]}, "denied": {"fish": ["Fish swim.", "A fish."]},
        "allowed_keywords": ["bird"], "denied_keywords": ["fish"], "mode": "allow",
    },
    "web_attack": {
        "categories": ["XSS"], "allowed_hosts": [".example.org"], "allowed_schemes": ["file"],
        "allowed_paths": ["/srv"],
    },
    "enkrypt": {
        "api_key": "canary-key", "base_url": "https://e.example", "checks": ["pii", "detect"], "guardrail": "g",
        "block": ["pii"], "topics": "allowed", "relevancy_threshold": 0.1, "adherence_threshold": 1,
    },
    "http": {"url": "https://h.example/judge", "secret": "canary-secret-of-16"},
    "keyword": {"blocked_keywords": ["fish"], "case_sensitive": True},
    "openai_compatible": {
        "base_url": "https://o.example/v1", "api_key": "canary-key", "model": "m", "checks": ["adherence"],
        "policy": "No fish.", "max_tokens": 1,
    },
    "openai_moderation": {
        "api_key": "canary-key", "base_url": "https://m.example", "model": "m", "check": ["hate"],
        "thresholds": {"hate": 0.25},
    },
    "presidio": {
        "base_url": "https://p.example", "language": "de", "entities": ["PERSON"], "score_threshold": 0.5,
        "api_key": "canary-key",
    },
}  # fmt: skip


@pytest.fixture
def cast(db: None) -> Cast:
    return two_tenants()


@pytest.fixture
def pages(cast: Cast) -> Client:
    """A team admin's browser."""
    user = User.objects.create_user("admin@acme.test")
    set_member(project=cast.acme, user=user, role=Role.ADMIN)
    client = Client()
    signed_in(client, user)
    return client


def registered() -> list[str]:
    return [each.name for registry in (detectors, providers) for each in registry]


def declared(name: str) -> dict[str, Parameter]:
    return {each.name: each for each in find(name).parameters}


def row_with(name: str, config: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """As a browser sends it: what is secret goes into its own field."""
    secret = {each for each, parameter in declared(name).items() if parameter.secret}
    return inline(
        0, None, detector=name, directions=[find(name).directions[0]],
        config=json.dumps({each: value for each, value in config.items() if each not in secret}),
        secrets="\n".join(f"{each}={value}" for each, value in config.items() if each in secret), **fields,
    )  # fmt: skip


def shown(pages: Client, policy: Policy) -> Any:
    return pages.get(url("policy", "change", policy.pk))


def wrong_parameters(answer: Any) -> dict[str, list[str]]:
    """What the page is told to say beside which parameter."""
    form = answer.context["inline_admin_formsets"][0].formset.forms[0]
    errors = form.fields["config"].widget.attrs.get("data-errors", "{}")
    assert errors in unescape(answer.content.decode())
    said: dict[str, list[str]] = json.loads(errors)
    return said


def test_each_detector_is_tried_with_a_value_for_each_parameter() -> None:
    without = {name for name in registered() if not declared(name)}
    assert set(GIVEN) == set(registered()) - without
    for name, config in GIVEN.items():
        assert set(config) == set(declared(name)), name


def test_the_page_knows_what_each_detector_takes(cast: Cast, pages: Client) -> None:
    schemas = shown(pages, make(cast, Spec("pii"))).context["config_schemas"]
    assert set(schemas) == set(registered())
    for name, schema in schemas.items():
        parameters = declared(name)
        secret = {each.name: each.help for each in parameters.values() if each.secret}
        assert schema["x-secrets"] == secret
        assert set(schema["properties"]) == set(parameters) - set(secret)
        for each, member in schema["properties"].items():
            parameter = parameters[each]
            assert member["type"] == parameter.type
            assert member["description"].startswith(parameter.help)
            place = member["items"] if parameter.type == "array" else member
            assert tuple(place.get("enum", ())) == parameter.choices
            limited = member.get("additionalProperties", member)
            assert (limited.get("minimum"), limited.get("maximum")) == (parameter.minimum, parameter.maximum)
        assert (schema["x-directions"], schema["x-categories"]) == (
            list(find(name).directions), list(find(name).categories),
        )  # fmt: skip


@pytest.mark.parametrize("name", registered())
def test_what_is_given_is_stored_shown_and_a_new_version(cast: Cast, pages: Client, name: str) -> None:
    policy = services.create_policy(project=cast.acme, slug="tools", guardrails=[])
    config = GIVEN.get(name, {})
    answer = post_policy(pages, policy, row_with(name, config))
    assert answer.status_code == 302, answer.context["errors"]
    assert fresh(policy).version == 2
    [row] = rows(policy)
    secret = {each for each, parameter in declared(name).items() if parameter.secret}
    assert row.config == {each: value for each, value in config.items() if each not in secret}
    assert row.secrets == {each: value for each, value in config.items() if each in secret}
    page = shown(pages, policy)
    area = page.context["inline_admin_formsets"][0].formset.forms[0]["config"]
    assert json.loads(area.value()) == row.config
    assert json.dumps(row.config) in unescape(page.content.decode())
    assert "canary" not in page.content.decode()
    with unscoped("the test looks"):
        version = PolicyVersion.objects.get(version=2)
    assert version.author == "admin@acme.test"
    [kept] = version.content["guardrails"]
    assert kept["config"] == row.config
    assert "canary" not in json.dumps(version.content)
    # What the page shows, sent as it stands, changes nothing.
    again = post_policy(pages, policy, {**row_with(name, row.config), "_0-id": row.pk, "_0-policy": row.policy_id})
    assert again.status_code == 302
    assert (fresh(policy).version, rows(policy)[0].secrets) == (2, row.secrets)


def wrong_values(parameter: Parameter) -> list[Any]:
    """By what is declared: of another type, under and over the limits, and what cannot be chosen."""
    other: Any = 7 if parameter.type in ("string", "array", "object") else "seven"
    wrong: list[Any] = [other]
    if parameter.choices:
        wrong.append(["nonsense"] if parameter.type == "array" else "nonsense")
    if parameter.type == "array":
        wrong.append([7])
    beyond = [parameter.minimum - 1] if parameter.minimum is not None else []
    beyond += [parameter.maximum + 1] if parameter.maximum is not None else []
    wrong += [{"hate": each} for each in beyond] if parameter.values else beyond
    return wrong


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_what_a_parameter_cannot_be_is_said_of_it(cast: Cast, pages: Client, name: str) -> None:
    policy = make(cast, Spec("pii"))
    for parameter in declared(name).values():
        if parameter.secret:
            continue
        for value in wrong_values(parameter):
            answer = post_policy(pages, policy, row_with(name, {**GIVEN[name], parameter.name: value}))
            assert answer.status_code == 200, (parameter.name, value)
            [texts] = wrong_parameters(answer).values()
            assert list(wrong_parameters(answer)) == [parameter.name], (parameter.name, value)
            assert parameter.name in texts[0]
            assert texts[0] in unescape(answer.content.decode())
        if parameter.required:
            without = {each: value for each, value in GIVEN[name].items() if each != parameter.name}
            assert list(wrong_parameters(post_policy(pages, policy, row_with(name, without)))) == [parameter.name]
    assert fresh(policy).version == 1


@pytest.mark.parametrize(
    ("name", "wrong", "parameter", "text"),
    [
        ("patterns", {"patterns": ["fine", "("]}, "patterns", "entry 2 is not a pattern of RE2"),
        ("patterns", {"patterns": ["x*"]}, "patterns", "entry 1 matches the empty text"),
        ("pii", {"locales": ["DE", "UK"]}, "locales", "UK is no code of a country"),
        ("keywords", {"words": ["ok", " "]}, "words", "entry 2 must not be empty"),
        ("http", {"url": "ftp://h.example"}, "url", "begins with https:// or http://"),
        ("presidio", {"language": "d3"}, "language", "must be a code such as en"),
        ("openai_moderation", {"thresholds": {"nonsense": 0.5}}, "thresholds", "names must be among"),
    ],
)
def test_what_only_the_detector_knows_is_said_beside_the_parameter_too(
    cast: Cast, pages: Client, name: str, wrong: dict[str, Any], parameter: str, text: str
) -> None:
    policy = make(cast, Spec("pii"))
    answer = post_policy(pages, policy, row_with(name, {**GIVEN[name], **wrong}))
    assert text in wrong_parameters(answer)[parameter][0]
    assert fresh(policy).version == 1


def test_a_threshold_out_of_range_is_said_beside_it(cast: Cast, pages: Client) -> None:
    answer = post_policy(pages, make(cast, Spec("pii")), row_with("pii", {}, threshold="1.5"))
    [errors] = answer.context["inline_admin_formsets"][0].formset.errors
    assert list(errors) == ["threshold"]


def test_a_project_cannot_loosen_the_floor_and_is_told_why(cast: Cast, pages: Client) -> None:
    services.save_floor_guardrail(spec=Spec("keywords", config={"words": ["canaryfish"]}, directions=("input",)))
    policy = make(cast, Spec("keywords", config={"words": ["other"]}, directions=("input",)))
    page = shown(pages, policy).content.decode()
    assert "no threshold, exception, limit or" in page
    assert "canaryfish" not in page, "what exactly it looks for is the operator's"
    for way in (
        {"mode": "observe"}, {"action": "flag"}, {"threshold": "0.9"}, {"enabled": None},
    ):  # fmt: skip
        fields = {"mode": way["mode"]} if "mode" in way else {}
        changes = {name: value for name, value in way.items() if name != "mode"}
        config = json.dumps({"words": ["other"]})
        row = inline(0, rows(policy)[0], detector="keywords", directions=["input"], config=config, **changes)
        answer = post_policy(pages, policy, row, **fields)
        assert answer.status_code == 302
        told = pages.get(answer["Location"]).content.decode()
        assert "less than the operator&#x27;s floor. The floor holds all the same (input: block from 0.5)" in told, way
        with with_project(cast.acme.pk):
            enabled = Guardrail.objects.filter(policy=policy, enabled=True)
            compiled_policy = compiled.compile_policy(fresh(policy), enabled, compiled.load_floor())
        assert bench.try_text(compiled_policy, "canaryfish", "input").value is None, way
    row = inline(0, rows(policy)[0], detector="keywords", directions=["input"], config=json.dumps({"words": ["other"]}))
    answer = post_policy(pages, policy, row)
    assert "operator&#x27;s floor. The floor" not in pages.get(answer["Location"]).content.decode()
    for path in (url("floorguardrail", "changelist"), url("floorguardrail", "add")):
        assert pages.get(path).status_code in (403, 404)
