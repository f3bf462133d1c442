"""JSON log lines, one object each; the last step takes out what looks like a secret."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import traceback
from functools import lru_cache
from typing import Any, BinaryIO, cast

import orjson
import structlog

_SECRET_NAMES = re.compile(r"authorization|api[-_]?key|secret|password|token|cookie", re.IGNORECASE)
_SECRET_VALUES = re.compile(
    r"mg[wa]_[0-9A-Za-z]{10}_[0-9A-Za-z]{1,49}|(?i:bearer)\s+[^\s\"',]+|(?<=://)[^/@\s\"]+(?=@)"
)
# Some of these stands in whatever the above finds, in lower case.
_SECRET_MARKS = ("mgw_", "mga_", "bearer", "://")
_REDACTED = "[redacted]"
_MAX_TEXT = 4096
_MAX_FRAMES = 30


def redact(value: Any) -> Any:
    """The value without what looks like a credential; texts are cut at 4,096 characters."""
    if isinstance(value, str):
        return _hide(value[:_MAX_TEXT])
    if isinstance(value, dict):
        return {
            key: _REDACTED if isinstance(key, str) and _SECRET_NAMES.search(key) else redact(item)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [redact(item) for item in value]
    return value


def _hide(text: str) -> str:
    """Without credentials. The search takes ten times as long as to see that there is nothing to search for."""
    lowered = text.lower()
    if any(mark in lowered for mark in _SECRET_MARKS):
        return _SECRET_VALUES.sub(_REDACTED, text)
    return text


def whereabouts(error: BaseException) -> dict[str, Any]:
    """`{"error": type, "at": ["file:line function"]}`, innermost last; without its words, which may be a caller's."""
    frames = traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]
    return {"error": type(error).__name__, "at": [f"{each.filename}:{each.lineno} {each.name}" for each in frames]}


def _redact_event(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {
        key: _REDACTED if value and _names_a_secret(key)
        # Most are short texts and numbers.
        else value if isinstance(value, str) and len(value) <= _MAX_TEXT
        else _shorten(value)
        for key, value in event.items()
    }  # fmt: skip


@lru_cache(maxsize=1024)
def _names_a_secret(key: str) -> bool:
    return _SECRET_NAMES.search(key) is not None


def _shorten(value: Any) -> Any:
    """Texts are only cut here: the whole line is searched for credentials once it is rendered."""
    if isinstance(value, str):
        return value[:_MAX_TEXT]
    return redact(value) if isinstance(value, (dict, list, tuple)) else value


def _render(_: Any, __: str, event: structlog.typing.EventDict) -> bytes:
    # Once more over the whole line: what was no text before, such as an exception, is one now.
    return _hide(orjson.dumps(event, default=str).decode()).encode()


def _name_the_route(record: logging.LogRecord) -> bool:
    """Django's warnings name paths, which are callers' texts and may hold a link's token: the route says enough."""
    request = getattr(record, "request", None)
    path, match = getattr(request, "path", None), getattr(request, "resolver_match", None)
    if isinstance(record.args, tuple) and path is not None:
        route = "no page" if match is None else f"/{match.route}"
        record.args = tuple(route if arg == path else arg for arg in record.args)
    return True


class _Unfailing:
    """What cannot be written, as on a full disk, is lost: no work may end because nobody can be told of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, line: bytes) -> int:
        with contextlib.suppress(OSError, ValueError):
            return self._file.write(line)
        return 0

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()


def configure(level: str) -> None:
    """Routes structlog and the standard library's loggers to standard error as JSON."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, _redact_event, _render],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.BytesLoggerFactory(cast(BinaryIO, _Unfailing(sys.stderr.buffer))),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_name_the_route)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _redact_event,
                lambda logger, name, event: _render(logger, name, event).decode(),
            ],
        )
    )
    logging.root.handlers = [handler]
    logging.root.setLevel(max(getattr(logging, level), logging.WARNING))
    # It warns of the missing host name of the in-memory broker.
    logging.getLogger("kombu.connection").setLevel(logging.ERROR)
