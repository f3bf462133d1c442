"""What the product promises: every sentence here is proven by a test that names its id, and by test_claims.py."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Claim:
    """`source` says where the promise comes from: a standard, or the page of ours that makes it."""

    id: str
    sentence: str
    source: str


_OURS: list[tuple[str, str, str]] = [
    # identity
    (
        "identity.key-format",
        "A key is 64 characters with a visible id and a checksum that catches every slip of one character.",
        "projects/README.md",
    ),
    (
        "identity.key-digest",
        "Only an HMAC of a key is stored, made with a pepper that is not in the database.",
        "projects/README.md",
    ),
    ("identity.pepper-ring", "A new pepper leaves old keys open; a removed one closes its keys.", "projects/README.md"),
    (
        "identity.bad-credential",
        "Every bad credential gets the same answer and costs the same work, whatever its fault.",
        "RFC 6750 section 3",
    ),
    (
        "identity.live-keys",
        "Only keys that are neither disabled nor revoked, of active members, work.",
        "projects/README.md",
    ),
    ("identity.expiry", "A key ends at its expiry.", "projects/README.md"),
    ("identity.networks", "A key with networks works from these only.", "projects/README.md"),
    (
        "identity.scopes",
        "A key reaches the servers, tools, prompts and resources that its globs name, whatever a server calls its own.",
        "projects/README.md",
    ),
    (
        "identity.credential-stripped",
        "The caller's credential, cookies and other headers never reach an upstream.",
        "MCP security best practices, token passthrough",
    ),
    (
        "permissions.table",
        "What a role may do stands in one table; an unknown role or action is refused.",
        "projects/README.md",
    ),
    ("permissions.auditor", "An auditor reads the log and may not call tools.", "projects/README.md"),
    (
        "services.validation",
        "An act with impossible values is refused with the field's name and changes nothing.",
        "projects/README.md",
    ),
    ("services.last-owner", "A project keeps at least one owner, also when two leave at once.", "projects/README.md"),
    (
        "services.remove-member",
        "Removing a member revokes that member's keys of the project for good.",
        "projects/README.md",
    ),
    (
        "services.rotation",
        "A rotated key has a successor with the same rights and goes on for a limited overlap.",
        "projects/README.md",
    ),
    # tenancy
    (
        "tenancy.fails-closed",
        "A tenant's rows can be read and written under its scope only, by every way of the ORM.",
        "projects/README.md",
    ),
    (
        "tenancy.outsider",
        "Another project's servers look as if they did not exist, by every method, path and era.",
        "README.md",
    ),
    (
        "tenancy.shared-upstream",
        "Two tenants on one upstream share no session, connection, list or answer.",
        "README.md",
    ),
    # sessions
    (
        "sessions.sealed",
        "A legacy session is bound to its key, server and configuration; for all else it does not exist.",
        "MCP 2025-11-25, session management",
    ),
    (
        "sessions.any-worker",
        "A legacy session goes on in every worker, without a store and without stickiness.",
        "README.md",
    ),
    # authorisation
    (
        "authorize.listing-is-calling",
        "What a key can list is what it can call, and a filtered list is private.",
        "proxy/README.md",
    ),
    (
        "authorize.no-oracle",
        "What a key may not use is refused as if it did not exist, and the upstream is not asked.",
        "proxy/README.md",
    ),
    # revocation
    (
        "revocation.versions",
        "A change by any door raises its project's version, in the order of the commits, and wakes the workers.",
        "projects/README.md",
    ),
    (
        "revocation.one-second",
        "What ends a right takes effect in every worker within a second and ends the streams that it opened.",
        "README.md",
    ),
    (
        "revocation.snapshots",
        "What is kept in memory follows every change, and is refused when it cannot be confirmed.",
        "proxy/README.md",
    ),
    (
        "revocation.open-calls",
        "An open call is decided again with every change, by the function that let it in.",
        "proxy/README.md",
    ),
    # changes
    (
        "changes.heard",
        "Open streams hear within a second when what their key may see has changed, and hear of nothing else.",
        "proxy/README.md",
    ),
    (
        "changes.upstream",
        "A server that says that its lists changed is believed, read again, and what is new waits for review.",
        "proxy/README.md",
    ),
    ("upstream.answers", "What asks for no answer gets none passed on.", "proxy/README.md"),
    ("wire.requests", "What asks for an answer has an id, or is refused.", "JSON-RPC 2.0"),
    (
        "cache.shared",
        "With Redis a list that one worker has read is read by no other, and is sealed there.",
        "proxy/README.md",
    ),
    (
        "cache.lifetimes",
        "Nothing is kept longer than its setting and its server say, and clients are told no more than that.",
        "proxy/README.md",
    ),
    (
        "cache.cleared",
        "What is cleared is dropped by every worker within a second, read again, and written down as an act.",
        "servers/README.md",
    ),
    (
        "cache.status",
        "Every process can tell what is kept of each server, since when, and until when.",
        "servers/README.md",
    ),
    (
        "cache.keys",
        "Entries of two contexts that differ in anything never share a key, and no label of a metric is a tenant's.",
        "gateway_site/README.md",
    ),
    (
        "cache.single-flight",
        "Calls that need a server's list at the same time have it read once.",
        "proxy/README.md",
    ),
    # audit
    (
        "audit.committed-first",
        "When an event counts as written, it is committed and seen by everyone.",
        "audit/README.md",
    ),
    (
        "audit.intent-before-call",
        "The intent is committed before the upstream gets anything, the outcome before the client does.",
        "audit/README.md",
    ),
    (
        "audit.names",
        "A name, method or address of a caller's stands in the log as it is only when it is known to be harmless.",
        "audit/README.md",
    ),
    ("audit.intent-outcome", "Intent and outcome of a call share its id.", "audit/README.md"),
    ("audit.group-commit", "Events that come together share commits and keep their order.", "audit/README.md"),
    ("audit.fails-closed", "A call that cannot be recorded is refused.", "audit/README.md"),
    ("audit.outcomes-are-kept", "Outcomes and refusals are tried until the store takes them.", "audit/README.md"),
    ("audit.survives-cancellation", "An event is kept when its caller leaves.", "audit/README.md"),
    (
        "audit.cancelled",
        "A call whose client leaves is ended at the upstream and recorded as cancelled.",
        "audit/README.md",
    ),
    (
        "audit.one-bad-event",
        "No text of a caller stops the log, and an event that cannot be stored stops no other.",
        "audit/README.md",
    ),
    ("audit.in-transaction", "A change and its event are committed together or not at all.", "audit/README.md"),
    (
        "audit.acts",
        "Acts on projects, members, keys, servers and templates are recorded without their secrets.",
        "audit/README.md",
    ),
    ("audit.actor", "An event names who acted, whatever the entrance.", "audit/README.md"),
    ("audit.sign-ins", "Sign-ins, sign-outs and failures are recorded.", "audit/README.md"),
    (
        "audit.refusals",
        "Refused credentials are recorded with their reason and never with their text.",
        "audit/README.md",
    ),
    ("audit.append-only", "The log's rows are neither changed nor deleted through the product.", "audit/README.md"),
    ("audit.outlives", "The log refers to nothing and outlives what it speaks of.", "audit/README.md"),
    ("audit.event-ids", "Event ids are of version 7 and rise with time.", "RFC 9562 section 5.7"),
    (
        "audit.digests",
        "Digests are made with a key of the project, so that equal values differ between tenants.",
        "audit/README.md",
    ),
    ("audit.stop", "Stopping commits what waits.", "audit/README.md"),
    ("audit.sqlite", "All of it holds on SQLite too.", "audit/README.md"),
    ("audit.canonical", "An event is one text, whichever database or export it is read from.", "RFC 8785"),
    (
        "audit.leaf",
        "Leaves and roots are those of the standard, computed from all of the event.",
        "RFC 9162 section 2.1.1",
    ),
    ("audit.sealed-once", "Each event is sealed once, whatever commits late and however many seal.", "docs/audit.md"),
    ("audit.checkpoints", "Each batch and each idle log has a signed checkpoint.", "docs/audit.md"),
    ("audit.keys", "Keys change without a gap in trust, and their public parts are to be had.", "docs/audit.md"),
    ("audit.anchors", "Checkpoints go to places besides the database, and are tried again.", "docs/audit.md"),
    ("audit.tampering", "Whatever is done to what was sealed is found and named.", "docs/audit.md"),
    ("audit.no-false-alarm", "A log that nobody touched is never said to be tampered with.", "docs/audit.md"),
    ("audit.truncation", "Who holds an earlier checkpoint finds that the end is missing.", "docs/audit.md"),
    (
        "audit.export-proof",
        "An export proves itself to somebody who has the public key and nothing else.",
        "docs/audit.md",
    ),
    (
        "audit.verify-command",
        "Verification says intact, tampered or cannot tell, by its exit status too.",
        "docs/audit.md",
    ),
    ("audit.database-refuses", "The database refuses to change or delete a line of the log.", "docs/audit.md"),
    (
        "audit.partitions",
        "Each month has a partition ahead of time, and no event is ever without one.",
        "docs/audit.md",
    ),
    ("audit.interrupted", "The open calls of a process that is gone are closed as interrupted, once.", "docs/audit.md"),
    ("audit.running", "A call that is still running is not closed by others.", "docs/audit.md"),
    ("audit.unsealed-metric", "How long events wait for their seal is a metric.", "docs/audit.md"),
    # secrets
    (
        "secrets.sealed",
        "A sealed value opens with its ring at its place only, and opens unchanged or not at all.",
        "NIST SP 800-38D",
    ),
    ("secrets.rotation", "A new key of the ring makes new values and leaves old ones readable.", "SECURITY.md"),
    (
        "secrets.keyring-file",
        "The key ring is made once, is its owner's only, and is refused when others can read it.",
        "SECURITY.md",
    ),
    (
        "secrets.upstream",
        "Credentials for upstreams are stored encrypted, bound to their row, and never shown again.",
        "servers/README.md",
    ),
    (
        "secrets.same-host",
        "Credentials that are stored for a server do not follow it to another host.",
        "servers/README.md",
    ),
    ("secrets.logs", "Log lines are JSON and hold no key, bearer token, password or cookie.", "SECURITY.md"),
    ("secrets.canaries", "No secret is in any answer, log line or event.", "SECURITY.md"),
    # servers
    (
        "servers.validation",
        "A server with an address, header or slot value that may not be is not made.",
        "servers/README.md",
    ),
    (
        "stdio.launch",
        "A stdio server starts with the operator's command, its own home and an environment of named variables only.",
        "servers/README.md",
    ),
    (
        "events.parser",
        "Streams are read as the standard says, however they are cut, within a limit for each event.",
        "WHATWG HTML section 9.2",
    ),
    (
        "catalogue.schema",
        "Arguments are held to the tool's schema; a violation says where, never what.",
        "MCP 2026-07-28, tools",
    ),
    ("catalogue.unusable", "A schema that cannot be evaluated refuses the call.", "JSON Schema 2020-12"),
    ("catalogue.no-fetch", "A schema never makes the gateway fetch anything.", "MCP security best practices"),
    (
        "catalogue.bounded",
        "Neither a hostile schema nor hostile arguments cost more than milliseconds.",
        "MCP 2026-07-28, tools",
    ),
    ("catalogue.headers", "Parameter headers must agree with the arguments.", "MCP 2026-07-28, custom headers"),
    (
        "catalogue.table",
        "A server's list is learnt, replaced and forgotten for that server and configuration alone.",
        "servers/README.md",
    ),
    (
        "discovery.declared",
        "A server is asked only for the lists that its capabilities declare.",
        "MCP 2026-07-28, capabilities",
    ),
    (
        "upstream.streams",
        "An upstream's stream is passed on as it comes, within its limits, and ends as the standard says.",
        "servers/README.md",
    ),
    (
        "upstream.kept",
        "A connection to a server carries the next call only when the answer before came whole and nothing after it.",
        "servers/README.md",
    ),
    (
        "hostile.held-back",
        "What counts is what a key may do when its request is whole, not when it began.",
        "proxy/README.md",
    ),
    ("hostile.trailers", "Trailers become no headers and take no memory.", "RFC 9110 section 6.5.1"),
    ("hostile.bodies", "Every body is bounded before it is stored, on pages too.", "RFC 9110 section 15.5.14"),
    ("hostile.scope", "A key for some tools reaches nothing round them.", "projects/README.md"),
    ("hostile.flood", "A flood over the rate is refused unread, and counted rather than written.", "proxy/README.md"),
    ("limits.shares", "No key and no project can take what the others need of a worker.", "proxy/README.md"),
    ("apply.declares", "A YAML file brings about projects, members, servers, templates and keys.", "README.md"),
    ("apply.idempotent", "Applying the same file again changes nothing.", "README.md"),
    ("apply.dry-run", "A dry run prints what a run would do, and does nothing.", "README.md"),
    ("apply.keys-once", "A new key is printed once and kept nowhere.", "README.md"),
    ("apply.errors", "An error names its place, repeats no value, and leaves nothing behind.", "README.md"),
    ("apply.references", "Secrets in a file may be references to the environment and to other files.", "README.md"),
    ("apply.prune", "What a file leaves out is deleted only when asked, in declared projects only.", "README.md"),
    # the runner
    ("runner.modern", "Many modern clients share one child and no answer is mixed up.", "servers/runner/README.md"),
    (
        "runner.legacy",
        "A legacy session has a child of its own, which may ask back and ends with its session.",
        "servers/runner/README.md",
    ),
    ("runner.sse", "Servers of the 2024-11-05 transport work for clients of both eras.", "MCP 2024-11-05, transports"),
    ("runner.faults", "A child that dies, hangs, floods or lies costs its own calls only.", "servers/runner/README.md"),
    (
        "runner.process",
        "The runner's socket is its owner's only, and no child outlives the runner.",
        "servers/runner/README.md",
    ),
    (
        "runner.messages",
        "Ids, progress and cancellation are routed to the caller that they belong to.",
        "servers/runner/README.md",
    ),
    # admin
    ("admin.access", "The admin pages are the operators' and nobody else's.", "README.md"),
    (
        "admin.pages",
        "An operator makes a project, member, server and key in the pages, and wrong input is a form error.",
        "README.md",
    ),
    (
        "admin.people",
        "People are named by e-mail, have their rights from memberships, and one operator always stays.",
        "projects/README.md",
    ),
    ("admin.secrets", "Secrets go into the pages and never come out.", "SECURITY.md"),
    (
        "admin.log",
        "The log is browsed read-only, by time, filters and pages, with a call's two lines together.",
        "audit/README.md",
    ),
    ("admin.setup", "The first operator's link works once, and only while there is no operator.", "README.md"),
    # observability
    ("observability.logs", "Every request leaves one JSON line with its ids.", "README.md"),
    ("observability.metrics-token", "Metrics are shown to those with the token only.", "README.md"),
    ("observability.metrics-workers", "Metrics are those of all workers together.", "README.md"),
    ("observability.metrics-refusals", "Refusals are counted by code.", "README.md"),
    ("observability.traces", "A client's trace is joined and goes on upstream.", "W3C Trace Context"),
    (
        "observability.trace-inspected",
        "Of a client's trace context servers get what was inspected, and collectors its ids.",
        "W3C Trace Context, security considerations",
    ),
    # interoperability
    ("protocol.contract", "What is used of the protocol library means what we rely on.", "proxy/README.md"),
    (
        "conformance.through",
        "Every conformance check that passes directly passes through the gateway.",
        "MCP conformance suite",
    ),
    ("conformance.shim", "The suite's helper adds one header and changes nothing else.", "tests/conformance"),
    (
        "peers.everything",
        "Every feature of the reference server works through the gateway as it does directly.",
        "README.md",
    ),
    ("peers.servers", "Published stdio servers work through the gateway for clients of both eras.", "README.md"),
    ("peers.inspector", "The inspector works with nothing but an address and a header.", "README.md"),
    (
        "server.leaving",
        "A client's leaving is noticed at once, and one request at a time is read from a connection.",
        "proxy/README.md",
    ),
    # faults
    (
        "faults.acknowledged",
        "No answer is lost from the log and no call is made without its intent, whatever is killed.",
        "audit/README.md",
    ),
    ("faults.worker-killed", "A killed worker is replaced, and calls go on.", "README.md"),
    ("faults.runner-killed", "A killed runner is started again, and the next call works.", "README.md"),
    ("faults.child-killed", "A killed stdio child is started again, and the next call works.", "README.md"),
    ("faults.child-silent", "A child that never answers costs its own calls only.", "README.md"),
    ("faults.no-mix-ups", "Many clients with the same ids get their own answers.", "README.md"),
    ("faults.database-down", "Without its database the gateway refuses in time and recovers by itself.", "README.md"),
    ("supervisor.ends", "The gateway ends as a whole within its time, children too.", "README.md"),
    # structure
    ("settings.documented", "Each variable that the settings read is in the README, and no other.", "README.md"),
    ("plugins.registry", "A plug-in is one file that registers itself by name.", "servers/README.md"),
    ("layers.contracts", "Imports go down only, and each door is the only one.", "pyproject.toml"),
    ("claims.complete", "Every promise has a test, and every file of tests a promise.", "tests/claims.py"),
]


def _collected() -> dict[str, Claim]:
    """Those below, and those that stand in a `claims_*.py` beside the tests that prove them."""
    rows = list(_OURS)
    here = Path(__file__).resolve().parent
    for path in sorted(here.glob("*/claims_*.py")):
        rows += importlib.import_module(f"tests.{path.parent.name}.{path.stem}").CLAIMS
    claims = {row[0]: Claim(*row) for row in rows}
    if len(claims) != len(rows):
        raise ValueError("two claims have one id")
    return claims


CLAIMS: dict[str, Claim] = _collected()
