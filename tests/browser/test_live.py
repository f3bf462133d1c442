"""What comes over the pages' sockets in a browser: how far jobs are, and the tail of the log, whatever stands in it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, expect

from tests.browser import hostile
from tests.browser.stage import SECONDS, Stage, page_of, stage
from tests.e2e.upstream import Seen

# A job of the test's own, which goes as far as the test says.
_BEGIN = """
from projects import jobs
from projects.models import Job, Project
from projects.scoping import unscoped
with unscoped("the test is a worker"):
    project = Project.objects.get(slug="acme")
    Job.objects.create(project=project, kind="test.nobody-does", subject_ref=1, label="by hand", state="running",
                       lease_owner="test", lease_until="2999-01-01T00:00:00Z")
"""
_MOVE = """
from projects.models import Job
from projects.scoping import unscoped
with unscoped("the test is a worker"):
    Job.objects.filter(kind="test.nobody-does").update({changes})
"""
_BEGIN_EXPORT = """
from audit.exports import KIND
from audit.models import Export
from projects.models import Job, Project
from projects.scoping import unscoped
with unscoped("the test is a worker"):
    project = Project.objects.get(slug="acme")
    export = Export.objects.create(project=project, form="csv", state=Export.State.WAITING)
    Job.objects.create(project=project, kind=KIND, subject_ref=export.pk, label="by hand", state="running",
                       lease_owner="test", lease_until="2999-01-01T00:00:00Z")
"""
_MOVE_EXPORT = """
from audit.exports import KIND
from audit.models import Export
from projects.models import Job
from projects.scoping import unscoped
with unscoped("the test is a worker"):
    Export.objects.filter(form="csv").update({export})
    Job.objects.filter(kind=KIND).update({job})
"""
_CALL = """
from audit import storage
from audit.entry import Entry, new_id, now
from projects.models import Project
project = Project.objects.get(slug="{project}")
storage.insert([Entry(id=new_id(), at=now(), kind="mcp.call.outcome", project_ref=project.pk, project=project.slug,
                      server="docs", method="tools/call", subject="echo", decision="ok", duration_us=9000)])
"""
_SWITCH = """
from projects.scoping import unscoped
from servers.models import Server
from servers.services import save_server
with unscoped("the test is an admin"):
    server = Server.objects.get(slug="docs", project__slug="acme")
    server.enabled = {enabled}
    save_server(server=server)
"""
_WAITS = """
from audit import storage
from audit.entry import Entry, new_id, now
from projects.scoping import unscoped
from servers.models import Server, State, Tool
with unscoped("the test reads a server"):
    server = Server.objects.get(slug="docs", project__slug="acme")
    Tool.objects.create(project=server.project, server=server, kind="tool", name="{name}", state=State.WAITING)
storage.insert([Entry(id=new_id(), at=now(), kind="definition.changed", project_ref=server.project_id)])
"""
_JOIN = """
from projects import services
from projects.models import Project, User
outsider = User.objects.get(email="outsider@globex.test")
services.set_member(project=Project.objects.get(slug="acme"), user=outsider, role="member")
"""
_LEAVE = """
from projects import services
from projects.models import Membership
from projects.scoping import unscoped
with unscoped("the test is an owner"):
    rows = Membership.objects.select_related("user", "project")
    services.remove_member(membership=rows.get(user__email="outsider@globex.test", project__slug="acme"))
"""
_EVENTS = """
from audit import storage
from audit.entry import Entry, new_id, now
from projects.models import Project
from tests.browser import hostile
project = Project.objects.get(slug="acme")
for number in range(len(hostile.MARKUP)):
    said = dict(project_ref=project.pk, project=project.slug, actor_kind="key", actor=hostile.TEXT[:250],
                server=hostile.short(number, 60), method=hostile.short(number, 60), reason=hostile.short(number, 60),
                subject=hostile.TEXT[:500], detail={hostile.TEXT: hostile.TEXT})
    storage.insert([Entry(id=new_id(), at=now(), kind="mcp.call.outcome", decision="blocked", **said)])
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("live")) as running:
        yield running


