"""Command templates: what an operator may write down, what a tenant may fill in, and what becomes of it."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from servers import recipes

claim = pytest.mark.claim
ZONE = {"zone": {"pattern": "[A-Za-z_/]+"}}


def check(**changes: Any) -> None:
    whole = {"executable": recipes.PYTHON, "args": ["--zone={zone}"], "params": ZONE, "env": {}}
    given: dict[str, Any] = {**whole, **changes}
    recipes.check_template(given["executable"], given["args"], given["params"], given["env"])


def refused_field(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        check(**changes)
    [field] = caught.value.message_dict
    return field


def test_a_plain_template_is_taken() -> None:
    check()
    check(env={"API_TOKEN": "{token}"}, params={**ZONE, "token": {"pattern": ".+", "secret": True}})
    check(args=["-m", "{python}"])


@claim("stdio.executable")
@pytest.mark.parametrize(
    "executable",
    ["python", "./run", "../run", "", "bin/sh", "{python} -m x", "/no/such/file", "/etc/passwd", "/tmp"],
)
def test_only_an_absolute_executable_file_is_run(executable: str) -> None:
    assert refused_field(executable=executable) == "executable"


def test_the_gateways_own_python_can_be_meant() -> None:
    assert recipes.resolve_executable(recipes.PYTHON) == sys.executable


@claim("stdio.environment")
@pytest.mark.parametrize(
    "name",
    ["LD_PRELOAD", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "PYTHONPATH", "PYTHONSTARTUP", "NODE_OPTIONS",
     "BASH_ENV", "ENV", "IFS", "PERL5LIB", "RUBYOPT", "SHELLOPTS", "A=B", "A B", "1A", "", "A\nB", "A\0"],
)  # fmt: skip
def test_variables_that_load_code_are_refused(name: str) -> None:
    assert refused_field(env={name: "x"}) == "env"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"args": "--zone"}, "args"), ({"args": [1]}, "args"), ({"params": []}, "params"), ({"env": ["A=B"]}, "env"),
        ({"env": {"A": 1}}, "env"), ({"args": ["{undeclared}"]}, "params"), ({"env": {"A": "{undeclared}"}}, "params"),
        ({"params": {"zone": {}}}, "params"), ({"params": {"zone": "x"}}, "params"),
        ({"params": {"zone": {"pattern": "("}}}, "params"),
        ({"params": {"zone": {"pattern": "x", "shell": True}}}, "params"),
        ({"params": {**ZONE, "Bad Name": {"pattern": "x"}}}, "params"),
        ({"params": {**ZONE, "python": {"pattern": "x"}}}, "params"),
    ],
)  # fmt: skip
def test_a_template_that_is_not_whole_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    assert refused_field(**changes) == field


def fits(slot: dict[str, Any], value: Any) -> bool:
    try:
        recipes.check_values({"slot": slot}, {"slot": value})
    except ValidationError as error:
        [message] = error.messages
        assert message.startswith("template_slot_invalid: slot ")
        return False
    return True


@claim("stdio.slots")
@pytest.mark.parametrize(
    "value",
    ["", "a b", "a;b", "Europe/Paris\n", "Europe/Paris\0", "Europe$(id)", "x" * 5000, None, 5, [], {}],
)
def test_a_value_must_have_the_declared_form_as_a_whole(value: Any) -> None:
    assert fits(ZONE["zone"], "Europe/Paris")
    assert not fits(ZONE["zone"], value)


@claim("stdio.slots")
@pytest.mark.parametrize("value", ["-v", "--config=/etc/passwd", "-"])
def test_a_value_never_becomes_an_option_unless_the_operator_says_so(value: str) -> None:
    assert not fits({"pattern": ".*"}, value)
    assert fits({"pattern": ".*", "leading_dash": True}, value)


@claim("stdio.slots")
def test_an_enum_is_exact() -> None:
    slot = {"enum": ["fast", "slow"]}
    assert fits(slot, "fast")
    assert not any(fits(slot, value) for value in ("Fast", "fas", "fast ", "", "fastslow"))
    assert not fits({"enum": ["fast"], "pattern": "slow"}, "fast")


@claim("stdio.slots")
@given(st.text(max_size=30))
def test_no_control_character_ever_fits(text: str) -> None:
    if re.search(r"[\x00-\x1f\x7f]", text):
        assert not fits({"pattern": "(?s).*", "leading_dash": True}, text)


def test_unknown_slots_and_missing_values_are_named_and_values_are_not_repeated() -> None:
    for values, name in (({"other": "sk-secret"}, "other"), ({}, "zone"), ({"zone": "sk-secret-1"}, "zone")):
        with pytest.raises(ValidationError) as caught:
            recipes.check_values(ZONE, values)
        [message] = caught.value.messages
        assert name in message
        assert "sk-secret" not in message


def test_a_default_takes_the_place_of_a_missing_value() -> None:
    recipes.check_values({"zone": {"pattern": "[A-Z]+", "default": "UTC"}}, {})


@claim("stdio.slots")
@given(st.text(max_size=20), st.text(max_size=20))
def test_a_value_stays_one_argument_and_is_filled_in_once(first: str, second: str) -> None:
    values = {"a": first, "b": second}
    assert recipes.fill("{a}={b}", values) == f"{first}={second}"


def test_a_value_that_looks_like_a_slot_stays_a_value() -> None:
    assert recipes.fill("{a}", {"a": "{b}{python}", "b": "secret"}) == "{b}{python}"
    assert recipes.fill("{python} {UPPER} {}", {}) == f"{sys.executable} {{UPPER}} {{}}"
