"""Where the product may connect to: every address is checked, and what was checked is what is connected to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from gateway_site.lib import egress, ranges
from gateway_site.lib.egress import EgressDenied
from servers.upstream import Connections, Upstream, UpstreamError

claim = pytest.mark.claim
PUBLIC = "93.184.215.14"


@pytest.fixture(autouse=True)
def nothing_is_opened(settings: Settings) -> None:
    """The operator of these tests has opened nothing, unless a test says so."""
    settings.EGRESS_ALLOW = []


def denied(url: str) -> str:
    with pytest.raises(EgressDenied) as caught:
        egress.check_url(url)
    return str(caught.value)


@claim("egress.addresses")
@pytest.mark.parametrize(
    ("address", "category"),
    [
        ("127.0.0.1", "loopback"), ("127.255.255.254", "loopback"), ("::1", "loopback"),
        ("10.1.2.3", "private"), ("172.31.255.255", "private"), ("192.168.0.1", "private"),
        ("fd00:ec2::254", "private"),
        ("169.254.169.254", "link-local"), ("fe80::1", "link-local"), ("100.100.100.200", "shared"),
        ("168.63.129.16", "platform"), ("0.0.0.0", "this-network"), ("::", "this-network"),
        ("224.0.0.1", "multicast"), ("ff02::1", "multicast"), ("255.255.255.255", "reserved"),
        ("192.0.0.192", "reserved"), ("198.18.0.1", "reserved"), ("2001:db8::1", "reserved"),
        ("::ffff:127.0.0.1", "loopback"), ("::ffff:169.254.169.254", "link-local"), ("::ffff:8.8.8.8", "translated"),
        ("::ffff:0:127.0.0.1", "reserved"), ("64:ff9b::a9fe:a9fe", "translated"), ("64:ff9b:1::1", "translated"),
        ("2002:7f00:1::", "translated"), ("::127.0.0.1", "translated"), ("4000::1", "reserved"), ("200::1", "reserved"),
    ],
)  # fmt: skip
def test_special_addresses_are_closed(address: str, category: str) -> None:
    assert ranges.classify(ip_address(address)) == category


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111"])
def test_public_addresses_are_open(address: str) -> None:
    assert ranges.classify(ip_address(address)) is None


@claim("egress.addresses")
@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_what_the_standard_library_calls_not_global_is_closed(address: IPv4Address | IPv6Address) -> None:
    if not address.is_global or address.is_multicast:
        assert ranges.classify(address) is not None


@claim("egress.addresses")
@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:0:0", "::ffff:0:0:0", "::", "64:ff9b::", "2002::"]))
def test_an_address_inside_another_is_closed(inner: Any, prefix: str) -> None:
    shift = 80 if prefix == "2002::" else 0
    assert ranges.classify(IPv6Address(int(IPv6Address(prefix)) | int(inner) << shift)) is not None


@claim("egress.urls")
@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://127.0.0.1./", "https://127.1/", "https://0x7f.1/", "https://0x7f000001/",
        "https://2130706433/", "https://017700000001/", "https://0177.0.0.1/", "https://0/", "https://1.1.1.1.1/",
        "https://[::1]/", "https://[::ffff:7f00:1]/", "https://[fe80::1%25eth0]/", "https://169.254.169.254/",
        "https://\uff11\uff12\uff17.0.0.1/", "https://127\u30020\u30020\u30021/", "https://%31%32%37.0.0.1/",
        "https://127.0.0.1%00.example.com/", "https://\n127.0.0.1/", "https://example.com\\@127.0.0.1/",
        "https://a..b/", "https://.example.com/", "https://exa mple.com/", "https://localhost%2eexample/",
    ],
)  # fmt: skip
def test_unusual_spellings_of_addresses_are_refused(url: str) -> None:
    assert "127" not in denied(url)


@claim("egress.urls")
@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://example.com/", "gopher://example.com/", "//example.com/", "example.com", "",
        "https://", "https:///x", "https://[::1", "https://example.com:99999/", "unix:///run/docker.sock",
        "https://user:password@example.com/", "https://user@example.com/", "https://example.com/#fragment",
        f"https://{'a' * 300}.com/", "http://example.com/", "http://93.184.215.14/", "https://example.com:8443/",
        "https://93.184.215.14:8443/", "http://93.184.215.14:443/",
    ],
)  # fmt: skip
def test_only_https_on_its_own_port_is_open(url: str) -> None:
    assert "password" not in denied(url)


@pytest.mark.parametrize("url", ["https://example.com/mcp?x=1", "https://example.com.:443/", f"https://{PUBLIC}/",
                                 "https://[2606:4700::1111]/", "https://b\u00fccher.example/"])  # fmt: skip
def test_public_https_is_open(url: str) -> None:
    assert egress.check_url(url).scheme == "https"


@claim("egress.urls")
@pytest.mark.parametrize(
    "url",
    [
        "syslog://example.com:514", "syslog+tls://example.com:443", "syslog+tls://example.com", "https://example.com/",
        "syslog+tls://127.1:6514", "syslog+tls://user:password@example.com:6514", "syslog+tls://example.com:6514/x",
        "syslog+tls://example.com:6514?x=1", "syslog+tls://[::1]:6514", "syslog+tls://169.254.169.254:6514",
        "syslog://93.184.215.14:6514", "unix:///run/docker.sock",
    ],
)  # fmt: skip
def test_of_what_is_no_http_only_syslog_over_tls_is_open(url: str) -> None:
    with pytest.raises(EgressDenied):
        egress.check_stream(url)


def test_syslog_over_tls_is_no_address_of_a_server_and_plain_syslog_is_the_operators_to_open(
    settings: Settings,
) -> None:
    assert egress.check_stream("syslog+tls://example.com:6514").port == 6514
    assert "only http" in denied("syslog+tls://example.com:6514")
    settings.EGRESS_ALLOW = ["siem.internal:514", "10.0.0.0/8"]
    assert egress.check_stream("syslog://siem.internal:514").host == "siem.internal"
    assert egress.check_stream("syslog://10.1.2.3:514").port == 514


@claim("egress.resolution")
@pytest.mark.asyncio
async def test_a_stream_to_a_name_that_means_a_closed_address_is_never_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch, rebound=[[PUBLIC, "127.0.0.1"]])
    with pytest.raises(EgressDenied, match="loopback"):
        await egress.open_stream("syslog+tls://rebound.example:6514")
    assert names.asked == ["rebound.example"]


@claim("egress.operator")
def test_the_operator_opens_hosts_addresses_and_networks_with_or_without_port(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["10.0.0.5:8080", "10.1.0.0/16", "[fd00::1]:81", "fd01::/64", "Intranet", "db.internal:82"]
    for url in (
        "http://10.0.0.5:8080/", "http://10.1.2.3:9999/", "https://10.1.2.3/", "http://[fd00::1]:81/",
        "http://[fd01::7]/", "http://intranet/", "http://INTRANET:5000/", "http://db.internal:82/",
    ):  # fmt: skip
        egress.check_url(url)
    for url in ("http://10.0.0.5:8081/", "http://10.2.0.1/", "http://[fd00::1]:80/", "http://[fd02::1]/"):
        assert "private" in denied(url)
    for address, port in (("10.0.0.5", 8081), ("127.0.0.1", 8080), (PUBLIC, 80)):
        with pytest.raises(EgressDenied):
            egress.check_address(ip_address(address), port, "http")


class Names:
    """A name service of the test: what each name means, one answer after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **answers: list[list[str]]) -> None:
        self._answers = answers
        self.asked: list[str] = []
        monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", self._lookup)

    async def _lookup(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        rounds = self._answers[host.split(".")[0]]
        addresses = rounds.pop(0) if len(rounds) > 1 else rounds[0]
        return [
            (socket.AF_INET6 if ":" in text else socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port))
            for text in addresses
        ]