@pytest.fixture
def page(made: Stage, browser: Browser) -> Iterator[Page]:
    with page_of(made, browser, "owner") as opened:
        yield opened


class Asked:
    """Requests of a page, by the end of their path."""

    def __init__(self, page: Page) -> None:
        self._paths: list[str] = []
        page.on("request", self._note)

    def _note(self, request: Request) -> None:
        self._paths.append(request.url.partition("?")[0])

    def all(self) -> list[str]:
        return self._paths

    def of(self, end: str) -> int:
        return sum(path.endswith(end) for path in self._paths)


def wait_until_live(page: Page) -> None:
    expect(page.locator("html[data-live='1']")).to_have_count(1, timeout=SECONDS)


def asked_from_now_on(page: Page) -> Asked:
    """Once all that the page needs has come, and it has its socket."""
    wait_until_live(page)
    page.wait_for_load_state("networkidle")
    return Asked(page)


def calls_of(page: Page) -> Locator:
    return page.locator("[data-figure=calls]")


def state_of(page: Page) -> Locator:
    return page.locator("[data-rows=servers] tr", has_text="docs").locator("[class^=state-]")


@pytest.mark.claim("pages.live")
@pytest.mark.parametrize("who", ["operator", "owner", "admin", "auditor"])
def test_the_figures_of_who_reads_the_log_change_without_a_request(made: Stage, browser: Browser, who: str) -> None:
    with page_of(made, browser, who) as page:
        page.goto("/admin/?project=acme")
        asked = asked_from_now_on(page)
        expect(page.locator("span[data-live]")).to_have_text("· live")
        before = int(calls_of(page).inner_text())
        made.shell(_CALL.format(project="globex"))
        made.shell(_CALL.format(project="acme"))
        expect(calls_of(page)).to_have_text(str(before + 1), timeout=SECONDS)
        used = page.locator("[data-rows=tools] tr", has_text="docs/echo").locator("td")
        expect(used.nth(1)).to_have_text(str(before + 1))
        bars = page.locator(".calls-chart a")
        expect(bars.last).to_have_attribute("title", re.compile(f": {before + 1} call"))
        assert asked.all() == []


@pytest.mark.claim("pages.live")
@pytest.mark.parametrize("who", ["owner", "member"])
def test_the_servers_of_who_sees_them_change_without_a_request(made: Stage, browser: Browser, who: str) -> None:
    with page_of(made, browser, who) as page:
        page.goto("/admin/?project=acme")
        asked = asked_from_now_on(page)
        expect(state_of(page)).to_have_text("answers")
        assert calls_of(page).count() == (0 if who == "member" else 1)
        made.shell(_SWITCH.format(enabled=False))
        expect(state_of(page)).to_have_text("switched off", timeout=SECONDS)
        expect(state_of(page)).to_have_class("state-off")
        made.shell(_SWITCH.format(enabled=True))
        expect(state_of(page)).to_have_text("answers", timeout=SECONDS)
        assert asked.all() == []


@pytest.mark.claim("pages.live")
def test_the_inbox_counts_without_a_request(made: Stage, browser: Browser) -> None:
    with page_of(made, browser, "admin") as inbox, page_of(made, browser, "member") as first:
        inbox.goto("/admin/review/")
        first.goto("/admin/?project=acme")
        asked, others = asked_from_now_on(inbox), asked_from_now_on(first)
        number = inbox.locator("[data-member=waiting]")
        expect(number).to_have_text("0")
        made.shell(_WAITS.format(name=hostile.short(0, 60).replace('"', "'")))
        expect(number).to_have_text("1", timeout=SECONDS)
        # Who decides on nothing sees how many wait at a server, and no inbox.
        expect(first.locator("[data-rows=servers] tr", has_text="docs").locator("td").nth(3)).to_have_text("1")
        expect(first.locator("[data-waiting]")).to_be_hidden()
        assert (asked.all(), others.all()) == ([], [])


