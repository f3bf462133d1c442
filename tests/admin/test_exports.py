"""Exports in the browser: who may ask for, see and download them, and what everybody else is told."""

from __future__ import annotations

import io
import uuid
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import reverse
from django.utils import timezone

from audit import exports
from audit.models import Event, Export, ExportSchedule
from projects import services
from projects.models import Project, User
from projects.permissions import Role
from projects.scoping import unscoped
from tests.admin.conftest import PASSWORD, everything_stored
from tests.audit.exporting import again, archive, make, run_worker
from tests.audit.sealing import seal_all, write
from tests.cast import Cast, two_tenants

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "canary/secret/access/key"


@pytest.fixture
def cast(transactional_db: None, tmp_path: Path, settings: Any) -> Cast:
    settings.EXPORT_DIR = tmp_path / "exports"
    settings.EXPORT_DIR.mkdir()
    settings.EXPORT_DIRECTORIES = [tmp_path / "allowed"]
    return two_tenants()


@pytest.fixture
def ready(cast: Cast) -> Export:
    """An export of acme."""
    write(5, project_ref=cast.acme.pk, project="acme")
    seal_all()
    return make(cast.acme, "csv")


def browser(user: User, is_staff: bool = True) -> Client:
    if is_staff and not user.is_staff:
        User.objects.filter(pk=user.pk).update(is_staff=True)
    client = Client()
    client.force_login(user)
    return client


def address(uid: uuid.UUID) -> str:
    return reverse("audit-export-download", args=[uid])


def body(response: Any) -> bytes:
    assert isinstance(response, StreamingHttpResponse)
    return b"".join(response)


def admin_of(project: Project) -> User:
    user = User.objects.create_user("dora@acme.test", PASSWORD)
    services.set_member(project=project, user=user, role=Role.ADMIN)
    return user


@pytest.mark.claim("exports.download")
class TestADownload:
    def test_is_for_the_owner_the_admin_the_auditor_and_operators_and_is_recorded(
        self, cast: Cast, ready: Export, operator: User
    ) -> None:
        for user in (cast.ada, admin_of(cast.acme), cast.carla, operator):
            response = browser(user, is_staff=False).get(address(ready.uid))
            assert response.status_code == 200
            content = body(response)
            assert content == archive(ready).read_bytes()
            assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
            assert response["Content-Disposition"] == f'attachment; filename="{ready.file_name}"'
            assert response["Content-Length"] == str(len(content))
            assert "no-store" in response["Cache-Control"]
            event = Event.objects.filter(kind="audit.export_downloaded").latest("ord")
            assert (event.actor, event.subject, event.project_ref) == (user.email, str(ready.uid), cast.acme.pk)
        assert Event.objects.filter(kind="audit.export_downloaded").count() == 4

    @pytest.mark.asyncio
    async def test_is_the_same_under_asgi_where_it_is_read_beside_the_event_loop(
        self, cast: Cast, ready: Export
    ) -> None:
        client = AsyncClient()
        client.cookies = (await sync_to_async(browser)(cast.ada, is_staff=False)).cookies
        response = await client.get(address(ready.uid))
        assert isinstance(response, StreamingHttpResponse)
        assert response.is_async
        content = b"".join([part async for part in response])
        assert content == archive(ready).read_bytes()
        assert response["Content-Length"] == str(len(content))
        # Of the thread that what blocks is done in.
        await sync_to_async(connections.close_all)()

    @pytest.mark.claim("exports.isolated")
    def test_of_anothers_answers_as_one_that_never_was(self, cast: Cast, ready: Export) -> None:
        nobody = User.objects.create_user("nobody@nowhere.test", PASSWORD)
        for user in (cast.mallory, cast.bob, nobody):
            client = browser(user, is_staff=False)
            foreign, random = (client.get(address(uid)) for uid in (ready.uid, uuid.uuid4()))
            assert (foreign.status_code, random.status_code) == (404, 404)
            assert foreign.content == random.content
            assert foreign.headers.keys() == random.headers.keys()
        assert not Event.objects.filter(kind="audit.export_downloaded").exists()

    def test_needs_somebody_who_is_signed_in_and_still_belongs(self, cast: Cast, ready: Export) -> None:
        response = Client().get(address(ready.uid))
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("admin:login"))
        client = browser(cast.carla)
        services.remove_member(membership=cast.membership(cast.carla))
        assert client.get(address(ready.uid)).status_code == 404
        User.objects.filter(pk=cast.ada.pk).update(is_active=False)
        assert browser(cast.ada).get(address(ready.uid)).status_code == 302

    def test_ends_when_the_export_expires(self, cast: Cast, ready: Export) -> None:
        with unscoped("the test makes time pass"):
            Export.objects.filter(pk=ready.pk).update(expires_at=timezone.now())
        client = browser(cast.ada)
        assert client.get(address(ready.uid)).status_code == 410
        exports.prune()
        assert client.get(address(ready.uid)).status_code == 410
        assert browser(cast.mallory).get(address(ready.uid)).status_code == 404

    def test_is_of_nothing_that_is_not_ready_or_not_here(self, cast: Cast, ready: Export) -> None:
        waiting = exports.request_export(project=cast.acme, form="csv")
        client = browser(cast.ada)
        assert client.get(address(waiting.uid)).status_code == 409
        archive(ready).unlink()
        response = client.get(address(ready.uid))
        assert response.status_code == 503
        assert str(archive(ready).parent).encode() not in response.content

    def test_is_read_only(self, cast: Cast, ready: Export) -> None:
        client = browser(cast.ada)
        for method in ("post", "put", "delete", "head"):
            assert getattr(client, method)(address(ready.uid)).status_code == 405

    def test_that_cannot_be_recorded_is_refused(
        self, cast: Cast, ready: Export, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: Any, **__: Any) -> None:
            raise OSError("the log is away")

        monkeypatch.setattr("audit.export_views.record_act", refuse)
        client = browser(cast.ada)
        client.raise_request_exception = False
        assert client.get(address(ready.uid)).status_code == 500


