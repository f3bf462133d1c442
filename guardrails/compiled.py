"""A project's policies as the data plane holds them: rows become frozen objects, and nothing is left to look up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.utils import timezone

from gateway_site.lib.secrets import Unsealable
from guardrails.engine.findings import Action, Finding
from guardrails.engine.rules import MAX_CHARACTERS, Mode, Policy, Rule
from guardrails.exemptions import Exemption, digest_place, digest_text, exempter, matched
from guardrails.models import Check, FindingException, FloorGuardrail, Guardrail
from guardrails.models import Policy as PolicyRow
from guardrails.presets import DEFAULT, PRESETS
from projects.scoping import with_project

logger = structlog.get_logger("guardrails.compiled")


@dataclass(frozen=True, slots=True)
class Attachment:
    """What a server says about its policies. None stands for the project's default.

    `kinds` are by tool and then by argument pointer; `restore_tokens` makes it a server that gets values back.
    """

    server_id: int
    slug: str
    input_policy_id: int | None = None
    output_policy_id: int | None = None
    kinds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    restore_tokens: bool = False


# Servers are an upper layer's business, which says here what a project has.
_attachments: list[Callable[[int], Iterable[Attachment]]] = []


def attach_servers_with(function: Callable[[int], Iterable[Attachment]]) -> None:
    """`function` gives the attachments of a project's servers; it is called with that project active."""
    _attachments.append(function)


@dataclass(frozen=True, slots=True)
class PolicySet:
    """One project's policies, ready for every server; `by_server` holds those for input and for output."""

    default: Policy
    by_id: Mapping[int, Policy] = field(default_factory=dict)
    by_server: Mapping[int, tuple[Policy, Policy]] = field(default_factory=dict)
    exemptions: tuple[Exemption, ...] = ()
    digest_key: bytes = field(default=b"", repr=False)

    def policy_for(self, server_id: int, direction: str) -> Policy:
        """The same object as long as the set lives. What a server says of itself is judged by its output policy."""
        incoming, outgoing = self.by_server.get(server_id, (self.default, self.default))
        return incoming if direction == "input" else outgoing

    def in_use(self) -> list[Policy]:
        """Each policy that some server is judged by, once."""
        used = [self.default, *(policy for both in self.by_server.values() for policy in both)]
        return list({id(policy): policy for policy in used}.values())

    def exempt(self, server_id: int, tool: str, now: datetime | None = None) -> Callable[[Finding, str], bool] | None:
        """Whether a finding in a segment's text is a known false positive, for one call; None when none can be."""
        if not self.exemptions:
            return None
        return exempter(self.exemptions, self.digest_key, server_id, tool, now)

    def digests(self, tool: str) -> Callable[[Finding, str], tuple[str, str]]:
        """What a finding of one call is recognised by later: digests of the matched text and of its place."""
        key = self.digest_key
        return lambda finding, text: (
            digest_text(key, matched(finding, text)), digest_place(key, tool, finding.pointer)
        )  # fmt: skip


def load(project_id: int) -> PolicySet:
    """Raises KeyError when a server names a policy that is not there, so that its project is closed."""
    with with_project(project_id):
        floor = load_floor()
        policies = _load_policies(floor)
        default = next((policy for policy, is_default in policies.values() if is_default), None)
        if default is None:
            default = with_floor(PRESETS[DEFAULT], floor)
        by_id = {pk: policy for pk, (policy, _) in policies.items()}
        attached = _attached(project_id)
        return PolicySet(
            default=default,
            by_id=by_id,
            by_server={each.server_id: _attach(each, default, by_id) for each in attached},
            exemptions=_load_exemptions(),
            digest_key=settings.KEYRING.project_digest_key(project_id),
        )


def carry_over(old: PolicySet, new: PolicySet) -> PolicySet:
    """The new set, with the old one's objects where the policies are equal, so that what is known of them stays."""
    kept: dict[int, Policy] = {}
    candidates = {id(each): each for each in [old.default, *old.by_id.values()]}

    def keep(policy: Policy, server_id: int | None = None) -> Policy:
        found = kept.get(id(policy))
        if found is None:
            own = old.by_server.get(server_id, ()) if server_id is not None else ()
            found = next((each for each in (*own, *candidates.values()) if each == policy), policy)
            kept[id(policy)] = found
        return found

    return replace(
        new, default=keep(new.default), by_id={pk: keep(policy) for pk, policy in new.by_id.items()},
        by_server={pk: (keep(incoming, pk), keep(outgoing, pk)) for pk, (incoming, outgoing) in new.by_server.items()},
    )  # fmt: skip


