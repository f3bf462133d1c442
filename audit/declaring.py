"""A project's forwarders, schedules of exports and shared filters as a file declares them: brought about, written down.

Whoever calls has made the project active, and gives the file's errors their place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol

from django.core.exceptions import ValidationError
from pydantic import BaseModel, ConfigDict

from audit import destinations, exports, forwarders, saved_filters
from audit.destinations import BadDestination
from audit.forwarding import Transport
from audit.models import ExportSchedule, Forwarder, SavedFilter
from gateway_site.lib.references import STORED, resolve_with
from projects.models import Membership, Project, User

# From a place (project, row, the secret's name) to how that secret is written.
References = Callable[..., str]
# Two schedules with the same are one that was changed.
_IDENTITY = ("form", "filters", "destination", "directory", "endpoint", "bucket", "prefix")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DeclaredForwarder(_Strict):
    """`authorization` and `signing_key` may be references; those that are not given stay, or of a new one are made.

    An empty `format` is what is usual for the kind. A new one begins with what is sealed from then on.
    """

    name: str
    kind: str
    address: str
    format: str = ""
    ca_bundle: str = ""
    authorization: str | None = None
    signing_key: str | None = None
    enabled: bool = True


class DeclaredSchedule(_Strict):
    """`secret`, the secret access key of a bucket, may be a reference; without it what is stored stays."""

    form: str
    every: Literal["day", "week"] = "day"
    filters: dict[str, str] = {}
    destination: Literal["directory", "s3"] = "directory"
    directory: str = ""
    endpoint: str = ""
    region: str = "us-east-1"
    bucket: str = ""
    prefix: str = ""
    key_id: str = ""
    secret: str | None = None
    enabled: bool = True


class DeclaredFilter(_Strict):
    """One that its person, a member, shares with whoever reads the project's log. `query` is without the project."""

    user: str
    name: str
    query: dict[str, str] = {}


class Outcome(Protocol):
    """What was done, by name; `signing_keys` are the texts of new ones, shown once."""

    create: list[str]
    update: list[str]
    delete: list[str]
    signing_keys: list[dict[str, str]]


# --- forwarders -------------------------------------------------------------------------------------


def apply_forwarders(
    project: Project, declared: Sequence[DeclaredForwarder], outcome: Outcome, prune: bool
) -> None:
    """Raises ValidationError. `prune` deletes those that are not declared."""
    if len({each.name for each in declared}) != len(declared):
        raise ValidationError("Two forwarders have one name.")
    rows = {row.name: row for row in Forwarder.objects.select_related("project")}
    if prune:
        for name in sorted(rows.keys() - {each.name for each in declared}):
            forwarders.delete_forwarder(forwarder=rows.pop(name))
            outcome.delete.append(f"forwarder {project.slug}/{name}")
    for each in declared:
        _apply_forwarder(project, each, rows.get(each.name), outcome)


def _apply_forwarder(
    project: Project, declared: DeclaredForwarder, row: Forwarder | None, outcome: Outcome
) -> None:
    place = f"forwarder {project.slug}/{declared.name}"
    known = row.secrets if row is not None else {}
    given: dict[str, Any] = {name: resolve_with(known, name, value) for name in ("authorization", "signing_key")
             if (value := getattr(declared, name)) is not None}  # fmt: skip
    transport = forwarders.transport_named(declared.kind)
    if row is None:
        plain = declared.model_dump(exclude={"authorization", "signing_key"})
        _, made = forwarders.create_forwarder(project=project, **plain, **given)
        outcome.create.append(place)
        if made and "signing_key" not in given:
            outcome.signing_keys.append({"project": project.slug, "forwarder": declared.name, "signing_key": made})
        return
    if declared.kind != row.kind:
        raise ValidationError(f"{declared.name} is a {row.kind}, and stays one: give another kind another name.")
    wanted = {
        "format": declared.format or transport.default_format, "address": _address(transport, declared.address),
        "ca_bundle": declared.ca_bundle, "enabled": declared.enabled,
    }  # fmt: skip
    differs = [name for name, value in wanted.items() if getattr(row, name) != value]
    differs += [name for name, value in given.items() if known.get(name, "") != value]
    if not differs:
        return
    for name, value in wanted.items():
        setattr(row, name, value)
    if declared.authorization == STORED:
        # As if it had not been mentioned, so that it stays with the host that it was given for.
        del given["authorization"]
    forwarders.change_forwarder(forwarder=row, **given)
    outcome.update.append(place)


def _address(transport: type[Transport], text: str) -> str:
    """As it is stored."""
    try:
        return destinations.check_address(transport, text)
    except BadDestination as error:
        raise ValidationError({"address": str(error)}) from None


def written_forwarders(project: Project, references: References) -> list[dict[str, Any]]:
    """By the fields of DeclaredForwarder."""
    return [
        {name: getattr(row, name) for name in ("name", "kind", "address", "format", "ca_bundle", "enabled")}
        | {name: references(project.slug, row.name, name) for name in sorted(row.secrets)}
        for row in Forwarder.objects.order_by("name")
    ]


