"""One gateway with a scripted server behind it, for the tests that look from the client's side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.gateway import Gateway
from tests.guardrails.upstream import Upstream
from tests.proxy.caller import Caller, Era

# A word that is in no data of ours, so that whatever is found of it came from the test.
CANARY = "zugzwang-canary-7731"
EMAIL = "ada.lovelace@analytical.example.org"
ERAS: tuple[Era, ...] = ("modern", "legacy")
_OFF: dict[str, Any] = {"guardrails": []}


def _keyword(action: str, directions: list[str]) -> dict[str, Any]:
    return {"detector": "keywords", "directions": directions, "action": action, "threshold": 0.5,
            "config": {"words": [CANARY]}}  # fmt: skip


def _service(url: str) -> dict[str, Any]:
    """Asks the scripted server for a verdict, which gives none."""
    return {"detector": "http", "directions": ["input"], "action": "flag", "on_error": "flag",
            "config": {"url": url, "secret": "s" * 32}}  # fmt: skip


EVERYWHERE = ["input", "output", "definition"]
POLICIES: list[dict[str, Any]] = [
    {"slug": "nothing", **_OFF},
    {"slug": "block-word", "guardrails": [_keyword("block", EVERYWHERE)]},
    {"slug": "output-word", "guardrails": [_keyword("block", ["output"])]},
    {"slug": "redact-word", "guardrails": [_keyword("redact", ["input", "output"])]},
    {"slug": "observe-word", "mode": "observe", "guardrails": [_keyword("block", EVERYWHERE)]},
    {
        "slug": "mask",
        "guardrails": [
            {"detector": "pii", "directions": ["input"], "action": "tokenise", "categories": ["EMAIL"]}
        ],
    },
    {
        "slug": "crm",
        "guardrails": [
            {"detector": "pii", "directions": ["output"], "action": "tokenise", "categories": ["EMAIL"]}
        ],
    },
]
SERVERS = ("nothing", "block-word", "output-word", "redact-word", "observe-word", "mask", "crm")


# Of the package: a gateway that nobody calls any more still takes its share of the machine.
@pytest.fixture(scope="package")
def scripted() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="package")
def guarded(tmp_path_factory: pytest.TempPathFactory, scripted: Upstream) -> Iterator[Gateway]:
    servers: list[dict[str, Any]] = [
        {"slug": slug, "url": scripted.url, "input_policy": slug, "output_policy": slug} for slug in SERVERS
    ]
    servers[-1]["restore_tokens"] = True
    ada, gil = "ada@acme.test", "gil@globex.test"
    config: dict[str, Any] = {
        "version": 1,
        "projects": [
            {
                "slug": "acme",
                "members": [{"email": ada, "role": "owner"}],
                "policies": [*POLICIES, {"slug": "service", "guardrails": [_service(scripted.url)]}],
                "servers": [
                    *servers, {"slug": "balanced", "url": scripted.url},
                    {"slug": "service", "url": scripted.url, "input_policy": "service", "output_policy": "nothing"},
                ],
                "keys": [{"user": ada, "label": "laptop"}, {"user": ada, "label": "second"},
                         {"user": ada, "label": "narrow", "tools": ["read"]}],
            },
            {
                "slug": "globex",
                "members": [{"email": gil, "role": "owner"}],
                "policies": [{"slug": "nothing", "default": True, **_OFF}],
                "servers": [{"slug": "same", "url": scripted.url}],
                "keys": [{"user": gil, "label": "other"}],
            },
        ],
    }
    for project in config["projects"]:
        # The tests change what is listed at every turn; review has its own.
        project["servers"] = [{**server, "review": "trust"} for server in project["servers"]]
    gateway = Gateway(
        tmp_path_factory.mktemp("guarded") / "home", config, environment={"GATEWAY_KEY_RATE": "0"}
    )
    with gateway:
        yield gateway


@pytest.fixture
def upstream(scripted: Upstream) -> Upstream:
    scripted.reset()
    return scripted


@pytest.fixture(params=ERAS)
def caller(request: pytest.FixtureRequest, guarded: Gateway, upstream: Upstream) -> Caller:
    """Ada's laptop, in both eras, at the server that `with_(server=…)` names."""
    return Caller(guarded, request.param, server="block-word")


def text_of(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
