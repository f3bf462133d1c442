"""What the log may call a call: a caller's text stands there as it is only once it is known to be harmless.

The intent is written before the guardrails look, and some calls are refused before they would. So a name is shown when
they have looked at it before and found nothing, or when the server itself lists it and they find nothing in it now; in
place of any other there is a keyed digest.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from audit.naming import digest_name, is_digest
from guardrails.compiled import PolicySet
from guardrails.engine import scan
from guardrails.engine.arming import arm
from guardrails.engine.detector import Context
from guardrails.engine.findings import Report
from guardrails.engine.lent import Services
from guardrails.engine.rules import Policy
from proxy import protocol
from proxy.aggregate.meta import names

if TYPE_CHECKING:
    from proxy.call import Call

_MAX_PROJECTS = 1_000
_MAX_NAMES = 2_000
# No event has room for more, and what is cut is no name.
_LONGEST = 512
# By kind: the method that lists it and the result's member, the method that asks for it, and the member that names it.
_MESSAGES = {
    "tool": ("tools/list", "tools", "tools/call", "name"),
    "prompt": ("prompts/list", "prompts", "prompts/get", "name"),
    "resource": ("resources/list", "resources", "resources/read", "uri"),
}
_OF_HTTP = frozenset({"GET", "DELETE", "response"})
Name = tuple[str, str]


@dataclass(slots=True)
class _Known:
    """One project's names, good as long as its policies are the same object: any change makes another."""

    policies: PolicySet
    harmless: OrderedDict[tuple[int, Name], bool] = field(default_factory=OrderedDict)


class Names:
    """Which names the guardrails have found harmless, apart for each project; the least recently used go first."""

    def __init__(self) -> None:
        self._projects: OrderedDict[int, _Known] = OrderedDict()

    def get(self, call: Call, name: Name) -> bool | None:
        """None for what has not been looked at."""
        known = self._projects.get(call.principal.project_id)
        if known is None or known.policies is not call.snapshot.policies:
            return None
        place = call.upstream.server_id, name
        found = known.harmless.get(place)
        if found is not None:
            known.harmless.move_to_end(place)
        return found

    def put(self, call: Call, name: Name, harmless: bool) -> None:
        project, policies = call.principal.project_id, call.snapshot.policies
        known = self._projects.get(project)
        if known is None or known.policies is not policies:
            known = self._projects[project] = _Known(policies)
        self._projects.move_to_end(project)
        known.harmless[call.upstream.server_id, name] = harmless
        while len(known.harmless) > _MAX_NAMES:
            known.harmless.popitem(last=False)
        while len(self._projects) > _MAX_PROJECTS:
            self._projects.popitem(last=False)


def shown_method(call: Call) -> str:
    """One of the protocol's methods as it is; any other by the rule for names."""
    return call.method if _is_known(call.method) else _shown(call, ("method", call.method))


def shown_subject(call: Call) -> str:
    """What the call is about, or "" when it is about nothing that has a name."""
    if names.find(call) is not None:
        return call.subject[1]
    return _shown(call, call.subject) if call.subject[1] else ""


def _shown(call: Call, name: Name) -> str:
    if call.state.names.get(call, name) is True and not is_digest(name[1]):
        return name[1]
    return digest_name(call.snapshot.digest_key, name[1])


def _is_known(method: str) -> bool:
    return method in _OF_HTTP or protocol.known_parameters(method) is not None


async def look_up(call: Call) -> None:
    """Has the guardrails look at a name that the server lists and they have not seen: no caller has chosen it.

    Nothing leaves for it, and it waits for nothing: a service that would have to be asked counts as one that failed.
    """
    kind, text = name = call.subject
    if not text or len(text) > _LONGEST or call.state.names.get(call, name) is not None:
        return
    if not _is_listed(call, kind, text):
        return
    reports = [await _inspect(call, text, reading) for reading in _readings(call, kind, text)]
    call.state.names.put(call, name, all(map(_is_clean, reports)))


def _is_listed(call: Call, kind: str, text: str) -> bool:
    """By the server itself: in the stored catalogue, or in a list that this worker has seen."""
    server, offer = call.upstream, call.snapshot.rights.offers.get(call.upstream.slug)
    if offer is not None and offer.get(kind, text) is not None:
        return True
    return call.state.catalogue.lists(server, call.modern, kind, text)


class _Reading(NamedTuple):
    """One way to come across a name: in which direction, by which policy, and in which message of which method."""

    direction: str
    policy: Policy
    method: str
    message: dict[str, Any]


def _readings(call: Call, kind: str, text: str) -> tuple[_Reading, ...]:
    """As a caller asks for it, and as the server lists it."""
    policies, server = call.snapshot.policies, call.upstream.server_id
    listing, member, asking, name_of = _MESSAGES[kind]
    asked = {"jsonrpc": "2.0", "method": asking, "params": {name_of: text}}
    listed = {"jsonrpc": "2.0", "result": {member: [{name_of: text}]}}
    return (
        _Reading("input", policies.policy_for(server, "input"), asking, asked),
        _Reading("definition", policies.policy_for(server, "output"), listing, listed),
    )


async def _inspect(call: Call, text: str, reading: _Reading) -> Report:
    policies, server, guards = call.snapshot.policies, call.upstream, call.state.guards
    await guards.make_ready(call.principal.project_id, reading.policy)
    context = Context(reading.direction, call.principal.project_id, server.slug, tool=text, method=reading.method)
    # Without a way out.
    services = Services(cache=call.state.guards.cache, is_exempt=policies.exempt(server.server_id, text))
    verdict = await scan.inspect(reading.message, reading.policy, context, services, modern=call.modern)
    return verdict.report


def note_looked_at(call: Call, policy: Policy, report: Report) -> None:
    """The guardrails have seen the whole message, as the caller sent it."""
    if not any("input" in armed.rule.directions for armed in arm(policy)):
        return
    places = {call.subject: _place(call)} if call.subject[1] else {}
    if not _is_known(call.method):
        places["method", call.method] = "/method"
    for name, place in places.items():
        if any(finding.pointer == place for finding in report.findings):
            call.state.names.put(call, name, False)
        elif _is_clean(report) and len(name[1]) <= _LONGEST:
            call.state.names.put(call, name, True)


def _is_clean(report: Report) -> bool:
    return not report.findings and not report.failures and report.coverage.is_whole


def _place(call: Call) -> str:
    """Where the subject's name stands in the message."""
    member = "uri" if call.subject[0] == "resource" else "name"
    return f"/params/ref/{member}" if call.method == "completion/complete" else f"/params/{member}"
