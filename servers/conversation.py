"""Asks a server what it offers, in both eras, by the SDK's client session."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mcp import ClientSession, MCPError
from mcp_types import METHOD_NOT_FOUND, REQUEST_TIMEOUT, SERVER_INFO_META_KEY, PaginatedRequestParams
from pydantic import ValidationError

from gateway_site.lib import jsontext
from servers.catalogue import MAX_LIST_BYTES, MAX_PAGES, MAX_TOOLS
from servers.discovery import Discovered, EraFound
from servers.models import Tool
from servers.observing import MAX_NAME, Listed
from servers.offers import LEGACY, MODERN
from servers.schemas import MAX_SCHEMA_BYTES
from servers.sdk import LISTS, Wire, open_session
from servers.steps import Watch, watch_nothing
from servers.upstream import Connections, Upstream, UpstreamError

# Kind, the capability that offers it, the method that lists it, the member that names it.
_KINDS = (
    (Tool.Kind.TOOL, "tools", "tools/list", "name"),
    (Tool.Kind.PROMPT, "prompts", "prompts/list", "name"),
    (Tool.Kind.RESOURCE, "resources", "resources/list", "uri"),
    (Tool.Kind.TEMPLATE, "resources", "resources/templates/list", "uriTemplate"),
)
_SECONDS = 60.0
_INTRODUCTION_SECONDS = 20.0
_ANSWER_SECONDS = 30.0
_MAX_ABOUT_BYTES = 16 * 2**10
_MAX_VERSIONS = 32
Tell = Callable[[int, int, str], None]


class _NotIntroduced(Exception):
    """There is no conversation in this era: the server does not speak it, or `problem` was in the way."""

    def __init__(self, problem: UpstreamError | None = None) -> None:
        super().__init__()
        self.problem = problem


def _tell_nobody(done: int, total: int, text: str) -> None:
    """For who needs no progress."""


async def discover(upstream: Upstream, tell: Tell = _tell_nobody, watch: Watch = watch_nothing) -> Discovered:
    """Everything that the server lists, within limits. Raises UpstreamError, and what `tell` raises."""
    connections = Connections()
    try:
        async with asyncio.timeout(_SECONDS):
            return await _discover(connections, upstream, tell, watch)
    except TimeoutError as error:
        raise UpstreamError("timeout", "the lists did not end in time") from error
    finally:
        await connections.close()


async def _discover(connections: Connections, upstream: Upstream, tell: Tell, watch: Watch) -> Discovered:
    found: dict[str, EraFound] = {}
    problems: list[UpstreamError] = []
    # The older first: a server that only starts now has longer to answer it than the SDK gives the newer one.
    for place, (era, introduce) in enumerate(((LEGACY, _initialize), (MODERN, _ask_what_it_is))):
        try:
            found[era] = await _converse(connections, upstream, introduce, _Progress(tell, era, place), watch)
        except _NotIntroduced as error:
            # A server may take the other era's greeting as badly as it likes.
            problems += [error.problem] if error.problem is not None else []
    if not found:
        raise problems[0] if problems else UpstreamError("invalid", "speaks neither era")
    return Discovered(found)


Introduce = Callable[[ClientSession, Wire], Awaitable[EraFound]]


async def _converse(
    connections: Connections, upstream: Upstream, introduce: Introduce, progress: _Progress, watch: Watch
) -> EraFound:
    """Raises _NotIntroduced, and UpstreamError for what goes wrong after that."""
    problem: Exception | None = None
    async with open_session(
        connections, upstream, seconds=_ANSWER_SECONDS, limit=MAX_LIST_BYTES, watch=watch
    ) as (session, wire):
        try:
            about = await _meet(session, wire, introduce)
            found = await _Lists(session, wire, progress).read(about)
        except Exception as error:  # noqa: BLE001  raised below, since the session's task group would wrap it
            problem = error
    if problem is not None:
        raise problem
    return found


async def _meet(session: ClientSession, wire: Wire, introduce: Introduce) -> EraFound:
    try:
        async with asyncio.timeout(_INTRODUCTION_SECONDS):
            return await introduce(session, wire)
    except TimeoutError:
        raise _NotIntroduced(wire.failure or UpstreamError("timeout", "no answer in time")) from None
    except MCPError as error:
        is_silence = error.code == REQUEST_TIMEOUT and wire.failure is None
        raise _NotIntroduced(UpstreamError("timeout", "no answer in time") if is_silence else wire.failure) from None
    except (ValidationError, RuntimeError):
        # It names no version that there is.
        raise _NotIntroduced from None


async def _initialize(session: ClientSession, wire: Wire) -> EraFound:
    result = await session.initialize()
    raw = wire.take("initialize")
    return _about(raw, raw.get("serverInfo"), [result.protocol_version])


async def _ask_what_it_is(session: ClientSession, wire: Wire) -> EraFound:
    result = await session.discover()
    raw = wire.take("server/discover")
    meta = raw.get("_meta")
    return _about(raw, meta.get(SERVER_INFO_META_KEY) if isinstance(meta, dict) else None, result.supported_versions)


def _about(raw: Mapping[str, Any], server_info: Any, versions: list[str]) -> EraFound:
    """Raises _NotIntroduced for an introduction of another shape than any revision's."""
    capabilities, instructions = raw.get("capabilities"), raw.get("instructions")
    if not isinstance(capabilities, dict):
        raise _NotIntroduced
    return EraFound(
        server_info=_bounded(server_info), capabilities=capabilities,
        instructions=_storable_text(instructions) if isinstance(instructions, str) else "",
        versions=tuple(_storable_text(version)[:40] for version in versions[:_MAX_VERSIONS]),
    )  # fmt: skip


