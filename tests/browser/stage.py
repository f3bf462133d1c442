"""A running gateway with one project, one server that was read, and people who are signed in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page

from tests.browser.conftest import WIDE
from tests.browser.signing import sign_in
from tests.browser.watching import Watch
from tests.conformance.gateway import Gateway
from tests.e2e.upstream import Upstream, running

# Whatever waits longer than this is broken.
SECONDS = 20_000
_SCHEMA = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
_PEOPLE = """
import json
from projects.models import User
from tests.browser.signing import session_of
User.objects.create_superuser("operator@gateway.test", "a long enough passphrase")
print("SESSIONS " + json.dumps({user.email.partition("@")[0]: session_of(user) for user in User.objects.all()}))
"""


@dataclass
class Stage:
    """`sessions` by who it is: operator, owner, admin, auditor and member of acme, and outsider, who owns globex."""

    gateway: Gateway
    upstream: Upstream
    sessions: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"

    def shell(self, code: str) -> None:
        """Python in the gateway's own database."""
        self.gateway.manage("shell", "-c", code)


@contextmanager
def stage(home: Path) -> Iterator[Stage]:
    with running() as upstream:
        upstream.tools["/docs"] = [{"name": "echo", "inputSchema": _SCHEMA}]
        members = [{"email": f"{role}@acme.test", "role": role} for role in ("owner", "admin", "auditor", "member")]
        config = {"version": 1, "projects": [
            {"slug": "acme", "members": members,
             "servers": [{"slug": "docs", "transport": "http", "url": upstream.url("docs"), "review": "trust"}]},
            {"slug": "globex", "members": [{"email": "outsider@globex.test", "role": "owner"}]},
        ]}  # fmt: skip
        with Gateway(home, config, environment={"GATEWAY_LOG_LEVEL": "WARNING"}) as gateway:
            gateway.manage("discover", "--project", "acme", "--wait")
            said = next(each for each in gateway.manage("shell", "-c", _PEOPLE).splitlines() if "SESSIONS " in each)
            yield Stage(gateway, upstream, json.loads(said.partition("SESSIONS ")[2]))


@contextmanager
def page_of(stage: Stage, browser: Browser, who: str) -> Iterator[Page]:
    """A page of somebody's; it breaks no rule that holds for all pages."""
    watch = Watch(urlsplit(stage.url).netloc)
    context = browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]}, base_url=stage.url)
    watch.over(context)
    sign_in(context, stage.url, stage.sessions[who])
    page = context.new_page()
    page.set_default_timeout(SECONDS)
    try:
        yield page
    finally:
        context.close()
    assert watch.found() == {}, watch.found()
