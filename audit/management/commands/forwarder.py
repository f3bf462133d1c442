"""`manage.py forwarder`: where projects send their logs. For receivers of the whole gateway see `audit forward`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from audit import exporters, forward_status, forwarders
from audit.forwarding import registry
from audit.models import DeadLetter, Forwarder
from gateway_site.lib.secrets import Unsealable
from projects.commanding import (
    PROJECT,
    REFUSED,
    USAGE,
    YES,
    NounCommand,
    argument,
    changes,
    find,
    find_by_id,
    find_project,
    secret,
    verb,
)
from projects.scoping import with_project

_ONE = argument("forwarder", help="Its name or number.")
_REFERENCE = "The whole value of the Authorization header: env:VARIABLE or file:PATH."
_CHANGES = (
    argument("--format", choices=exporters.registry.names(), help="What a line looks like."),
    argument("--ca-file", type=Path, metavar="PATH", help="Authorities of the receiver's certificate, in PEM."),
    argument("--authorization", metavar="REF", help=_REFERENCE),
)


class Command(NounCommand):
    noun = "forwarder"
    help = "Where projects send their logs as they are sealed."

    @verb("Forwarders of a project, and how they are doing.", PROJECT)
    def list_(self, project: str | None) -> Any:
        with with_project(find_project(project).pk):
            return [_shown(row) for row in Forwarder.objects.select_related("project")]

    @verb("One forwarder.", _ONE, PROJECT)
    def show(self, forwarder: str, project: str | None) -> Any:
        return _shown(_find(forwarder, project))

    @verb("Makes a forwarder; shows the key that signs what it sends, once.", argument("name"),
          argument("--kind", choices=registry.names(), required=True),
          argument("--address", required=True, help="No secret belongs into it."), *_CHANGES,
          argument("--from-start", action="store_true", help="From the log's first event; else from now on."),
          argument("--disabled", action="store_true"), PROJECT)  # fmt: skip
    def create(
        self, name: str, kind: str, address: str, format: str | None, ca_file: Path | None, authorization: str | None,
        from_start: bool, disabled: bool, project: str | None,
    ) -> Any:  # fmt: skip
        row, key = forwarders.create_forwarder(
            project=find_project(project), name=name, kind=kind, address=address, format=format or "",
            ca_bundle=_text_of(ca_file) or "", authorization=_given(authorization) or "", enabled=not disabled,
            from_start=from_start,
        )  # fmt: skip
        return {**_shown(row), "signing_key": key} if key else _shown(row)

    @verb("Changes a forwarder; what failed is tried again.", _ONE, argument("--name"), argument("--address"),
          *_CHANGES, argument("--forget-authorization", action="store_true"),
          argument("--new-signing-key", action="store_true", help="The old one ends at once."), PROJECT)  # fmt: skip
    def update(
        self, forwarder: str, name: str | None, address: str | None, format: str | None, ca_file: Path | None,
        authorization: str | None, forget_authorization: bool, new_signing_key: bool, project: str | None,
    ) -> Any:  # fmt: skip
        given = "" if forget_authorization else _given(authorization)
        columns = {"name": name, "address": address, "format": format, "ca_bundle": _text_of(ca_file)}
        changes(**columns, authorization=given, new_signing_key=new_signing_key or None)
        row = _find(forwarder, project)
        for column, value in columns.items():
            if value is not None:
                setattr(row, column, value)
        row, key = forwarders.change_forwarder(forwarder=row, authorization=given, new_signing_key=new_signing_key)
        return {**_shown(row), "signing_key": key} if key else _shown(row)

    @verb("Lets a forwarder send again.", _ONE, PROJECT)
    def enable(self, forwarder: str, project: str | None) -> Any:
        return _switch(_find(forwarder, project), True)

    @verb("Stops a forwarder; when it is enabled it goes on where it was.", _ONE, PROJECT)
    def disable(self, forwarder: str, project: str | None) -> Any:
        return _switch(_find(forwarder, project), False)

    @verb("Sends one line that is no event of the log.", _ONE, PROJECT)
    def test(self, forwarder: str, project: str | None) -> Any:
        tried = forwarders.test_forwarder(forwarder=_find(forwarder, project))
        if not tried.taken:
            raise CommandError(f"The test line was not taken: {tried.text}.", returncode=REFUSED)
        return {"taken": True}

    @verb("What a forwarder gave up.", _ONE, PROJECT)
    def dead_letters(self, forwarder: str, project: str | None) -> Any:
        return [_letter(row) for row in _letters(_find(forwarder, project))]

    @verb("Has dead letters sent again.", _ONE,
          argument("--only", action="append", metavar="ID", help="Of a dead letter; may be given again."),
          PROJECT)  # fmt: skip
    def resend(self, forwarder: str, only: list[str] | None, project: str | None) -> Any:
        row = _find(forwarder, project)
        wanted = None if only is None else [find_by_id(_letters(row), text, "dead letter").pk for text in only]
        return {"dead_letters": forwarders.resend(forwarder=row, only=wanted)}

    @verb("Deletes a forwarder with its dead letters; the events stay in the log.", _ONE, PROJECT, YES)
    def delete(self, forwarder: str, project: str | None, yes: bool) -> Any:
        row = _find(forwarder, project)
        self.confirm(f"Delete the forwarder {row}?", yes)
        shown = _shown(row)
        forwarders.delete_forwarder(forwarder=row)
        return shown


def _find(text: str, project: str | None) -> Forwarder:
    with with_project(find_project(project).pk):
        return find(Forwarder.objects.select_related("project"), text, "forwarder", "name")


def _letters(row: Forwarder) -> Any:
    return DeadLetter.objects.filter(state=forwarders.state_of(row))


def _given(reference: str | None) -> str | None:
    return None if reference is None else secret("authorization", reference)


def _text_of(path: Path | None) -> str | None:
    try:
        return None if path is None else path.read_text()
    except (OSError, UnicodeDecodeError):
        raise CommandError(f"{path} cannot be read.", returncode=USAGE) from None


def _switch(row: Forwarder, enabled: bool) -> dict[str, Any]:
    row.enabled = enabled
    return _shown(forwarders.change_forwarder(forwarder=row)[0])


def _shown(row: Forwarder) -> dict[str, Any]:
    """Of what is secret only the names."""
    standing = forward_status.standing_of(forwarders.state_of(row))
    return {
        "id": row.pk, "name": row.name, "kind": row.kind, "format": row.format, "address": row.address,
        "enabled": row.enabled, "own_authorities": bool(row.ca_bundle), "secret": _secrets(row),
        "waiting": standing.waiting, "dead": standing.dead, "fault": standing.fault,
    }  # fmt: skip


def _secrets(row: Forwarder) -> list[str] | None:
    """None when they do not open with this gateway's key ring."""
    try:
        return sorted(row.secrets)
    except Unsealable:
        return None


def _letter(row: DeadLetter) -> dict[str, Any]:
    return {"id": row.pk, "first_seq": row.first, "last_seq": row.last, "reason": row.reason, "attempts": row.attempts,
            "at": row.at, "is_wanted": row.is_wanted}  # fmt: skip
