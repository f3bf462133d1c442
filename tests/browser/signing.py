"""Who is signed in: sessions made in the gateway's database, and given to a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

    from projects.models import User

COOKIE = "sessionid"


def session_of(user: User) -> str:
    """A session of the user's, as signing in makes it. Run by the gateway's own manage.py (tests.browser.scene)."""
    from django.contrib.auth import login
    from django.contrib.sessions.backends.db import SessionStore
    from django.http import HttpRequest

    request = HttpRequest()
    request.session = SessionStore()
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session.save()
    return str(request.session.session_key)


def sign_in(context: BrowserContext, url: str, session: str) -> None:
    context.add_cookies([{"name": COOKIE, "value": session, "url": url, "httpOnly": True, "sameSite": "Lax"}])
