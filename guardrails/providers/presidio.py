"""Asks a Presidio analyzer for personal data; it gives places, so that redaction is exact.

API: microsoft.github.io/presidio, POST /analyze with one text; a list of entities with their places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from guardrails.asking.answers import as_category, as_list, as_object, as_share, as_span, found_in
from guardrails.asking.pieces import Piece, check_amount, join, once
from guardrails.asking.service import Service, within
from guardrails.asking.settings import read_base_url, read_bearer, read_line, read_share
from guardrails.engine.detector import ConfigError, Context, Outbound, Parameter, Provider, Target, providers
from guardrails.engine.findings import Finding
from guardrails.language.settings import read_strings

_LONGEST = 20_000


@providers.add
class Presidio(Provider):
    """Categories are the entity types of the analyzer, which may have recognizers of its own."""

    name: ClassVar[str] = "presidio"
    label: ClassVar[str] = "Presidio analyzer"
    version: ClassVar[str] = "1"
    categories: ClassVar[tuple[str, ...]] = ()
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("base_url", "string", "Address of the analyzer, without /analyze.", required=True),
        Parameter("language", "string", "Language of the texts, as the analyzer names it.", default="en"),
        Parameter("entities", "array", "Entity types to look for; empty means all that the analyzer has.", default=[]),
        Parameter(
            "score_threshold", "number", "Entities below this are not asked for.", default=0.0, minimum=0, maximum=1
        ),
        Parameter("api_key", "string", "Bearer token, where a proxy before the analyzer needs one.", secret=True),
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._url = f"{read_base_url(config, 'base_url')}/analyze"
        language = read_line(config, "language", "en", most=16)
        self._options: dict[str, Any] = {"language": language}
        entities = read_strings(config, "entities", most=200, longest=64)
        if entities:
            self._options["entities"] = entities
        threshold = read_share(config, "score_threshold", 0.0)
        if threshold:
            self._options["score_threshold"] = threshold
        if not language.replace("-", "").isalpha():
            raise ConfigError("language: must be a code such as en")
        self._headers = read_bearer(config, "api_key", required=False)

    async def ask(
        self, targets: Sequence[Target], context: Context, outbound: Outbound, seconds: float
    ) -> Sequence[Finding]:
        check_amount(targets)
        async with within(outbound, seconds) as service:
            answers = await service.all(self._analyze(service, piece) for piece in join(targets, _LONGEST))
        return once(finding for found in answers for finding in found)

    async def _analyze(self, service: Service, piece: Piece) -> list[Finding]:
        answer = await service.post(self._url, {"text": piece.text, **self._options}, self._headers)
        found: list[Finding] = []
        for entity in as_list(answer, "it"):
            entity = as_object(entity, "an entity")
            start, end = as_span(entity.get("start"), entity.get("end"), len(piece.text), "an entity's place")
            category = as_category(entity.get("entity_type"), "entity_type")
            score = as_share(entity.get("score"), "score")
            found += found_in(self.name, category, score, piece.places(start, end))
        return found
