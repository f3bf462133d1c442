"""REST: a project's forwarders, what they gave up, and sending it again. The operator's business, as in the browser."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from ninja import Query

from audit import forwarders
from audit.forward_schemas import (
    LETTER,
    DeadLetterOut,
    ForwarderChanges,
    ForwarderIn,
    ForwarderOut,
    ForwarderTest,
    IssuedForwarder,
    Resending,
    Resent,
    forwarder_etag,
)
from audit.models import DeadLetter, Forwarder
from projects.permissions import AUDIT_EXPORT, GATEWAY_READ, GATEWAY_WRITE
from projects.rest.etags import matching
from projects.rest.paging import Page, Paging, page
from projects.rest.places import place_of
from projects.rest.problems import Problem
from projects.rest.references import pk_of
from projects.rest.requests import RestRequest, made_at
from projects.rest.routes import Routes
from projects.rest.rows import as_uuid, one

routes = Routes("forwarders")


def _forwarders() -> QuerySet[Forwarder]:
    return Forwarder.objects.select_related("project")


def _one(forwarder: str) -> Forwarder:
    return one(_forwarders(), uid=as_uuid(forwarder))


@routes.get("/projects/{project}/forwarders", GATEWAY_READ, Page[ForwarderOut])
def list_forwarders(request: RestRequest, project: str, filters: Query[Paging]) -> Page[ForwarderOut]:
    """Where the project's log is sent as it is sealed. Receivers of the whole gateway are settings, and not here."""
    return page(request, filters, _forwarders(), ForwarderOut.of)


@routes.post("/projects/{project}/forwarders", GATEWAY_WRITE, IssuedForwarder, tagged=True)
def create_forwarder(request: RestRequest, project: str, body: ForwarderIn) -> IssuedForwarder:
    """The key that signs what it sends is in this answer and nowhere else. Asks for `audit.export` too."""
    check_may_export(request)
    fields = {**body.model_dump(), "format": body.format or ""}
    row, key = forwarders.create_forwarder(project=request.project, **fields)
    made_at(request, "projects", project, "forwarders", row.uid)
    return _issued(request, row, key)


@routes.get("/projects/{project}/forwarders/{forwarder}", GATEWAY_READ, ForwarderOut, tagged=True)
def read_forwarder(request: RestRequest, project: str, forwarder: str) -> ForwarderOut:
    row = _one(forwarder)
    request.answer_headers["ETag"] = forwarder_etag(row)
    return ForwarderOut.of(row)


@routes.patch("/projects/{project}/forwarders/{forwarder}", GATEWAY_WRITE, IssuedForwarder, matched=True)
def update_forwarder(request: RestRequest, project: str, forwarder: str, body: ForwarderChanges) -> IssuedForwarder:
    """What failed is tried again at once. A new signing key is in this answer and nowhere else.

    Asks for `audit.export` too.
    """
    check_may_export(request)
    with transaction.atomic():
        row, changes, key = _matching(request, forwarder), body.given(), ""
        if changes:
            how = {name: changes.pop(name) for name in ("authorization", "new_signing_key") if name in changes}
            for name, value in changes.items():
                setattr(row, name, value)
            row, key = forwarders.change_forwarder(forwarder=row, **how)
        return _issued(request, row, key)


@routes.delete("/projects/{project}/forwarders/{forwarder}", GATEWAY_WRITE, matched=True)
def delete_forwarder(request: RestRequest, project: str, forwarder: str) -> None:
    """Its dead letters go with it; the events themselves stay in the log."""
    with transaction.atomic():
        forwarders.delete_forwarder(forwarder=_matching(request, forwarder))


@routes.post("/projects/{project}/forwarders/{forwarder}/test", GATEWAY_WRITE, ForwarderTest, 200, kept=False)
def test_forwarder(request: RestRequest, project: str, forwarder: str) -> ForwarderTest:
    """Sends one line that is no event of the log."""
    row = _one(forwarder)
    with place_of(request.project.pk):
        return ForwarderTest.of(forwarders.test_forwarder(forwarder=row))


@routes.get("/projects/{project}/forwarders/{forwarder}/dead-letters", GATEWAY_READ, Page[DeadLetterOut])
def list_dead_letters(
    request: RestRequest, project: str, forwarder: str, filters: Query[Paging]
) -> Page[DeadLetterOut]:
    """What the receiver refused, or did not take for too long."""
    rows = DeadLetter.objects.filter(state=forwarders.state_of(_one(forwarder)))
    return page(request, filters, rows, DeadLetterOut.of)


@routes.post("/projects/{project}/forwarders/{forwarder}/resend", GATEWAY_WRITE, Resent, 202)
def resend_dead_letters(request: RestRequest, project: str, forwarder: str, body: Resending) -> Resent:
    """Out of order then."""
    row = _one(forwarder)
    only = None if body.only is None else [_letter(request, name) for name in body.only]
    return Resent(dead_letters=forwarders.resend(forwarder=row, only=only))


def check_may_export(request: RestRequest) -> None:
    """A token may be for less than its user may, and must not send away what it may not take. Raises Problem."""
    if not request.auth.may(AUDIT_EXPORT, request.project):
        raise Problem("forbidden", action=AUDIT_EXPORT)


def _letter(request: RestRequest, name: str) -> int:
    """Raises ValidationError for a name of another project's, as for one that there never was."""
    pk = pk_of(LETTER, name, request.project.pk)
    if pk is None:
        raise ValidationError({"only": "There is no such dead letter."})
    return pk


def _issued(request: RestRequest, row: Forwarder, key: str) -> IssuedForwarder:
    request.answer_headers["ETag"] = forwarder_etag(row)
    return IssuedForwarder.with_key(row, key)


def _matching(request: RestRequest, forwarder: str) -> Forwarder:
    return matching(request, _forwarders(), forwarder_etag, uid=as_uuid(forwarder))


ROUTES = (routes,)
