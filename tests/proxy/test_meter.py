"""Shares of a worker: no key and no project can take what the others need."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.errors import Refusal
from proxy.meter import Meters
from proxy.request import read_head

pytestmark = pytest.mark.claim("limits.shares")


def kind_of(refused: Any) -> str:
    with pytest.raises(Refusal) as caught:
        refused()
    return caught.value.kind


@pytest.mark.parametrize("stream", [True, False])
def test_one_project_gets_at_most_half_of_a_worker(settings: Any, stream: bool) -> None:
    settings.MAX_CALLS = settings.MAX_STREAMS = 10
    settings.KEY_CONCURRENCY = settings.KEY_STREAMS = 100
    meters = Meters()
    leaves = [meters.enter(f"key{number}", 1, stream) for number in range(5)]
    assert kind_of(lambda: meters.enter("another", 1, stream)) == "rate_limited"
    meters.enter("other tenant's", 2, stream)
    leaves[0]()
    meters.enter("another", 1, stream)


def test_streams_take_nothing_from_calls(settings: Any) -> None:
    settings.MAX_CALLS, settings.MAX_STREAMS, settings.KEY_STREAMS = 4, 100, 100
    meters = Meters()
    for _ in range(50):
        meters.enter("key", 1, True)
    meters.enter("key", 1, False)


def test_a_full_worker_says_so(settings: Any) -> None:
    settings.MAX_CALLS, settings.KEY_CONCURRENCY = 4, 4
    meters = Meters()
    for project in (1, 1, 2, 2):
        meters.enter("key" + str(project), project, False)
    assert kind_of(lambda: meters.enter("third", 3, False)) == "overloaded"


def test_one_key_has_its_own_limit_and_what_it_left_is_free_again(settings: Any) -> None:
    settings.KEY_CONCURRENCY = 2
    meters = Meters()
    leave = meters.enter("key", 1, False)
    meters.enter("key", 1, False)
    assert kind_of(lambda: meters.enter("key", 1, False)) == "rate_limited"
    leave()
    meters.enter("key", 1, False)


def test_a_large_body_counts_as_many_calls(settings: Any) -> None:
    settings.KEY_RATE = 600
    meters = Meters()
    meters.charge_body(meters.begin_request("key"), 4 * 2**20)
    assert kind_of(lambda: meters.begin_request("key")) == "rate_limited"
    meters.begin_request("other")


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("9.9.9.9, 203.0.113.5", "203.0.113.5"),
        ("9.9.9.9, 203.0.113.5:51234", "203.0.113.5"),
        ("9.9.9.9, [2001:db8::5]:443", "2001:db8::5"),
        ("9.9.9.9, unknown", None),
        ("9.9.9.9, 203.0.113.5, 127.0.0.1", "203.0.113.5"),
    ],
)
def test_the_client_is_whom_the_nearest_proxy_names(settings: Any, forwarded: str, address: str | None) -> None:
    settings.TRUSTED_PROXIES = ["127.0.0.0/8"]
    headers = [(b"host", b"127.0.0.1"), (b"x-forwarded-for", forwarded.encode())]
    scope = {"method": "POST", "path": "/mcp", "raw_path": b"/mcp", "headers": headers, "client": ("127.0.0.1", 1)}
    assert str(read_head(scope).address) == str(address)