def _bounded(value: Any) -> dict[str, Any]:
    """Empty when it is no object, or one that is too large or that a database cannot hold."""
    text = _encoded(value) if isinstance(value, dict) else None
    return dict(value) if text and len(text) <= _MAX_ABOUT_BYTES and b"\\u0000" not in text else {}


def _storable_text(text: str) -> str:
    cut = text.replace("\0", "").encode("utf-8", "replace")[:_MAX_ABOUT_BYTES]
    return cut.decode("utf-8", "ignore")


def _encoded(value: Any) -> bytes | None:
    """None for what cannot be written as JSON."""
    try:
        return jsontext.encode(value)
    except (ValueError, RecursionError):
        return None


@dataclass(slots=True)
class _Progress:
    """Tells how far one of the two conversations is."""

    tell: Tell
    era: str
    place: int

    def at(self, step: int, what: str, count: int) -> None:
        steps = len(_KINDS)
        self.tell(self.place * steps + step, 2 * steps, f"{self.era} {what}, {count} so far")


class _Lists:
    """Goes through all lists of one conversation, within the limits that they have together."""

    def __init__(self, session: ClientSession, wire: Wire, progress: _Progress) -> None:
        self._wire = wire
        self._progress = progress
        self._budget = MAX_LIST_BYTES
        self._entries: list[Listed] = []
        self._pages: dict[str, Callable[..., Awaitable[Any]]] = {
            "tools/list": session.list_tools,
            "prompts/list": session.list_prompts,
            "resources/list": session.list_resources,
            "resources/templates/list": session.list_resource_templates,
        }

    async def read(self, about: EraFound) -> EraFound:
        """Asks only for what is declared: a server may take a method that it does not know badly."""
        whole = []
        for step, (kind, capability, method, name_of) in enumerate(_KINDS):
            offered = about.capabilities.get(capability) is not None
            if not offered or await self._read_list(kind, method, name_of, step):
                whole.append(str(kind))
        return EraFound(
            about.server_info, _bounded(about.capabilities), about.instructions, about.versions,
            tuple(self._entries), tuple(whole),
        )  # fmt: skip

    async def _read_list(self, kind: str, method: str, name_of: str, step: int) -> bool:
        """Whether the list was seen to its end."""
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            self._progress.at(step, LISTS[method], len(self._entries))
            page = await self._page(method, cursor)
            if page is None:
                # Declared and not there, as many servers have it with templates.
                return cursor is None
            entries = page.get(LISTS[method])
            if not isinstance(entries, list):
                raise UpstreamError("invalid", f"{method} gave no list")
            if not self._keep(kind, name_of, entries):
                return False
            cursor = page.get("nextCursor")
            if not isinstance(cursor, str):
                return True
        return False

    async def _page(self, method: str, cursor: str | None) -> dict[str, Any] | None:
        """As it came; None when the server does not know the method. Raises UpstreamError."""
        try:
            await self._pages[method](params=PaginatedRequestParams(cursor=cursor) if cursor is not None else None)
        except MCPError as error:
            if self._wire.failure is not None:
                raise self._wire.failure from None
            if error.code == METHOD_NOT_FOUND:
                return None
            if error.code == REQUEST_TIMEOUT:
                raise UpstreamError("timeout", f"{method} was not answered in time") from None
            how = f"status {self._wire.status}" if self._wire.status >= 300 else f"error {error.code}"
            raise UpstreamError("invalid", f"{method} was refused with {how}") from None
        return self._wire.take(method)

    def _keep(self, kind: str, name_of: str, entries: list[Any]) -> bool:
        """False when there is no room for more. An odd entry costs only itself."""
        for entry in entries:
            name = entry.get(name_of) if isinstance(entry, dict) else None
            if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or "\0" in name:
                continue
            text = _encoded(entry)
            if text is None or len(text) > MAX_SCHEMA_BYTES:
                continue
            self._budget -= len(text)
            if self._budget < 0 or len(self._entries) >= MAX_TOOLS:
                return False
            self._entries.append(Listed(kind, name, entry))
        return True
