"""What can be done to a project's forwarders: one function per act, one transaction each, and each is an event."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from audit import destinations, exporters, forward_queue, forward_work, logs, rows
from audit.destinations import BadDestination
from audit.entry import new_id, now
from audit.forwarding import Destination, Message, NotTaken, Refused, Transport, registry
from audit.models import DeadLetter, Forwarder, ForwardPosition, ForwardState, Seal
from audit.recorder import record
from gateway_site.lib.actor import current
from gateway_site.lib.secrets import Unsealable
from projects.models import Project
from projects.scoping import with_project

# Of one project: each has a thread of its own.
MAX_FORWARDERS = 10
TEST_KIND = "audit.forward_test"
_MAX_CA_BUNDLE = 65_536
_MAX_AUTHORIZATION = 4_096
# What is given by people, not made here: no shorter than half of what is made.
_SIGNING_KEY_LENGTH = range(22, 257)


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a test line; `text` is for people and holds no address and no secret."""

    taken: bool
    text: str


@transaction.atomic
def create_forwarder(
    *, project: Project, name: str, kind: str, address: str, format: str = "", ca_bundle: str = "",
    authorization: str = "", signing_key: str = "", enabled: bool = True, from_start: bool = False,
) -> tuple[Forwarder, str]:  # fmt: skip
    """The forwarder and the key that signs what it sends, shown only now; empty for a kind that signs nothing.

    Without a `signing_key` one is made. It begins with what is sealed from now on, or with the log's first event.
    `authorization` is the whole value of that header. Raises ValidationError.
    """
    transport = transport_named(kind)
    forwarder = Forwarder(
        project=project, name=name, kind=kind, format=format or transport.default_format, address=address,
        ca_bundle=ca_bundle, enabled=enabled,
    )  # fmt: skip
    key = _signing_key(transport, signing_key)
    with with_project(project.pk):
        if Forwarder.objects.count() >= MAX_FORWARDERS:
            raise ValidationError(f"A project has at most {MAX_FORWARDERS} forwarders.")
        forwarder.secrets = {"signing_key": key, "authorization": _authorization(transport, authorization)}
        _check(forwarder, transport)
        forwarder.save()
    state = ForwardState.objects.create(forwarder_id=forwarder.pk)
    begin = _before_first(project.pk) if from_start else logs.head_of(project.pk).seq
    ForwardPosition.objects.create(state=state, project_ref=project.pk, seq=begin, until=begin)
    _record("audit.forwarder_created", forwarder, after=begin)
    return forwarder, key


@transaction.atomic
def change_forwarder(
    *, forwarder: Forwarder, authorization: str | None = None, new_signing_key: bool = False,
    signing_key: str | None = None,
) -> tuple[Forwarder, str]:  # fmt: skip
    """Stores what was changed in the row; the kind and the project stay. What failed is tried again at once.

    None keeps the authorization that is stored, for the host that it was given for, and no other, and the signing key.
    Gives the new signing key, or an empty text. Raises ValidationError.
    """
    new_signing_key = new_signing_key or signing_key is not None
    with with_project(forwarder.project_id):
        before = Forwarder.objects.select_for_update().filter(pk=forwarder.pk).first()
        if before is None:
            raise ValidationError("It is not there any more.")
        transport = transport_named(before.kind)
        forwarder.kind = before.kind
        held = _stored(before, needed=authorization is None or not new_signing_key)
        if authorization is None:
            if held.get("authorization") and destinations.shown(before.address) != destinations.shown(
                forwarder.address
            ):
                raise ValidationError(
                    {"authorization": "Give it again, or forget it: the one that is stored is for another host."}
                )
        else:
            held["authorization"] = _authorization(transport, authorization)
        key = _signing_key(transport, signing_key or "") if new_signing_key else ""
        if key:
            held["signing_key"] = key
        forwarder.secrets = held
        _check(forwarder, transport)
        forwarder.save()
    forward_queue.take_away(state_of(forwarder))
    _record("audit.forwarder_changed", forwarder, new_signing_key=bool(key))
    return forwarder, key


@transaction.atomic
def delete_forwarder(*, forwarder: Forwarder) -> None:
    """Its dead letters go with it; the events themselves stay in the log."""
    _record("audit.forwarder_deleted", forwarder, dead_letters=state_of(forwarder).dead_letters.count())
    with with_project(forwarder.project_id):
        forwarder.delete()


def test_forwarder(*, forwarder: Forwarder) -> Tried:
    """Sends one line that is no event of the log, of the kind `audit.forward_test` and with the number 0.

    Takes as long as the transport may. Not inside a transaction.
    """
    try:
        tried = _try(destinations.of_forwarder(forwarder), _test_record(forwarder))
    except Unsealable:
        tried = Tried(False, "The stored secrets do not open with this gateway's key ring.")
    with transaction.atomic():
        _record("audit.forwarder_tested", forwarder, taken=tried.taken, answer=tried.text)
    return tried


@transaction.atomic
def resend(*, forwarder: Forwarder, only: Iterable[int] | None = None) -> int:
    """Has its dead letters, or those with these ids, sent again with the next turn. How many."""
    count = _want(state_of(forwarder), only)
    _record("audit.forward_resent", forwarder, dead_letters=count)
    return count


