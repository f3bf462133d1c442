"""Static files of the pages: compressed when first asked for, and with addresses that change with their content."""

from __future__ import annotations

import gzip
import hashlib
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.headers import Headers

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpRequest
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

# What is not compressed already, such as fonts and images.
_COMPRESSIBLE = (".css", ".js", ".json", ".map", ".svg", ".txt")

if TYPE_CHECKING:

    class _Middleware:
        files: dict[str, Any]

        def __init__(self, get_response: Any) -> None: ...
        def __call__(self, request: HttpRequest) -> Any: ...
        def get_static_file(self, path: str, url: str, stat_cache: Any = None) -> Any: ...
        def add_mime_headers(self, headers: Headers, path: str, url: str) -> None: ...
        def add_cache_headers(self, headers: Headers, path: str, url: str) -> None: ...

else:
    _Middleware = WhiteNoiseMiddleware


class CompressedStaticMiddleware(_Middleware):
    """Needs no step at installation, and starts without compressing what nobody asks for."""

    def __init__(self, get_response: Any) -> None:
        self._untouched: dict[str, str] = {}
        super().__init__(get_response)

    def get_static_file(self, path: str, url: str, stat_cache: Any = None) -> Any:
        if path.endswith(_COMPRESSIBLE):
            self._untouched[url] = path
        return super().get_static_file(path, url, stat_cache)

    def __call__(self, request: HttpRequest) -> Any:
        path = self._untouched.pop(request.path_info, None)
        if path is not None:
            self._compress(path, request.path_info)
        return super().__call__(request)

    def _compress(self, path: str, url: str) -> None:
        headers = Headers([])
        self.add_mime_headers(headers, path, url)
        self.add_cache_headers(headers, path, url)
        try:
            self.files[url] = StaticFile(path, headers.items(), encodings={"gzip": compressed(Path(path))})
        except OSError:
            # A folder that cannot be written to: it is sent as it is.
            return


def compressed(path: Path) -> str:
    """The path of its compressed form, made if it is not there; a file that changes gets another one."""
    stat = path.stat()
    name = hashlib.sha256(f"{path}:{stat.st_mtime_ns}:{stat.st_size}".encode()).hexdigest()
    target = Path(settings.COMPRESSED_DIR) / f"{name}.gz"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Other processes may be at the same file.
        unfinished = target.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        unfinished.replace(target)
    return str(target)


class VersionedStorage(StaticFilesStorage):
    """An address says which content it has, so that browsers keep it for long and get a new one at once."""

    def url(self, name: str | None, force: bool = False) -> str:
        address = super().url(name)
        version = _version(name) if name else ""
        return f"{address}?v={version}" if version else address


@cache
def _version(name: str) -> str:
    found = finders.find(name)
    return hashlib.sha256(Path(found).read_bytes()).hexdigest()[:12] if isinstance(found, str) else ""
