"""The verdict cache."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from guardrails.engine.findings import Action, Finding
from guardrails.engine.segments import Kind, Segment, Surface
from guardrails.verdicts import VerdictCache

cache_claim = pytest.mark.claim("guardrails.verdict-cache")
tenants_claim = pytest.mark.claim("guardrails.verdict-cache-tenants")
CANARY = "canary-7e1d@example.org"
SEGMENT = Segment("/params/arguments/note", f"write to {CANARY}", Kind.PROSE, Surface.ARGUMENTS, "note")
FOUND = (
    Finding("pii", "EMAIL", 0.9, SEGMENT.pointer, 9, 32),
    Finding("pii", "PHONE", 0.4, SEGMENT.pointer, 0, 5, how="base64"),
)
PII = "pii/3/91ab"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def text(number: int) -> Segment:
    return replace(SEGMENT, text=f"text {number}")


def known(cache: VerdictCache, project: int, numbers: range) -> list[int]:
    """Looks from the newest, so that looking does not change what is dropped next."""
    return [number for number in numbers if cache.get(project, PII, text(number)) is not None]


@cache_claim
def test_what_was_found_is_known_the_next_time() -> None:
    cache = VerdictCache()
    assert cache.get(1, PII, SEGMENT) is None
    cache.put(1, PII, SEGMENT, FOUND)
    assert cache.get(1, PII, SEGMENT) == FOUND


@cache_claim
def test_that_nothing_was_found_is_known_too() -> None:
    cache = VerdictCache()
    cache.put(1, PII, SEGMENT, ())
    assert cache.get(1, PII, SEGMENT) == ()


@cache_claim
def test_findings_are_at_the_place_of_the_text_that_is_asked_about() -> None:
    cache = VerdictCache()
    cache.put(1, PII, SEGMENT, FOUND)
    found = cache.get(1, PII, replace(SEGMENT, pointer="/result/content/0/text"))
    assert found == tuple(replace(each, pointer="/result/content/0/text") for each in FOUND)


@cache_claim
def test_what_a_policy_made_of_a_finding_is_not_kept() -> None:
    cache = VerdictCache()
    cache.put(1, PII, SEGMENT, [replace(each, rule="r1", action=Action.BLOCK) for each in FOUND])
    assert cache.get(1, PII, SEGMENT) == FOUND


@cache_claim
@pytest.mark.parametrize(
    "other",
    [
        replace(SEGMENT, text=SEGMENT.text + " "),
        replace(SEGMENT, kind=Kind.CODE),
        replace(SEGMENT, surface=Surface.CONTENT),
        replace(SEGMENT, key="title"),
        replace(SEGMENT, is_key=True),
    ],
    ids=["text", "kind", "surface", "key", "is_key"],
)
def test_anything_that_a_finding_may_depend_on_makes_another_entry(other: Segment) -> None:
    cache = VerdictCache()
    cache.put(1, PII, SEGMENT, FOUND)
    assert cache.get(1, PII, other) is None


@cache_claim
def test_another_detector_version_or_configuration_makes_another_entry() -> None:
    cache = VerdictCache()
    cache.put(1, PII, SEGMENT, FOUND)
    for other in ("pii/4/91ab", "pii/3/91ac", "secrets/3/91ab", ""):
        assert cache.get(1, other, SEGMENT) is None
    # The parts cannot run into each other.
    cache.put(1, "a", replace(SEGMENT, key="b|c"), FOUND)
    assert cache.get(1, "a|b", replace(SEGMENT, key="c")) is None


@cache_claim
def test_a_text_that_is_no_unicode_is_a_text_like_any_other() -> None:
    cache = VerdictCache()
    odd = replace(SEGMENT, text="\ud800", key="\udfff")
    cache.put(1, PII, odd, ())
    assert cache.get(1, PII, odd) == ()
    assert cache.get(1, PII, replace(odd, text="\ud801")) is None


@cache_claim
def test_findings_of_another_place_are_not_kept() -> None:
    cache = VerdictCache()
    cache.put(1, PII, SEGMENT, [replace(FOUND[0], pointer="/elsewhere")])
    cache.put(1, PII, SEGMENT, [replace(FOUND[0], is_key=True)])
    assert cache.get(1, PII, SEGMENT) is None


@cache_claim
def test_the_cache_holds_no_text() -> None:
    cache = VerdictCache()
    cache.put(1, PII, SEGMENT, FOUND)
    cache.get(1, PII, SEGMENT)
    held = repr([vars(table) for table in cache._tables.values()])
    assert "EMAIL" in held
    assert "canary" not in held
    assert "write" not in held


@cache_claim
def test_two_processes_do_not_name_an_entry_alike() -> None:
    """A digest without a key could be tried out against a memory dump."""
    names = set()
    for cache in (VerdictCache(), VerdictCache()):
        cache.put(1, PII, SEGMENT, ())
        names |= set(cache._tables[1].entries)
    assert len(names) == 2


@cache_claim
def test_an_entry_ends_after_its_time_however_often_it_is_used() -> None:
    clock = Clock()
    cache = VerdictCache(seconds=60, clock=clock)
    cache.put(1, PII, SEGMENT, FOUND)
    clock.now += 59.9
    assert cache.get(1, PII, SEGMENT) == FOUND
    clock.now += 0.1
    assert cache.get(1, PII, SEGMENT) is None
    assert len(cache) == 0


@cache_claim
def test_what_quiet_projects_have_stored_is_freed() -> None:
    clock = Clock()
    cache = VerdictCache(seconds=60, clock=clock)
    cache.put(1, PII, SEGMENT, FOUND)
    clock.now += 61
    cache.put(2, PII, SEGMENT, FOUND)
    assert len(cache) == 1


@cache_claim
def test_the_longest_unused_entry_goes_first() -> None:
    cache = VerdictCache(per_project=3, reserve=0)
    for number in range(3):
        cache.put(1, PII, text(number), ())
    cache.get(1, PII, text(0))
    cache.put(1, PII, text(3), ())
    assert known(cache, 1, range(4)) == [0, 2, 3]


@cache_claim
def test_many_findings_take_the_room_of_many_entries() -> None:
    cache = VerdictCache(per_project=10, reserve=0)
    for number in range(9):
        cache.put(1, PII, text(number), ())
    cache.put(1, PII, SEGMENT, FOUND * 4)
    assert known(cache, 1, range(9)) == [4, 5, 6, 7, 8]
    assert cache.get(1, PII, SEGMENT) == FOUND * 4
    cache.put(1, PII, SEGMENT, ())
    for number in range(9, 13):
        cache.put(1, PII, text(number), ())
    assert known(cache, 1, range(13)) == [4, 5, 6, 7, 8, 9, 10, 11, 12]
    cache.put(1, PII, replace(SEGMENT, text="too many"), FOUND * 200)
    assert cache.get(1, PII, replace(SEGMENT, text="too many")) is None


@cache_claim
def test_hits_and_misses_are_counted() -> None:
    def exported(outcome: str) -> float:
        return REGISTRY.get_sample_value("mcpgw_cache_lookups_total", {"cache": "verdicts", "outcome": outcome}) or 0.0

    hits, misses = exported("hit"), exported("miss")
    cache = VerdictCache()
    cache.get(1, PII, SEGMENT)
    cache.put(1, PII, SEGMENT, ())
    cache.get(1, PII, SEGMENT)
    cache.get(1, PII, SEGMENT)
    assert (cache.hits, cache.misses) == (2, 1)
    assert (exported("hit") - hits, exported("miss") - misses) == (2, 1)


@cache_claim
def test_threads_share_the_cache() -> None:
    cache = VerdictCache(per_project=50, reserve=0)

    def work(start: int) -> None:
        for number in range(start, start + 400):
            cache.put(number % 2, PII, text(number % 70), ())
            assert cache.get(number % 2, PII, text(number % 70)) in ((), None)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert cache.hits + cache.misses == 8 * 400
    assert all(table.slots == len(table.entries) <= 50 for table in cache._tables.values())


@tenants_claim
def test_a_project_does_not_see_what_another_has_scanned() -> None:
    cache = VerdictCache()
    cache.put(1, PII, SEGMENT, FOUND)
    assert cache.get(2, PII, SEGMENT) is None
    cache.put(2, PII, SEGMENT, ())
    assert cache.get(1, PII, SEGMENT) == FOUND
    assert cache.get(2, PII, SEGMENT) == ()


@tenants_claim
def test_a_project_that_floods_the_cache_pushes_out_its_own_entries_only() -> None:
    cache = VerdictCache(per_project=20, process=30, reserve=0)
    for number in range(15):
        cache.put(1, PII, text(number), ())
    for number in range(100):
        cache.put(2, PII, text(number), FOUND)
    assert known(cache, 1, range(15)) == list(range(15))
    assert known(cache, 2, range(100)) == list(range(93, 100))


@tenants_claim
def test_a_project_has_its_reserve_when_others_have_taken_all() -> None:
    cache = VerdictCache(per_project=20, process=20, reserve=2)
    for number in range(20):
        cache.put(1, PII, text(number), ())
    for number in range(5):
        cache.put(2, PII, text(number), ())
    assert known(cache, 1, range(20)) == list(range(20))
    assert known(cache, 2, range(5)) == [3, 4]


@tenants_claim
def test_a_cache_without_room_stores_nothing_and_breaks_nothing() -> None:
    cache = VerdictCache(per_project=20, process=5, reserve=0)
    for number in range(5):
        cache.put(1, PII, text(number), ())
    cache.put(2, PII, SEGMENT, FOUND)
    assert cache.get(2, PII, SEGMENT) is None
    assert known(cache, 1, range(5)) == list(range(5))