@pytest.mark.claim("pages.live")
def test_the_number_in_the_navigation_changes_without_a_request(made: Stage, browser: Browser) -> None:
    with page_of(made, browser, "owner") as page:
        page.goto("/admin/?project=acme")
        asked = asked_from_now_on(page)
        badge = page.locator(".nav-badge")
        before = int(badge.text_content() or 0)
        assert badge.is_visible() == bool(before)
        made.shell(_WAITS.format(name="waits-too"))
        expect(badge).to_have_text(str(before + 1), timeout=SECONDS)
        expect(badge).to_be_visible()
        expect(badge).to_have_attribute("aria-label", f"{before + 1} waiting")
        assert asked.all() == []


@pytest.mark.claim("pages.live")
def test_a_page_asks_where_it_gets_no_socket(made: Stage, browser: Browser) -> None:
    with page_of(made, browser, "auditor") as page:
        # As behind a proxy that lets none through.
        page.add_init_script("globalThis.WebSocket = function () { return new EventTarget(); };")
        page.goto("/admin/?project=acme")
        before, asked = int(calls_of(page).inner_text()), Asked(page)
        made.shell(_CALL.format(project="acme"))
        expect(calls_of(page)).to_have_text(str(before + 1), timeout=SECONDS)
        assert asked.of("/admin/figures/") > 0
        expect(page.locator("span[data-live]")).to_have_text("")


@pytest.mark.claim("pages.live")
def test_who_leaves_a_project_is_brought_nothing_more_of_it(made: Stage, browser: Browser) -> None:
    made.shell(_JOIN)
    with page_of(made, browser, "outsider") as page:
        page.goto("/admin/?project=acme")
        wait_until_live(page)
        expect(state_of(page)).to_have_text("answers")
        asked = asked_from_now_on(page)
        made.shell(_LEAVE)
        expect(page.locator("span[data-live]")).to_have_text("· not up to date", timeout=SECONDS)
        made.shell(_SWITCH.format(enabled=False))
        with page_of(made, browser, "member") as other:
            other.goto("/admin/?project=acme")
            expect(state_of(other)).to_have_text("switched off")
        expect(state_of(page)).to_have_text("answers")
        # Nor does it ask for what it would not get.
        assert asked.all() == []
    made.shell(_SWITCH.format(enabled=True))


class Held:
    """The upstream answers nothing of one kind until it may."""

    def __init__(self, made: Stage, method: str) -> None:
        self._method, self._made = method, made
        self.asked, self._go_on = threading.Event(), threading.Event()

    def __enter__(self) -> Held:
        self._made.upstream.before_answer = self._wait
        return self

    def __exit__(self, *_: object) -> None:
        self._go_on.set()
        self._made.upstream.before_answer = None

    def go_on(self) -> None:
        self._go_on.set()

    def _wait(self, seen: Seen) -> None:
        if seen.message.get("method") == self._method:
            self.asked.set()
            self._go_on.wait(60)


@pytest.mark.claim("pages.live-jobs")
def test_a_reading_is_followed_without_asking(made: Stage, page: Page) -> None:
    page.goto("/admin/project/acme/server/docs/")
    with Held(made, "tools/list") as held:
        page.get_by_role("button", name="Read its lists now").click()
        wait_until_live(page)
        text = page.locator("[data-progress-text]")
        assert held.asked.wait(30)
        expect(text).to_have_text(re.compile("^Reading: .*tools"), timeout=SECONDS)
        asked = Asked(page)
        with page.expect_event("websocket", timeout=SECONDS):
            # A page that was opened while it goes on is told of what comes.
            page.reload()
        wait_until_live(page)
        page.wait_for_load_state("networkidle")
        held.go_on()
        expect(text).to_have_text(re.compile("^Read "), timeout=SECONDS)
        expect(page.locator("[data-progress-approved]")).to_have_text("1")
        # What the job brought comes the same way.
        assert asked.of("/progress/") == 0


