"""Asks Enkrypt AI: a guardrail by its name, personal data, relevancy, adherence and hallucination.

API: docs.enkryptai.com, Guardrails API reference. Of fields with two documented spellings both are read.
"""

from __future__ import annotations

import secrets
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar

import re2

from guardrails.asking.answers import as_hit, as_list, as_object, as_share, found_in, found_in_message
from guardrails.asking.pieces import Piece, check_amount, join, once, pack, split_definitions
from guardrails.asking.service import Service, within
from guardrails.asking.settings import read_base_url, read_choices, read_key, read_line, read_share
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
from guardrails.engine.segments import Segment
from guardrails.language.settings import read_choice

CHECKS = ("detect", "pii", "relevancy", "adherence", "hallucination")
# What a block list calls a detector, and the members of `summary` that answer for it.
SUMMARY: Mapping[str, tuple[str, ...]] = {
    "policy_violation": ("policy_violation",),
    "injection_attack": ("injection_attack",),
    "topic_detector": ("on_topic", "topic_detector"),
    "nsfw": ("nsfw",),
    "toxicity": ("toxicity",),
    "pii": ("pii",),
    "keyword_detector": ("keyword_detected", "keyword_detector"),
    "bias": ("bias",),
    "sponge_attack": ("sponge_attack",),
    "system_prompt_protection": ("system_prompt_similarity", "system_prompt_protection", "system_prompt"),
    "copyright_protection": ("copyright_ip_similarity", "copyright_protection", "copyright_ip"),
}
_KNOWN = frozenset(name for names in SUMMARY.values() for name in names)
# The entity types of the service, which are Presidio's and a few more; any other is a PII finding.
ENTITIES = (
    "PERSON", "EMAIL_ADDRESS", "PHONE_NUMBER", "LOCATION", "DATE_TIME", "NRP", "URL", "IP_ADDRESS", "CREDIT_CARD",
    "CRYPTO", "IBAN_CODE", "MEDICAL_LICENSE", "SECRETS", "US_SSN", "US_BANK_NUMBER", "US_DRIVER_LICENSE", "US_ITIN",
    "US_PASSPORT", "UK_NHS", "UK_NINO", "ES_NIF", "ES_NIE", "IT_FISCAL_CODE", "IT_DRIVER_LICENSE", "IT_VAT_CODE",
    "IT_PASSPORT", "IT_IDENTITY_CARD", "PL_PESEL", "SG_NRIC_FIN", "AU_ABN", "AU_ACN", "AU_TFN", "AU_MEDICARE",
    "IN_PAN", "IN_AADHAAR",
)  # fmt: skip
_JUDGED = ("RELEVANCY", "ADHERENCE", "HALLUCINATION")
_PLACEHOLDER = re2.compile(r"<([A-Z][A-Z0-9_]*)_\d+>")
_WITH_VALUES = frozenset({"keyword_detector", "pii"})
_MOST_PASSAGES = 100
_LONGEST = 10_000
_IN_BATCH = 50
_BATCH_CHARACTERS = 50_000
_Place = tuple[Segment, int, int]


