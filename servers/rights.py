"""May this principal use this tool, prompt or resource? The one decision that lists, calls and open streams ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from projects.authentication import Principal, climbs, matches, names, plain_uri
from servers import offers
from servers.models import Grant, Review, Server, State
from servers.offers import Offer, Offered


@dataclass(frozen=True, slots=True)
class Rule:
    """An allowance or a denial. An empty server or role stands for every one."""

    effect: str
    server: str
    role: str
    pattern: str
    reason: str = ""

    def applies(self, server: str, role: str) -> bool:
        return self.server in ("", server) and self.role in ("", role)

    def allows(self, kind: str, server: str, name: str) -> bool:
        return self.pattern == "*" or matches(self.pattern, kind, server, name)

    def denies(self, kind: str, server: str, name: str) -> bool:
        """Of a resource also what a server may take the URI for; one that can be taken for any is denied."""
        if self.pattern == "*":
            return True
        if kind != "resource":
            return names(self.pattern, kind, server, name)
        if not self.pattern.startswith("resource:"):
            return False
        return climbs(name) or any(names(self.pattern, kind, server, each) for each in (name, plain_uri(name)))


@dataclass(frozen=True, slots=True)
class Decision:
    """`why` is for administrators: a client learns only that there is no such thing."""

    allowed: bool
    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Rights:
    """A project's rules and what its servers offer, both by the slug of the server."""

    rules: tuple[Rule, ...] = ()
    offers: Mapping[str, Offer] = field(default_factory=dict)
    _by_role: dict[tuple[str, str], tuple[tuple[Rule, ...], tuple[Rule, ...]]] = field(
        default_factory=dict, repr=False, compare=False
    )
    _by_server: dict[str, list[Rule]] = field(default_factory=dict, repr=False, compare=False)

    def rules_for(self, server: str, role: str) -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
        """What is denied and what is allowed there to that role: the server's own rules, then those for all."""
        found = self._by_role.get((server, role))
        if found is None:
            applying = [rule for rule in self._rules_of(server) if rule.applies(server, role)]
            denied = tuple(rule for rule in applying if rule.effect == Grant.Effect.DENY)
            found = denied, tuple(rule for rule in applying if rule.effect == Grant.Effect.ALLOW)
            self._by_role[server, role] = found
        return found

    def _rules_of(self, server: str) -> list[Rule]:
        """Sorted once: a list of all servers, each looking through the rules of all, would take its square."""
        if not self._by_server:
            self._by_server[""] = []
            for rule in self.rules:
                self._by_server.setdefault(rule.server, []).append(rule)
        return [*self._by_server.get(server, ()), *self._by_server[""]]


# What may change while a call is under way without ending it: it left with what was approved then.
OF_REVIEW = frozenset({State.WAITING.value, State.REJECTED.value, "unknown"})
_NOT_THERE = Decision(False, "no_server", "The project has no such server, or it is switched off.")
_ALLOWED = Decision(True, "allowed", "")


def load(servers: Iterable[Server], cleared: Mapping[str, int] = MappingProxyType({})) -> Rights:
    """Of the active project; `servers` are those that can be called, `cleared` what is not to be taken from memory."""
    return Rights(load_rules(), offers.load(servers, cleared))


def load_rules() -> tuple[Rule, ...]:
    """All rules of the active project."""
    rows = Grant.objects.values_list("effect", "server__slug", "role", "pattern", "reason")
    return tuple(Rule(effect, server or "", role, pattern, reason) for effect, server, role, pattern, reason in rows)


