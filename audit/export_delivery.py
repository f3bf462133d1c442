"""Brings scheduled exports to where they go, a folder that the operator allows or a bucket; says what that may be."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError

from audit.export_output import copy, private_file, put_in_place
from audit.models import Export, ExportSchedule
from audit.s3 import Bucket, PutFailed
from gateway_site.lib.egress import EgressDenied, check_url
from gateway_site.lib.secrets import Unsealable

_ENDPOINT = re.compile(r"https?://[^\s/?#\\@]+/?", re.IGNORECASE)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z0-9-]{1,60}")
_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")
# Nothing in it that two readers of an address could take for two things.
_PREFIX = re.compile(r"(?:[A-Za-z0-9_.-]+/)*[A-Za-z0-9_.-]*")


class NotDelivered(Exception):
    """It did not get there. The text holds no secret."""


def check_place(schedule: ExportSchedule) -> None:
    """Raises ValidationError."""
    if schedule.destination == ExportSchedule.Destination.DIRECTORY:
        allowed_directory(schedule.directory)
        return
    for name, form, hint in (
        ("bucket", _BUCKET, "Lower-case letters, digits, dots and hyphens."),
        ("region", _REGION, "Such as eu-west-1; most other stores take us-east-1."),
        ("key_id", _KEY_ID, "The access key's id."),
        ("prefix", _PREFIX, "Letters, digits, _ . - and single slashes."),
    ):
        value = str(getattr(schedule, name))
        if not form.fullmatch(value) or {".", ".."} & set(value.split("/")):
            raise ValidationError({name: hint})
    try:
        check_url(schedule.endpoint)
    except EgressDenied as error:
        raise ValidationError({"endpoint": f"This may not be reached: {error}."}) from error
    if not _ENDPOINT.fullmatch(schedule.endpoint):
        raise ValidationError({"endpoint": "Give the scheme and the host only."})


def allowed_directory(text: str) -> Path:
    """The folder itself, links followed. Raises ValidationError when it is in none that the operator allows."""
    roots = settings.EXPORT_DIRECTORIES
    if not roots:
        raise ValidationError({"directory": "The operator allows no folder (GATEWAY_EXPORT_DIRECTORIES)."})
    if "\0" not in text and os.path.isabs(text):
        path = Path(text).resolve()
        if any(path.is_relative_to(root) for root in roots):
            return path
    raise ValidationError({"directory": f"Give a folder inside of {' or '.join(map(str, roots))}."})


def deliver(export: Export, schedule: ExportSchedule, archive: Path, sha256: str) -> None:
    """Brings the archive to its place, under its own name; a second time changes nothing. Raises NotDelivered."""
    try:
        if schedule.destination == ExportSchedule.Destination.DIRECTORY:
            _copy(archive, allowed_directory(schedule.directory), export.file_name)
        else:
            _bucket(schedule).put(archive, f"{schedule.prefix}{export.file_name}", sha256)
    except ValidationError as error:
        raise NotDelivered(" ".join(error.messages)) from error
    except PutFailed as error:
        raise NotDelivered(f"the bucket: {error}") from error
    except Unsealable as error:
        raise NotDelivered("the secret access key does not open with this key ring") from error
    except OSError as error:
        raise NotDelivered(f"the file: {error.strerror or type(error).__name__}") from error


def _bucket(schedule: ExportSchedule) -> Bucket:
    return Bucket(schedule.endpoint, schedule.bucket, schedule.region, schedule.key_id, schedule.secret)


def _copy(archive: Path, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = folder / f".{name}.{secrets.token_hex(6)}.tmp"
    try:
        with archive.open("rb") as source, private_file(draft) as target:
            copy(source, target)
            put_in_place(target, draft, folder / name)
    finally:
        draft.unlink(missing_ok=True)