@providers.add
class Enkrypt(Provider):
    """What the service calls a hit scores 0.5 at least. A verdict without a place covers the texts it was about."""

    name: ClassVar[str] = "enkrypt"
    label: ClassVar[str] = "Enkrypt AI"
    version: ClassVar[str] = "1"
    categories: ClassVar[tuple[str, ...]] = (*(name.upper() for name in SUMMARY), *_JUDGED, *ENTITIES, "OTHER")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("api_key", "string", "Key of the Enkrypt account.", required=True, secret=True),
        Parameter("base_url", "string", "Address of the API.", default="https://api.enkryptai.com"),
        Parameter("checks", "array", "What to ask.", default=["detect"], choices=CHECKS),
        Parameter("guardrail", "string", "Name of the guardrail in the Enkrypt account; the check detect needs it."),
        Parameter(
            "block",
            "array",
            "Detectors that count; each must be in the answer. Empty: all that answer.",
            default=[],
            choices=tuple(SUMMARY),
        ),
        Parameter(
            "topics",
            "string",
            "Whether the topics of the guardrail are denied, or the only ones allowed.",
            default="denied",
            choices=("denied", "allowed"),
        ),
        Parameter(
            "relevancy_threshold",
            "number",
            "An answer less relevant than this is a hit.",
            default=0.7,
            minimum=0,
            maximum=1,
        ),
        Parameter(
            "adherence_threshold",
            "number",
            "An answer less faithful than this is a hit.",
            default=0.8,
            minimum=0,
            maximum=1,
        ),
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._base = read_base_url(config, "base_url", "https://api.enkryptai.com")
        self._checks = read_choices(config, "checks", CHECKS, ("detect",))
        self._guardrail = read_line(config, "guardrail")
        if "detect" in self._checks and not self._guardrail:
            raise ConfigError("guardrail: must name a guardrail of the Enkrypt account")
        self._block = read_choices(config, "block", tuple(SUMMARY), ())
        self._topics_allowed = read_choice(config, "topics", ("denied", "allowed")) == "allowed"
        self._least_relevant = read_share(config, "relevancy_threshold", 0.7)
        self._least_faithful = read_share(config, "adherence_threshold", 0.8)
        self._headers = {"apikey": read_key(config, "api_key"), "X-Enkrypt-Source-Name": "mcp-gateway"}

    async def ask(
        self, targets: Sequence[Target], context: Context, outbound: Outbound, seconds: float
    ) -> Sequence[Finding]:
        check_amount(targets)
        called, defined = split_definitions(targets)
        async with within(outbound, seconds) as service:
            requests = [*self._about_call(service, called, context), *self._about_definitions(service, defined)]
            return once(finding for found in await service.all(requests) for finding in found)

    # --- which requests there are -----------------------------------------------------------------------

    def _about_call(
        self, service: Service, targets: Sequence[Target], context: Context
    ) -> Iterator[Coroutine[Any, Any, list[Finding]]]:
        is_output = context.direction == "output"
        for piece in join(targets, _LONGEST):
            if "detect" in self._checks:
                yield self._detect(service, piece, "response" if is_output else "prompt")
            if "pii" in self._checks:
                yield self._find_personal(service, piece)
            if is_output and context.question:
                yield from self._about_answer(service, piece, context)

    def _about_answer(
        self, service: Service, piece: Piece, context: Context
    ) -> Iterator[Coroutine[Any, Any, list[Finding]]]:
        question, grounds = context.question[:_LONGEST], context.grounds[:_LONGEST]
        if "relevancy" in self._checks:
            body = {"question": question, "llm_answer": piece.text}
            yield self._rate(service, "relevancy", body, self._least_relevant)
        if "adherence" in self._checks:
            body = {"context": grounds or question, "llm_answer": piece.text}
            yield self._rate(service, "adherence", body, self._least_faithful)
        if "hallucination" in self._checks:
            body = {"request_text": question, "response_text": piece.text, "context": grounds}
            yield self._find_hallucination(service, body)

    def _about_definitions(
        self, service: Service, targets: Sequence[Target]
    ) -> Iterator[Coroutine[Any, Any, list[Finding]]]:
        """A text for each entry of a list, so that one bad tool is not the fault of the others."""
        entries: dict[str, list[Target]] = {}
        for target in targets:
            entries.setdefault("/".join(target.segment.pointer.split("/")[:4]), []).append(target)
        pieces = [piece for entry in entries.values() for piece in join(entry, _LONGEST)]
        if "detect" in self._checks:
            for batch in pack(pieces, _IN_BATCH, _BATCH_CHARACTERS):
                yield self._detect_batch(service, batch)
        if "pii" in self._checks:
            for piece in join(targets, _LONGEST):
                yield self._find_personal(service, piece)

    # --- requests ---------------------------------------------------------------------------------------

    async def _detect(self, service: Service, piece: Piece, mode: str) -> list[Finding]:
        event = "post-tool" if mode == "response" else "pre-tool"
        headers = {"X-Enkrypt-Guardrail": self._guardrail, "X-Enkrypt-Mode": mode}
        body = {"text": piece.text}
        answer = await self._post(service, "/guardrails/guardrail/detect", body, event, headers)
        return self._read_verdict(answer, piece)

    async def _detect_batch(self, service: Service, pieces: Sequence[Piece]) -> list[Finding]:
        headers = {"X-Enkrypt-Guardrail": self._guardrail, "X-Enkrypt-Mode": "prompt"}
        body = {"texts": [piece.text for piece in pieces]}
        path = "/guardrails/guardrail/batch/detect"
        answer = await self._post(service, path, body, "server-registration", headers)
        verdicts = as_list(answer, "the batch", length=len(pieces))
        return [
            finding
            for verdict, piece in zip(verdicts, pieces, strict=True)
            for finding in self._read_verdict(verdict, piece)
        ]

    async def _find_personal(self, service: Service, piece: Piece) -> list[Finding]:
        """Redacts at the service, then has it restore each placeholder alone: so the places are exact."""
        body = {"text": piece.text, "mode": "request", "key": "null"}
        answer = _without_error(await self._post(service, "/guardrails/pii", body, "pii-redact"))
        redacted = _text(answer, "text")
        if redacted == _as_sent(piece.text):
            return []
        placeholders = list(dict.fromkeys(match.group() for match in _PLACEHOLDER.finditer(redacted)))
        key = _text(answer, "key")
        if not placeholders or not key:
            raise ProviderError("answer: a changed text without placeholders or key")
        mark = f"\n{secrets.token_hex(16)}\n"
        body = {"text": mark.join(placeholders), "mode": "response", "key": key}
        answer = _without_error(await self._post(service, "/guardrails/pii", body, "pii-restore"))
        values = _text(answer, "text").split(mark)
        if len(values) != len(placeholders):
            raise ProviderError("answer: not one value for each placeholder")
        spans = _align(_as_sent(piece.text), redacted, dict(zip(placeholders, values, strict=True)))
        if spans is None:
            types = dict.fromkeys(_entity(placeholder) for placeholder in placeholders)
            return [each for entity in types for each in found_in(self.name, entity, 1.0, piece.wholes())]
        return [
            finding
            for entity, start, end in spans
            for finding in found_in(self.name, entity, 1.0, piece.places(start, end))
        ]

    async def _rate(self, service: Service, what: str, body: Mapping[str, str], least: float) -> list[Finding]:
        answer = _without_error(await self._post(service, f"/guardrails/{what}", body, "post-tool"))
        scores = _either(answer, ("score", f"{what}_score"), (f"{what}_score", "score"))
        score = min(as_share(each, f"{what} score") for each in scores)
        return [found_in_message(self.name, what.upper(), as_hit(1 - score))] if score < least else []

    async def _find_hallucination(self, service: Service, body: Mapping[str, str]) -> list[Finding]:
        answer = _without_error(await self._post(service, "/guardrails/hallucination", body, "post-tool"))
        said = _either(answer, ("has_hallucination", "is_hallucination"), ("is_hallucination", "has_hallucination"))
        if any(isinstance(each, float) or each not in (0, 1) for each in said):
            raise ProviderError("answer: hallucination is not yes or no")
        confidence = as_share(answer.get("confidence", 1.0), "confidence")
        return [found_in_message(self.name, "HALLUCINATION", as_hit(confidence))] if any(said) else []

    async def _post(
        self, service: Service, path: str, body: Mapping[str, Any], event: str, headers: Mapping[str, str] | None = None
    ) -> Any:
        own = {**self._headers, "X-Enkrypt-Source-Event": event, **(headers or {})}
        return await service.post(self._base + path, body, own)

    # --- answers ----------------------------------------------------------------------------------------

    def _read_verdict(self, answer: Any, piece: Piece) -> list[Finding]:
        answer = _without_error(answer)
        summary = as_object(answer.get("summary"), "summary")
        details = as_object({} if answer.get("details") is None else answer["details"], "details")
        if not _KNOWN.intersection(summary):
            raise ProviderError("answer: summary without any known detector")
        found: list[Finding] = []
        for detector, members in SUMMARY.items():
            said = [_amount(summary[member], member) for member in members if member in summary]
            if not said:
                if detector in self._block:
                    raise ProviderError(f"answer: nothing about {detector}")
                continue
            if self._block and detector not in self._block:
                continue
            if detector == "topic_detector" and self._topics_allowed:
                said = [1.0 - min(1.0, amount) for amount in said]
            if max(said) > 0:
                found += self._place(detector, max(said), details, summary, piece)
        if not self._block:
            unknown = [member for member, value in summary.items() if member not in _KNOWN and _is_hit(value)]
            found += found_in(self.name, "OTHER", 1.0, piece.wholes()) if unknown else []
        return found

    def _place(
        self, detector: str, amount: float, details: Mapping[str, Any], summary: Mapping[str, Any], piece: Piece
    ) -> list[Finding]:
        """Where the details say, if that is in the text."""
        about = details.get(detector)
        # A similarity is a share, and not a yes: it is the guardrail's threshold that decides.
        score = amount if amount < 1 else as_hit(_likelihood(detector, about, summary))
        places = _evidence(detector, about, piece) or list(piece.wholes())
        return found_in(self.name, detector.upper(), score, places)


