"""Asks OpenAI's moderation endpoint, or a service that speaks like it, about each text.

API: platform.openai.com, POST /v1/moderations with a list of texts; one result for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from guardrails.asking.answers import as_hit, as_list, as_object, as_share, found_in
from guardrails.asking.pieces import Piece, apart, check_amount, once, pack
from guardrails.asking.service import Service, within
from guardrails.asking.settings import read_base_url, read_bearer, read_choices, read_line, read_shares
from guardrails.engine.detector import Context, Outbound, Parameter, Provider, ProviderError, Target, providers
from guardrails.engine.findings import Finding

CATEGORIES = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/intent", "self-harm/instructions", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip
_LONGEST = 8_000
_IN_REQUEST = 32
_REQUEST_CHARACTERS = 32_000
# Below this a score says nothing, and there are thirteen for each text.
_LEAST = 0.01


def spell(category: str) -> str:
    """The service's name of a category as ours: "self-harm/intent" is SELF_HARM_INTENT."""
    return category.replace("-", "_").replace("/", "_").upper()


@providers.add
class OpenaiModeration(Provider):
    """Scores are the service's. A category that it flags, or that reaches its own threshold here, scores 0.5 at least.

    A category with a threshold here and below it is no finding, whatever the service flags.
    """

    name: ClassVar[str] = "openai_moderation"
    label: ClassVar[str] = "OpenAI moderation"
    version: ClassVar[str] = "1"
    categories: ClassVar[tuple[str, ...]] = (*(spell(category) for category in CATEGORIES), "OTHER")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("api_key", "string", "Key of the OpenAI project.", required=True, secret=True),
        Parameter("base_url", "string", "Address of the API, without /v1.", default="https://api.openai.com"),
        Parameter("model", "string", "Moderation model.", default="omni-moderation-latest"),
        Parameter(
            "check",
            "array",
            "Categories that count; each must be in the answer.",
            default=list(CATEGORIES),
            choices=CATEGORIES,
        ),
        Parameter(
            "thresholds", "object", "By category: the score from which it is a hit.", default={}, values="number",
            minimum=0, maximum=1,
        ),
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        base = read_base_url(config, "base_url", "https://api.openai.com")
        self._url = f"{base.removesuffix('/v1')}/v1/moderations"
        self._model = read_line(config, "model", "omni-moderation-latest")
        self._checked = read_choices(config, "check", CATEGORIES, CATEGORIES)
        self._thresholds = read_shares(config, "thresholds", CATEGORIES)
        self._headers = read_bearer(config, "api_key")

    async def ask(
        self, targets: Sequence[Target], context: Context, outbound: Outbound, seconds: float
    ) -> Sequence[Finding]:
        check_amount(targets)
        lists = pack(apart(targets, _LONGEST), _IN_REQUEST, _REQUEST_CHARACTERS)
        async with within(outbound, seconds) as service:
            answers = await service.all(self._moderate(service, pieces) for pieces in lists)
        return once(finding for found in answers for finding in found)

    async def _moderate(self, service: Service, pieces: Sequence[Piece]) -> list[Finding]:
        body = {"model": self._model, "input": [piece.text for piece in pieces]}
        answer = as_object(await service.post(self._url, body, self._headers), "it")
        results = as_list(answer.get("results"), "results", length=len(pieces))
        return [
            finding for result, piece in zip(results, pieces, strict=True) for finding in self._read(result, piece)
        ]

    def _read(self, result: Any, piece: Piece) -> Iterator[Finding]:
        result = as_object(result, "a result")
        flags = as_object(result.get("categories"), "categories")
        scores = as_object(result.get("category_scores"), "category_scores")
        for category in self._checked:
            flag = flags.get(category)
            if not isinstance(flag, bool):
                raise ProviderError(f"answer: nothing about {category}")
            score = self._weigh(category, as_share(scores.get(category), f"score of {category}"), flag)
            if score >= _LEAST:
                yield from found_in(self.name, spell(category), score, piece.wholes())
        if any(flag is True for category, flag in flags.items() if category not in CATEGORIES):
            yield from found_in(self.name, "OTHER", 1.0, piece.wholes())

    def _weigh(self, category: str, score: float, flag: bool) -> float:
        threshold = self._thresholds.get(category)
        if threshold is None:
            return as_hit(score) if flag else score
        return as_hit(score) if score >= threshold else 0.0
