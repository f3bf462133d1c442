"""The guardrails of one call: which texts belong together, what is lent to the engine, and what came of it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gateway_site.lib.jsontext import encode
from guardrails import tokens
from guardrails.engine import scan
from guardrails.engine.detector import Context
from guardrails.engine.findings import Action, Blocked, Report, Rewritten, Verdict
from guardrails.engine.lent import Services, VaultUnavailable
from guardrails.engine.rules import Policy
from guardrails.vault import Issuer, Owner
from proxy import naming
from proxy.definitions import MEMBERS, Entry, key_of
from proxy.errors import Refusal
from proxy.metrics import count_report
from proxy.pace import Pace
from proxy.stages.authorize import missing
from servers.catalogue import Table

if TYPE_CHECKING:
    from proxy.call import Call

# A stream may go on for hours; what is kept of its reports for the log must not.
_MAX_REPORTS = 100
_MAX_QUESTION = 4_000
_ANY_LIST = frozenset(MEMBERS.values())


def owner_of(call: Call) -> Owner:
    """Whose tokens those of this call are."""
    session = hashlib.sha256(call.sealed_session.encode()).hexdigest() if call.sealed_session else ""
    key = call.principal.key
    session = session or f"key:{key.key_id}"
    # What was issued before its person was erased is nobody's any more.
    erased = call.snapshot.erasures_of(key.user_id)
    return Owner(call.principal.project_id, f"{session}:{erased}" if erased else session)


def inspection_of(call: Call) -> Inspection:
    """With the policies of the call's server."""
    policies, server = call.snapshot.policies, call.upstream.server_id
    return Inspection(call, policies.policy_for(server, "input"), policies.policy_for(server, "output"))


