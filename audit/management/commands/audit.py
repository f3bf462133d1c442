"""`manage.py audit`: verify the log or an export, take a checkpoint along, export, forward, look after the keys."""

from __future__ import annotations

import json
import sys
import tempfile
from argparse import ArgumentParser
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from audit import erasure, exports, forward_status, forward_work, logs, retention, sealer, signing
from audit.destinations import BadDestination
from audit.entry import now
from audit.export_forms import PROOF, NoSuchForm, names
from audit.export_output import Folder
from audit.export_parts import BeginningDropped, Parts, Plan
from audit.exporters import proof
from audit.filters import Filters
from audit.models import Event
from audit.recorder import record
from audit.retained_logs import retention_end
from audit.rows import stamp
from audit.verify import CannotTell, newest_anchored, read_witnesses, verify
from audit.verify_export import verify_export
from audit.walk import Report
from gateway_site.lib import secrets
from gateway_site.lib.actor import Actor, acting_as
from projects.commanding import NotFound
from projects.models import Project

INTACT, TAMPERED, UNKNOWN = 0, 1, 2
_SHOWN = 100


class Command(BaseCommand):
    help = "Verifies the audit log, and looks after its checkpoints, keys and forwarders."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parts = parser.add_subparsers(dest="part", required=True)
        add = parts.add_parser("verify", help="Exit status 0: intact, 1: tampered, 2: cannot tell.")
        add.add_argument("--project", help="Slug or number; 0 is what belongs to no project.")
        add.add_argument("--export", type=Path, help="A folder or ZIP archive, instead of the database.")
        add.add_argument("--checkpoint", type=Path, action="append", default=[], help="Checkpoints kept elsewhere.")
        add.add_argument("--public-key", type=Path, action="append", default=[], help="JWK set or PEM; else our own.")
        add = parts.add_parser("checkpoint", help="The latest checkpoints, to be kept elsewhere.")
        add.add_argument("--project", help="Slug or number; else every log's.")
        add.add_argument("--output", type=Path, help="A file to add them to; else standard output.")
        add = parts.add_parser("export", help="A folder with events, their signed manifest and its verifier.")
        add.add_argument("folder", type=Path, nargs="?", help="Made by this command; not with --background.")
        add.add_argument("--project", required=True, help="Slug or number; 0 is what belongs to no project.")
        add.add_argument("--first", type=int, default=1)
        add.add_argument("--last", type=int)
        add.add_argument("--format", default=PROOF, help=f"{', '.join(names())}; {PROOF} proves itself.")
        add.add_argument("--from", type=_moment, dest="since", help="RFC 3339, as 2026-01-31T00:00:00Z; a date is UTC.")
        add.add_argument("--to", type=_moment, dest="until", help="The first moment that is not in it.")
        add.add_argument("--server", default="", help="The name of a server.")
        add.add_argument("--tool", default="", help="The name of a tool, prompt or resource.")
        add.add_argument("--user", default="", help="An e-mail address, or the id of a key or user.")
        add.add_argument("--outcome", default="", help="Such as ok, refused, failed or error.")
        add.add_argument("--background", action="store_true", help="Have a worker make it, to be downloaded.")
        add = parts.add_parser("forward", help="How the forwarders are doing.")
        add.add_argument("--project", help="Slug or number; else every forwarder, those of the settings too.")
        add.add_argument("--resend", action="store_true", help="Have their dead letters sent again.")
        add.add_argument("--now", action="store_true", help="Send what waits, here and at once.")
        add = parts.add_parser("erase", help="Destroys a person's key, and with it their payloads.")
        add.add_argument("--project", required=True, help="Slug or number.")
        add.add_argument("--subject", required=True, help="The person's e-mail address or user id.")
        add = parts.add_parser("retain", help="Drops the months that projects do not keep, by a signed event.")
        add.add_argument("--project", help="Slug or number; else every project that has keep_months.")
        add.add_argument("--dry-run", action="store_true", help="Say what would be dropped.")
        add = parts.add_parser("keys", help="The keys that sign.")
        add.add_argument("act", choices=("list", "add", "rotate"), nargs="?", default="list")
        add.add_argument("--public", action="store_true", help="List the public keys as a JWK set.")
        for add in parts.choices.values():
            add.add_argument("--json", action="store_true", help="Print one JSON document.")

    def handle(self, *args: Any, **options: Any) -> None:
        with acting_as(Actor("command", "audit", "manage.py audit")):
            getattr(self, f"_{options['part']}")(options)

    def _verify(self, options: dict[str, Any]) -> None:
        try:
            report = _report(options)
        except (CannotTell, DatabaseError, CommandError, OSError) as error:
            self._print(options, {"result": "cannot tell", "reason": str(error)}, [f"cannot tell: {error}"])
            sys.exit(UNKNOWN)
        self._print(options, report.to_json(), _lines(report))
        sys.exit(INTACT if report.is_intact else TAMPERED)

    def _print(self, options: dict[str, Any], document: Any, lines: list[str]) -> None:
        if options["json"] or lines:
            self.stdout.write(json.dumps(document) if options["json"] else "\n".join(lines))

    def _checkpoint(self, options: dict[str, Any]) -> None:
        refs = [_ref(options["project"])] if options["project"] else logs.refs("audit_checkpoint")
        lines = [each.to_line().decode() for ref in refs if (each := logs.latest_checkpoint(ref)) is not None]
        if not lines:
            raise CommandError("There is no checkpoint yet.")
        if options["output"] is None:
            self._print(options, [json.loads(line) for line in lines], lines)
            return
        with options["output"].open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))
        if options["json"]:
            self.stdout.write(json.dumps([json.loads(line) for line in lines]))

    def _export(self, options: dict[str, Any]) -> None:
        ref = _ref(options["project"])
        filters = Filters(**{name: options[name] for name in ("since", "until", "server", "tool", "user", "outcome")})
        try:
            filters.check()
            if options["background"]:
                self._ask_for_export(ref, filters, options)
                return
            if options["folder"] is None:
                raise CommandError("Name the folder that is to be made.")
            manifest = _write_export(ref, filters, options)
        except (OSError, signing.NoKey, NoSuchForm, BeginningDropped) as error:
            raise CommandError(str(error) or "Retention dropped the beginning meanwhile; try again.") from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        held = {name: manifest[name] for name in ("first_seq", "last_seq", "events")}
        subject = "proof" if options["format"] == PROOF else options["format"]
        detail = {**held, "filters": filters.to_json()} if filters else held
        record("audit.exported", project_ref=ref or None, project=_slug(ref), subject=subject, detail=detail)
        self._print(options, held, [f"{held['events']} events, {held['first_seq']} to {held['last_seq']}"])

    def _ask_for_export(self, ref: int, filters: Filters, options: dict[str, Any]) -> None:
        project = Project.objects.filter(pk=ref).first()
        if project is None or options["folder"] is not None or (options["first"], options["last"]) != (1, None):
            raise CommandError("--background is for a project that exists, without a folder, --first or --last.")
        export = exports.request_export(project=project, form=options["format"], filters=filters)
        said = f"{export.uid} is to be made; the admin pages show how far it is."
        self._print(options, {"export": str(export.uid)}, [said])

    def _forward(self, options: dict[str, Any]) -> None:
        project = Project.objects.filter(pk=_ref(options["project"])).first() if options["project"] else None
        if options["project"] and project is None:
            raise CommandError("That project is gone, and its forwarders with it.")
        try:
            found = list(forward_status.every(project))
        except BadDestination as error:
            raise CommandError(f"GATEWAY_AUDIT_FORWARD cannot be used: {error}.") from error
        resent = [each.resend() for each in found] if options["resend"] else []
        if options["now"]:
            forward_work.send_all({each.state.pk for each in found})
        document, lines = [], []
        for each, number in zip_longest(found, resent):
            each.state.refresh_from_db()
            name, standing = each.name, forward_status.standing_of(each.state)
            shown = {"project": name.project or None, "name": name.name, "to": name.to, **asdict(standing)}
            document.append(shown | ({} if number is None else {"resent": number}))
            lines += [] if number is None else [f"{name.name}: {number} dead letters are sent again"]
            lines.append(f"{name.project or 'everything'}: {name.name} to {name.to}: {standing}")
        self._print(options, document, lines)

    def _erase(self, options: dict[str, Any]) -> None:
        try:
            erased = erasure.erase_subject(project_ref=_ref(options["project"]), subject=options["subject"])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        said = f"{erased.keys} keys destroyed, {erased.payloads} payloads emptied"
        self._print(options, {"keys": erased.keys, "payloads": erased.payloads}, [said])

    def _retain(self, options: dict[str, Any]) -> None:
        only = _ref(options["project"]) if options["project"] else None
        if not options["dry_run"]:
            dropped = retention.retain(only=only, seconds=24 * 3600.0)
            waiting = f", {dropped.waiting} wait to be dropped by the next run" if dropped.waiting else ""
            document = {"dropped": dropped.events, "waiting": dropped.waiting}
            self._print(options, document, [f"{dropped.events} events dropped{waiting}"])
            return
        plans, lines = [], []
        for project in Project.objects.filter(**({} if only is None else {"pk": only})):
            plan = retention.plan(project)
            if plan is not None:
                until = f"{plan.first} to {plan.checkpoint.size}, all before {plan.before:%Y-%m-%d}"
                lines.append(f"{project.slug}: {plan.events} events would be dropped, {until}")
                plans.append({
                    "project": project.slug, "events": plan.events, "first_seq": plan.first,
                    "last_seq": plan.checkpoint.size, "before": plan.before.isoformat(),
                })  # fmt: skip
        self._print(options, plans, lines)

    def _keys(self, options: dict[str, Any]) -> None:
        if options["act"] == "list":
            if options["public"]:
                self.stdout.write(json.dumps(signing.key_set(), indent=None if options["json"] else 1))
                return
            states = _key_states()
            document = [{"key_id": key_id, "state": state} for key_id, state in states.items()]
            self._print(options, document, [f"{key_id}  {state}" for key_id, state in states.items()])
            return
        try:
            new = _unused_key() or secrets.add_signing_key(settings.KEYRING_PATH)
        except OSError as error:
            raise CommandError(f"The key ring cannot be written: {error}") from error
        signing.read_again()
        if options["act"] == "add":
            record("audit.key_added", subject=new)
            said = f"{new} is in the ring. Copy the ring to every node, then: manage.py audit keys rotate"
            self._print(options, {"added": new}, [said])
            return
        self._rotate(options, new)

    def _rotate(self, options: dict[str, Any], new: str) -> None:
        before = logs.signing_key()
        changed = sealer.change_key(new)
        if not options["json"]:
            self.stdout.write(f"{new} signs from now on; {changed} logs say so, signed by {before} too.")
        is_retired = True
        try:
            secrets.retire_signing_key(settings.KEYRING_PATH, before)
        except OSError:
            is_retired = False
            self.stderr.write(f"The ring cannot be written here: take {before} out of its \"signing\" by hand.")
        signing.read_again()
        if options["json"]:
            self.stdout.write(json.dumps({"signs": new, "before": before, "logs": changed, "retired": is_retired}))


