"""Verdicts on definitions: what a server says of its tools, prompts and resources is judged once, not at each call."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import orjson

from gateway_site.lib.jsontext import encode
from guardrails.engine.findings import Blocked, Rewritten, Verdict
from guardrails.engine.rules import Policy

LISTS = frozenset({"tools", "prompts", "resources", "resourceTemplates"})
_METHODS = {
    "tools": "tools/list",
    "prompts": "prompts/list",
    "resources": "resources/list",
    "resourceTemplates": "resources/templates/list",
    "instructions": "initialize",
}
_MAX_KNOWN = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One entry of a list, or a server's instructions. `member` is the result's member that it stands in."""

    member: str
    value: Any

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

    def digest(self) -> bytes:
        try:
            data = orjson.dumps([self.member, self.value], option=orjson.OPT_SORT_KEYS)
        except TypeError:
            data = encode([self.member, self.value])
        return hashlib.sha256(data).digest()


class Definitions:
    """What became of definitions, by policy and digest, for one process; the ones used least recently go first."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, bytes], tuple[Policy, Any]] = OrderedDict()

    def get(self, policy: Policy, entry: Entry) -> Any:
        """What `put` returned; None for what is not known."""
        key = (id(policy), entry.digest())
        found = self._known.get(key)
        if found is None or found[0] is not policy:
            return None
        self._known.move_to_end(key)
        return found[1]

    def put(self, policy: Policy, entry: Entry, verdict: Verdict) -> Any:
        """The entry as it may be shown, or Blocked. A check that could not be made is made again the next time."""
        shown = verdict if isinstance(verdict, Blocked) else entry.value
        if isinstance(verdict, Rewritten):
            value = verdict.value["result"][entry.member]
            shown = value if entry.member == "instructions" else value[0]
        if not verdict.report.failures:
            self._known[id(policy), entry.digest()] = (policy, shown)
            while len(self._known) > _MAX_KNOWN:
                self._known.popitem(last=False)
        return shown
