"""Day one in Chromium: from the link that the gateway prints to the first page, by a passkey and by an app."""

from __future__ import annotations

import re
from base64 import b32decode
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.watching import Watch
from tests.conformance.gateway import Gateway
from tests.signing_in import code_of, codes_on
from tests.waiting import wait_until

pytestmark = [pytest.mark.claim("signin.set-up"), pytest.mark.claim("signin.passkeys")]
EMAIL, PASSWORD = "first@gateway.test", "a long enough passphrase"
INDEX = re.compile(r"/admin/$")
_AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


@pytest.fixture
def fresh(tmp_path: Path, browser: Browser) -> Iterator[Gateway]:
    """A gateway that nobody operates yet."""
    with Gateway(tmp_path / "home", {"version": 1}) as gateway:
        yield gateway


def open_at(browser: Browser, gateway: Gateway, host: str) -> tuple[Page, Watch]:
    watch = Watch(f"{host}:{gateway.port}")
    context = browser.new_context(base_url=f"http://{host}:{gateway.port}", accept_downloads=True)
    watch.over(context)
    return context.new_page(), watch


def setup_link(gateway: Gateway) -> str:
    # It is printed by another process than the one that says that it is ready.
    found = wait_until(lambda: re.search(r"(/setup/[^/\s]+/)", gateway.log.read_text()))
    return str(found[1])


def make_account(page: Page, gateway: Gateway) -> None:
    page.goto(setup_link(gateway))
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Set up a second factor")).to_be_visible()


def keep_codes(page: Page) -> list[str]:
    page.get_by_role("button", name="Make recovery codes").click()
    codes = codes_on(page.content())
    assert len(codes) == 10
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as a file").click()
    assert saved.value.path().read_text().split() == codes
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Go on").click()
    expect(page).to_have_url(INDEX)
    return codes


def leave(page: Page) -> None:
    # Away from a page that follows what happens, and goes to the sign-in by itself once it may not any more.
    page.goto("about:blank")
    page.context.clear_cookies()
    page.goto("/admin/")
    expect(page).to_have_url(re.compile("/admin/login/"))


def give_password(page: Page) -> None:
    page.get_by_label(re.compile("e-mail", re.IGNORECASE)).fill(EMAIL)
    page.get_by_label(re.compile("password", re.IGNORECASE)).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_by_a_passkey_that_signs_in_alone_from_then_on(browser: Browser, fresh: Gateway) -> None:
    page, watch = open_at(browser, fresh, "localhost")
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": _AUTHENTICATOR})
    make_account(page, fresh)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    keep_codes(page)
    leave(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(INDEX)

    leave(page)
    give_password(page)
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_url(INDEX)
    page.goto("/admin/account/")
    expect(page.get_by_text("Passkey, Chrome on Linux at localhost")).to_be_visible()
    assert watch.found() == {}


def test_by_an_app_where_there_are_no_passkeys_and_by_a_recovery_code(browser: Browser, fresh: Gateway) -> None:
    page, watch = open_at(browser, fresh, "127.0.0.1")
    make_account(page, fresh)
    expect(page.get_by_text(f"http://localhost:{fresh.port}").first).to_be_visible()
    expect(page.get_by_role("button", name="Add a passkey")).to_have_count(0)
    expect(page.locator(".qr svg")).to_be_visible()
    secret = b32decode(page.locator("#totp-secret").inner_text())
    page.get_by_label("6 digits").fill(code_of(secret))
    page.get_by_role("button", name="Add the app").click()
    codes = keep_codes(page)

    for code in (code_of(secret, 1), codes[0]):
        leave(page)
        give_password(page)
        page.goto("/admin/projects/user/")
        expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
        page.get_by_label("Code of your authenticator app").fill(code)
        page.get_by_role("button", name="Go on").click()
        expect(page).to_have_url(re.compile("/admin/projects/user/$"))
    assert watch.found() == {}


def test_a_wrong_code_says_so_and_a_person_who_declines_a_passkey_is_told(browser: Browser, fresh: Gateway) -> None:
    page, _ = open_at(browser, fresh, "localhost")
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": {**_AUTHENTICATOR, "isUserVerified": False}})
    make_account(page, fresh)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("No passkey was given.")).to_be_visible()
    page.get_by_label("6 digits").fill("000000")
    page.get_by_role("button", name="Add the app").click()
    expect(page.get_by_text("That was not right")).to_be_visible()
    page.goto("/admin/")
    expect(page.get_by_role("heading", name="Set up a second factor")).to_be_visible()
