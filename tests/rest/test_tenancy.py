"""Each operation, as each role, about one's own project, another's, and one that there is not."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from projects.permissions import ACTIONS, OPERATOR
from tests.rest.callers import Stage
from tests.rest.canaries import canary_of
from tests.rest.filling import fill
from tests.rest.operations import Operation, operations

# An admin may do nothing that an owner may not.
ROLES = ("owner", "member", "auditor", "outsider")
# As good as nobody's, and of the right form.
# What no operator may who is not a member.
MEMBERS_ONLY = "/api/v1/projects/{project}/events/{event}/payload"
NOBODYS = {
    **dict.fromkeys(("project", "server", "policy", "template"), "nobody-s"), "key_id": "0123456789", "version": "9",
    "digest": "0" * 64,
}  # fmt: skip


def nobodys(operation: Operation) -> dict[str, str]:
    return {name: NOBODYS.get(name, str(uuid.uuid4())) for name in operation.names}


def bare(answer: Any) -> tuple[int, bytes, dict[str, str]]:
    """Without what differs between any two answers: the request's id and what is left of the rate."""
    left_out = ("X-Request-ID", "RateLimit")
    return answer.status_code, answer.content, {k: v for k, v in answer.headers.items() if k not in left_out}


@pytest.mark.claim("rest.tenancy")
@pytest.mark.parametrize("role", ROLES)
def test_another_project_looks_as_if_it_did_not_exist(rest: Stage, role: str) -> None:
    caller = rest.callers[role]
    foreign = fill(rest.cast.acme if role == "outsider" else rest.cast.globex)
    for operation in operations():
        if not operation.is_of_project:
            continue
        body = b"{}" if operation.has_body else None
        answer = caller.send(operation.method, operation.address({**nobodys(operation), **foreign}), body)
        other = caller.send(operation.method, operation.address(nobodys(operation)), body)
        assert bare(answer) == bare(other), operation
        assert answer.status_code in (404, 422), operation
        assert canary_of("acme" if role == "outsider" else "globex") not in answer.content.decode(), operation


@pytest.mark.claim("rest.tenancy")
@pytest.mark.parametrize("role", ["operator", "owner"])
def test_a_row_of_another_project_is_not_found_in_ones_own(rest: Stage, role: str) -> None:
    """Also by who sees both projects: a name belongs to one of them."""
    caller, own, foreign = rest.callers[role], fill(rest.cast.acme), fill(rest.cast.globex)
    held = OPERATOR if role == "operator" else ACTIONS[role]
    for operation in operations():
        if not operation.is_of_project or len(operation.names) < 2:
            continue
        body = b"{}" if operation.has_body else None
        # The first name after the project's is that of the row; what is under it cannot be there then either.
        places = [name for name in operation.names if name != "project"]
        answer, other = (
            caller.send(operation.method, operation.address({**own, **{name: names[name] for name in places}}), body)
            for names in (foreign, nobodys(operation))
        )
        assert bare(answer) == bare(other), operation
        assert answer.status_code in ((404, 422) if operation.action in held else (403, 422)), operation


@pytest.mark.claim("rest.tenancy")
@pytest.mark.parametrize("role", ROLES)
def test_no_answer_holds_anything_of_another_project(rest: Stage, role: str) -> None:
    caller = rest.callers[role]
    names = {each.slug: fill(each) for each in (rest.cast.acme, rest.cast.globex)}
    own, foreign = ("globex", "acme") if role == "outsider" else ("acme", "globex")
    seen = 0
    for operation in operations():
        if operation.method != "GET":
            continue
        answer = caller.get(operation.address({**nobodys(operation), **names[own]}))
        text = answer.content.decode()
        assert canary_of(foreign) not in text, operation
        assert f"secret-{canary_of(own)}" not in text, operation
        seen += canary_of(own) in text
    # The sweep would find a canary if one were there: it finds its own.
    assert seen >= (2 if role == "auditor" else 10)


@pytest.mark.claim("rest.actions")
@pytest.mark.parametrize("role", ["operator", *ROLES])
def test_who_lacks_an_operations_action_is_refused_and_told_which(rest: Stage, role: str) -> None:
    caller = rest.callers[role]
    project = rest.cast.globex if role == "outsider" else rest.cast.acme
    held = OPERATOR if role == "operator" else ACTIONS["owner" if role == "outsider" else role]
    names = fill(project)
    for operation in operations():
        if operation.action is None:
            continue
        allowed = operation.action in held and (operation.is_of_project or role == "operator")
        allowed = allowed and not (role == "operator" and operation.path == MEMBERS_ONLY)
        address = operation.address({**nobodys(operation), **names})
        body = b"{}" if operation.has_body else None
        if allowed and operation.method in ("POST", "PUT", "PATCH", "DELETE"):
            # What would be done is another test's business; here nothing may be changed for the next one.
            continue
        answer = caller.send(operation.method, address, body)
        if allowed:
            assert answer.status_code in (200, 404, 409, 422), (operation, answer.content)
        elif answer.status_code != 422:
            assert answer.status_code == 403, (operation, answer.content)
            assert answer.json()["action"] == operation.action, operation


@pytest.mark.claim("rest.actions")
def test_every_operation_names_an_action_that_there_is(rest: Stage) -> None:
    known = OPERATOR | frozenset().union(*ACTIONS.values())
    unnamed = [str(each) for each in operations() if each.action is None]
    assert all(each.action in known for each in operations() if each.action is not None)
    assert unnamed == [
        "GET /api/v1/token", "GET /api/v1/projects", "GET /api/v1/guardrails/detectors",
        "GET /api/v1/guardrails/presets", "GET /api/v1/exports/forms", "GET /api/v1/health",
    ]  # fmt: skip


@pytest.mark.claim("rest.tenancy")
def test_names_say_nothing_of_how_many_rows_there_are(rest: Stage) -> None:
    """Numbers that rise would tell one tenant what the others do."""
    names = fill(rest.cast.acme)
    others = fill(rest.cast.globex)
    for name in ("member", "job", "tool", "grant", "overlay", "exception"):
        assert uuid.UUID(names[name]).int >> 96 != uuid.UUID(others[name]).int >> 96