def _without_error(answer: Any) -> dict[str, Any]:
    found = as_object(answer, "it")
    if found.get("error"):
        raise ProviderError("answer: an error")
    return found


def _text(answer: Mapping[str, Any], member: str) -> str:
    found = answer.get(member)
    if not isinstance(found, str):
        raise ProviderError(f"answer: {member} is not a text")
    return found


def _either(answer: Mapping[str, Any], outside: tuple[str, ...], inside: tuple[str, ...]) -> list[Any]:
    """What stands under any of the names, in the answer or in its summary."""
    summary = as_object(answer.get("summary", {}), "summary")
    found = [answer[name] for name in outside if name in answer] + [summary[name] for name in inside if name in summary]
    if not found:
        raise ProviderError("answer: no verdict")
    return found


def _amount(value: Any, member: str) -> float:
    """0 for nothing found, 1 or more for a hit, between them for a similarity."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return float(len(value))
    if isinstance(value, (int, float)) and 0 <= value < 1e9:
        return float(value)
    raise ProviderError(f"answer: summary.{member} is of no known type")


def _is_hit(value: Any) -> bool:
    try:
        return _amount(value, "") >= 1
    except ProviderError:
        return False


def _likelihood(detector: str, about: Any, summary: Mapping[str, Any]) -> float:
    """What the details say of how sure it is; 1.0 where they say nothing. Probabilities come as texts, too."""
    if not isinstance(about, Mapping):
        return 1.0
    if detector == "toxicity":
        named = summary.get("toxicity")
        kinds = named if isinstance(named, list) else ["toxicity"]
        return max((_probability(about.get(kind)) for kind in kinds), default=1.0)
    member = {"injection_attack": "attack", "nsfw": "nsfw"}.get(detector)
    return _probability(about.get(member)) if member else 1.0


def _probability(value: Any) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return 1.0
    return found if 0 <= found <= 1 else 1.0


def _evidence(detector: str, about: Any, piece: Piece) -> list[_Place]:
    """Keywords and personal values where they are; of anything else the whole text that holds the passage.

    Empty when any of them is not in the text: then it is not known where all of it is.
    """
    passages = list(dict.fromkeys(islice(_passages(detector, about), _MOST_PASSAGES + 1)))
    if len(passages) > _MOST_PASSAGES:
        return []
    places: list[_Place] = []
    for passage in passages:
        starts = list(_finds(piece.text, passage, detector))
        if not starts:
            return []
        places += [place for start in starts for place in piece.places(start, start + len(passage))]
    if detector in _WITH_VALUES:
        return places
    return [(segment, 0, len(segment.text)) for segment, _, _ in places]


def _passages(detector: str, about: Any) -> Iterator[str]:
    if not isinstance(about, Mapping):
        return
    # Some details are wrapped in an object of the same name.
    inner = about.get(detector)
    about = inner if detector != "pii" and isinstance(inner, Mapping) else about
    found: list[Any] = [about.get("most_unsafe_content")]
    if detector == "keyword_detector":
        named = about.get("detected_keywords")
        found = named if isinstance(named, list) else []
    elif detector == "pii":
        # By entity type, then by placeholder.
        found = [value for values in about.values() if isinstance(values, Mapping) for value in values.values()]
    yield from (each for each in found if isinstance(each, str) and each.strip())


def _finds(text: str, passage: str, detector: str) -> Iterator[int]:
    if detector == "keyword_detector" and len(text.lower()) == len(text):
        text, passage = text.lower(), passage.lower()
    start = text.find(passage)
    while start >= 0:
        # A personal value may be as short as "I".
        if detector != "pii" or _stands_alone(text, start, start + len(passage)):
            yield start
        start = text.find(passage, start + len(passage))


def _stands_alone(text: str, start: int, end: int) -> bool:
    joins_before = start > 0 and text[start - 1].isalnum() and text[start].isalnum()
    return not joins_before and not (end < len(text) and text[end - 1].isalnum() and text[end].isalnum())


def _as_sent(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _entity(placeholder: str) -> str:
    name = placeholder.strip("<>").rpartition("_")[0]
    return name if name in ENTITIES else "PII"


def _align(text: str, redacted: str, values: Mapping[str, str]) -> list[tuple[str, int, int]] | None:
    """Entity, start and end of each value in the text; None when text and values do not make one another."""
    spans = []
    at = read = 0
    for match in _PLACEHOLDER.finditer(redacted):
        between = redacted[read : match.start()]
        value = values[match.group()]
        if not value or not text.startswith(between + value, at):
            return None
        at += len(between)
        spans.append((_entity(match.group()), at, at + len(value)))
        at += len(value)
        read = match.end()
    return spans if text[at:] == redacted[read:] else None