@pytest.mark.claim("pages.live-jobs")
def test_a_list_of_jobs_is_kept_up_to_date_without_asking(made: Stage, page: Page, browser: Browser) -> None:
    made.shell(_BEGIN)
    path = "/admin/projects/job/"
    page.goto(path)
    wait_until_live(page)
    page.wait_for_load_state("networkidle")
    asked = Asked(page)
    made.shell(_MOVE.format(changes="progress_done=3, progress_total=9, progress_text='halfway'"))
    place = page.locator("[data-job]")
    expect(place).to_have_text("3 of 9 halfway", timeout=SECONDS)
    made.shell(_MOVE.format(changes="progress_done=4, progress_text='<b x-init=canary(3)>further</b>'"))
    expect(place).to_have_text("4 of 9 <b x-init=canary(3)>further</b>", timeout=SECONDS)
    assert asked.of(path) == 0
    with page_of(made, browser, "member") as other:
        # Whoever may follow no log hears of jobs all the same.
        other.goto(path)
        others = asked_from_now_on(other)
        made.shell(_MOVE.format(changes="progress_done=5"))
        expect(other.locator("[data-job]")).to_contain_text("5 of 9", timeout=SECONDS)
        assert others.all() == []
    made.shell(_MOVE.format(changes="state='done', progress_done=9, finished_at='2020-01-01T00:00:00Z'"))
    expect(place).to_have_count(0, timeout=SECONDS)
    assert asked.of(path) == 1


@pytest.mark.claim("pages.live-jobs")
def test_an_export_s_own_page_says_how_far_it_is(made: Stage, page: Page) -> None:
    made.shell(_BEGIN_EXPORT)
    page.goto("/admin/audit/export/")
    page.locator("#result_list tbody a").first.click()
    wait_until_live(page)
    page.wait_for_load_state("networkidle")
    asked = Asked(page)
    made.shell(_MOVE_EXPORT.format(export="error=''", job="progress_done=2, progress_total=5"))
    place = page.locator("[data-job]")
    expect(place).to_have_text("2 of 5", timeout=SECONDS)
    assert asked.of("/change/") == 0
    ended = "state='failed', error='no room'"
    made.shell(_MOVE_EXPORT.format(export=ended, job="state='failed', finished_at='2020-01-01T00:00:00Z'"))
    expect(place).to_have_count(0, timeout=SECONDS)
    expect(page.get_by_text("no room")).to_be_visible()


@pytest.mark.claim("browser.hostile-text")
def test_what_comes_over_the_tail_is_text(made: Stage, page: Page) -> None:
    with page.expect_websocket(timeout=SECONDS):
        page.goto("/admin/audit/event/tail/")
    expect(page.locator("#log-state")).to_have_text("Live", timeout=SECONDS)
    page.wait_for_load_state("networkidle")
    asked = Asked(page)
    made.shell(_EVENTS)
    # The last to come stands first.
    rows = page.locator("#log-tail tbody tr", has_text="mcp.call.outcome")
    expect(rows).to_have_count(len(hostile.MARKUP), timeout=SECONDS)
    assert asked.all() == []
    for number in range(len(hostile.MARKUP)):
        row = rows.nth(len(hostile.MARKUP) - 1 - number)
        texts = row.evaluate("each => [...each.cells].map((cell) => cell.textContent)")
        assert texts.count(hostile.short(number, 60)) == 3
        assert hostile.TEXT[:250] in texts
    names = "each => [...each.querySelectorAll('*')].flatMap((inner) => [inner.tagName, ...inner.getAttributeNames()])"
    assert set(page.locator("#log-tail tbody").evaluate(names)) <= {"TR", "TH", "TD", "A", "href"}