@asynccontextmanager
async def opened_connections() -> AsyncIterator[Connections]:
    connections = Connections()
    try:
        yield connections
    finally:
        await connections.close()


@asynccontextmanager
async def listener() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server on the loopback address that keeps what it is sent."""
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        head = ["HTTP/1.1 302 Found", "Location: http://127.0.0.1/next", "Set-Cookie: a=b", "Content-Length: 0"]
        writer.write("\r\n".join([*head, "Connection: close", "", ""]).encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], received


@claim("egress.resolution")
@pytest.mark.asyncio
@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["169.254.169.254"], ["::ffff:127.0.0.1"], [PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC]],
)
async def test_a_name_that_means_a_closed_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    Names(monkeypatch, rebound=[addresses])
    with pytest.raises(EgressDenied) as caught:
        await egress.CheckedResolver("https").resolve("rebound.example", 443)
    assert not any(address in str(caught.value) for address in addresses)


@claim("egress.resolution")
@pytest.mark.asyncio
async def test_nothing_is_sent_to_a_name_that_means_a_closed_address(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.EGRESS_ALLOW = ["10.0.0.0/8"]
    async with listener() as (port, received), opened_connections() as connections:
        names = Names(monkeypatch, rebound=[["127.0.0.1"]])
        upstream = Upstream(1, 1, "rebound", "http", f"http://rebound.example:{port}/mcp", "hash", 5.0)
        with pytest.raises(UpstreamError) as caught:
            await connections.send(upstream, "POST", {}, b"{}")
    assert (caught.value.kind, names.asked) == ("unavailable", ["rebound.example"])
    assert caught.value.detail == "egress denied: loopback address"
    assert received == []


@claim("egress.resolution")
@pytest.mark.asyncio
async def test_a_name_is_checked_again_each_time_it_is_resolved(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    Names(monkeypatch, changing=[[PUBLIC], ["10.0.0.1"]])
    resolver = egress.CheckedResolver("https")
    [found] = await resolver.resolve("changing.example", 443)
    assert (found["host"], found["flags"]) == (PUBLIC, socket.AI_NUMERICHOST)
    with pytest.raises(EgressDenied, match="private"):
        await resolver.resolve("changing.example", 443)


@claim("egress.client")
@pytest.mark.asyncio
async def test_the_client_follows_nothing_keeps_nothing_and_adds_nothing(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with listener() as (port, received), opened_connections() as connections:
        settings.EGRESS_ALLOW = [f"127.0.0.1:{port}"]
        url, ours = f"http://127.0.0.1:{port}/mcp", {"Authorization": "ours"}
        upstream = Upstream(1, 1, "here", "http", url, "hash", 5.0, ours)
        for _ in range(2):
            exchange = await connections.send(upstream, "POST", {"Accept": "application/json"}, b"{}")
            assert exchange.status == 302
            exchange.close()
    assert len(received) == 2
    for head in received:
        names = {line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:] if line}
        assert names == {b"host", b"accept", b"authorization", b"content-length"}


@pytest.mark.asyncio
async def test_a_session_to_a_closed_address_is_never_opened() -> None:
    with pytest.raises(EgressDenied):
        egress.open_session("https://127.0.0.1/")


def test_every_closed_network_is_written_as_a_network() -> None:
    for networks in ranges._DENIED.values():
        for network in networks:
            assert ip_network(network, strict=True)


def test_the_operators_entries_are_read_as_what_they_are() -> None:
    for entry, expected in {
        "host": ("host", None), "host:80": ("host", 80), "10.0.0.0/8": ("10.0.0.0/8", None),
        "10.0.0.1:80": ("10.0.0.1", 80), "::1": ("::1", None), "[::1]:80": ("[::1]", 80),
        "fd00::/8": ("fd00::/8", None), "10.0.0.0/8:80": ("10.0.0.0/8", 80),
    }.items():  # fmt: skip
        assert ranges._split_port(entry) == expected
