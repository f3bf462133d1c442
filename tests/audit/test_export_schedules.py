"""Schedules: exports that follow one another, into allowed folders and into buckets that check the signature."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from audit import exports, signing
from audit.models import Event, Export, ExportSchedule, Seal
from audit.s3 import Bucket as Signer
from audit.verify_export import verify_export
from projects.models import Job, Project
from projects.scoping import unscoped, with_project
from tests.audit.bucket import KEY_ID, REGION, SECRET, Bucket
from tests.audit.exporting import files_left, run_worker
from tests.audit.sealing import seal_all, write
from tests.cast import Cast

pytestmark = pytest.mark.django_db(transaction=True)
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

_STORED = {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}
_BODY = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
# Method, address, headers and digest of the body, and the signature.
EXAMPLES: list[tuple[tuple[str, str, dict[str, str], str], str]] = [
    (("GET", "/test.txt", {"Range": "bytes=0-9"}, EMPTY),
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
    (("PUT", "/test$file.text", _STORED, _BODY), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
    (("GET", "/?lifecycle", {}, EMPTY), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
    (("GET", "/?max-keys=2&prefix=J", {}, EMPTY), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
]  # fmt: skip


@pytest.fixture
def acme(cast: Cast, tmp_path: Path, settings: Any) -> Project:
    settings.EXPORT_DIR = tmp_path / "exports"
    settings.EXPORT_DIR.mkdir()
    settings.EXPORT_DIRECTORIES = [tmp_path / "allowed"]
    settings.EGRESS_ALLOW = ["127.0.0.1"]
    return cast.acme


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with Bucket() as bucket:
        yield bucket


def to_folder(project: Project, folder: Path, **fields: Any) -> ExportSchedule:
    made = ExportSchedule(project=project, form=fields.pop("form", "jsonl"), directory=str(folder), **fields)
    return exports.schedule_export(schedule=made)


def to_bucket(project: Project, store: Bucket, secret: str = SECRET, **fields: Any) -> ExportSchedule:
    given = {"endpoint": store.url, "region": REGION, "bucket": "logs", "prefix": "audit/", "key_id": KEY_ID, **fields}
    return exports.schedule_export(
        schedule=ExportSchedule(project=project, form="csv", destination="s3", **given), secret=secret
    )


def is_due(schedule: ExportSchedule) -> None:
    with unscoped("the test makes time pass"):
        ExportSchedule.objects.filter(pk=schedule.pk).update(next_at=timezone.now())


def retry_now() -> None:
    with unscoped("the test makes time pass"):
        Job.objects.filter(state=Job.State.QUEUED).update(run_after=timezone.now())


def again(schedule: ExportSchedule) -> ExportSchedule:
    with unscoped("the test looks"):
        return ExportSchedule.objects.get(pk=schedule.pk)


def fill(project: Project, count: int) -> None:
    if count:
        write(count, project_ref=project.pk, project=project.slug)
    seal_all()


def numbers_in(path: Path) -> list[int]:
    with zipfile.ZipFile(path) as found:
        lines = found.read("events.jsonl").splitlines()
    return [each["seq"] for each in map(json.loads, lines) if "event" in each]


@pytest.mark.claim("exports.schedules")
class TestASchedule:
    def test_goes_on_where_it_ended_without_gap_or_overlap(self, acme: Project, tmp_path: Path) -> None:
        folder = tmp_path / "allowed" / "acme"
        schedule = to_folder(acme, folder)
        for count in (5, 3, 0):
            fill(acme, count)
            is_due(schedule)
            assert exports.begin_due() == 1
            run_worker()
            seal_all()
        paths = sorted(folder.iterdir(), key=lambda path: int(path.name.split("-")[2]))
        seen = [number for path in paths for number in numbers_in(path)]
        assert seen == list(range(1, len(seen) + 1))
        assert len(seen) < Seal.objects.filter(project_ref=acme.pk).count()
        assert again(schedule).next_seq == len(seen) + 1
        for path in paths:
            assert verify_export(path, signing.public_keys()).is_intact
            assert path.stat().st_mode & 0o777 == 0o600
            with unscoped("the test looks"):
                made = Export.objects.get(uid__startswith=path.stem.rpartition("-")[2])
            assert hashlib.sha256(path.read_bytes()).hexdigest() == made.sha256
            assert made.file_name == path.name

    def test_begins_once_however_many_look(self, acme: Project, tmp_path: Path) -> None:
        schedule = to_folder(acme, tmp_path / "allowed")
        assert exports.begin_due() == 0
        is_due(schedule)
        stale = again(schedule)
        assert exports.begin_due() == 1
        with unscoped("another process that looked earlier"):
            assert not exports._begin(stale, timezone.now())
        assert exports.begin_due() == 0

    def test_waits_for_its_last_one_and_then_has_what_that_missed(
        self, acme: Project, tmp_path: Path, settings: Any
    ) -> None:
        schedule = to_folder(acme, tmp_path / "allowed")
        fill(acme, 4)
        (tmp_path / "allowed").write_text("no folder")
        is_due(schedule)
        exports.begin_due()
        run_worker()
        assert again(schedule).last_error.startswith("the file: ")
        is_due(schedule)
        assert exports.begin_due() == 0
        for _ in range(4):
            retry_now()
            run_worker()
        with unscoped("the test looks"):
            assert Export.objects.get().state == "failed"
        exports.prune()
        assert files_left() == []
        (tmp_path / "allowed").unlink()
        assert exports.begin_due() == 1
        run_worker()
        (path,) = (tmp_path / "allowed").iterdir()
        assert numbers_in(path)[0] == 1
        assert again(schedule).last_error == ""

    def test_that_is_off_or_of_a_project_that_is_off_does_nothing(self, acme: Project, tmp_path: Path) -> None:
        is_due(to_folder(acme, tmp_path / "allowed", enabled=False))
        assert exports.begin_due() == 0
        is_due(to_folder(acme, tmp_path / "allowed"))
        Project.objects.filter(pk=acme.pk).update(enabled=False)
        assert exports.begin_due() == 0

    def test_is_one_of_so_many(
        self, acme: Project, cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(exports, "_MOST_SCHEDULES", 1)
        schedule = to_folder(acme, tmp_path / "allowed")
        with pytest.raises(ValidationError, match="1 schedules"):
            to_folder(acme, tmp_path / "allowed")
        to_folder(cast.globex, tmp_path / "allowed")
        exports.delete_schedule(schedule=schedule)
        to_folder(acme, tmp_path / "allowed")

    def test_has_its_day(self) -> None:
        for every, after, then in (
            ("day", datetime(2026, 11, 27, 9, tzinfo=UTC), datetime(2026, 11, 28, 0, 5, tzinfo=UTC)),
            ("day", datetime(2026, 12, 31, 23, 59, tzinfo=UTC), datetime(2027, 1, 1, 0, 5, tzinfo=UTC)),
            ("week", datetime(2026, 11, 27, 9, tzinfo=UTC), datetime(2026, 11, 30, 0, 5, tzinfo=UTC)),
            ("week", datetime(2026, 11, 30, 9, tzinfo=UTC), datetime(2026, 12, 7, 0, 5, tzinfo=UTC)),
        ):
            assert exports.following(every, after) == then

    def test_is_on_record_when_it_is_made_changed_and_deleted(self, acme: Project, tmp_path: Path) -> None:
        schedule = to_folder(acme, tmp_path / "allowed")
        schedule.every = "week"
        exports.change_schedule(schedule=schedule)
        assert again(schedule).next_at.weekday() == 0
        exports.delete_schedule(schedule=schedule)
        events = list(Event.objects.filter(kind__startswith="audit.schedule").order_by("ord"))
        assert [event.kind for event in events] == [
            "audit.schedule_created", "audit.schedule_changed", "audit.schedule_deleted"
        ]  # fmt: skip
        assert {event.project_ref for event in events} == {acme.pk}
        assert (events[1].detail["before"]["every"], events[1].detail["every"]) == ("day", "week")


@pytest.mark.claim("exports.places")
class TestAFolder:
    def test_is_inside_of_what_the_operator_allows(self, acme: Project, tmp_path: Path) -> None:
        (tmp_path / "allowed").mkdir()
        (tmp_path / "outside").mkdir()
        (tmp_path / "allowed" / "link").symlink_to(tmp_path / "outside")
        for place in ("/etc", "allowed", "", f"{tmp_path}/allowed/../outside", f"{tmp_path}/allowed-too",
                      f"{tmp_path}/allowed/link/x", f"{tmp_path}/allowed\0"):  # fmt: skip
            with pytest.raises(ValidationError):
                exports.schedule_export(schedule=ExportSchedule(project=acme, form="csv", directory=place))
        with unscoped("the test looks"):
            assert not ExportSchedule.objects.exists()

    def test_is_none_unless_the_operator_allows_some(self, acme: Project, tmp_path: Path, settings: Any) -> None:
        settings.EXPORT_DIRECTORIES = []
        with pytest.raises(ValidationError, match="GATEWAY_EXPORT_DIRECTORIES"):
            to_folder(acme, tmp_path / "allowed")

    def test_that_is_allowed_no_longer_gets_nothing(self, acme: Project, tmp_path: Path, settings: Any) -> None:
        schedule = to_folder(acme, tmp_path / "allowed" / "acme")
        settings.EXPORT_DIRECTORIES = [tmp_path / "other"]
        is_due(schedule)
        exports.begin_due()
        run_worker()
        assert not (tmp_path / "allowed").exists()
        assert "Give a folder inside of" in again(schedule).last_error

    def test_that_became_a_link_to_elsewhere_gets_nothing(self, acme: Project, tmp_path: Path) -> None:
        schedule = to_folder(acme, tmp_path / "allowed" / "acme")
        (tmp_path / "allowed").mkdir()
        (tmp_path / "outside").mkdir()
        (tmp_path / "allowed" / "acme").symlink_to(tmp_path / "outside")
        is_due(schedule)
        exports.begin_due()
        run_worker()
        assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.claim("exports.places")
@pytest.mark.claim("exports.signed-requests")
class TestABucket:
    def test_gets_the_file_in_a_signed_request(self, acme: Project, bucket: Bucket) -> None:
        schedule = to_bucket(acme, bucket)
        fill(acme, 5)
        is_due(schedule)
        exports.begin_due()
        run_worker()
        with unscoped("the test looks"):
            export = Export.objects.select_related("project").get()
        assert bucket.refused == []
        ((path, body),) = bucket.objects.items()
        assert path == f"/logs/audit/{export.file_name}"
        assert hashlib.sha256(body).hexdigest() == export.sha256
        assert again(schedule).last_error == ""

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"secret": "another"}, "SignatureDoesNotMatch"),
            ({"key_id": "another"}, "InvalidAccessKeyId"),
            ({"region": "us-east-1"}, "AuthorizationHeaderMalformed"),
        ],
    )
    def test_that_refuses_is_told_and_asked_again(
        self, acme: Project, bucket: Bucket, fields: dict[str, str], code: str
    ) -> None:
        schedule = to_bucket(acme, bucket, **fields)
        is_due(schedule)
        exports.begin_due()
        run_worker()
        assert again(schedule).last_error == f"the bucket: status 403, {code}"
        assert bucket.objects == {}
        exports.change_schedule(
            schedule=_changed(again(schedule), key_id=KEY_ID, region=REGION), secret=SECRET
        )
        retry_now()
        run_worker()
        assert len(bucket.objects) == 1
        assert again(schedule).last_error == ""

    def test_that_cannot_be_reached_now_gets_the_same_file_later(self, acme: Project, bucket: Bucket) -> None:
        bucket.failing = 503
        schedule = to_bucket(acme, bucket)
        is_due(schedule)
        exports.begin_due()
        run_worker()
        assert again(schedule).last_error == "the bucket: status 503, SlowDown"
        bucket.failing = 0
        retry_now()
        run_worker()
        assert len(bucket.objects) == 1

    def test_is_outside_only_through_the_egress_rules(self, acme: Project, bucket: Bucket, settings: Any) -> None:
        schedule = to_bucket(acme, bucket)
        settings.EGRESS_ALLOW = []
        with pytest.raises(ValidationError):
            to_bucket(acme, bucket)
        is_due(schedule)
        exports.begin_due()
        run_worker()
        assert again(schedule).last_error == "the bucket: loopback address"
        assert bucket.objects == {}

    def test_has_a_name_that_can_be_read_in_one_way_only(self, acme: Project, bucket: Bucket) -> None:
        for fields in (
            {"bucket": "Logs"}, {"bucket": "a/b"}, {"bucket": ""}, {"prefix": "/x"}, {"prefix": "a//b"},
            {"prefix": "../x"}, {"prefix": "a/./b"}, {"prefix": "a%2fb"}, {"region": "eu\n"}, {"key_id": "a/b"},
            {"endpoint": "https://store.test/path"}, {"endpoint": "https://user:pw@store.test"},
            {"endpoint": "https://store.test?"}, {"endpoint": "https://store.test#"}, {"endpoint": "https://store.test\n"},
            {"endpoint": " https://store.test"}, {"endpoint": "ftp://store.test"},
            {"endpoint": "http://169.254.169.254"}, {"secret": ""},
        ):  # fmt: skip
            with pytest.raises(ValidationError):
                to_bucket(acme, bucket, **fields)

    def test_is_asked_as_in_the_examples_of_the_standard(self) -> None:
        key = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
        signer = Signer("https://examplebucket.s3.amazonaws.com", "", "us-east-1", *key)
        for (method, address, headers, sha256), signature in EXAMPLES:
            sent = signer.signed(
                method, signer.endpoint + address, headers, sha256, datetime(2013, 5, 24, tzinfo=UTC)
            )
            assert sent["Authorization"].endswith(f"Signature={signature}")


def _changed(schedule: ExportSchedule, **fields: Any) -> ExportSchedule:
    with unscoped("the test"):
        schedule.project  # noqa: B018  looked up here
    for name, value in fields.items():
        setattr(schedule, name, value)
    return schedule


@pytest.mark.claim("exports.secrets")
class TestTheSecretOfABucket:
    def test_is_stored_encrypted_and_bound_to_its_row(self, acme: Project, bucket: Bucket) -> None:
        one, other = to_bucket(acme, bucket), to_bucket(acme, bucket)
        assert again(one).secret == SECRET
        with unscoped("the test looks"):
            assert SECRET not in str(list(ExportSchedule.objects.values()))
        other.sealed = one.sealed
        with pytest.raises(Exception, match="does not open"):
            other.secret  # noqa: B018  opened here

    def test_is_in_no_event_export_or_text(self, acme: Project, bucket: Bucket) -> None:
        schedule = to_bucket(acme, bucket, secret=SECRET)
        bucket.failing = 500
        is_due(schedule)
        exports.begin_due()
        run_worker()
        bucket.failing = 0
        retry_now()
        run_worker()
        for text in (list(Event.objects.values()), list(bucket.objects.values()), schedule.__dict__, Signer(
            "https://x.test", "b", "r", "k", SECRET)):  # fmt: skip
            assert SECRET not in str(text)
        assert "canary" not in str(list(Event.objects.values()))

    def test_does_not_follow_to_another_place(self, acme: Project, bucket: Bucket) -> None:
        schedule = to_bucket(acme, bucket)
        for changes in ({"endpoint": "https://elsewhere.test"}, {"key_id": "another"}):
            with pytest.raises(ValidationError, match="again"):
                exports.change_schedule(schedule=_changed(again(schedule), **changes))
        exports.change_schedule(schedule=_changed(again(schedule), prefix="other/"))
        assert again(schedule).secret == SECRET
        exports.change_schedule(
            schedule=_changed(again(schedule), endpoint="https://elsewhere.test"), secret="new"
        )
        assert again(schedule).secret == "new"


@pytest.mark.claim("exports.isolated")
def test_a_schedule_of_another_project_is_invisible(cast: Cast, acme: Project, tmp_path: Path) -> None:
    schedule = to_folder(acme, tmp_path / "allowed")
    with with_project(cast.globex.pk):
        assert not ExportSchedule.objects.filter(pk=schedule.pk).exists()
        assert not Export.objects.exists()


@pytest.mark.claim("exports.schedules")
def test_the_last_export_of_a_deleted_schedule_stays(acme: Project, tmp_path: Path) -> None:
    schedule = to_folder(acme, tmp_path / "allowed")
    is_due(schedule)
    exports.begin_due()
    run_worker()
    exports.delete_schedule(schedule=schedule)
    with unscoped("the test looks"):
        expires_at = Export.objects.get().expires_at
    assert expires_at is not None
    assert expires_at > timezone.now() + timedelta(days=6)
