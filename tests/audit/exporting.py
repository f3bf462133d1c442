"""Exports for the tests: a log of every kind of event, exports made by a worker's turn, and what is in them."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.conf import settings

from audit import exports
from audit.entry import Entry
from audit.filters import Filters
from audit.models import Export, Seal
from projects import jobs, work
from projects.models import Job, Project
from projects.scoping import unscoped
from tests.audit.sealing import seal_all, write
from tests.cast import Cast

NOTHING = Filters()


def make(project: Project, form: str = "jsonl", filters: Filters = NOTHING) -> Export:
    """Asked for, and made by a worker."""
    export = exports.request_export(project=project, form=form, filters=filters)
    run_worker()
    return again(export)


def run_worker(before: Callable[[], object] = lambda: None) -> int:
    """Turns of a worker in this thread, until nothing is due. How many."""
    turns = 0
    while (lease := jobs.claim()) is not None:
        before()
        work.run(lease)
        turns += 1
    return turns


def again(export: Export) -> Export:
    with unscoped("the test looks"):
        return Export.objects.select_related("project", "schedule").get(pk=export.pk)


def job_of(export: Export) -> Job:
    with unscoped("the test looks"):
        return Job.objects.filter(kind=exports.KIND, subject_ref=export.pk).latest("pk")


def archive(export: Export) -> Path:
    return exports.archive_of(export.uid)


def file_of(export: Export, name: str = "") -> bytes:
    """The file with the events, unless another is named."""
    with zipfile.ZipFile(archive(export)) as found:
        return found.read(name or next(each for each in found.namelist() if each.startswith("events.")))


def readable(name: str, content: bytes) -> bytes:
    """A file's texts, also of one that is compressed."""
    return repr(pq.read_table(io.BytesIO(content)).to_pylist()).encode() if name.endswith(".parquet") else content


def manifest_of(export: Export) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file_of(export, "manifest.json"))
    return found


def unpack(export: Export, folder: Path) -> Path:
    with zipfile.ZipFile(archive(export)) as found:
        found.extractall(folder)
    return folder


def files_left() -> list[str]:
    folder = Path(settings.EXPORT_DIR)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) if folder.exists() else []


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, settings: Any) -> None:
    settings.EXPORT_DIR = tmp_path / "exports"
    settings.EXPORT_DIR.mkdir(mode=0o700)


@pytest.fixture
def acme(cast: Cast) -> Project:
    return cast.acme


def fill(project: Project, count: int = 30, **fields: Any) -> list[Entry]:
    made = write(count, project_ref=project.pk, project=project.slug, **fields)
    seal_all()
    return made


def sealed_ids(project: Project) -> list[str]:
    seals = Seal.objects.filter(project_ref=project.pk).order_by("seq")
    return [str(number) for number in seals.values_list("event_id", flat=True)]


def ids_in(export: Export) -> list[str]:
    """The ids of the events in a proof or a CSV export, in their order."""
    if export.form == "csv":
        return [row["id"] for row in csv.DictReader(io.StringIO(file_of(export).decode()))]
    lines = [json.loads(line) for line in file_of(export).splitlines()]
    return [line["event"]["id"] for line in lines if "event" in line]
