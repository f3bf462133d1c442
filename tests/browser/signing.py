"""Who is signed in: sessions made in the gateway's database, and given to a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

    from projects.models import User

COOKIE = "sessionid"


def session_of(user: User) -> str:
    """A session of the user's, all of it proved. Run by the gateway's own manage.py (tests.browser.scene)."""
    from django.test import Client

    from tests.signing_in import signed_in

    client = Client()
    signed_in(client, user)
    return str(client.cookies[COOKIE].value)


def sign_in(context: BrowserContext, url: str, session: str) -> None:
    context.add_cookies([{"name": COOKIE, "value": session, "url": url, "httpOnly": True, "sameSite": "Lax"}])
