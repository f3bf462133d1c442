"""What a detector is: it says what it is called, takes and finds, and it finds. One class, one file, no other edit.

A detector looks at one text at a time (`TextDetector`), or at all texts of a message together (`MessageDetector`).
A provider asks a service (`Provider`). All are made once for a configuration, hold no state of a call, and are
called from several threads at a time.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

from gateway_site.lib.registry import Registry
from guardrails.engine.findings import Finding
from guardrails.engine.ngrams import Features
from guardrails.engine.numbers import Number
from guardrails.engine.segments import Segment
from guardrails.engine.turns import give_way
from guardrails.engine.views import View, views


class ConfigError(ValueError):
    """The configuration of a guardrail is wrong. The text says which parameter, and what would be right."""


class ProviderError(Exception):
    """A service did not answer, or with nothing that can be read as a verdict. The text holds no answer and no key."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One entry of a detector's configuration; forms, documentation and checks are made from it.

    `type` is a JSON Schema type ("string", "number", "integer", "boolean", "array" of strings, "object"). `minimum`
    and `maximum` are a number's, or those of each number of an object. `values` says what an object holds by name:
    "number", or "array" of strings; "" is anything.
    """

    name: str
    type: str
    help: str
    default: Any = None
    required: bool = False
    secret: bool = False
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    values: str = ""


class Binary(Protocol):
    """Content that is not text: where it is, what it says it is, and how large it is when decoded."""

    @property
    def pointer(self) -> str: ...

    @property
    def media_type(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...


class Target:
    """A segment with the views that it can be read in. Made once for a message, shared by all detectors."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment

    @cached_property
    def views(self) -> tuple[View, ...]:
        """The first is the text as it stands."""
        return views(self.segment.text)

    @cached_property
    def features(self) -> tuple[Features, ...]:
        """The n-grams of each view, in the same order; made when asked for."""
        return tuple(Features(view.text) for view in self.views)

    def release(self) -> None:
        """Lets go of what was made of the text, a part at a time: the arrays of a long one are a hundred megabytes."""
        features = list(self.__dict__.pop("features", ()))
        while features:
            features.pop().release()
            give_way()
        readings = list(self.__dict__.pop("views", ()))
        while readings:
            readings.pop()
            give_way()


@dataclass(frozen=True, slots=True)
class Context:
    """The call that the texts belong to.

    `question` is what was asked for, in words (tool name and arguments); `grounds` is what an answer may rely on.
    Both are empty where there is none, as in an input.
    """

    direction: str
    project: int = 0
    server: str = ""
    tool: str = ""
    method: str = ""
    question: str = ""
    grounds: str = ""
    binaries: tuple[Binary, ...] = ()
    numbers: tuple[Number, ...] = ()


class _Declared(abc.ABC):
    name: ClassVar[str]
    label: ClassVar[str]
    # Raised whenever the same text could get another score; part of the key under which verdicts are cached.
    version: ClassVar[str]
    categories: ClassVar[tuple[str, ...]]
    directions: ClassVar[tuple[str, ...]] = ("input", "output", "definition")
    # Texts of fewer characters are looked at sooner than they are looked up in the cache.
    cached_from: ClassVar[int] = 64
    parameters: ClassVar[tuple[Parameter, ...]] = ()

    @abc.abstractmethod
    def __init__(self, config: Mapping[str, Any]) -> None:
        """Raises ConfigError."""


class TextDetector(_Declared):
    @abc.abstractmethod
    def scan(self, target: Target) -> Sequence[Finding]:
        """What is in one text. Depends on the target and the configuration alone, so that it may be cached."""


class MessageDetector(_Declared):
    @abc.abstractmethod
    def judge(self, targets: Sequence[Target], context: Context) -> Sequence[Finding]:
        """What is in the texts of one message taken together."""


class SeveralDetector(MessageDetector):
    """Looks at the texts of a message together since that is cheaper, or since some say something of others.

    What it finds in a text that is alone depends on that text, its kind, surface and key, and the configuration, so
    that it may be cached.
    """

    # Whether findings are told by their scores, the highest first, and not in the order of the texts.
    surest_first: ClassVar[bool] = False

    def judge(self, targets: Sequence[Target], context: Context) -> Sequence[Finding]:
        return self.judge_some(targets, targets, context)

    @abc.abstractmethod
    def is_alone(self, segment: Segment) -> bool:
        """Whether no other text of the message has a say in what is found in this one."""

    @abc.abstractmethod
    def judge_some(self, asked: Sequence[Target], targets: Sequence[Target], context: Context) -> Sequence[Finding]:
        """What is in those that are asked about, of all the targets of the message."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, whole. `body` is at most as long as was asked for."""

    status: int
    body: bytes
    content_type: str = ""


class Outbound(Protocol):
    """The way out to services, given to providers by who calls the engine: pooled, checked, bounded, no redirects."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float, limit: int) -> Reply:
        """Raises ProviderError for anything but an answer. `limit` in bytes."""


class Provider(_Declared):
    """`config` holds opened secrets under their parameters' names."""

    @abc.abstractmethod
    async def ask(
        self, targets: Sequence[Target], context: Context, outbound: Outbound, seconds: float
    ) -> Sequence[Finding]:
        """Raises ProviderError whenever the service did not clearly say what it found."""


detectors: Registry[Any] = Registry("guardrails.detectors")
providers: Registry[Any] = Registry("guardrails.providers", entry_points="mcp_gateway.guardrail_providers")


def find(name: str) -> type[TextDetector] | type[MessageDetector] | type[Provider]:
    """Raises KeyError for a name that neither a detector nor a provider has."""
    found: type[TextDetector] | type[MessageDetector] | type[Provider]
    try:
        found = detectors.get(name)
    except KeyError:
        found = providers.get(name)
    return found
