"""Verdicts on definitions: what a server says of its tools, prompts and resources is judged once, not at each call."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

import orjson

from gateway_site.lib import caching
from gateway_site.lib.caching import Cache, Counts, Key, Reason
from gateway_site.lib.jsontext import encode
from guardrails.engine.findings import Blocked, Rewritten, Verdict
from guardrails.engine.rules import Policy

# The member of a result that holds definitions, by the method whose result it is. In any other it is text like any.
MEMBERS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "initialize": "instructions",
    "server/discover": "instructions",
}
_METHODS = {member: method for method, member in reversed(MEMBERS.items())}
_MAX_PROJECTS = 1_000
_MAX_KNOWN = 10_000
_MAX_FINDINGS = 10
# A definition that had to be rewritten is kept as it is shown; those that are longer are rewritten each time.
_MAX_KEPT_BYTES = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One entry of a list, or a server's instructions. `member` is the result's member that it stands in."""

    member: str
    value: Any

    @property
    def method(self) -> str:
        """By which it is read as a definition, whatever call it turned up in."""
        return _METHODS[self.member]

    @property
    def name(self) -> str:
        """What it is called, at most 200 characters."""
        if not isinstance(self.value, dict):
            return self.member
        named = next((self.value[name] for name in ("name", "uri", "uriTemplate") if name in self.value), "")
        return named[:200] if isinstance(named, str) else self.member

    def as_message(self) -> dict[str, Any]:
        """The entry alone, as if the server had listed nothing else."""
        value = self.value if self.member == "instructions" else [self.value]
        return {"jsonrpc": "2.0", "id": 0, "result": {self.member: value}}

    def encoded(self) -> bytes:
        try:
            return orjson.dumps([self.member, self.value], option=orjson.OPT_SORT_KEYS)
        except TypeError:
            return encode([self.member, self.value])


_AS_IT_IS = object()
_counts = Counts(Cache.DEFINITIONS)


class Definitions:
    """What became of definitions, apart for each project; what is used least recently goes first.

    A verdict is good as long as the policy is the same object: a snapshot keeps those that did not change.
    """

    def __init__(self) -> None:
        self._projects: OrderedDict[int, OrderedDict[Key, tuple[Policy, Any]]] = OrderedDict()

    def get(self, project: int, policy: Policy, key: Key, entry: Entry) -> Any:
        """What `put` returned; None for what is not known."""
        known = self._projects.get(project)
        found = known.get(key) if known is not None else None
        if known is None or found is None or found[0] is not policy:
            _counts.miss()
            return None
        _counts.hit()
        self._projects.move_to_end(project)
        known.move_to_end(key)
        return entry.value if found[1] is _AS_IT_IS else found[1]

    def put(self, project: int, policy: Policy, key: Key, entry: Entry, verdict: Verdict, *, keep: bool) -> Any:
        """The entry as it may be shown, or Blocked. A check that could not be made is made again the next time."""
        shown: Any = verdict if isinstance(verdict, Blocked) else entry.value
        kept: Any = _short(verdict) if isinstance(verdict, Blocked) else _AS_IT_IS
        if isinstance(verdict, Rewritten):
            value = verdict.value["result"][entry.member]
            shown = kept = value if entry.member == "instructions" else value[0]
            keep = keep and len(encode(shown)) <= _MAX_KEPT_BYTES
        if keep and not verdict.report.failures:
            self._keep(project, policy, key, kept)
        return shown

    def forget(self, project: int) -> None:
        known = self._projects.pop(project, None)
        _counts.evict(Reason.CLEARED, number=len(known) if known is not None else 0)

    def _keep(self, project: int, policy: Policy, key: Key, kept: Any) -> None:
        known = self._projects.setdefault(project, OrderedDict())
        self._projects.move_to_end(project)
        if key in known:
            _counts.evict(Reason.CHANGED)
        known[key] = (policy, kept)
        known.move_to_end(key)
        while len(known) > _MAX_KNOWN:
            known.popitem(last=False)
            _counts.evict(Reason.FULL)
        while len(self._projects) > _MAX_PROJECTS:
            _, dropped = self._projects.popitem(last=False)
            _counts.evict(Reason.FULL, number=len(dropped))


def key_of(project_id: int, server_id: int, entry: Entry) -> Key:
    """It has no version: a verdict is kept with its policy and good for no other."""
    said = hashlib.sha256(entry.encoded()).hexdigest()
    return caching.key_of(project=project_id, server=server_id, version="", method=entry.method, params=said)


def _short(verdict: Blocked) -> Blocked:
    report = verdict.report
    return replace(verdict, report=replace(report, findings=report.findings[:_MAX_FINDINGS]))