# --- schedules of exports ---------------------------------------------------------------------------


def apply_schedules(
    project: Project, declared: Sequence[DeclaredSchedule], outcome: Outcome, prune: bool
) -> None:
    """Raises ValidationError. `prune` deletes those that are not declared."""
    rows = list(ExportSchedule.objects.select_related("project").order_by("id"))
    paired = [(each, _take(rows, each)) for each in declared]
    if prune:
        for left in rows:
            exports.delete_schedule(schedule=left)
            outcome.delete.append(f"schedule {project.slug}/{left.form}")
    for each, row in paired:
        _apply_schedule(project, each, row, outcome)


def _take(rows: list[ExportSchedule], declared: DeclaredSchedule) -> ExportSchedule | None:
    """The row that it continues, out of those that nothing else continues: one that is equal, else one alike."""
    alike = [row for row in rows if all(getattr(row, name) == getattr(declared, name) for name in _IDENTITY)]
    found = next((row for row in alike if not _differs(row, declared)), alike[0] if alike else None)
    if found is not None:
        rows.remove(found)
    return found


def _apply_schedule(
    project: Project, declared: DeclaredSchedule, row: ExportSchedule | None, outcome: Outcome
) -> None:
    place = f"schedule {project.slug}/{declared.form}"
    known = {"secret": row.secret} if row is not None else {}
    secret = resolve_with(known, "secret", declared.secret) if declared.secret is not None else ""
    wanted = declared.model_dump(exclude={"secret"})
    if row is None:
        exports.schedule_export(schedule=ExportSchedule(project=project, **wanted), secret=secret)
        outcome.create.append(place)
        return
    if not _differs(row, declared) and secret in ("", known["secret"]):
        return
    for name, value in wanted.items():
        setattr(row, name, value)
    exports.change_schedule(schedule=row, secret="" if declared.secret == STORED else secret)
    outcome.update.append(place)


def _differs(row: ExportSchedule, declared: DeclaredSchedule) -> bool:
    return any(getattr(row, name) != value for name, value in declared.model_dump(exclude={"secret"}).items())


def written_schedules(project: Project, references: References) -> list[dict[str, Any]]:
    """By the fields of DeclaredSchedule."""
    found = []
    for number, row in enumerate(ExportSchedule.objects.order_by("id"), 1):
        given = {name: getattr(row, name) for name in DeclaredSchedule.model_fields if name != "secret"}
        if row.sealed:
            given["secret"] = references(project.slug, f"export {number}", "secret")
        found.append({name: str(value) if isinstance(value, str) else value for name, value in given.items()})
    return found


# --- shared filters ---------------------------------------------------------------------------------


def apply_filters(project: Project, declared: Sequence[DeclaredFilter], outcome: Outcome, prune: bool) -> None:
    """Raises ValidationError. `prune` gives those that are not declared back to their people alone."""
    rows = {(row.user.email, row.name): row for row in SavedFilter.objects.select_related("user", "project")}
    wanted = {(each.user.lower(), each.name): each for each in declared}
    if len(wanted) != len(declared):
        raise ValidationError("Two filters of one person have one name.")
    for key, each in wanted.items():
        row = rows.get(key)
        if row is not None and row.is_shared and _query(row) == each.query:
            continue
        saved_filters.save_filter(
            project=project, user=_member(each.user), name=each.name, is_shared=True,
            query={**each.query, "project": project.slug},
        )  # fmt: skip
        (outcome.create if row is None else outcome.update).append(_filter_place(project, *key))
    if prune:
        for key in sorted(rows.keys() - wanted.keys()):
            if rows[key].is_shared:
                saved_filters.share_filter(saved=rows[key], is_shared=False)
                outcome.delete.append(_filter_place(project, *key))


def _filter_place(project: Project, email: str, name: str) -> str:
    return f"shared filter {project.slug}/{email}/{name}"


def _query(row: SavedFilter) -> dict[str, str]:
    """Pages show it with the project that the row belongs to, whatever it says."""
    return {name: text for name, text in row.query.items() if name != "project"}


def _member(email: str) -> User:
    found = Membership.objects.filter(user__email=email.lower()).select_related("user").first()
    if found is None:
        raise ValidationError(f"{email} is not a member.")
    return found.user


def written_filters() -> list[dict[str, Any]]:
    """By the fields of DeclaredFilter. Not those of who is no member, as operators may be."""
    members: Iterable[int] = Membership.objects.values_list("user_id", flat=True)
    rows = SavedFilter.objects.filter(is_shared=True, user__in=members).select_related("user")
    return [{"user": row.user.email, "name": row.name, "query": _query(row)}
            for row in rows.order_by("user__email", "name")]  # fmt: skip