def decide(
    rights: Rights, principal: Principal, server: str, kind: str = "", name: str = "", era: str = ""
) -> Decision:
    """`kind` is tool, prompt, resource or template; without one it is asked for the server itself.

    Deny wins; what nothing allows is denied; then what the server says of it must have been approved.
    """
    offer = rights.offers.get(server)
    if offer is None:
        return _NOT_THERE
    refused = _refused_by_key(principal, server, kind, name)
    if refused is not None:
        return refused
    denied, allowed = rights.rules_for(server, principal.key.role)
    if not kind:
        if not allowed:
            return _no("not_granted", f"Nobody has granted {server} to the role {principal.key.role}.")
        return _ALLOWED
    described = "resource" if kind == "template" else kind
    for rule in denied:
        if rule.denies(described, server, name):
            return _no("denied", f"Denied by the rule {rule.pattern!r}{_because(rule)}.")
    granting = next((rule for rule in allowed if rule.allows(described, server, name)), None)
    if granting is None:
        return _no("not_granted", f"No rule allows it to the role {principal.key.role} at {server}.")
    return _decide_by_review(offer, kind, name, era) or _ALLOWED


def explain(rights: Rights, principal: Principal, server: str, kind: str, name: str) -> Decision:
    """Like `decide`, with a reason for a yes too."""
    decision = decide(rights, principal, server, kind, name)
    if not decision.allowed:
        return decision
    _, allowed = rights.rules_for(server, principal.key.role)
    described = "resource" if kind == "template" else kind
    granting = next((rule for rule in allowed if not kind or rule.allows(described, server, name)), None)
    by = f" by the rule {granting.pattern!r}{_because(granting)}" if granting is not None else ""
    return Decision(True, decision.code, f"Allowed{by}, within the scopes of the key {principal.key.label!r}.")


def why(rights: Rights, principal: Principal, server: str, kind: str, name: str) -> str:
    """In a sentence, for administrators."""
    return explain(rights, principal, server, kind, name).why


def usable(rights: Rights, principal: Principal, server: str) -> list[Offered]:
    """What the server lists and the principal may use, by kind and name."""
    offer = rights.offers.get(server)
    entries = sorted(offer.entries.values(), key=lambda each: (each.kind, each.name)) if offer else []
    listed = (each for each in entries if each.current)
    return [each for each in listed if decide(rights, principal, server, each.kind, each.name).allowed]


def _refused_by_key(principal: Principal, server: str, kind: str, name: str) -> Decision | None:
    key = principal.key
    if not principal.may_call:
        return _no("role", f"The role {key.role} may not call anything.")
    if not key.covers_server(server):
        return _no("key_scope", f"The key {key.label!r} is not for the server {server}.")
    if kind and not key.covers("resource" if kind == "template" else kind, server, name):
        return _no("key_scope", f"The key {key.label!r} is not for this {kind}.")
    return None


def is_whole(rights: Rights, principal: Principal, server: str) -> bool:
    """Whether the principal may use all of the server, so that nothing has to be told apart."""
    denied, allowed = rights.rules_for(server, principal.key.role)
    return principal.key.unrestricted and not denied and any(rule.pattern == "*" for rule in allowed)


def _decide_by_review(offer: Offer, kind: str, name: str, era: str) -> Decision | None:
    """None when nothing stands against it."""
    offered = offer.get(kind, name)
    if offered is not None:
        if offered.may_be_used:
            return None
        state = "waits for review" if offered.state == State.WAITING else "was rejected"
        return _no(offered.state, f"What the server says of this {kind} {state}.")
    if kind == "resource" and plain_uri(name) in offer.held:
        return _no("rejected", "A resource that is not approved may be meant.")
    if kind in ("resource", "template") or offer.review == Review.TRUST:
        # Resources need not be listed to be read; what may be read is said by rules.
        return None
    if offer.is_first_sight(kind) or (offer.review == Review.TRUST_FIRST and not _lists(offer, kind)):
        return None
    return _no("unknown", f"The catalogue has no such {kind} at this server.")


def _lists(offer: Offer, kind: str) -> bool:
    """Of a server that lists none, only itself can say which there are."""
    return any(known == kind for known, _ in offer.entries)


def _no(code: str, text: str) -> Decision:
    return Decision(False, code, text)


def _because(rule: Rule) -> str:
    return f" ({rule.reason})" if rule.reason else ""