def _write_export(ref: int, filters: Filters, options: dict[str, Any]) -> dict[str, Any]:
    """The manifest of the folder that was made."""
    folder, first, last = options["folder"], options["first"], options["last"]
    if options["format"] == PROOF:
        return proof.export(folder, project_ref=ref, project=_slug(ref), first=first, last=last, filters=filters)
    newest = logs.latest_checkpoint(ref)
    size = newest.size if newest is not None else 0
    is_whole = not filters and (first, last) == (1, None)
    last = size if last is None else min(last, size)
    first = min(max(first, retention_end(ref) + 1), last + 1)
    plan = Plan(ref, _slug(ref), options["format"], first, last, filters, stamp(now()), is_whole)
    with tempfile.TemporaryDirectory(dir=folder.absolute().parent, prefix=".export-") as parts_folder:
        parts = Parts(plan, Path(parts_folder))
        folder.mkdir(mode=0o700)
        parts.write(lambda done, total: None, lambda: True)
        return parts.assemble(Folder(folder))


def _moment(text: str) -> datetime:
    """A date is its beginning in UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _report(options: dict[str, Any]) -> Report:
    keys: dict[str, bytes] = {}
    for path in options["public_key"]:
        keys |= _read_keys(path)
    keys = keys or signing.public_keys()
    witnesses = [each for path in options["checkpoint"] for each in read_witnesses(path)]
    if options["export"] is not None:
        return verify_export(options["export"], keys, witnesses)
    only = _ref(options["project"]) if options["project"] else None
    anchored = [each for each in newest_anchored() if only in (None, each.project_ref)]
    return verify(keys, only=only, witnesses=[*witnesses, *anchored])


def _read_keys(path: Path) -> dict[str, bytes]:
    """Raises CannotTell."""
    try:
        return signing.read_public_keys(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CannotTell(f"{path} holds no public key: {error}") from error


def _ref(project: str) -> int:
    """Also of a project that is gone. Raises CommandError."""
    if project.isascii() and project.isdigit():
        return int(project)
    known = Project.objects.filter(slug=project).values_list("pk", flat=True).first()
    if known is not None:
        return known
    last = Event.objects.filter(project=project).exclude(project_ref=None).values_list("project_ref", flat=True).first()
    if last is None:
        raise NotFound(f"The log knows no project {project!r}.")
    return int(last)


def _slug(ref: int) -> str:
    return Event.objects.filter(project_ref=ref).values_list("project", flat=True).first() or "" if ref else ""


def _unused_key() -> str | None:
    """The first that was added and never signed."""
    ring, used = signing.read_again(), logs.signing_key()
    return next((key_id for key_id in ring.signing if key_id != used), None)


def _key_states() -> dict[str, str]:
    ring, used = signing.read_again(), logs.signing_key()
    return {**dict.fromkeys(ring.retired, "retired"), **dict.fromkeys(ring.signing, "not used yet"), used: "signs"}


def _lines(report: Report) -> list[str]:
    if report.is_intact:
        text = f"intact: {report.events} events under {report.checkpoints} checkpoints in {report.logs} logs"
    else:
        text = f"tampered: {report.found} faults in {report.events} events"
    pending = [f"{report.pending} events are not sealed yet"] if report.pending else []
    damages = [
        f"project {each.project_ref}{'' if each.seq is None else f', {each.seq}'}: {each.kind}: {each.text}"
        for each in report.damages[:_SHOWN]
    ]
    return [text, *damages, *pending, *(f"note: {each}" for each in report.notes[:_SHOWN])]
