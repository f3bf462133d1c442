"""The way out to services, against a local one that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from prometheus_client import REGISTRY
from pytest_django import Settings

from guardrails.engine.detector import ProviderError, Reply
from guardrails.outbound import Connections
from tests.guardrails.provider_stand_in import ANSWER_CANARY, KEY, WAYS, StandIn

claim = pytest.mark.claim
BODY = b'{"texts": []}'
LIMIT = 1024 * 1024
# What only the reader of the answer can see.
READERS = {"garbage", "empty", "truncated", "twice", "nan", "deep", "text", "number", "true", "null", "errored",
           "good-204", "gzip-unsaid"}  # fmt: skip


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def loopback_is_open(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.0/8"]


@pytest_asyncio.fixture
async def service() -> AsyncIterator[StandIn]:
    async with StandIn() as stand_in:
        stand_in.answer = lambda received: {"heard": len(received.body)}
        yield stand_in


@pytest_asyncio.fixture
async def connections() -> AsyncIterator[Connections]:
    opened = Connections(failures=3, cool_down=30, clock=Clock())
    yield opened
    await opened.close()


async def post(
    connections: Connections, service: StandIn, *, project: int = 1, path: str = "/judge", seconds: float = 2.0,
    limit: int = LIMIT,
) -> Reply:
    headers = {"Content-Type": "application/json", "apikey": KEY}
    return await connections.of(project).post(service.url + path, BODY, headers, seconds=seconds, limit=limit)


async def fails(connections: Connections, service: StandIn, **options: object) -> str:
    with pytest.raises(ProviderError) as caught:
        await post(connections, service, **options)  # type: ignore[arg-type]  # as given by the test
    return str(caught.value)


def counted(outcome: str) -> float:
    labels = {"outcome": outcome}
    return REGISTRY.get_sample_value("mcpgw_guardrail_provider_requests_total", labels) or 0.0


@claim("guardrails.provider-connections")
@pytest.mark.asyncio
async def test_an_answer_comes_back_whole(connections: Connections, service: StandIn) -> None:
    reply = await post(connections, service)
    assert reply == Reply(200, b'{"heard": 13}', "application/json")
    [received] = service.received
    assert (received.method, received.path, received.body) == ("POST", "/judge", BODY)
    assert set(received.headers) == {"host", "content-type", "content-length", "apikey"}


@claim("guardrails.provider-fails-closed")
@pytest.mark.asyncio
@pytest.mark.parametrize("way", [way for way in WAYS if way not in READERS])
async def test_all_but_a_whole_json_answer_is_an_error_in_time(
    connections: Connections, service: StandIn, way: str
) -> None:
    service.way = way
    # Its own 0.4 s, and none of the deadlines that the library would have.
    async with asyncio.timeout(20):
        assert (text := await fails(connections, service, seconds=0.4))
    assert ANSWER_CANARY not in text
    assert KEY not in text
    assert len(text) <= 64


@claim("guardrails.provider-connections")
@pytest.mark.asyncio
@pytest.mark.parametrize("way", ["redirect", "redirect-get"])
async def test_a_redirect_is_not_followed(connections: Connections, service: StandIn, way: str) -> None:
    service.way = way
    assert await fails(connections, service) == "redirect"
    assert [received.path for received in service.received] == ["/judge"]


@claim("guardrails.provider-connections")
@pytest.mark.asyncio
async def test_fifty_requests_one_by_one_use_one_connection(connections: Connections, service: StandIn) -> None:
    for _ in range(50):
        await post(connections, service)
    assert (len(service.received), service.connections) == (50, 1)


@claim("guardrails.provider-connections")
@pytest.mark.asyncio
async def test_many_requests_at_a_time_share_few_connections(connections: Connections, service: StandIn) -> None:
    await asyncio.gather(*(post(connections, service, seconds=10.0) for _ in range(100)))
    assert len(service.received) == 100
    assert service.connections <= 20


@claim("guardrails.provider-connections")
@pytest.mark.asyncio
async def test_projects_share_no_connection(connections: Connections, service: StandIn) -> None:
    for project in (1, 2, 1, 2):
        await post(connections, service, project=project)
    assert service.connections == 2


@claim("guardrails.provider-connections")
@pytest.mark.asyncio
async def test_a_connection_that_the_service_closed_meanwhile_costs_no_verdict(
    connections: Connections, service: StandIn
) -> None:
    await post(connections, service)
    service.drops = 1
    assert (await post(connections, service)).status == 200
    service.drops = 2
    assert await fails(connections, service) == "no answer: dropped"


@claim("guardrails.provider-connections")
@pytest.mark.asyncio
async def test_connections_that_nobody_uses_are_closed(service: StandIn) -> None:
    clock = Clock()
    connections = Connections(clock=clock)
    await post(connections, service)
    clock.now += 200
    await post(connections, service, project=2)
    assert len(connections._pools) == 2
    clock.now += 200
    await post(connections, service, project=2)
    assert [project for project, _ in connections._pools] == [2]
    await connections.close()
    assert not connections._pools
    assert not connections._closing


@claim("guardrails.provider-connections")
@pytest.mark.asyncio
@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/", "https://10.0.0.1/", "https://[::1]/", "file:///etc/passwd", "http://[::1", ""]
)
async def test_addresses_that_the_operator_did_not_open_are_not_reached(connections: Connections, url: str) -> None:
    before = counted("denied")
    with pytest.raises(ProviderError, match="egress denied") as caught:
        await connections.of(1).post(url, BODY, {}, seconds=1, limit=LIMIT)
    assert "169" not in str(caught.value)
    assert counted("denied") == before + 1
    assert not connections._pools


@claim("guardrails.provider-connections")
@pytest.mark.asyncio
async def test_what_the_operator_closes_is_closed_at_once(
    connections: Connections, service: StandIn, settings: Settings
) -> None:
    await post(connections, service)
    settings.EGRESS_ALLOW = []
    assert await fails(connections, service) == "egress denied: loopback address"
    assert len(service.received) == 1


@claim("guardrails.provider-bounds")
@pytest.mark.asyncio
async def test_an_answer_of_just_the_limit_is_taken_and_a_longer_one_is_not(
    connections: Connections, service: StandIn
) -> None:
    length = len((await post(connections, service)).body)
    assert (await post(connections, service, limit=length)).status == 200
    assert await fails(connections, service, limit=length - 1) == "no answer: too_large"
    assert (await post(connections, service)).status == 200


# --- breaker ------------------------------------------------------------------------------------------------


@claim("guardrails.provider-breaker")
@pytest.mark.asyncio
@pytest.mark.parametrize(
    "way", ["500", "503", "429", "408", "good-html", "hang", "closed", "reset", "huge", "gzip", "redirect"]
)
async def test_a_service_that_fails_again_and_again_is_not_asked(service: StandIn, way: str) -> None:
    connections = Connections(failures=3, cool_down=30, clock=Clock())
    service.way = way
    for _ in range(3):
        await fails(connections, service, seconds=0.1)
    asked, service.way, before = len(service.received), "well", counted("not_asked")
    assert await fails(connections, service) == "not asked: it failed too often"
    assert len(service.received) == asked
    assert counted("not_asked") == before + 1
    await connections.close()


@claim("guardrails.provider-breaker")
@pytest.mark.asyncio
async def test_after_the_cool_down_one_request_decides_for_all(service: StandIn) -> None:
    clock = Clock()
    connections = Connections(failures=3, cool_down=30, clock=clock)
    service.way = "500"
    for _ in range(3):
        await fails(connections, service)
    clock.now += 31
    texts = await asyncio.gather(*(fails(connections, service) for _ in range(5)))
    assert sorted(texts) == ["HTTP 500", *["not asked: it failed too often"] * 4]
    clock.now += 31
    service.way = "well"
    assert (await post(connections, service)).status == 200
    assert (await post(connections, service)).status == 200
    assert len(service.received) == 6
    await connections.close()


@claim("guardrails.provider-breaker")
@pytest.mark.asyncio
async def test_one_project_s_failures_say_nothing_of_another_s_or_of_another_endpoint(
    connections: Connections, service: StandIn
) -> None:
    service.way = "500"
    for _ in range(3):
        await fails(connections, service)
    service.way = "well"
    assert (await post(connections, service, project=2)).status == 200
    assert (await post(connections, service, path="/other")).status == 200
    assert await fails(connections, service, path="/judge?again") == "not asked: it failed too often"


@claim("guardrails.provider-breaker")
@pytest.mark.asyncio
@pytest.mark.parametrize("way", ["400", "401", "403", "404"])
async def test_a_request_that_is_refused_does_not_speak_against_the_service(
    connections: Connections, service: StandIn, way: str
) -> None:
    service.way = way
    for _ in range(5):
        assert await fails(connections, service) == f"HTTP {way}"
    assert len(service.received) == 5


@claim("guardrails.provider-breaker")
@pytest.mark.asyncio
async def test_a_caller_that_leaves_says_nothing_of_the_service(service: StandIn) -> None:
    connections = Connections(failures=1, cool_down=30)
    service.way = "hang"
    task = asyncio.create_task(post(connections, service, seconds=30.0))
    async with asyncio.timeout(5):
        while not service.received:
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    service.way = "well"
    assert (await post(connections, service)).status == 200
    await connections.close()


@claim("guardrails.provider-breaker")
@pytest.mark.asyncio
async def test_a_caller_s_own_time_out_speaks_against_the_service(service: StandIn) -> None:
    connections = Connections(failures=1, cool_down=30)
    service.way = "hang"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.195):
            await post(connections, service, seconds=0.2)
    assert await fails(connections, service) == "not asked: it failed too often"
    await connections.close()


@pytest.mark.asyncio
async def test_every_request_is_counted_by_how_it_ended(connections: Connections, service: StandIn) -> None:
    for way, outcome in {"well": "ok", "401": "http_error", "good-html": "not_json", "huge-announced": "too_large",
                         "hang": "timeout", "gzip": "encoded", "closed": "dropped"}.items():  # fmt: skip
        service.way, before = way, counted(outcome)
        if way == "well":
            await post(connections, service)
        else:
            await fails(connections, service, seconds=0.1, path=f"/{way}")
        assert counted(outcome) == before + 1, way