@transaction.atomic
def resend_of_setting(*, setting: destinations.Setting) -> int:
    """The same for a receiver of the whole gateway."""
    count = _want(forward_queue.begin_setting(setting), None)
    forward_work.name_of_setting(setting.destination).record("audit.forward_resent", dead_letters=count)
    return count


def _before_first(project_ref: int) -> int:
    """A log begins later than with 1 where retention dropped what was before."""
    first = Seal.objects.filter(project_ref=project_ref).order_by("seq").values_list("seq", flat=True).first()
    return first - 1 if first else 0


def state_of(forwarder: Forwarder) -> ForwardState:
    return ForwardState.objects.get(forwarder_id=forwarder.pk)


def _want(state: ForwardState, only: Iterable[int] | None) -> int:
    letters = DeadLetter.objects.filter(state=state, is_wanted=False)
    if only is not None:
        letters = letters.filter(pk__in=list(only))
    # The receiver is believed to be well again.
    ForwardState.objects.filter(pk=state.pk).update(retry_at=None)
    return letters.update(is_wanted=True)


def transport_named(kind: str) -> type[Transport]:
    """Raises ValidationError."""
    try:
        return registry.get(kind)
    except KeyError:
        raise ValidationError({"kind": f"There is no such kind; there are {', '.join(registry.names())}."}) from None


def _check(forwarder: Forwarder, transport: type[Transport]) -> None:
    """Runs under the project's scope. Raises ValidationError."""
    try:
        forwarder.address = destinations.check_address(transport, forwarder.address)
    except BadDestination as error:
        raise ValidationError({"address": str(error)}) from None
    try:
        destinations.check_format(forwarder.format)
    except BadDestination as error:
        raise ValidationError({"format": str(error)}) from None
    _check_ca_bundle(forwarder.ca_bundle)
    if Forwarder.objects.filter(name=forwarder.name).exclude(pk=forwarder.pk).exists():
        raise ValidationError({"name": "The project has a forwarder of this name."})
    forwarder.full_clean(exclude=["project"])


def _check_ca_bundle(text: str) -> None:
    if not text:
        return
    try:
        if len(text) > _MAX_CA_BUNDLE or not ssl.create_default_context(cadata=text).get_ca_certs():
            raise ValueError
    except (ValueError, ssl.SSLError):
        raise ValidationError({"ca_bundle": "Give certificates of authorities in PEM."}) from None


def _authorization(transport: type[Transport], text: str) -> str:
    if not text:
        return ""
    if "authorization" not in transport.secrets:
        raise ValidationError({"authorization": "This kind sends none."})
    if len(text) > _MAX_AUTHORIZATION or not text.isascii() or not text.isprintable():
        raise ValidationError({"authorization": "It must be printable ASCII."})
    return text


def _signing_key(transport: type[Transport], given: str) -> str:
    """What is given, or a new one; empty for a kind that signs nothing."""
    if "signing_key" not in transport.secrets:
        if given:
            raise ValidationError({"signing_key": "This kind signs nothing."})
        return ""
    if not given:
        return secrets.token_urlsafe(32)
    if len(given) not in _SIGNING_KEY_LENGTH or not given.isascii() or not given.isprintable():
        low, high = _SIGNING_KEY_LENGTH.start, _SIGNING_KEY_LENGTH.stop - 1
        raise ValidationError({"signing_key": f"It must be {low} to {high} characters of printable ASCII."})
    return given


def _stored(forwarder: Forwarder, needed: bool) -> dict[str, str]:
    """What is stored; nothing when it does not open and is all replaced."""
    try:
        return forwarder.secrets
    except Unsealable as error:
        if needed:
            text = "The stored secrets do not open any more; give new ones for both."
            raise ValidationError({"authorization": text}) from error
        return {}


def _test_record(forwarder: Forwarder) -> dict[str, Any]:
    who = current()
    return {
        "id": str(new_id()), "at": rows.stamp(now()), "kind": TEST_KIND, "project_ref": forwarder.project_id,
        "project": forwarder.project.slug, "actor_kind": who.kind, "actor": who.label, "actor_id": who.id,
        "subject": forwarder.name, "detail": {"test": True},
    }  # fmt: skip


def _try(to: Destination, about: dict[str, Any]) -> Tried:
    shown = {name: value for name, value in about.items() if value != ""}

    async def send() -> None:
        transport = forward_work.open_transport(to)
        try:
            line = exporters.registry.get(to.format)().line(shown, 0)
            await transport.send([Message(about["project_ref"], 0, shown, line)])
        finally:
            await transport.close()

    try:
        asyncio.run(send())
    except (NotTaken, Refused) as error:
        return Tried(False, error.fault)
    except KeyError:
        return Tried(False, "Its kind or its form is not installed any more.")
    return Tried(True, "taken")


def _record(kind: str, forwarder: Forwarder, **detail: Any) -> None:
    shown = {"kind": forwarder.kind, "format": forwarder.format, "to": destinations.shown(forwarder.address),
             "enabled": forwarder.enabled, "own_authorities": bool(forwarder.ca_bundle)}  # fmt: skip
    record(kind, project_ref=forwarder.project_id, project=forwarder.project.slug, subject=forwarder.name,
           detail={**shown, **detail})  # fmt: skip


__all__ = ["Tried", "change_forwarder", "create_forwarder", "delete_forwarder", "resend", "resend_of_setting",
           "test_forwarder"]
