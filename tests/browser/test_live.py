"""What comes over the pages' sockets in a browser: how far jobs are, and the tail of the log, whatever stands in it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Request, expect

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

    def of(self, end: str) -> int:
        return sum(path.endswith(end) for path in self._paths)


def wait_until_live(page: Page) -> None:
    expect(page.locator("html[data-live='1']")).to_have_count(1, timeout=SECONDS)


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
        before = asked.of("/progress/")
        held.go_on()
        expect(text).to_have_text(re.compile("^Read "), timeout=SECONDS)
        # Asked once, for what the job brought.
        assert asked.of("/progress/") == before + 1


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
    with page_of(made, browser, "member") as alone:
        # Whoever may follow no log has no socket, and asks.
        alone.goto(path)
        others = Asked(alone)
        with alone.expect_navigation(timeout=SECONDS):
            made.shell(_MOVE.format(changes="progress_done=5"))
        expect(alone.locator("[data-job]")).to_contain_text("5 of 9", timeout=SECONDS)
        assert others.of(path) > 0
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
    made.shell(_EVENTS)
    # The last to come stands first.
    rows = page.locator("#log-tail tbody tr", has_text="mcp.call.outcome")
    expect(rows).to_have_count(len(hostile.MARKUP), timeout=SECONDS)
    for number in range(len(hostile.MARKUP)):
        row = rows.nth(len(hostile.MARKUP) - 1 - number)
        texts = row.evaluate("each => [...each.cells].map((cell) => cell.textContent)")
        assert texts.count(hostile.short(number, 60)) == 3
        assert hostile.TEXT[:250] in texts
    names = "each => [...each.querySelectorAll('*')].flatMap((inner) => [inner.tagName, ...inner.getAttributeNames()])"
    assert set(page.locator("#log-tail tbody").evaluate(names)) <= {"TR", "TH", "TD", "A", "href"}