@pytest.mark.claim("exports.download")
class TestThePages:
    def test_take_a_request_and_show_how_far_it_is(self, cast: Cast, pages: Client) -> None:
        write(5, project_ref=cast.acme.pk, project="acme")
        seal_all()
        data = {
            "project": cast.acme.pk, "form": "csv", "since_0": "2026-03-04", "since_1": "05:06:08", "server": "docs",
        }  # fmt: skip
        assert pages.post(reverse("admin:audit_export_add"), data).status_code == 302
        with unscoped("the test looks"):
            export = Export.objects.get()
        assert export.filters == {"since": "2026-03-04T05:06:08.000000Z", "server": "docs"}
        listed = reverse("admin:audit_export_changelist")
        assert '<meta http-equiv="refresh"' in pages.get(listed).content.decode()
        run_worker()
        page = pages.get(listed).content.decode()
        assert address(export.uid) in page
        assert '<meta http-equiv="refresh"' not in page
        one = pages.get(reverse("admin:audit_export_change", args=[export.pk])).content.decode()
        assert again(export).sha256 in one
        assert Event.objects.filter(kind="audit.export_requested").latest("ord").actor == "operator@gateway.test"

    def test_say_what_is_wrong_with_a_request(self, cast: Cast, pages: Client) -> None:
        data = {
            "project": cast.acme.pk, "form": "csv", "since_0": "2026-03-04", "since_1": "05:06:08",
            "until_0": "2026-03-04", "until_1": "05:06:08",
        }  # fmt: skip
        response = pages.post(reverse("admin:audit_export_add"), data)
        assert "not after the beginning" in str(response.context["adminform"].form.errors)
        response = pages.post(reverse("admin:audit_export_add"), {"project": cast.acme.pk, "form": "xml"})
        assert response.status_code == 200
        with unscoped("the test looks"):
            assert not Export.objects.exists()

    def test_delete_an_export_with_its_file(self, ready: Export, pages: Client) -> None:
        pages.post(reverse("admin:audit_export_delete", args=[ready.pk]), {"post": "yes"})
        assert not archive(ready).exists()
        assert Event.objects.filter(kind="audit.export_deleted").exists()

    @pytest.mark.claim("exports.isolated")
    @pytest.mark.parametrize("name", ["ada", "carla"])
    def test_show_a_project_to_its_own_people_only(self, cast: Cast, ready: Export, name: str) -> None:
        foreign = make(cast.globex, "csv")
        client = browser(getattr(cast, name))
        page = client.get(reverse("admin:audit_export_changelist")).content.decode()
        assert address(ready.uid) in page
        assert "globex" not in page
        assert client.get(reverse("admin:audit_export_change", args=[ready.pk])).status_code == 200
        gone, never = (client.get(reverse("admin:audit_export_change", args=[pk])) for pk in (foreign.pk, 999_999))
        assert (gone.status_code, gone["Location"]) == (never.status_code, never["Location"]) == (302, "/admin/")
        assert "globex" not in client.get(reverse("admin:audit_export_add")).content.decode()
        data = {"project": cast.globex.pk, "form": "csv"}
        assert client.post(reverse("admin:audit_export_add"), data).status_code == 200
        assert client.post(reverse("admin:audit_export_add"), {**data, "project": cast.acme.pk}).status_code == 302
        client.post(reverse("admin:audit_export_delete", args=[foreign.pk]), {"post": "yes"})
        client.post(
            reverse("admin:audit_export_changelist"),
            {"action": "delete_selected", "_selected_action": foreign.pk, "post": "yes"},
        )
        assert again(foreign).state == "ready"
        with unscoped("the test looks"):
            assert Export.objects.filter(project=cast.globex).count() == 1
            assert Export.objects.filter(project=cast.acme).count() == 2

    @pytest.mark.claim("exports.isolated")
    def test_are_closed_to_who_only_calls(self, cast: Cast, ready: Export) -> None:
        client = browser(cast.bob)
        for page in ("export_changelist", "export_add", "exportschedule_changelist", "exportschedule_add"):
            assert client.get(reverse(f"admin:audit_{page}")).status_code == 403
        assert client.get(reverse("admin:audit_export_change", args=[ready.pk])).status_code == 403