def server_ids(project_id: int) -> dict[str, int]:
    """The project's servers, by slug."""
    with with_project(project_id):
        return {each.slug: each.server_id for each in _attached(project_id)}


def _attached(project_id: int) -> list[Attachment]:
    return [each for function in _attachments for each in function(project_id)]


def load_floor() -> tuple[Rule, ...]:
    """The operator's rules, in their order."""
    return tuple(_rule(row) for row in FloorGuardrail.objects.filter(enabled=True))


def compile_policy(row: PolicyRow, rules: Iterable[Guardrail], floor: tuple[Rule, ...] = ()) -> Policy:
    """`rules` are the enabled guardrails of the policy, in their order."""
    policy = Policy(
        name=row.slug, version=row.version, mode=Mode(row.mode), rules=tuple(_rule(rule) for rule in rules),
        max_characters=row.max_characters, over_limit=Action(row.over_limit),
    )  # fmt: skip
    return with_floor(policy, floor)


def _load_policies(floor: tuple[Rule, ...]) -> dict[int, tuple[Policy, bool]]:
    """By primary key: the policy, and whether it is the project's default."""
    guardrails: dict[int, list[Guardrail]] = {}
    for guardrail in Guardrail.objects.filter(enabled=True).order_by("order", "id"):
        guardrails.setdefault(guardrail.policy_id, []).append(guardrail)
    return {
        row.pk: (compile_policy(row, guardrails.get(row.pk, ()), floor), row.is_default)
        for row in PolicyRow.objects.all()
    }


def with_floor(policy: Policy, floor: tuple[Rule, ...]) -> Policy:
    """A project can tighten the floor, not loosen it: what the floor must see is scanned whole, or refused."""
    if not floor:
        return policy
    if policy.over_limit is Action.FLAG:
        characters = max(policy.max_characters, MAX_CHARACTERS)
        return replace(policy, floor=floor, max_characters=characters, over_limit=Action.BLOCK)
    return replace(policy, floor=floor)


def _rule(row: Check) -> Rule:
    detector = row.detector
    secrets: dict[str, Any] = {}
    try:
        secrets = row.secrets
    except Unsealable:
        # No detector has this name: the rule counts as one that cannot answer.
        logger.error("guardrail secrets do not open", rule=row.rule_id)
        detector = f"{detector} (its secrets do not open)"
    return Rule(
        id=row.rule_id, detector=detector, directions=frozenset(row.directions), action=Action(row.action),
        threshold=row.threshold, config=row.config, categories=frozenset(row.categories),
        on_error=Action(row.on_error), timeout=row.timeout, secrets=secrets,
    )  # fmt: skip


def _attach(attachment: Attachment, default: Policy, by_id: Mapping[int, Policy]) -> tuple[Policy, Policy]:
    named = (attachment.input_policy_id, attachment.output_policy_id)
    incoming, outgoing = (default if pk is None else by_id[pk] for pk in named)
    if not attachment.kinds and not attachment.restore_tokens:
        return incoming, outgoing
    trusted = frozenset({attachment.slug}) if attachment.restore_tokens else frozenset()
    # One object for both directions where it is one policy, so that its detectors are made once.
    own = replace(incoming, kinds=attachment.kinds, trusted=trusted)
    same = outgoing is incoming
    return own, own if same else replace(outgoing, kinds=attachment.kinds, trusted=trusted)


def _load_exemptions() -> tuple[Exemption, ...]:
    live = FindingException.objects.filter(expires_at__gt=timezone.now())
    return tuple(
        Exemption(
            detector=row.detector, expires_at=row.expires_at, server_id=row.server_ref, tool=row.tool,
            category=row.category, text_digest=row.text_digest, place_digest=row.place_digest,
        )
        for row in live
    )  # fmt: skip
