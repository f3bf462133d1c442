"""The session engine, which stores digests of keys in place of keys; and whose sessions are open, and their end."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from gateway_site.lib.addresses import address_of
from projects.models import Session, User
from projects.signals import acted

_SEEN_EVERY = timedelta(minutes=1)
_BEGUN, _ADDRESS, _BROWSER = "begun", "address", "browser"


def digest_of(session_key: str) -> str:
    """Keys have 165 random bits, so that a plain digest tells nothing of them."""
    return hashlib.sha256(session_key.encode()).hexdigest()


class SessionStore(db.SessionStore):
    """Django's, but that a row is found by the digest of the key: who reads the table has no session."""

    seen_at: datetime | None = None

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def _row(self, session_key: str | None) -> QuerySet[Session]:
        return Session.objects.filter(session_key=digest_of(session_key or ""))

    def load(self) -> dict[str, Any]:
        row = self._row(self.session_key).filter(expire_date__gt=timezone.now()).first()
        if row is None:
            self._session_key = None
            return {}
        self.seen_at = row.seen_at
        return self.decode(row.session_data)

    async def aload(self) -> dict[str, Any]:
        row = await self._row(self.session_key).filter(expire_date__gt=timezone.now()).afirst()
        if row is None:
            self._session_key = None
            return {}
        self.seen_at = row.seen_at
        return self.decode(row.session_data)

    def exists(self, session_key: str | None = None) -> bool:
        return self._row(session_key).exists()

    async def aexists(self, session_key: str | None = None) -> bool:
        return await self._row(session_key).aexists()

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        begun = data.get(_BEGUN)
        return Session(
            session_key=digest_of(self._key()), session_data=self.encode(data),
            expire_date=self.get_expiry_date(), user_id=data.get(SESSION_KEY),
            begun_at=datetime.fromisoformat(begun) if begun else timezone.now(),
            address=data.get(_ADDRESS, ""), browser=data.get(_BROWSER, ""),
        )  # fmt: skip

    async def acreate_model_instance(self, data: dict[str, Any]) -> Session:
        return await sync_to_async(self.create_model_instance)(data)

    def _key(self) -> str:
        """Of the row that is about to be stored."""
        return str(self._get_or_create_session_key())  # type: ignore[attr-defined]  # Django's, which the stubs leave out

    def delete(self, session_key: str | None = None) -> None:
        self._row(session_key or self.session_key).delete()

    async def adelete(self, session_key: str | None = None) -> None:
        await self._row(session_key or self.session_key).adelete()

    def note_seen(self) -> None:
        """At most once a minute."""
        now = timezone.now()
        if self.session_key and self.seen_at is not None and now - self.seen_at > _SEEN_EVERY:
            self._row(self.session_key).update(seen_at=now)
            self.seen_at = now


def begin(request: HttpRequest) -> None:
    """Notes in the session who has just signed in from where, for the list that the person reads."""
    request.session.set_expiry(None)
    request.session[_BEGUN] = timezone.now().isoformat()
    request.session[_ADDRESS] = str(address_of(request) or "")
    request.session[_BROWSER] = summary_of(request.headers.get("User-Agent", ""))


# In this order: most say that they are others too.
_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"),
             ("curl/", "curl"))  # fmt: skip
_SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"),
            ("Mac OS X", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux"))  # fmt: skip


def summary_of(user_agent: str) -> str:
    """Such as "Firefox on Linux"; what is not known is not repeated."""
    browser = next((name for sign, name in _BROWSERS if sign in user_agent), "Another browser")
    system = next((name for sign, name in _SYSTEMS if sign in user_agent), "")
    return f"{browser} on {system}" if system else browser


def open_of(user: User) -> QuerySet[Session]:
    """The last seen first."""
    return Session.objects.filter(user=user, expire_date__gt=timezone.now())


@transaction.atomic
def end_session(*, user: User, digest: str) -> bool:
    """One of the person's own; False when it has ended already, or is somebody else's."""
    row = Session.objects.filter(user=user, session_key=digest).first()
    if row is None:
        return False
    row.delete()
    _announce(user, 1, browser=row.browser, address=row.address)
    return True


@transaction.atomic
def end_sessions(*, user: User, but: str | None = None) -> int:
    """All of the person's, but the one of this digest. How many they were."""
    rows = open_of(user).exclude(session_key=but or "")
    count = len(rows)
    Session.objects.filter(user=user).exclude(session_key=but or "").delete()
    if count:
        _announce(user, count)
    return count


def prune() -> int:
    """Those that have expired."""
    return Session.objects.filter(expire_date__lt=timezone.now()).delete()[0]


def _announce(user: User, count: int, **detail: Any) -> None:
    detail |= {"count": count}
    acted.send(sender=Session, kind="session.ended", project=None, subject=user.email, detail=detail)
