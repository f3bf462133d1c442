"""What a receiver gets: the log as it is sealed, signed, over connections that are checked."""

from __future__ import annotations

import hashlib
import hmac
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from audit import forwarders
from audit.forwarding import Destination, NotTaken, registry
from gateway_site.lib import egress
from gateway_site.lib.egress import EgressDenied
from tests.audit.forwarding.sending import (
    come_back,
    forwarder_to,
    some,
    state,
    tools,
    turn,
)
from tests.audit.parsers import read_cef, read_syslog
from tests.audit.receivers import Hook, authority, subjects, syslog_server
from tests.audit.sealing import seal_all
from tests.cast import Cast
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
claim = pytest.mark.claim
CANARY = "canary-authorization"


@claim("forward.signed")
def test_a_webhooks_body_is_signed_with_the_key_that_was_shown_once(cast: Cast, receiver: Hook) -> None:
    seal_all()
    forwarder, key = forwarders.create_forwarder(
        project=cast.acme, name="siem", kind="webhook", format="cef", address=receiver.url,
        authorization=f"Splunk {CANARY}",
    )  # fmt: skip
    some(2, cast.acme)
    turn(forwarder)
    [request] = receiver.requests
    stamp = request.headers["x-mcpgw-timestamp"]
    assert abs(int(stamp) - time.time()) < 60
    expected = hmac.new(key.encode(), f"{stamp}.".encode() + request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-mcpgw-signature"] == f"v1={expected}"
    assert request.headers["authorization"] == f"Splunk {CANARY}"
    assert request.headers["content-type"] == "text/plain; charset=utf-8"
    assert [read_cef(line).extension["cs3"] for line in request.lines] == ["siem", "tool-0", "tool-1"]
    # A new key ends the old one at once.
    _, newer = forwarders.change_forwarder(forwarder=forwarder, new_signing_key=True)
    assert newer != key
    some(1, cast.acme, start=5)
    turn(forwarder)
    last = receiver.requests[-1]
    proof = hmac.new(newer.encode(), f"{last.headers['x-mcpgw-timestamp']}.".encode() + last.body, hashlib.sha256)
    assert last.headers["x-mcpgw-signature"] == f"v1={proof.hexdigest()}"


@claim("forward.syslog")
@pytest.mark.parametrize("form", ["syslog", "cef"])
def test_syslog_over_tcp_has_each_message_with_its_length(cast: Cast, form: str) -> None:
    with syslog_server() as (server, port):
        forwarder = forwarder_to(f"syslog://127.0.0.1:{port}", cast.acme, kind="syslog", format=form)
        sent = some(700, cast.acme)
        assert turn(forwarder) == 701
        server.wait_for(701)
        assert (server.faults, server.connections) == ([], 1)
        read = [read_syslog(message) for message in server.messages]
        assert read[1].kind == "mcp.call.outcome"
        if form == "cef":
            texts = [each.text.removeprefix(b"\xef\xbb\xbf") + b"\n" for each in read]
            assert [read_cef(text).extension["cs3"] for text in texts] == ["siem", *sent]
        else:
            assert [each.data["mcpgw@32473"]["subject"] for each in read] == ["siem", *sent]


@claim("forward.syslog")
def test_syslog_over_tls_trusts_the_authority_that_it_was_given_and_no_other_name(cast: Cast, tmp_path: Path) -> None:
    ours = authority(tmp_path / "ours", "127.0.0.1")
    other = authority(tmp_path / "other", "siem.example")
    with syslog_server(ours.server) as (server, port), syslog_server(other.server) as (named_otherwise, wrong_port):
        address = f"syslog+tls://127.0.0.1:{port}"
        forwarder = forwarder_to(address, cast.acme, kind="syslog", ca_bundle=ours.pem)
        # Several batches over one connection.
        sent = some(1700, cast.acme)
        assert turn(forwarder) == 1701
        server.wait_for(1701)
        assert server.connections == 1
        assert [read_syslog(each).data["mcpgw@32473"]["subject"] for each in server.messages] == ["siem", *sent]
        # Not by an authority that the machine knows; by the right one for another name.
        for to, bundle in ((address, ""), (f"syslog+tls://127.0.0.1:{wrong_port}", other.pem)):
            forwarder.address, forwarder.ca_bundle = to, bundle
            forwarders.change_forwarder(forwarder=forwarder)
            seal_all()
            assert turn(forwarder) == 0
            assert state(forwarder).fault == "certificate"
        assert named_otherwise.messages == []
        assert len(server.messages) == 1701


@claim("forward.syslog")
@claim("forward.in-order")
def test_a_syslog_connection_that_is_cut_off_leaves_nothing_out(cast: Cast) -> None:
    with syslog_server() as (server, port):
        forwarder = forwarder_to(f"syslog://127.0.0.1:{port}", cast.acme, kind="syslog")
        sent = some(2000, cast.acme)
        server.cut_after = 3
        for _ in range(5):
            turn(forwarder)
            come_back()
        wait_until(lambda: "tool-1999" in tools(server.messages))
        assert list(dict.fromkeys(subjects(server.messages))) == ["siem", *sent]


@claim("forward.syslog")
def test_a_syslog_receiver_that_is_not_there_is_tried_again(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    with syslog_server() as (_, port):
        pass
    forwarder = forwarder_to(f"syslog://127.0.0.1:{port}", cast.acme, kind="syslog")
    seal_all()
    assert turn(forwarder) == 0
    assert state(forwarder).fault == "unreachable"


@claim("forward.egress")
def test_forwarders_reach_only_what_the_egress_rules_let_them(cast: Cast, receiver: Hook, settings: Any) -> None:
    forwarder = forwarder_to(receiver.url, cast.acme)
    settings.EGRESS_ALLOW = []
    for kind, address in (
        ("webhook", receiver.url), ("webhook", "https://10.0.0.1/"), ("webhook", "https://siem.example:8443/"),
        ("webhook", "http://siem.example/"), ("syslog", "syslog://siem.example:514"), ("syslog", "syslog+tls://[::1]"),
        ("syslog", "syslog+tls://siem.example:443"), ("syslog", "syslog+tls://127.1:6514"),
        ("syslog", "syslog+tls://169.254.169.254"), ("syslog", "syslog+tls://u:p@siem.example"),
        ("syslog", "syslog+tls://siem.example/path"), ("syslog", "https://siem.example/"),
    ):  # fmt: skip
        with pytest.raises(ValidationError) as caught:
            forwarders.create_forwarder(project=cast.acme, name="other", kind=kind, address=address)
        assert list(caught.value.message_dict) == ["address"], address
    made, key = forwarders.create_forwarder(
        project=cast.acme, name="open", kind="syslog", address="syslog+tls://siem.example"
    )
    assert (made.address, made.format, key) == ("syslog+tls://siem.example:6514", "syslog", "")
    # What was opened once may be closed again.
    seal_all()
    assert turn(forwarder) == 0
    assert state(forwarder).fault == "denied: loopback address"
    assert receiver.requests == []


@claim("forward.egress")
@pytest.mark.asyncio
async def test_a_name_that_means_a_closed_address_is_not_connected_to(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checked is what is connected to, at each connection."""
    settings.EGRESS_ALLOW = []
    with pytest.raises(EgressDenied, match="loopback"):
        await egress.open_stream("syslog+tls://localhost:6514")


@claim("forward.plugins")
def test_a_transport_is_a_registered_class(cast: Cast) -> None:
    taken: list[int] = []

    class Kept:
        name, label, default_format = "kept", "Kept", "cef"
        schemes: tuple[str, ...] = ("kept",)
        secrets = frozenset[str]()

        def __init__(self, destination: Destination, media_type: str, header: bytes) -> None:
            self._fails = destination.address.endswith("never")

        @staticmethod
        def check(address: str) -> str:
            return address

        async def send(self, messages: Any) -> None:
            if self._fails:
                raise NotTaken("never")
            taken.extend(message.seq for message in messages)

        async def close(self) -> None:
            """Nothing to give back."""

    registry.add(Kept)
    try:
        forwarder = forwarder_to("kept://here", cast.acme, kind="kept", format="")
        some(2, cast.acme)
        assert turn(forwarder) == 3
        assert taken == sorted(taken)
        forwarder.address = "kept://never"
        forwarders.change_forwarder(forwarder=forwarder)
        assert forwarders.test_forwarder(forwarder=forwarder) == forwarders.Tried(False, "never")
    finally:
        del registry._classes["kept"]
    # Uninstalled: its forwarders stand still and say so.
    seal_all()
    assert turn(forwarder) == 0
    assert state(forwarder).fault == "not installed"