class Inspection:
    """What is looked at with which policy, for one call in both directions."""

    def __init__(self, call: Call, incoming: Policy, outgoing: Policy) -> None:
        self._call = call
        self._incoming = incoming
        self._outgoing = outgoing
        self._question = self._grounds = ""
        # Whether a check that `judge` asked for could not be made: what it said then is not to be kept.
        self.has_failed = False

    @property
    def is_off(self) -> bool:
        return not (self._incoming.rules or self._incoming.floor or self._outgoing.rules or self._outgoing.floor)

    # --- what goes in -----------------------------------------------------------------------------------

    async def check_incoming(self, message: dict[str, Any]) -> Blocked | None:
        """`message` is the call's. Rewrites the call where the policy says so; the verdict when it must not go on."""
        call, policy = self._call, self._incoming
        self._note_question(message)
        call.policy_version = policy.version
        stopped = await self._check_definition() or await self._check_headers()
        if stopped is not None:
            return stopped
        verdict = await self._inspect(message, policy, "input", _schema(call, "inputSchema"), size=call.bytes_in)
        naming.note_looked_at(call, policy, verdict.report)
        if isinstance(verdict, Blocked):
            return verdict
        if isinstance(verdict, Rewritten):
            self._rewrite(verdict.value)
        return await self._restore_incoming()

    def _note_question(self, message: Mapping[str, Any]) -> None:
        params = self._call.params
        if self._call.method == "tools/call":
            self._grounds = _as_text(params.get("arguments", {}))[: self._outgoing.max_characters]
            self._question = f"{params.get('name', '')} {self._grounds[:_MAX_QUESTION]}"

    def _rewrite(self, message: dict[str, Any]) -> None:
        """Also the headers that repeat arguments: what was taken out of the body must not leave beside it."""
        call = self._call
        call.message = message
        declared = _declared_headers(call)
        if declared is not None:
            others = {name: value for name, value in call.headers.items() if name not in declared[0]}
            call.headers = {**others, **declared[1]}

    async def _check_headers(self) -> Blocked | None:
        """Parameters in headers that no schema declares are in no argument either, so they are looked at here."""
        call = self._call
        given = {name: value for name, value in call.headers.items() if name.startswith("mcp-param-")}
        if not given:
            return None
        declared = _declared_headers(call)
        loose = {name: value for name, value in given.items() if declared is None or name not in declared[0]}
        if not loose:
            return None
        pretended = {"jsonrpc": "2.0", "method": "headers", "params": loose}
        verdict = await self._inspect(pretended, self._incoming, "input", None)
        if isinstance(verdict, Rewritten):
            # There is no telling what it stands for, so it is left out as a whole.
            call.headers = {name: value for name, value in call.headers.items() if name not in loose}
        return verdict if isinstance(verdict, Blocked) else None

    async def _check_definition(self) -> Blocked | None:
        """A tool that is not listed because of what its definition says cannot be called either."""
        call = self._call
        if call.method != "tools/call":
            return None
        name = call.params.get("name", "")
        table = self._table()
        definition = table.definitions.get(name)
        if definition is not None and definition.entry:
            judged = await self.judge(Entry("tools", definition.entry))
            return judged if isinstance(judged, Blocked) else None
        if name in table.withheld:
            # The server does not list it to us, and did to the client.
            raise missing(call)
        return None

    def _table(self) -> Table:
        call = self._call
        return call.state.catalogue.table(call.upstream, call.modern)

    # --- what comes back --------------------------------------------------------------------------------

    async def check_outgoing(self, message: dict[str, Any], size: int = 0) -> Verdict:
        """`Rewritten` holds the message with what may be put back, and without what may not be listed.

        `size` is the number of bytes that the message came in, when that is known.
        """
        bare, listed = await self._judge_definitions(message)
        schema, rest = _schema(self._call, "outputSchema"), 0 if listed else size
        verdict = await self._inspect(bare, self._outgoing, "output", schema, size=rest)
        if isinstance(verdict, Blocked):
            return verdict
        value = verdict.value if isinstance(verdict, Rewritten) else bare
        if listed:
            value = {**value, "result": {**value["result"], **listed}}
        value = await self._restore_outgoing(value, size)
        return verdict if value is message else Rewritten(verdict.report, value)

    async def _judge_definitions(self, message: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The message without its definitions, and those that may be shown, by the result's member."""
        result = message.get("result")
        if not isinstance(result, dict):
            return message, {}
        if self._call.http_method == "GET":
            # An answer that is taken up again may be a list or any other; it is judged as both.
            listed = {member: await self._listed(member, result[member]) for member in result.keys() & _ANY_LIST}
            return {**message, "result": {**result, **listed}}, {}
        own = MEMBERS.get(self._call.method)
        if own is None or own not in result:
            return message, {}
        rest = {name: value for name, value in result.items() if name != own}
        return {**message, "result": rest}, {own: await self._listed(own, result[own])}

    async def _listed(self, member: str, value: Any) -> Any:
        if member == "instructions":
            judged = await self.judge(Entry(member, value))
            return "" if isinstance(judged, Blocked) else judged
        if not isinstance(value, list):
            return value
        shown, pace = [], Pace()
        for entry in value:
            judged = await self.judge(Entry(member, entry))
            if not isinstance(judged, Blocked):
                shown.append(judged)
            elif member == "tools" and isinstance(entry, dict):
                self._table().withhold(entry.get("name"))
            await pace.keep()
        return shown

    async def judge(self, entry: Entry) -> Any:
        """The definition as it may be shown, or Blocked; remembered, since it is shown more often than it changes."""
        call, known = self._call, self._call.state.guards.definitions
        project, policy, server = call.principal.project_id, self._outgoing, call.upstream.server_id
        key = key_of(project, server, entry)
        # An exception ends by itself, and is for some tools only.
        keep = not call.snapshot.policies.exemptions
        found = known.get(project, policy, key, entry) if keep else None
        if found is None:
            verdict = await self._inspect(entry.as_message(), policy, "definition", None, entry)
            self.has_failed = self.has_failed or bool(verdict.report.failures)
            found = known.put(project, policy, key, entry, verdict, keep=keep)
        return found

    # --- both -------------------------------------------------------------------------------------------

    async def _inspect(
        self, message: Mapping[str, Any], policy: Policy, direction: str, schema: Mapping[str, Any] | None,
        entry: Entry | None = None, size: int = 0,
    ) -> Verdict:
        call, guards = self._call, self._call.state.guards
        await guards.make_ready(call.principal.project_id, policy)
        # A definition is read the same, whatever call it turned up in.
        subject, method = (call.subject[1], call.method) if entry is None else ("", entry.method)
        context = Context(
            direction=direction, project=call.principal.project_id, server=call.upstream.slug, tool=subject,
            method=method, question=self._question, grounds=self._grounds,
        )  # fmt: skip
        project, policies = call.principal.project_id, call.snapshot.policies
        services = Services(
            pool=guards.pool, slot=guards.slot_of(project), outbound=guards.outbound_for(project), cache=guards.cache,
            tokens=self._issuer(direction, policy), is_exempt=policies.exempt(call.upstream.server_id, subject),
            digests_of=policies.digests(subject),
        )  # fmt: skip
        verdict = await scan.inspect(
            message, policy, context, services, modern=call.modern, schema=schema, size=size or len(encode(message))
        )
        count_report(direction, verdict.report, blocked=isinstance(verdict, Blocked))
        report = verdict.report
        if (report.findings or report.failures or not report.coverage.is_whole) and len(call.reports) < _MAX_REPORTS:
            call.reports.append((direction, _shown_name(entry, report) if entry is not None else "", report))
        return verdict

    def _issuer(self, direction: str, policy: Policy) -> Issuer | None:
        if not _makes_tokens(policy):
            return None
        # What a server is given may come back from that server only.
        return Issuer(self._call.state.guards.vault, owner_of(self._call), self._server if direction == "input" else "")

    @property
    def _server(self) -> str:
        return str(self._call.upstream.server_id)

    async def _restore_incoming(self) -> Blocked | None:
        """What the client was given as tokens goes as values to servers that the policy trusts, in arguments only.

        A server chose the values, so they are looked at like any argument, but for what is personal.
        """
        call = self._call
        arguments = call.params.get("arguments")
        if call.upstream.slug not in self._incoming.trusted or call.message is None or not arguments:
            return None
        restored = await self._restore(arguments, None, call.bytes_in)
        if restored is arguments:
            return None
        message = {**call.message, "params": {**call.params, "arguments": restored}}
        verdict = await self._inspect(message, _blocking_only(self._incoming), "input", _schema(call, "inputSchema"))
        if isinstance(verdict, Blocked):
            return verdict
        self._rewrite(message)
        return None

    async def _restore_outgoing(self, message: dict[str, Any], size: int) -> dict[str, Any]:
        """What this server was given as tokens comes home as values; never in what the protocol finds its way by."""
        if not _makes_tokens(self._incoming):
            return message
        spoken: dict[str, Any] = {name: message[name] for name in ("result", "error", "params") if name in message}
        restored = await self._restore(spoken, self._server, size)
        return message if restored is spoken else {**message, **restored}

    async def _restore(self, message: dict[str, Any], server: str | None, size: int) -> dict[str, Any]:
        guards, project = self._call.state.guards, self._call.principal.project_id
        found = await guards.apart(project, size, tokens.tokens_in, message)
        if not found:
            return message
        try:
            values = await guards.vault.resolve(owner_of(self._call), found, server=server)
        except VaultUnavailable as error:
            raise Refusal("guard_unavailable", reason="vault") from error
        return await guards.apart(project, size, tokens.restore, message, values) if values else message

    async def forget(self) -> None:
        """The session has ended, and what its tokens stand for with it."""
        if _makes_tokens(self._incoming) or _makes_tokens(self._outgoing):
            with contextlib.suppress(VaultUnavailable):
                await self._call.state.guards.vault.forget(owner_of(self._call))


def _shown_name(entry: Entry, report: Report) -> str:
    """A name that is itself a finding is not written down."""
    named = ("/name", "/uri", "/uriTemplate")
    return "*" if any(finding.pointer.endswith(named) for finding in report.findings) else entry.name


def explain(call: Call, verdict: Blocked) -> str:
    """What a person or a model is told: the kind of thing, where it is, and what to quote to the administrator."""
    where = f" at {verdict.pointer}" if verdict.pointer else ""
    event = call.call_id if call.call_id is not None else call.request_id
    if verdict.category == "UNAVAILABLE":
        return f"Blocked: the check {verdict.detector!r} could not be made. Try again. Event {event}."
    return f"Blocked by policy: {verdict.category} found by {verdict.detector}{where}. Event {event}."


def summarise(call: Call) -> dict[str, Any]:
    """What the audit log keeps of the findings: codes, places and scores, never text."""
    if not call.reports:
        return {}
    return {
        "guardrails": [
            {
                "direction": direction,
                **({"definition": defined} if defined else {}),
                "policy": report.policy,
                "policy_version": report.policy_version,
                "findings": [
                    [finding.detector, finding.category, round(finding.score, 3), finding.pointer,
                     finding.action.value, *finding.digests]
                    for finding in report.findings[:50]
                ],
                "failures": [[failure.detector, failure.cause, failure.on_error] for failure in report.failures],
                "coverage": [report.coverage.seen, report.coverage.total],
            }
            for direction, defined, report in call.reports
        ]
    }


def _blocking_only(policy: Policy) -> Policy:
    """The policy without what finds personal data or rewrites; made once for each policy."""
    known = _blocking.get(id(policy))
    if known is None or known[0] is not policy:
        if len(_blocking) >= _MAX_BLOCKING:
            _blocking.clear()
        rules = tuple(rule for rule in policy.rules if rule.action is Action.BLOCK and rule.detector != "pii")
        floor = tuple(rule for rule in policy.floor if rule.action is Action.BLOCK and rule.detector != "pii")
        known = _blocking[id(policy)] = (policy, replace(policy, rules=rules, floor=floor))
    return known[1]


_MAX_BLOCKING = 1_000
_blocking: dict[int, tuple[Policy, Policy]] = {}


def _makes_tokens(policy: Policy) -> bool:
    return any(rule.action is Action.TOKENISE for rule in (*policy.floor, *policy.rules))


def _schema(call: Call, member: str) -> Mapping[str, Any] | None:
    definition = _definition(call)
    schema = definition.entry.get(member) if definition is not None else None
    return schema if isinstance(schema, dict) else None


def _definition(call: Call) -> Any:
    if call.method != "tools/call":
        return None
    table = call.state.catalogue.table(call.upstream, call.modern)
    return table.definitions.get(call.params.get("name", ""))


def _declared_headers(call: Call) -> tuple[frozenset[str], dict[str, str]] | None:
    """The header names that the tool's schema declares, and their values for the arguments as they are now."""
    definition = _definition(call)
    if definition is None or not call.modern:
        return None
    declared: tuple[frozenset[str], dict[str, str]] = definition.headers_of(call.params.get("arguments") or {})
    return declared


def _as_text(value: Any) -> str:
    return encode(value).decode()


