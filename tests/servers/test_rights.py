"""Who may use what: keys, roles, rules and review decide together, and can say why."""

from __future__ import annotations

import dataclasses

import pytest

from projects.authentication import KeyRecord, Principal
from servers.offers import Offer, Offered
from servers.rights import Rights, Rule, decide, why

KEY = KeyRecord("k1", "laptop", 1, 1, "ada@acme.test", "member", "p1", b"", ("*",), ("*",), (), None)
ADA = Principal(1, KEY)
ALLOW = Rule("allow", "docs", "", "*")
READ = {("tool", "read"): Offered("tool", "read", "approved"), ("tool", "new"): Offered("tool", "new", "waiting")}
OFFER = Offer(7, "review", 1, frozenset({("modern", "tool")}), READ)


def rights(*rules: Rule, offer: Offer = OFFER) -> Rights:
    return Rights(rules, {"docs": offer})


@pytest.mark.claim("rights.default-deny")
def test_a_new_server_is_nobodys_until_someone_grants() -> None:
    assert not decide(rights(), ADA, "docs").allowed
    assert not decide(rights(), ADA, "docs", "tool", "read").allowed
    assert decide(rights(ALLOW), ADA, "docs").allowed
    assert decide(rights(ALLOW), ADA, "docs", "tool", "read").allowed


@pytest.mark.claim("rights.deny-wins")
def test_a_denial_wins_over_every_allowance_in_any_order() -> None:
    deny = Rule("deny", "", "member", "r*", "not for members")
    for rules in ((ALLOW, deny), (deny, ALLOW), (deny, ALLOW, Rule("allow", "docs", "member", "read"))):
        assert not decide(rights(*rules), ADA, "docs", "tool", "read").allowed
    admin = Principal(1, dataclasses.replace(KEY, role="admin"))
    assert decide(rights(ALLOW, deny), admin, "docs", "tool", "read").allowed


@pytest.mark.claim("rights.deny-wins")
@pytest.mark.parametrize(
    "uri",
    ["file:///secret/key", "file:///secret/x/../key", "file:///pub/../secret/key", "file:///secret%2fkey",
     "FILE:///secret/key", "file:///%73ecret/key", "file:////secret/key", "file:///./secret/key",
     "file:///pub/%2e%2e/secret/key", "file:\\\\\\secret\\key", "file:///%2573ecret/key"],
)  # fmt: skip
def test_a_denied_resource_is_denied_in_every_way_to_write_its_uri(uri: str) -> None:
    deny = Rule("deny", "docs", "", "resource:file:///secret/*")
    assert not decide(rights(ALLOW, deny), ADA, "docs", "resource", uri).allowed
    assert decide(rights(ALLOW, deny), ADA, "docs", "resource", "file:///pub/key").allowed
    held = dataclasses.replace(OFFER, held=frozenset({"file:///secret/key"}))
    if ".." not in uri and "%2e" not in uri and "%2f" not in uri:
        assert not decide(rights(ALLOW, offer=held), ADA, "docs", "resource", uri).allowed


@pytest.mark.claim("rights.deny-wins")
def test_rules_of_one_server_say_nothing_of_another() -> None:
    both = Rights((Rule("allow", "wiki", "", "*"),), {"docs": OFFER, "wiki": dataclasses.replace(OFFER, server_id=8)})
    assert decide(both, ADA, "wiki", "tool", "read").allowed
    assert not decide(both, ADA, "docs", "tool", "read").allowed


@pytest.mark.claim("authorize.many")
def test_rules_of_other_servers_cost_a_decision_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Rule] = []
    applies = Rule.applies

    def applies_and_counts(rule: Rule, server: str, role: str) -> bool:
        looked.append(rule)
        return applies(rule, server, role)

    monkeypatch.setattr(Rule, "applies", applies_and_counts)
    slugs = [f"s{number}" for number in range(1000)]
    many = Rights((*(Rule("allow", slug, "", "*") for slug in slugs), Rule("deny", "", "", "drop")))
    for slug in slugs:
        denied, allowed = many.rules_for(slug, "member")
        assert ([rule.pattern for rule in denied], [rule.server for rule in allowed]) == (["drop"], [slug])
    assert len(looked) == 2 * len(slugs)
    assert [rule.pattern for rule in many.rules_for("unknown", "member")[0]] == ["drop"]


@pytest.mark.claim("review.waiting")
def test_what_waits_or_is_unknown_cannot_be_used_under_review() -> None:
    assert not decide(rights(ALLOW), ADA, "docs", "tool", "new").allowed
    assert not decide(rights(ALLOW), ADA, "docs", "tool", "other").allowed


@pytest.mark.claim("review.first-sight")
def test_only_the_first_list_of_a_server_is_trusted_at_first_sight() -> None:
    unseen = Offer(7, "trust-first")
    assert decide(rights(ALLOW, offer=unseen), ADA, "docs", "tool", "read", "modern").allowed
    seen = dataclasses.replace(OFFER, review="trust-first")
    assert not decide(rights(ALLOW, offer=seen), ADA, "docs", "tool", "other", "modern").allowed
    assert not decide(rights(ALLOW, offer=seen), ADA, "docs", "tool", "new", "modern").allowed


@pytest.mark.claim("rights.why")
@pytest.mark.parametrize(
    ("rules", "key", "name", "words"),
    [
        ((ALLOW,), KEY, "read", "Allowed by the rule '*'"),
        ((), KEY, "read", "No rule allows it to the role member"),
        ((ALLOW, Rule("deny", "docs", "", "read", "too dangerous")), KEY, "read", "rule 'read' (too dangerous)"),
        ((ALLOW,), dataclasses.replace(KEY, servers=("wiki",)), "read", "'laptop' is not for the server docs"),
        ((ALLOW,), dataclasses.replace(KEY, tools=("write",)), "read", "'laptop' is not for this tool"),
        ((ALLOW,), dataclasses.replace(KEY, role="auditor"), "read", "role auditor may not call"),
        ((ALLOW,), KEY, "new", "waits for review"),
        ((ALLOW,), KEY, "other", "has no such tool"),
    ],
)
def test_the_decision_says_why(rules: tuple[Rule, ...], key: KeyRecord, name: str, words: str) -> None:
    assert words in why(rights(*rules), Principal(1, key), "docs", "tool", name)
