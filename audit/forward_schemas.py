"""What REST takes and shows of forwarders and of what they gave up."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from audit.forward_status import standing_of
from audit.forwarders import Tried, state_of
from audit.models import DeadLetter, Forwarder
from gateway_site.lib.secrets import Unsealable
from projects.rest.etags import etag_of
from projects.rest.references import reference
from projects.rest.schemas import Given, Shown, Slug

LETTER = "dead letter"
Kind = Annotated[str, Field(min_length=1, max_length=40, examples=["webhook"])]
Form = Annotated[str, Field(min_length=1, max_length=40, examples=["cef"])]
Address = Annotated[str, Field(min_length=1, max_length=2000, examples=["https://siem.example/in"])]
Authorities = Annotated[str, Field(max_length=65_536)]
Authorization = Annotated[str, Field(max_length=4096)]
_AUTHORITIES = "PEM; the receiver's certificate must be by one of these. Empty: the machine's own."


class ForwarderChanges(Given):
    """Without `authorization` the stored one stays, for its host only; an empty one is forgotten."""

    # Without defaults in the document, which these would not be allowed to be.
    name: Slug = Field(default_factory=str)
    format: Form = Field(default_factory=str)
    address: Address = Field(default_factory=str, description="No secret belongs into it.")
    ca_bundle: Authorities = Field(default="", description=_AUTHORITIES)
    authorization: Authorization = Field(
        default="", repr=False, description="The whole value of the header; never shown again."
    )
    enabled: bool = True
    new_signing_key: bool = Field(default=False, description="The old one ends at once.")


class ForwarderIn(Given):
    """It begins with what is sealed from now on, or with the log's first event."""

    name: Slug
    kind: Kind
    address: Address = Field(description="No secret belongs into it.")
    format: Form | None = Field(default=None, description="What a line looks like; else as usual for the kind.")
    ca_bundle: Authorities = Field(default="", description=_AUTHORITIES)
    authorization: Authorization = Field(
        default="", repr=False, description="The whole value of the header; never shown again."
    )
    enabled: bool = True
    from_start: bool = False


class StandingOut(Shown):
    """Numbers of events. `fault` is empty when the last batch was taken."""

    waiting: int
    dead: int
    fault: str
    failures: int


class ForwarderOut(Shown):
    """Of its secrets only whether there are any; null when they do not open with this gateway's key ring."""

    id: str
    name: str
    kind: str
    format: str
    address: str
    ca_bundle: str
    enabled: bool
    has_authorization: bool | None
    has_signing_key: bool | None
    standing: StandingOut
    created_at: datetime

    @classmethod
    def of(cls, row: Forwarder) -> ForwarderOut:
        return cls.read(row, **_more_of(row))


class IssuedForwarder(ForwarderOut):
    """`signing_key` is shown here and never again; empty where none was made."""

    signing_key: str = Field(repr=False)

    @property
    def shown_once(self) -> str:
        return self.id if self.signing_key else ""

    @classmethod
    def with_key(cls, row: Forwarder, key: str) -> IssuedForwarder:
        return cls.read(row, **_more_of(row), signing_key=key)


def _more_of(row: Forwarder) -> dict[str, Any]:
    """What stands under another name in the row, or elsewhere."""
    try:
        secrets = row.secrets
        held: dict[str, bool | None] = {name: name in secrets for name in ("authorization", "signing_key")}
    except Unsealable:
        held = {"authorization": None, "signing_key": None}
    standing = StandingOut.read(standing_of(state_of(row)))
    return {"id": str(row.uid), "standing": standing, **{f"has_{name}": value for name, value in held.items()}}


def forwarder_etag(row: Forwarder) -> str:
    """How it stands is no part of it."""
    names = ("name", "kind", "format", "address", "ca_bundle", "enabled", "sealed")
    return etag_of(str(row.uid), *(getattr(row, name) for name in names))


class ForwarderTest(Shown):
    """What became of a test line. `text` is for people."""

    taken: bool
    text: str

    @classmethod
    def of(cls, tried: Tried) -> ForwarderTest:
        return cls.read(tried)


class DeadLetterOut(Shown):
    """A range of the log's events that the forwarder gave up. `is_wanted`: it is sent again."""

    id: str
    first_seq: int
    last_seq: int
    reason: str
    attempts: int
    at: datetime
    is_wanted: bool

    @classmethod
    def of(cls, row: DeadLetter) -> DeadLetterOut:
        name = reference(LETTER, row.pk, row.project_ref)
        return cls.read(row, id=name, first_seq=row.first, last_seq=row.last)


class Resending(Given):
    """`only` are ids of dead letters; without it all of the forwarder's."""

    only: Annotated[list[Annotated[str, Field(max_length=36)]], Field(min_length=1, max_length=1000)] | None = None


class Resent(Shown):
    """How many dead letters are sent again with the next turn."""

    dead_letters: int
