"""The download of an export: for who may export in its project, until it expires, each time on record."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from functools import partial
from typing import IO

from django.contrib.auth.decorators import login_required
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from audit.exports import archive_of, record_act
from audit.models import Export
from projects.pages import reach_of
from projects.permissions import AUDIT_EXPORT

_BLOCK = 1 << 18


@require_GET
@never_cache
@login_required
def download(request: HttpRequest, uid: uuid.UUID) -> HttpResponseBase:
    """The archive. 404 for an export that is not the reader's, as for one that never was; 410 once it expired."""
    export = Export.objects.select_related("project").filter(uid=uid).first()
    if export is None or not reach_of(request, AUDIT_EXPORT).has(export.project_id):
        raise Http404("There is no such export.")
    try:
        return archive(request, export)
    except NoFile as error:
        return _say(str(error), error.status)


class NoFile(Exception):
    """Nothing can be downloaded. `status` is 409 for not yet or not at all, 410 for not any more, 503 for not here."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


def archive(request: HttpRequest, export: Export) -> StreamingHttpResponse:
    """The file, for who was found to be allowed; put on record. Raises NoFile."""
    if export.state in (Export.State.WAITING, Export.State.FAILED):
        is_waiting = export.state == Export.State.WAITING
        raise NoFile("The export is not ready." if is_waiting else "The export failed.", 409)
    if export.state == Export.State.EXPIRED or export.expires_at is None or export.expires_at <= timezone.now():
        raise NoFile("The export has expired.", 410)
    try:
        file = archive_of(export.uid).open("rb")
    except OSError:
        raise NoFile(
            "The file cannot be reached from here: all processes need the same GATEWAY_EXPORT_DIR.", 503
        ) from None
    try:
        record_act("audit.export_downloaded", export, form=export.form, sha256=export.sha256, size=export.size)
    except BaseException:
        file.close()
        raise
    return _answer(export, _BlocksBesideTheLoop(file) if isinstance(request, ASGIRequest) else _Blocks(file))


def _answer(export: Export, blocks: Iterable[bytes] | AsyncIterable[bytes]) -> StreamingHttpResponse:
    response = StreamingHttpResponse(blocks, content_type="application/zip")
    response["Content-Length"] = str(export.size)
    response["Content-Disposition"] = f'attachment; filename="{export.file_name}"'
    response["Cache-Control"] = "no-store"
    return response


def _say(text: str, status: int) -> HttpResponse:
    response = HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
    response["Cache-Control"] = "no-store"
    return response


class _Closing:
    """A file that Django closes when the answer is over, however it ended."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def close(self) -> None:
        self._file.close()


class _BlocksBesideTheLoop(_Closing):
    """The file in blocks, read beside the event loop: a slow reader keeps neither a thread nor the memory."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while block := await asyncio.to_thread(self._file.read, _BLOCK):
                yield block
        finally:
            self._file.close()


class _Blocks(_Closing):
    """The same where there is no event loop, as under WSGI."""

    def __iter__(self) -> Iterator[bytes]:
        return iter(partial(self._file.read, _BLOCK), b"")
