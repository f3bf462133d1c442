"""When servers are read, what a reading leaves behind, and that none is lost, doubled or in another's way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import Event
from projects import jobs, work
from projects.models import Job, User
from projects.scoping import unscoped, with_project
from servers import reading, services
from servers.models import CommandTemplate, Server, Tool
from tests.cast import Cast, two_tenants
from tests.servers.lister import Lister, introduced, tool
from tests.servers.working import work_off

Captured = Callable[..., Any]


@pytest.fixture
def lister() -> Iterator[Lister]:
    with Lister() as running:
        yield running


@pytest.fixture(autouse=True)
def forget_notes() -> None:
    reading._noted.clear()


def stored(server: Server) -> Server:
    with with_project(server.project_id):
        return Server.objects.select_related("template", "project").get(pk=server.pk)


def set_fields(server: Server, **fields: Any) -> Server:
    with with_project(server.project_id):
        Server.objects.filter(pk=server.pk).update(**fields)
    return stored(server)


def offered(server: Server) -> dict[str, tuple[bool, bool]]:
    """By name, whether it is listed in the modern and in the older era."""
    with with_project(server.project_id):
        rows = Tool.objects.filter(server=server)
        return {row.name: (bool(row.modern_digest), bool(row.legacy_digest)) for row in rows}


def all_jobs() -> list[Job]:
    with unscoped("the test looks"):
        return list(Job.objects.order_by("pk"))


def kinds(prefix: str = "discovery.") -> list[str]:
    return list(Event.objects.filter(kind__startswith=prefix).order_by("ord").values_list("kind", flat=True))


def job_of(server: Server) -> Job:
    return services.rediscover(server=stored(server), requested_by="a test")


@pytest.mark.claim("discovery.stored")
class TestAReading:
    def test_puts_both_eras_into_the_catalogue_and_says_what_the_server_said_of_itself(
        self, cast: Cast, lister: Lister
    ) -> None:
        lister.modern = introduced("modern", instructions="Be kind.") | {
            "tools/list": {"tools": [tool("both"), tool("new")]}
        }
        lister.legacy = introduced("legacy") | {"tools/list": {"tools": [tool("both"), tool("old")]}}
        server = cast.server(url=lister.url)
        assert work_off() == 1
        assert offered(server) == {"both": (True, True), "new": (True, False), "old": (False, True)}
        found = stored(server)
        assert found.about["modern"] == {
            "server_info": {"name": "modern server", "version": "1"}, "capabilities": {"tools": {}},
            "instructions": "Be kind.", "versions": ["2026-07-28"],
        }  # fmt: skip
        assert found.about["legacy"]["server_info"]["name"] == "legacy server"
        assert found.discovered_at is not None
        assert found.discovered_hash == found.config_hash

    def test_is_recorded_with_its_server_when_it_begins_and_when_it_ends(self, cast: Cast, lister: Lister) -> None:
        server = cast.server(url=lister.url)
        work_off()
        assert kinds() == ["discovery.started", "discovery.finished"]
        event = Event.objects.get(kind="discovery.finished")
        assert (event.server_ref, event.server, event.project, event.actor_kind) == (
            server.pk, "docs", "acme", "worker"
        )  # fmt: skip
        assert event.detail == {"found": {"modern": 1, "legacy": 1}}

    def test_shows_how_far_it_is(self, cast: Cast, lister: Lister) -> None:
        server = cast.server(url=lister.url)
        job_of(server)
        lease = jobs.claim()
        assert lease is not None
        reports: list[tuple[int, int, str]] = []
        lease.report = lambda done, total, text="": reports.append((done, total, text))  # type: ignore[method-assign]  # overheard
        work.run(lease)
        assert reports == [(0, 8, "legacy tools, 0 so far"), (4, 8, "modern tools, 0 so far"),
                           (1, 1, "legacy 1, modern 1")]  # fmt: skip

    def test_of_an_era_that_is_not_spoken_now_leaves_what_was_known(self, cast: Cast, lister: Lister) -> None:
        server = cast.server(url=lister.url)
        work_off()
        lister.legacy = None
        job_of(server)
        work_off()
        assert offered(server) == {"modern_tool": (True, False), "legacy_tool": (False, True)}

    def test_of_what_is_listed_no_more_says_so(self, cast: Cast, lister: Lister) -> None:
        server = cast.server(url=lister.url)
        work_off()
        lister.modern = introduced("modern") | {"tools/list": {"tools": []}}
        job_of(server)
        work_off()
        assert offered(server) == {"modern_tool": (False, False), "legacy_tool": (False, True)}

    def test_writes_nothing_when_its_lease_is_lost_meanwhile(self, cast: Cast, lister: Lister) -> None:
        server = cast.server(url=lister.url)
        job_of(server)
        lost = jobs.claim()
        assert lost is not None
        with unscoped("the test makes time pass"):
            Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert jobs.claim() is not None
        work.run(lost)
        assert offered(server) == {}
        assert stored(server).discovered_at is None
        assert kinds() == ["discovery.started"]

    def test_of_a_server_that_was_changed_meanwhile_is_not_taken_and_made_again(
        self, cast: Cast, lister: Lister
    ) -> None:
        server = cast.server(url=lister.url)
        job_of(server)
        lease = jobs.claim()
        assert lease is not None
        with Lister() as other:
            other.modern = introduced("modern") | {"tools/list": {"tools": [tool("of_the_other")]}}
            other.legacy = None
            # What is reported last is said between the reading and the storing.
            lease.report = lambda done, total, text="": _move(server, other.url, total)  # type: ignore[method-assign]  # when it is asked
            work.run(lease)
            assert offered(server) == {}
            assert work_off() == 1
        assert offered(server) == {"of_the_other": (True, False)}

    def test_of_a_server_that_is_gone_or_switched_off_ends_without_a_word(self, cast: Cast, lister: Lister) -> None:
        gone, off = cast.server(url=lister.url), cast.server("off", url=lister.url)
        for server in (gone, off):
            job_of(server)
        services.delete_server(server=stored(gone))
        services.set_server_enabled(server=stored(off), enabled=False)
        assert work_off() == 2
        assert lister.seen == []
        assert {job.state for job in all_jobs()} == {Job.State.DONE}


def _move(server: Server, url: str, total: int) -> None:
    if total == 1:
        moved = stored(server)
        moved.url = url
        services.save_server(server=moved)


@pytest.mark.claim("discovery.errors")
class TestTrouble:
    def test_with_one_server_is_its_own(self, cast: Cast, lister: Lister) -> None:
        with Lister() as gone:
            broken = cast.server("broken", url=gone.url)
        odd = cast.server("odd", url=lister.url + "?", headers={"X-Key": "canary"})
        set_fields(odd, sealed="unreadable")
        fine = cast.server("fine", url=lister.url)
        assert work_off() == 3
        assert offered(fine) == {"modern_tool": (True, False), "legacy_tool": (False, True)}
        assert stored(fine).discovery_error == ""
        assert stored(broken).discovery_error.startswith("unavailable")
        assert stored(odd).discovery_error.startswith("unavailable: its template is switched off, or")

    def test_is_shown_where_the_server_is_and_ends_with_the_next_reading(self, cast: Cast, lister: Lister) -> None:
        pages = Client()
        pages.force_login(User.objects.create_superuser("operator@gateway.test", "x"))
        lister.modern, lister.legacy = {"server/discover": 401}, {"initialize": 401}
        server = cast.server(url=lister.url)
        work_off()
        address = reverse("admin:servers_server_change", args=[server.pk])
        body = pages.get(address).content.decode()
        assert "not read yet; could not be read: unavailable: status 401" in body
        assert reverse("admin:projects_job_change", args=[all_jobs()[0].pk]) in body
        lister.modern, lister.legacy = introduced("modern"), None
        job_of(server)
        work_off()
        body = pages.get(address).content.decode()
        assert "could not be read" not in body
        assert "read at 20" in body

    def test_leads_to_another_try_after_five_minutes_and_leaves_the_catalogue(
        self, cast: Cast, lister: Lister
    ) -> None:
        server = cast.server(url=lister.url)
        work_off()
        before, modern = offered(server), lister.modern
        lister.modern, lister.legacy = introduced("modern") | {"tools/list": 500}, None
        job = job_of(server)
        work_off()
        assert offered(server) == before
        (waiting,) = [each for each in all_jobs() if each.pk == job.pk]
        assert (waiting.state, waiting.error) == (Job.State.QUEUED, "invalid: tools/list was refused with status 500")
        assert timedelta(minutes=4) < waiting.run_after - timezone.now() <= timedelta(minutes=5)
        assert Event.objects.get(kind="discovery.failed").detail == {
            "error": "invalid: tools/list was refused with status 500", "attempt": 1
        }  # fmt: skip
        lister.modern = modern
        with unscoped("the test makes time pass"):
            Job.objects.filter(pk=job.pk).update(run_after=timezone.now())
        assert work_off() == 1
        assert stored(server).discovery_error == ""

    def test_that_nobody_foresaw_is_the_server_s_too(
        self, cast: Cast, lister: Lister, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("servers.conversation.Connections", lambda: 1 / 0)
        server = cast.server(url=lister.url)
        work_off()
        assert stored(server).discovery_error == "invalid: ZeroDivisionError"


@pytest.mark.claim("discovery.when")
class TestServersAreRead:
    def test_when_they_are_made_changed_or_switched_on(
        self, cast: Cast, django_capture_on_commit_callbacks: Captured
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            server = cast.server()
        assert [job.subject_ref for job in all_jobs()] == [server.pk]
        assert reading.ask_due() == 0
        for act in (
            lambda: services.save_server(server=stored(server)),
            lambda: services.set_server_enabled(server=stored(server), enabled=True),
        ):
            with unscoped("the test starts anew"):
                Job.objects.all().delete()
            with django_capture_on_commit_callbacks(execute=True):
                act()
            assert len(all_jobs()) == 1

    def test_when_their_command_template_is_changed(
        self, cast: Cast, django_capture_on_commit_callbacks: Captured
    ) -> None:
        template = services.save_template(template=CommandTemplate(slug="clock", executable="{python}"))
        server = services.new_server(project=cast.acme, slug="clock", transport="stdio", template=template)
        services.save_server(server=server)
        with django_capture_on_commit_callbacks(execute=True):
            services.save_template(template=template)
        assert [job.subject_ref for job in all_jobs()] == [server.pk]

    def test_not_when_the_change_was_taken_back(
        self, cast: Cast, django_capture_on_commit_callbacks: Captured
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
            cast.server()
            transaction.set_rollback(True)
        assert all_jobs() == []

    def test_when_nobody_asked_before_they_are_due(self, cast: Cast) -> None:
        server = cast.server()
        assert reading.ask_due() == 1
        assert reading.ask_due() == 0
        (job,) = all_jobs()
        assert (job.subject_ref, job.requested_by) == (server.pk, "schedule")

    @pytest.mark.parametrize(("own", "expected"), [(None, 4 * 3600), (60, 60)])
    def test_again_after_their_period(
        self, cast: Cast, lister: Lister, own: int | None, expected: int
    ) -> None:
        server = set_fields(cast.server(url=lister.url), discovery_seconds=own)
        work_off()
        due = stored(server).discovery_due_at
        assert due is not None
        assert abs((due - timezone.now()).total_seconds() - expected) < 30
        assert reading.ask_due() == 0
        set_fields(server, discovery_due_at=timezone.now() - timedelta(seconds=1))
        assert reading.ask_due() == 1

    def test_on_demand_once_however_often_it_is_demanded(self, cast: Cast) -> None:
        server = cast.server()
        assert job_of(server).pk == job_of(server).pk
        with pytest.raises(ValidationError):
            services.rediscover(server=set_fields(server, enabled=False))

    def test_on_demand_in_the_pages(self, cast: Cast) -> None:
        pages = Client()
        pages.force_login(User.objects.create_superuser("operator@gateway.test", "x"))
        server = cast.server()
        data = {"action": "read_servers", "_selected_action": server.pk}
        pages.post(reverse("admin:servers_server_changelist"), data)
        (job,) = all_jobs()
        assert (job.subject_ref, job.requested_by) == (server.pk, "operator@gateway.test")

    def test_soon_after_they_say_that_their_lists_changed_and_not_each_time(
        self, cast: Cast, lister: Lister, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "_NOTED_SECONDS", 0.0)
        server = cast.server(url=lister.url)
        work_off()
        noted = [services.note_list_changed(server.pk) for _ in range(3)]
        assert len({job.pk for job in noted if job is not None}) == 1
        job = all_jobs()[-1]
        assert (job.state, job.requested_by) == (Job.State.QUEUED, "list changed")
        assert timedelta(seconds=5) < job.run_after - timezone.now() <= timedelta(seconds=10)

    def test_not_more_often_than_notes_are_worth_a_look(self, cast: Cast) -> None:
        server = cast.server()
        assert services.note_list_changed(server.pk) is not None
        assert services.note_list_changed(server.pk) is None
        assert services.note_list_changed(10**9) is None
        off = set_fields(cast.server("off"), enabled=False)
        assert services.note_list_changed(off.pk) is None

    def test_after_a_deploy_when_the_catalogue_is_missing_or_old(self, cast: Cast) -> None:
        new, old, fresh, off = (cast.server(slug) for slug in ("new", "old", "fresh", "off"))
        foreign = cast.server("foreign", project=cast.globex)
        set_fields(old, discovered_at=timezone.now() - timedelta(hours=5))
        set_fields(fresh, discovered_at=timezone.now() - timedelta(hours=3))
        set_fields(off, enabled=False)
        assert {job.subject_ref for job in services.warm(cast.acme)} == {new.pk, old.pk}
        assert {job.subject_ref for job in services.warm()} == {new.pk, old.pk, foreign.pk}
        set_fields(fresh, discovery_seconds=3600)
        assert fresh.pk in {job.subject_ref for job in services.warm()}


@pytest.mark.claim("discovery.when")
class TestCommands:
    @pytest.fixture
    def committed(self, transactional_db: None) -> Cast:
        if connection.vendor == "sqlite":
            pytest.skip("the test database in memory locks tables, where the one on disk waits")
        return two_tenants()

    def run(self, *arguments: str) -> str:
        out = StringIO()
        call_command(*arguments, stdout=out)
        return out.getvalue()

    def test_warm_asks_for_what_is_missing(self, cast: Cast) -> None:
        cast.server()
        assert self.run("warm") == "1 servers are to be read.\n"
        with pytest.raises(CommandError):
            self.run("warm", "--project", "nobody")

    def test_discover_waits_for_what_it_asked_for_and_fails_when_that_does(
        self, committed: Cast, lister: Lister
    ) -> None:
        server, other = committed.server(url=lister.url), committed.server("other", project=committed.globex)
        assert "acme: Read the lists of docs: legacy 1, modern 1" in self.run(
            "discover", "--project", "acme", "--server", "docs", "--wait"
        )
        assert stored(server).discovered_at is not None
        assert stored(other).discovered_at is None
        with pytest.raises(CommandError, match="1 of 2 servers"):
            self.run("discover", "--wait")
        with pytest.raises(CommandError):
            self.run("discover", "--server", "nobody")


@pytest.mark.claim("discovery.when")
def test_with_no_period_servers_are_read_only_when_somebody_asks(
    cast: Cast, settings: Any, django_capture_on_commit_callbacks: Captured
) -> None:
    settings.DISCOVERY_SECONDS = 0
    with django_capture_on_commit_callbacks(execute=True):
        server = cast.server()
    assert reading.ask_due() == 0
    assert reading.note_list_changed(server.pk) is None
    assert all_jobs() == []
    assert job_of(server).state == Job.State.QUEUED