class TestThePagesOfSchedules:
    DATA = {
        "form": "csv", "every": "day", "destination": "s3", "endpoint": "https://203.0.114.1", "region": "us-east-1",
        "bucket": "logs", "prefix": "audit/", "key_id": "AKID", "enabled": "on", "outcome": "refused",
    }  # fmt: skip

    @pytest.mark.claim("exports.secrets")
    def test_take_a_secret_and_never_show_it(self, cast: Cast, pages: Client) -> None:
        data = {**self.DATA, "project": cast.acme.pk, "secret": SECRET}
        assert pages.post(reverse("admin:audit_exportschedule_add"), data).status_code == 302
        with unscoped("the test looks"):
            schedule = ExportSchedule.objects.get()
            assert (schedule.secret, schedule.filters) == (SECRET, {"outcome": "refused"})
        change = reverse("admin:audit_exportschedule_change", args=[schedule.pk])
        for page in (change, reverse("admin:audit_exportschedule_changelist")):
            assert SECRET not in pages.get(page).content.decode()
        assert SECRET not in everything_stored()
        assert pages.post(change, {**self.DATA, "every": "week"}).status_code == 302
        with unscoped("the test looks"):
            schedule = ExportSchedule.objects.get()
            assert (schedule.every, schedule.secret) == ("week", SECRET)
        moved = pages.post(change, {**self.DATA, "endpoint": "https://203.0.114.2", "secret": ""})
        assert moved.status_code == 200
        wrong = pages.post(reverse("admin:audit_exportschedule_add"), {**data, "bucket": "NO", "secret": SECRET})
        assert wrong.status_code == 200
        assert SECRET not in wrong.content.decode()

    @pytest.mark.claim("exports.places")
    def test_refuse_folders_that_are_not_allowed(self, cast: Cast, pages: Client) -> None:
        data = {"project": cast.acme.pk, "form": "csv", "every": "day", "destination": "directory", "directory": "/etc"}
        response = pages.post(reverse("admin:audit_exportschedule_add"), data)
        assert "Give a folder inside of" in str(response.context["adminform"].form.errors)

    @pytest.mark.claim("exports.isolated")
    def test_are_for_owners_and_admins_and_not_for_auditors(self, cast: Cast) -> None:
        data = {**self.DATA, "project": cast.acme.pk, "secret": SECRET}
        assert browser(cast.carla).post(reverse("admin:audit_exportschedule_add"), data).status_code == 403
        assert browser(cast.mallory).post(reverse("admin:audit_exportschedule_add"), data).status_code == 200
        with unscoped("the test looks"):
            assert not ExportSchedule.objects.exists()
        assert browser(cast.ada).post(reverse("admin:audit_exportschedule_add"), data).status_code == 302
        with unscoped("the test looks"):
            schedule = ExportSchedule.objects.get()
        page = reverse("admin:audit_exportschedule_change", args=[schedule.pk])
        assert browser(cast.mallory).get(page).status_code == 302
        assert browser(cast.ada).get(page).status_code == 200
        assert schedule.next_at > timezone.now() - timedelta(minutes=1)
        browser(cast.mallory).post(reverse("admin:audit_exportschedule_delete", args=[schedule.pk]), {"post": "yes"})
        with unscoped("the test looks"):
            assert ExportSchedule.objects.exists()
        browser(cast.ada).post(reverse("admin:audit_exportschedule_delete", args=[schedule.pk]), {"post": "yes"})
        with unscoped("the test looks"):
            assert not ExportSchedule.objects.exists()
