"""Asks a web service of your own, in JSON and with a signature; guardrails/README.md describes both directions."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from guardrails.asking.answers import (
    as_category,
    as_list,
    as_object,
    as_share,
    as_span,
    found_in,
    found_in_message,
)
from guardrails.asking.pieces import Part, Piece, check_amount, once, pack
from guardrails.asking.service import Service, encode, within
from guardrails.asking.settings import read_key, read_url
from guardrails.engine.detector import (
    ConfigError,
    Context,
    Outbound,
    Parameter,
    Provider,
    ProviderError,
    Target,
    providers,
)
from guardrails.engine.findings import Finding

VERSION = 1
_SHORTEST_SECRET = 16
_IN_REQUEST = 500
_REQUEST_CHARACTERS = 100_000
_MOST_FINDINGS = 1_000
_LONGEST_GROUNDS = 50_000


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """The value of X-Guardrail-Signature: HMAC-SHA256, in hexadecimal, over the timestamp, a dot and the body."""
    return "v1=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


@providers.add
class Http(Provider):
    """Categories, scores and places are the service's own."""

    name: ClassVar[str] = "http"
    label: ClassVar[str] = "Web service of your own"
    version: ClassVar[str] = "1"
    categories: ClassVar[tuple[str, ...]] = ()
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("url", "string", "Address that is asked by POST.", required=True),
        Parameter(
            "secret",
            "string",
            f"Shared secret that requests are signed with, {_SHORTEST_SECRET} characters at least.",
            required=True,
            secret=True,
        ),
    )
    # In Unix seconds; no verdict depends on it.
    clock = staticmethod(time.time)

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._url = read_url(config, "url")
        self._secret = read_key(config, "secret")
        if len(self._secret) < _SHORTEST_SECRET:
            raise ConfigError(f"secret: must have {_SHORTEST_SECRET} characters at least")

    async def ask(
        self, targets: Sequence[Target], context: Context, outbound: Outbound, seconds: float
    ) -> Sequence[Finding]:
        check_amount(targets)
        pieces = [
            Piece(target.segment.text, (Part(target.segment, 0, 0, len(target.segment.text)),)) for target in targets
        ]
        lists = pack(pieces, _IN_REQUEST, _REQUEST_CHARACTERS)
        async with within(outbound, seconds) as service:
            answers = await service.all(self._inspect(service, each, context) for each in lists)
        return once(finding for found in answers for finding in found)

    async def _inspect(self, service: Service, pieces: Sequence[Piece], context: Context) -> list[Finding]:
        body = encode(_describe(pieces, context))
        timestamp = int(self.clock())
        headers = {
            "X-Guardrail-Timestamp": str(timestamp),
            "X-Guardrail-Signature": sign(self._secret, timestamp, body),
        }
        answer = as_object(await service.post_bytes(self._url, body, headers), "it")
        if type(answer.get("version")) is not int or answer["version"] != VERSION:
            raise ProviderError("answer: not of version 1")
        return [
            finding
            for entry in as_list(answer.get("findings"), "findings", most=_MOST_FINDINGS)
            for finding in self._read(as_object(entry, "a finding"), pieces)
        ]

    def _read(self, entry: Mapping[str, Any], pieces: Sequence[Piece]) -> list[Finding]:
        category = as_category(entry.get("category"), "category")
        score = as_share(entry.get("score"), "score")
        index = entry.get("text")
        if index is None:
            return [found_in_message(self.name, category, score)]
        if type(index) is not int or not 0 <= index < len(pieces):
            raise ProviderError("answer: a finding in a text that was not sent")
        piece = pieces[index]
        if entry.get("start") is None and entry.get("end") is None:
            return found_in(self.name, category, score, piece.wholes())
        start, end = as_span(entry.get("start"), entry.get("end"), len(piece.text), "a finding's place")
        return found_in(self.name, category, score, piece.places(start, end))


def _describe(pieces: Sequence[Piece], context: Context) -> dict[str, Any]:
    segments = [piece.parts[0].segment for piece in pieces]
    return {
        "version": VERSION,
        "direction": context.direction,
        "server": context.server,
        "tool": context.tool,
        "method": context.method,
        "question": context.question[:_LONGEST_GROUNDS],
        "grounds": context.grounds[:_LONGEST_GROUNDS],
        "texts": [
            {
                "pointer": segment.pointer,
                "text": segment.text,
                "kind": segment.kind.value,
                "surface": segment.surface.value,
                "key": segment.key,
                "is_key": segment.is_key,
            }
            for segment in segments
        ],
    }
